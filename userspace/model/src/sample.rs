//! One resolved sample: a row of the recording.

use serde::{Deserialize, Serialize};

use crate::activity::Activity;
use crate::ids::{ProcId, StackId};
use crate::thread::SchedulerId;

/// Why a stack does not reach the first frame of its process or thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truncation {
    /// Longer than the copy limit: its middle is missing.
    Cap,
    /// The process was inside a garbage collection that was moving its stack.
    Gc,
    /// Memory could not be read when the sample was taken.
    Unreadable,
    /// The native part could not be unwound to its start.
    Unwind,
    /// The Erlang part did not end in the VM's own last frame.
    Bottom,
}

impl Truncation {
    /// Every reason.
    pub const ALL: &'static [Truncation] = &[
        Truncation::Cap,
        Truncation::Gc,
        Truncation::Unreadable,
        Truncation::Unwind,
        Truncation::Bottom,
    ];

    /// The word used in recordings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Truncation::Cap => "cap",
            Truncation::Gc => "gc",
            Truncation::Unreadable => "unreadable",
            Truncation::Unwind => "unwind",
            Truncation::Bottom => "bottom",
        }
    }

    /// The reason a recording's word stands for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Truncation> {
        Self::ALL.iter().copied().find(|t| t.as_str() == text)
    }
}

/// One sample: who was on the CPU, where in the code, for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Nanoseconds since the recording's start on `CLOCK_MONOTONIC`.
    pub ts_ns: i64,
    /// CPU number.
    pub cpu: u32,
    /// Kernel thread id.
    pub tid: u32,
    /// The scheduler this thread is, if it is one.
    pub scheduler: Option<SchedulerId>,
    /// The Erlang process it ran.
    pub proc: Option<ProcId>,
    /// The stack, leaf first, in the dictionary.
    pub stack: StackId,
    /// What it was doing.
    pub activity: Activity,
    /// CPU time this sample stands for.
    pub weight_ns: u64,
    /// Why the stack is incomplete, if it is.
    pub truncated: Option<Truncation>,
}
