//! What every process was like at a checkpoint, as rows of the recording.

use crate::happening::words;
use crate::ids::{FrameId, ProcId};

use serde::{Deserialize, Serialize};

words! {
    /// What a process did, as `process_info(Pid, status)` puts it.
    ProcessStatus {
        /// It waits for a message or a timeout.
        Waiting = "waiting",
        /// It is ready, and no scheduler runs it.
        Runnable = "runnable",
        /// A scheduler runs it.
        Running = "running",
        /// It is suspended.
        Suspended = "suspended",
        /// It collects its garbage.
        GarbageCollecting = "garbage_collecting",
        /// It is on its way out.
        Exiting = "exiting",
        /// It has ended.
        Free = "free",
    }
}

words! {
    /// How sure it is what a process was like.
    CheckpointSeen {
        /// It rested while it was read: all of it was so from the begin to the end of the reading.
        Exact = "exact",
        /// It ran or changed meanwhile: what is told may be of different instants.
        Changing = "changing",
    }
}

/// A process at a checkpoint: a row of `checkpoints`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointRow {
    /// Which checkpoint, from 0.
    pub checkpoint: u32,
    /// Between when it was read, in nanoseconds since the recording's start.
    pub from_ns: i64,
    /// The end of that.
    pub to_ns: i64,
    /// Whose.
    pub proc: ProcId,
    /// How sure the rest is.
    pub seen: CheckpointSeen,
    /// What it did.
    pub status: ProcessStatus,
    /// Where it resumes, or resumed last.
    pub at: Option<FrameId>,
    /// Messages in its mailbox, if they could be counted to the end.
    pub mailbox: Option<u64>,
    /// How many there were at least, if they were more than are counted.
    pub mailbox_min: Option<u64>,
    /// Young and old heap, fragments and what messages have brought, in words.
    pub heap_words: u64,
    /// What it had used since it was spawned, as of when it was last scheduled out.
    pub reductions: u64,
}
