//! Numbers for frames and stacks, and what is new since last asked.

use escope_model::{Frame, FrameId, ProcessInfo, StackId};
use rustc_hash::FxHashMap;

use crate::fingerprint::Fingerprints;

/// What has come into being since the last call of
/// [`Symbolizer::take_new`](crate::Symbolizer::take_new). Ids follow on from the last ones.
#[derive(Debug, Default)]
pub struct NewEntries {
    /// Frames with their ids, ascending.
    pub frames: Vec<(FrameId, Frame)>,
    /// Stacks with their ids, ascending; their frames came before them or are here.
    pub stacks: Vec<(StackId, Box<[FrameId]>)>,
    /// Processes that are new or of which more is known.
    pub processes: Vec<ProcessInfo>,
}

/// The numbers given so far.
#[derive(Default)]
pub(crate) struct Interner {
    frames: FxHashMap<Frame, FrameId>,
    stacks: FxHashMap<u128, StackId>,
    fingerprints: Fingerprints,
    ids: Vec<u32>,
    new_frames: Vec<(FrameId, Frame)>,
    new_stacks: Vec<(StackId, Box<[FrameId]>)>,
}

impl Interner {
    pub(crate) fn frame(&mut self, frame: Frame) -> FrameId {
        if let Some(id) = self.frames.get(&frame) {
            return *id;
        }
        let id = FrameId(self.frames.len() as u32);
        self.new_frames.push((id, frame.clone()));
        self.frames.insert(frame, id);
        id
    }

    pub(crate) fn stack(&mut self, frames: &[FrameId]) -> StackId {
        self.ids.clear();
        self.ids.extend(frames.iter().map(|frame| frame.0));
        let print = self.fingerprints.of(&self.ids);
        if let Some(id) = self.stacks.get(&print) {
            return *id;
        }
        let id = StackId(self.stacks.len() as u32);
        self.new_stacks.push((id, frames.into()));
        self.stacks.insert(print, id);
        id
    }

    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.frames.len(), self.stacks.len())
    }

    pub(crate) fn take_new(&mut self, into: &mut NewEntries) {
        into.frames.append(&mut self.new_frames);
        into.stacks.append(&mut self.new_stacks);
    }
}
