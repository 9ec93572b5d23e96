//! Weighted stacks: what flame graphs and exported profiles are drawn from.

use escope_model::{Dictionary, StackId};
use rustc_hash::FxHashMap;

use crate::frames::{FrameTable, StackFrame};
use crate::group::{GroupBy, Grouper};
use crate::labels::{Labeller, Labels};
use crate::recursion::fold_recursion;
use crate::tally::{Key, Tally};
use crate::weight::Weight;

/// How to fold stacks. The default merges by function and groups by nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StackOptions {
    /// What becomes the first frame of every stack.
    pub group_by: GroupBy,
    /// Keep the lines of a function apart.
    pub lines: bool,
    /// From the leaf to the root: what is slow first, then who called it. The group
    /// stays the first frame.
    pub reverse: bool,
    /// Keep apart what [`Labels`] tell apart, for formats that can hold labels.
    pub labels: bool,
    /// Show a recursion once instead of once a level: also one through a few functions, such
    /// as a list comprehension and the function around it.
    pub fold_recursion: bool,
}

/// One distinct stack and its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The frame that stands for its group.
    pub group: Option<u32>,
    /// Its path: see [`Stacks::path`].
    pub path: u32,
    /// Who ran it: see [`Stacks::labels`].
    pub labels: Option<u32>,
    /// How much.
    pub weight: Weight,
}

/// Weighted stacks. Their weights add up to that of the filtered samples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stacks {
    frames: Vec<StackFrame>,
    paths: Vec<Box<[u32]>>,
    labels: Vec<Labels>,
    entries: Vec<Entry>,
    total: Weight,
    processes: usize,
    reversed: bool,
    span_ns: Option<(i64, i64)>,
}

impl Stacks {
    /// Folds what was counted. Ids that the dictionary lacks become markers.
    #[must_use]
    pub fn build(tally: &Tally, dictionary: &Dictionary, options: StackOptions) -> Stacks {
        let mut builder = Builder::new(dictionary, options);
        for (key, weight) in tally.rows(dictionary) {
            builder.add(&key, weight);
        }
        builder.finish(tally.span_ns())
    }

    /// Every distinct stack, in a fixed order. No two have the same group, path and
    /// labels.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The distinct frames; entries and paths hold indexes into these.
    #[must_use]
    pub fn frames(&self) -> &[StackFrame] {
        &self.frames
    }

    /// Indexes of an entry's frames without its group, from the root (from the leaf
    /// where reversed). At least one.
    #[must_use]
    pub fn path(&self, entry: &Entry) -> &[u32] {
        &self.paths[entry.path as usize]
    }

    /// Indexes of an entry's frames with its group first.
    pub fn full_path(&self, entry: &Entry) -> impl Iterator<Item = u32> + '_ {
        entry
            .group
            .into_iter()
            .chain(self.path(entry).iter().copied())
    }

    /// The frame that the CPU was in.
    #[must_use]
    pub fn leaf(&self, entry: &Entry) -> Option<&StackFrame> {
        let path = self.path(entry);
        let leaf = if self.reversed {
            path.first()
        } else {
            path.last()
        };
        self.frames.get(*leaf? as usize)
    }

    /// Who ran an entry, where [`StackOptions::labels`] asked for it.
    #[must_use]
    pub fn labels(&self, entry: &Entry) -> Option<&Labels> {
        self.labels.get(entry.labels? as usize)
    }

    /// The weight of all entries.
    #[must_use]
    pub fn total(&self) -> Weight {
        self.total
    }

    /// How many Erlang processes the entries come from.
    #[must_use]
    pub fn processes(&self) -> usize {
        self.processes
    }

    /// Whether paths run from the leaf to the root.
    #[must_use]
    pub fn is_reversed(&self) -> bool {
        self.reversed
    }

    /// Times of the first and the last sample, nanoseconds since the recording's start.
    #[must_use]
    pub fn span_ns(&self) -> Option<(i64, i64)> {
        self.span_ns
    }
}

struct Builder<'d> {
    options: StackOptions,
    table: FrameTable<'d>,
    grouper: Grouper<'d>,
    labeller: Labeller<'d>,
    paths: FxHashMap<Box<[u32]>, u32>,
    last_path: Option<(StackId, u32)>,
    weights: FxHashMap<(Option<u32>, u32, Option<u32>), Weight>,
    processes: Vec<u32>,
    scratch: Vec<u32>,
}

impl<'d> Builder<'d> {
    fn new(dictionary: &'d Dictionary, options: StackOptions) -> Builder<'d> {
        Builder {
            options,
            table: FrameTable::new(dictionary, options.lines),
            grouper: Grouper::new(dictionary, options.group_by),
            labeller: Labeller::new(dictionary),
            paths: FxHashMap::default(),
            last_path: None,
            weights: FxHashMap::default(),
            processes: Vec::new(),
            scratch: Vec::new(),
        }
    }

    fn add(&mut self, key: &Key, weight: Weight) {
        let group = self.grouper.group(key, &mut self.table);
        let path = self.path(key.stack);
        let labels = self.options.labels.then(|| self.labeller.number(key));
        *self.weights.entry((group, path, labels)).or_default() += weight;
        self.processes.extend(key.proc.map(|proc| proc.0));
    }

    /// Rows come sorted by stack, so remembering the last one is enough.
    fn path(&mut self, stack: StackId) -> u32 {
        if let Some((last, path)) = self.last_path
            && last == stack
        {
            return path;
        }
        self.table.path(stack, &mut self.scratch);
        if self.options.fold_recursion {
            fold_recursion(&mut self.scratch);
        }
        if self.options.reverse {
            self.scratch.reverse();
        }
        let path = match self.paths.get(self.scratch.as_slice()) {
            Some(&path) => path,
            None => {
                let path = self.paths.len() as u32;
                self.paths.insert(self.scratch.as_slice().into(), path);
                path
            }
        };
        self.last_path = Some((stack, path));
        path
    }

    fn finish(mut self, span_ns: Option<(i64, i64)>) -> Stacks {
        let mut entries: Vec<Entry> = self
            .weights
            .into_iter()
            .map(|((group, path, labels), weight)| Entry {
                group,
                path,
                labels,
                weight,
            })
            .collect();
        entries.sort_unstable_by_key(|entry| (entry.group, entry.path, entry.labels));
        let mut paths: Vec<(Box<[u32]>, u32)> = self.paths.into_iter().collect();
        paths.sort_unstable_by_key(|path| path.1);
        self.processes.sort_unstable();
        self.processes.dedup();
        Stacks {
            frames: self.table.into_frames(),
            paths: paths.into_iter().map(|path| path.0).collect(),
            labels: self.labeller.finish(),
            total: entries.iter().map(|entry| entry.weight).sum(),
            entries,
            processes: self.processes.len(),
            reversed: self.options.reverse,
            span_ns,
        }
    }
}
