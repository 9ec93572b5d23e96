//! Functions, modules and native code: where in the program the time went.
//!
//! Each distinct stack is walked once, with the summed weight of its samples. A
//! stamp (the number of the walk) on each function and module says whether it was
//! met before on this stack, so recursion counts once.

use std::sync::Arc;

use escope_model::{Activity, Dictionary, FrameId};
use rustc_hash::FxHashMap;

use super::{FunctionRow, Limits, ModuleRow, NativeRow, Top, Wholes};
use crate::class::FrameClass;
use crate::frames::{FrameTable, StackFrame};
use crate::tally::Key;
use crate::weight::{Weight, ratio};

/// What was charged to one function or module.
#[derive(Debug, Clone, Copy, Default)]
struct Charge {
    /// Callable functions: charged to it. Others: leaf in it.
    own: Weight,
    total: Weight,
    split: Split,
    stamp: u32,
}

impl Charge {
    fn meet(&mut self, stamp: u32, weight: Weight) {
        if self.stamp != stamp {
            self.stamp = stamp;
            self.total += weight;
        }
    }
}

/// A function's charge by what the CPU did, nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Split {
    code_ns: u64,
    native_ns: u64,
    kernel_ns: u64,
    gc_ns: u64,
}

/// The weight of one stack, and its part in garbage collection.
#[derive(Debug, Clone, Copy, Default)]
struct StackWeight {
    all: Weight,
    gc_ns: u64,
}

/// What every function and module of the program was charged.
pub(super) struct Code<'d> {
    table: FrameTable<'d>,
    dictionary: &'d Dictionary,
    /// By the table's number.
    functions: Vec<Charge>,
    /// The table's number to the module's.
    module_of: Vec<Option<u32>>,
    modules: Vec<(Arc<str>, Charge)>,
    module_numbers: FxHashMap<Arc<str>, u32>,
    /// Charge and total of each frame of a function, to find its hottest line.
    places: FxHashMap<(u32, FrameId), (u64, u64)>,
    stamp: u32,
    path: Vec<u32>,
}

