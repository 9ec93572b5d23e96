//! What is written once and then referred to by number.
//!
//! Each sort has numbers of its own, from 1: 0 is no number in Perfetto. What the target
//! names is taken in up to a limit; past it, and where it is long, it is written out each time.

use escope_model::{Frame, FrameId, StackId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::proto::{self, FrameSort, InternedData};

/// Of one sort. A VM has at most about a million atoms, and few of them are names or tags.
const MAX_TEXTS: usize = 1 << 18;

/// Longer ones are hardly names.
const MAX_BYTES: usize = 1024;

/// What was interned, and what of that is still to be written.
#[derive(Debug, Default)]
pub(super) struct Interned {
    names: Texts,
    texts: Texts,
    categories: Texts,
    annotations: Texts,
    functions: Texts,
    files: Texts,
    objects: Texts,
    frames: FxHashSet<FrameId>,
    stacks: FxHashSet<StackId>,
    new: InternedData,
    is_new: bool,
}

#[derive(Debug, Default)]
struct Texts(FxHashMap<Box<str>, u64>);

impl Texts {
    /// The number of a text, and whether it is new. None past the limits.
    fn number(&mut self, text: &str) -> Option<(u64, bool)> {
        if let Some(&number) = self.0.get(text) {
            return Some((number, false));
        }
        if text.len() > MAX_BYTES || self.0.len() >= MAX_TEXTS {
            return None;
        }
        let (number, _) = self.always(text);
        Some((number, true))
    }

    /// The same without limits, for what is one of few, and what is in memory already.
    fn always(&mut self, text: &str) -> (u64, bool) {
        if let Some(&number) = self.0.get(text) {
            return (number, false);
        }
        let number = self.0.len() as u64 + 1;
        self.0.insert(text.into(), number);
        (number, true)
    }
}

fn string(iid: u64, name: &str) -> proto::InternedName {
    proto::InternedName {
        iid: Some(iid),
        name: Some(name.to_owned()),
    }
}

fn bytes(iid: u64, text: &str) -> proto::InternedString {
    proto::InternedString {
        iid: Some(iid),
        str: Some(text.as_bytes().to_vec()),
    }
}

impl Interned {
    /// What is to be written before it is referred to.
    pub(super) fn take(&mut self) -> Option<InternedData> {
        if !self.is_new {
            return None;
        }
        self.is_new = false;
        Some(std::mem::take(&mut self.new))
    }

    /// The name of an event.
    pub(super) fn name(&mut self, name: &str) -> Option<u64> {
        let (iid, is_new) = self.names.number(name)?;
        if is_new {
            self.new.event_names.push(string(iid, name));
            self.is_new = true;
        }
        Some(iid)
    }

    /// The value of an argument.
    pub(super) fn text(&mut self, text: &str) -> Option<u64> {
        let (iid, is_new) = self.texts.number(text)?;
        if is_new {
            let entries = &mut self.new.debug_annotation_string_values;
            entries.push(bytes(iid, text));
            self.is_new = true;
        }
        Some(iid)
    }

    /// A category.
    pub(super) fn category(&mut self, category: &'static str) -> u64 {
        let (iid, is_new) = self.categories.always(category);
        if is_new {
            self.new.event_categories.push(string(iid, category));
            self.is_new = true;
        }
        iid
    }

    /// The name of an argument.
    pub(super) fn annotation(&mut self, name: &'static str) -> u64 {
        let (iid, is_new) = self.annotations.always(name);
        if is_new {
            self.new.debug_annotation_names.push(string(iid, name));
            self.is_new = true;
        }
        iid
    }

    /// Whether a stack has not been seen before.
    pub(super) fn is_new_stack(&mut self, stack: StackId) -> bool {
        self.stacks.insert(stack)
    }

    /// A new stack, of frames that are known, outermost first.
    pub(super) fn stack(&mut self, iid: u64, frame_ids: Vec<u64>) {
        self.new.callstacks.push(proto::Callstack {
            iid: Some(iid),
            frame_ids,
        });
        self.is_new = true;
    }

    /// A frame, if it is new.
    pub(super) fn frame(&mut self, id: FrameId, frame: &Frame, sort: FrameSort) {
        if !self.frames.insert(id) {
            return;
        }
        let name = frame.name();
        let (function, is_new) = self.functions.always(&name);
        if is_new {
            self.new.function_names.push(bytes(function, &name));
        }
        let file = frame.file.as_deref().map(|file| {
            let (iid, is_new) = self.files.always(file);
            if is_new {
                self.new.source_paths.push(bytes(iid, file));
            }
            iid
        });
        let mapping = frame.object.as_deref().map(|object| {
            let (iid, is_new) = self.objects.always(object);
            if is_new {
                self.new.mapping_paths.push(bytes(iid, object));
                self.new.mappings.push(proto::Mapping {
                    iid: Some(iid),
                    path_string_ids: vec![iid],
                });
            }
            iid
        });
        self.new.frames.push(proto::Frame {
            iid: Some(u64::from(id.0) + 1),
            function_name_id: Some(function),
            mapping_id: mapping,
            rel_pc: mapping.map(|_| frame.address),
            source_path_iid: file,
            line_number: frame.line,
            kind: Some(sort as i32),
        });
        self.is_new = true;
    }
}
