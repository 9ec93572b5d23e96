//! Everything at an instant: who is alive and what each does, what lies in mailboxes, what schedulers run.
//!
//! Rows come a table at a time, each in the order of time: first all of `lifecycle`, then `runs`, then
//! `checkpoints`, then `messages` and the others. Of those that begin after the instant only `lifecycle` and `runs` matter, and
//! the latter until events are missing: what a process does next shows that it was there, and may tell why it
//! did not run.
//!
//! | a process | is |
//! |---|---|
//! | whose run covers the instant | running |
//! | that left a scheduler before, and was seen all the time since | what it left as; from the first message on that came while it waited, ready |
//! | that was not seen to run since events were missing, and runs later | away: it did not run |
//! | of which a checkpoint since then has told that it rested, and that was not seen to run since | what the checkpoint says |
//! | any other | unknown, with what is known of it last |
//!
//! A message lies in a mailbox from when it was sent until it is taken out or its receiver ends, that instant
//! not included. One of unknown fate may lie there, and is told apart.
//!
//! In a gap nothing is known of the instant itself: the frame is that of the last instant before it that was
//! watched, [`as_of`], and says so. What is held are the processes, and of messages those that lie in mailboxes
//! then, the first of each up to a bound.

mod build;
mod doing;
mod mailbox;

pub use build::{FrameBuilder, FrameScope, as_of};
pub use doing::{Doing, WhyUnknown};
pub use mailbox::{Lying, Mailbox};

use std::collections::BTreeMap;

use escope_model::{
    CheckpointRow, Collection, FrameId, NativeCall, OffCpu, ProcId, Run, SchedulerId,
};

/// How it is known that a process was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It was seen to be spawned, then.
    Spawned(i64),
    /// It was spawned before that could be seen, and something was seen of it first then.
    Before(i64),
    /// The same, but that came after the instant: who was not spawned meanwhile was there.
    Later(i64),
}

/// Whether a process was alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alive {
    /// It was: it was seen later, or its end would have been seen.
    Sure,
    /// It was then; its end would not have been seen since.
    LastSeen(i64),
    /// It runs for the last time, and has begun to end then.
    Ending(i64),
}

/// A process at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFrame {
    /// Who.
    pub proc: ProcId,
    /// How that is known.
    pub known: Known,
    /// Whether it was alive.
    pub alive: Alive,
    /// What it did.
    pub doing: Doing,
    /// Its last run that had begun, whether or not it goes on.
    pub run: Option<Run>,
    /// Where it was when it left the run before that one: there `run` went on.
    pub went_on_at: Option<FrameId>,
    /// When it next began to run, if that was seen before events were missing.
    pub next_ns: Option<i64>,
    /// The collection of its garbage that was under way.
    pub collection: Option<Collection>,
    /// The native call that was under way, of those that were recorded with their ends.
    pub call: Option<NativeCall>,
    /// What lay in its mailbox.
    pub mailbox: Mailbox,
    /// What it was like at the last checkpoint.
    pub checkpoint: Option<CheckpointRow>,
    /// Whether nothing but the checkpoint tells what it did: it rested then, and did not run since.
    pub is_by_checkpoint: bool,
}

/// Everything at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionFrame {
    /// The instant that is told, in nanoseconds since the recording's start.
    pub as_of_ns: i64,
    /// Since when events were watched without a gap.
    pub watched_since_ns: i64,
    /// Those that were alive, in the order of their numbers.
    pub processes: Vec<ProcessFrame>,
    /// What schedulers ran; those that ran nothing are not there.
    pub runs: BTreeMap<SchedulerId, Run>,
    /// Which schedulers' threads had no CPU.
    pub off_cpu: BTreeMap<SchedulerId, OffCpu>,
    /// Messages of which nothing but their number is told, since there are too many.
    pub messages_omitted: u64,
    /// Messages to processes that are not told to have been alive.
    pub astray: u64,
}

#[cfg(test)]
mod tests;
