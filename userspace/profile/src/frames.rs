//! The distinct frames of a profile, and the paths that stacks take through them.

use std::sync::Arc;

use escope_model::{Dictionary, Frame, FrameId, StackId};
use rustc_hash::FxHashMap;

use crate::class::{Classifier, FrameClass};

/// Text of the marker that stands for a stack without any frame.
pub(crate) const NO_STACK: &str = "[no stack]";

/// One distinct frame of a profile: a function, a line of one, or a group.
///
/// Strings come from the target and may hold anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackFrame {
    /// What it is to its reader.
    pub class: FrameClass,
    /// The name people use, without its place: `lists:map/2`, `Enum.map/2`, `memcpy`.
    pub name: String,
    /// Erlang module atom, unquoted, for functions that have one.
    pub module: Option<Arc<str>>,
    /// Source file; that of the first frame seen where frames of several were merged.
    pub file: Option<Arc<str>>,
    /// First and last source line of what was merged into this frame, both from 1.
    pub lines: Option<(u32, u32)>,
    /// The file the code was mapped from, by its last path component.
    pub object: Option<Arc<str>>,
    /// Start of the function in the target's address space; 0 where there is none.
    pub address: u64,
}

impl StackFrame {
    /// A frame that is no code.
    pub(crate) fn bare(class: FrameClass, name: &str) -> StackFrame {
        StackFrame {
            class,
            name: name.to_owned(),
            module: None,
            file: None,
            lines: None,
            object: None,
            address: 0,
        }
    }

    fn new(class: FrameClass, frame: &Frame) -> StackFrame {
        StackFrame {
            class,
            name: frame.name(),
            module: frame.module.clone(),
            file: frame.file.clone(),
            lines: frame.line.map(|line| (line, line)),
            object: frame.object.clone(),
            address: frame.address,
        }
    }

    /// `file:line`, `file:first-last` where lines were merged, or the file alone.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        let file = self.file.as_deref()?;
        Some(match self.lines {
            None => file.to_owned(),
            Some((first, last)) if first == last => format!("{file}:{first}"),
            Some((first, last)) => format!("{file}:{first}-{last}"),
        })
    }

    /// Widens the lines by those of another frame of this function.
    fn merge(&mut self, frame: &Frame) {
        if self.file.is_none() {
            self.file.clone_from(&frame.file);
        }
        let (true, Some(line)) = (self.file == frame.file, frame.line) else {
            return;
        };
        self.lines = Some(match self.lines {
            None => (line, line),
            Some((first, last)) => (first.min(line), last.max(line)),
        });
    }
}

/// What tells frames apart.
#[derive(PartialEq, Eq, Hash)]
struct Identity<'d> {
    class: FrameClass,
    module: Option<&'d str>,
    function: &'d str,
    arity: Option<u32>,
    object: Option<&'d str>,
    place: Option<(Option<&'d str>, u32)>,
}

/// Numbers the distinct frames of a dictionary's stacks.
pub(crate) struct FrameTable<'d> {
    dictionary: &'d Dictionary,
    lines: bool,
    frames: Vec<StackFrame>,
    by_id: FxHashMap<(FrameId, FrameClass), u32>,
    by_identity: FxHashMap<Identity<'d>, u32>,
    bare: FxHashMap<(FrameClass, String), u32>,
}

impl<'d> FrameTable<'d> {
    /// `lines` keeps the lines of a function apart.
    pub(crate) fn new(dictionary: &'d Dictionary, lines: bool) -> FrameTable<'d> {
        FrameTable {
            dictionary,
            lines,
            frames: Vec::new(),
            by_id: FxHashMap::default(),
            by_identity: FxHashMap::default(),
            bare: FxHashMap::default(),
        }
    }

    /// The frames of a stack from its root to its leaf; never empty.
    ///
    /// Ids that the dictionary lacks are left out; a stack that is left with nothing
    /// is one marker.
    pub(crate) fn path(&mut self, stack: StackId, path: &mut Vec<u32>) {
        path.clear();
        let dictionary = self.dictionary;
        let mut classifier = Classifier::default();
        for &id in dictionary.stack(stack).iter().rev() {
            let Some(frame) = dictionary.frame(id) else {
                continue;
            };
            let class = classifier.next(frame);
            path.push(self.number(id, class, frame));
        }
        if path.is_empty() {
            path.push(self.bare(FrameClass::Marker, NO_STACK));
        }
    }

    fn number(&mut self, id: FrameId, class: FrameClass, frame: &'d Frame) -> u32 {
        if let Some(&number) = self.by_id.get(&(id, class)) {
            return number;
        }
        let identity = Identity {
            class,
            module: frame.module.as_deref(),
            function: &frame.function,
            arity: frame.arity,
            object: frame.object.as_deref(),
            place: match (self.lines, frame.line) {
                (true, Some(line)) => Some((frame.file.as_deref(), line)),
                _ => None,
            },
        };
        let next = self.frames.len() as u32;
        let number = *self.by_identity.entry(identity).or_insert(next);
        match self.frames.get_mut(number as usize) {
            Some(known) => known.merge(frame),
            None => self.frames.push(StackFrame::new(class, frame)),
        }
        self.by_id.insert((id, class), number);
        number
    }

    /// The number of a frame that is no code.
    pub(crate) fn bare(&mut self, class: FrameClass, name: &str) -> u32 {
        let next = self.frames.len() as u32;
        let number = *self.bare.entry((class, name.to_owned())).or_insert(next);
        if number == next {
            self.frames.push(StackFrame::bare(class, name));
        }
        number
    }

    /// The frame behind a number that this table gave.
    pub(crate) fn get(&self, number: u32) -> &StackFrame {
        &self.frames[number as usize]
    }

    /// How many frames were numbered so far.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// All frames by their numbers.
    pub(crate) fn into_frames(self) -> Vec<StackFrame> {
        self.frames
    }
}