impl<'d> Code<'d> {
    /// Walks the stacks of all rows that are work. Rows are sorted by stack.
    pub(super) fn walk(rows: &[(Key, Weight)], dictionary: &'d Dictionary) -> Code<'d> {
        let mut code = Code {
            table: FrameTable::new(dictionary, false),
            dictionary,
            functions: Vec::new(),
            module_of: Vec::new(),
            modules: Vec::new(),
            module_numbers: FxHashMap::default(),
            places: FxHashMap::default(),
            stamp: 0,
            path: Vec::new(),
        };
        for same_stack in rows.chunk_by(|a, b| a.0.stack == b.0.stack) {
            let mut weight = StackWeight::default();
            for (key, part) in same_stack.iter().filter(|row| row.0.activity.is_work()) {
                weight.all += *part;
                if key.activity == Activity::Gc {
                    weight.gc_ns = weight.gc_ns.saturating_add(part.cpu_ns);
                }
            }
            if weight.all.samples > 0 {
                code.stack(&same_stack[0].0, weight);
            }
        }
        code
    }

    fn stack(&mut self, key: &Key, weight: StackWeight) {
        let mut path = std::mem::take(&mut self.path);
        self.table.path(key.stack, &mut path);
        self.grow();
        self.stamp += 1;
        for &number in &path {
            self.functions[number as usize].meet(self.stamp, weight.all);
            if let Some(module) = self.module_of[number as usize] {
                self.modules[module as usize].1.meet(self.stamp, weight.all);
            }
        }
        let owner = path
            .iter()
            .rposition(|&number| self.table.get(number).class.is_callable());
        if let Some(&leaf) = path.last() {
            self.charge(owner.map(|at| path[at]), leaf, weight);
        }
        self.place(key, owner, &path, weight.all);
        self.path = path;
    }

    /// Makes room for frames that the table has just numbered.
    fn grow(&mut self) {
        for number in self.functions.len()..self.table.len() {
            let frame = self.table.get(number as u32);
            let module = frame.module.clone().filter(|_| frame.class.is_callable());
            self.module_of.push(module.map(|name| {
                *self.module_numbers.entry(name.clone()).or_insert_with(|| {
                    self.modules.push((name, Charge::default()));
                    self.modules.len() as u32 - 1
                })
            }));
            self.functions.push(Charge::default());
        }
    }

    fn charge(&mut self, owner: Option<u32>, leaf: u32, weight: StackWeight) {
        let leaf_class = self.table.get(leaf).class;
        if !leaf_class.is_callable() {
            self.functions[leaf as usize].own += weight.all;
        }
        let Some(owner) = owner else {
            return;
        };
        if let Some(module) = self.module_of[owner as usize] {
            self.modules[module as usize].1.own += weight.all;
        }
        let charge = &mut self.functions[owner as usize];
        charge.own += weight.all;
        let gc_ns = match leaf_class {
            FrameClass::Gc => weight.all.cpu_ns,
            _ => weight.gc_ns,
        };
        let rest_ns = weight.all.cpu_ns.saturating_sub(gc_ns);
        let split = &mut charge.split;
        split.gc_ns = split.gc_ns.saturating_add(gc_ns);
        let part = match leaf_class {
            FrameClass::Kernel => &mut split.kernel_ns,
            class if class.is_callable() => &mut split.code_ns,
            _ => &mut split.native_ns,
        };
        *part = part.saturating_add(rest_ns);
    }

    /// Remembers which frames (lines) of a function were charged and met.
    fn place(&mut self, key: &Key, owner: Option<usize>, path: &[u32], weight: Weight) {
        let dictionary = self.dictionary;
        let ids = dictionary
            .stack(key.stack)
            .iter()
            .rev()
            .filter(|&&id| dictionary.frame(id).is_some());
        for (at, (&number, &id)) in path.iter().zip(ids).enumerate() {
            if !self.table.get(number).class.is_callable() {
                continue;
            }
            let (own, total) = self.places.entry((number, id)).or_default();
            *total = total.saturating_add(weight.samples);
            if owner == Some(at) {
                *own = own.saturating_add(weight.samples);
            }
        }
    }

    /// The frame of each function that was charged most, else met most.
    fn hottest(&self) -> FxHashMap<u32, FrameId> {
        let mut hottest: FxHashMap<u32, ((u64, u64), FrameId)> = FxHashMap::default();
        let mut places: Vec<_> = self.places.iter().collect();
        places.sort_unstable();
        for (&(number, id), &heat) in places {
            let best = hottest.entry(number).or_insert((heat, id));
            if heat > best.0 {
                *best = (heat, id);
            }
        }
        hottest
            .into_iter()
            .map(|(number, (_, id))| (number, id))
            .collect()
    }

    /// The table of callable functions.
    pub(super) fn functions(&self, wholes: &Wholes, limits: Limits) -> Top<FunctionRow> {
        let hottest = self.hottest();
        let rows = self
            .classed(true)
            .map(|(number, frame, charge)| {
                let hot = hottest
                    .get(&number)
                    .and_then(|&id| self.dictionary.frame(id));
                FunctionRow {
                    name: frame.name.clone(),
                    class: frame.class,
                    module: frame.module.as_deref().map(str::to_owned),
                    file: hot.and_then(|hot| Some(hot.file.as_deref()?.to_owned())),
                    line: hot.and_then(|hot| hot.line),
                    samples: charge.own.samples,
                    erlang_self_ns: charge.own.cpu_ns,
                    self_ns: charge.split.code_ns,
                    native_ns: charge.split.native_ns,
                    kernel_ns: charge.split.kernel_ns,
                    gc_ns: charge.split.gc_ns,
                    erlang_self_share: charge.own.share_of(wholes.work),
                    total_samples: charge.total.samples,
                    total_ns: charge.total.cpu_ns,
                    total_share: charge.total.share_of(wholes.work),
                }
            })
            .collect();
        Top::of(
            rows,
            limits,
            |row| (row.erlang_self_ns, row.total_ns),
            |row| row.name.clone(),
        )
    }

    /// The table of functions that are not callable.
    pub(super) fn native(&self, wholes: &Wholes, limits: Limits) -> Top<NativeRow> {
        let rows = self
            .classed(false)
            .map(|(_, frame, charge)| NativeRow {
                name: frame.name.clone(),
                class: frame.class,
                object: frame.object.as_deref().map(str::to_owned),
                samples: charge.own.samples,
                self_ns: charge.own.cpu_ns,
                self_share: charge.own.share_of(wholes.work),
                total_samples: charge.total.samples,
                total_ns: charge.total.cpu_ns,
                total_share: charge.total.share_of(wholes.work),
            })
            .collect();
        Top::of(
            rows,
            limits,
            |row| (row.self_ns, row.total_ns),
            |row| (row.name.clone(), row.class),
        )
    }

    /// The table of modules.
    pub(super) fn modules(&self, wholes: &Wholes, limits: Limits) -> Top<ModuleRow> {
        let rows = self
            .modules
            .iter()
            .map(|(name, charge)| ModuleRow {
                module: name.strip_prefix("Elixir.").unwrap_or(name).to_owned(),
                samples: charge.own.samples,
                erlang_self_ns: charge.own.cpu_ns,
                erlang_self_share: charge.own.share_of(wholes.work),
                total_samples: charge.total.samples,
                total_ns: charge.total.cpu_ns,
                total_share: ratio(charge.total.cpu_ns, wholes.work.cpu_ns),
            })
            .collect();
        Top::of(
            rows,
            limits,
            |row| (row.erlang_self_ns, row.total_ns),
            |row| row.module.clone(),
        )
    }

    fn classed(&self, callable: bool) -> impl Iterator<Item = (u32, &StackFrame, &Charge)> {
        self.functions
            .iter()
            .zip(0u32..)
            .map(|(charge, number)| (number, self.table.get(number), charge))
            .filter(move |(_, frame, _)| frame.class.is_callable() == callable)
    }
}
