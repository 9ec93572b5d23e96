//! What the ids of a recording stand for.

use crate::frame::Frame;
use crate::ids::{FrameId, PortId, ProcId, StackId};
use crate::ports::PortInfo;
use crate::process::ProcessInfo;
use crate::thread::ThreadInfo;

/// Frames, stacks, processes, threads and ports of one recording, indexed by their ids.
///
/// A recording that was cut short may lack entries: every lookup is fallible.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dictionary {
    /// By `FrameId`.
    pub frames: Vec<Frame>,
    /// By `StackId`; leaf first.
    pub stacks: Vec<Box<[FrameId]>>,
    /// By `ProcId`.
    pub processes: Vec<ProcessInfo>,
    /// In no order; few.
    pub threads: Vec<ThreadInfo>,
    /// By `PortId`.
    pub ports: Vec<PortInfo>,
}

impl Dictionary {
    /// The frame behind an id.
    #[must_use]
    pub fn frame(&self, id: FrameId) -> Option<&Frame> {
        self.frames.get(id.index())
    }

    /// The frame ids of a stack, leaf first; empty when unknown.
    #[must_use]
    pub fn stack(&self, id: StackId) -> &[FrameId] {
        self.stacks.get(id.index()).map_or(&[], |frames| frames)
    }

    /// The process behind an id.
    #[must_use]
    pub fn process(&self, id: ProcId) -> Option<&ProcessInfo> {
        self.processes.get(id.index())
    }

    /// The port behind an id.
    #[must_use]
    pub fn port(&self, id: PortId) -> Option<&PortInfo> {
        self.ports.get(id.index())
    }

    /// The thread with a kernel thread id.
    #[must_use]
    pub fn thread(&self, tid: u32) -> Option<&ThreadInfo> {
        self.threads.iter().find(|thread| thread.tid == tid)
    }
}
