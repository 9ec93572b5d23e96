//! What is told of watched calls.

use std::time::Duration;

use escope_capture::HitPrice;
use escope_model::{Mfa, ProcessInfo};

use super::{CallSnapshot, Caller};
use crate::Cost;

/// A call that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedCall {
    /// Since the breakpoints were placed.
    pub at: Duration,
    /// The function, by its place in [`super::WatchOptions::functions`].
    pub function: usize,
    /// Who called; `None` where it was not asked for or could not be read.
    pub process: Option<ProcessInfo>,
    /// From where.
    pub caller: Caller,
    /// The first arguments; `None` where they were not asked for, or the process has asked not
    /// to be looked at.
    pub arguments: Option<Vec<String>>,
    /// More arguments than those.
    pub arguments_missing: u32,
    /// What the process had, where that was asked for and could be copied.
    pub snapshot: Option<CallSnapshot>,
    /// It was to be copied, and there was no room for it.
    pub no_room: bool,
}

/// Something besides calls that one has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// A new version of a function's code was loaded, and is watched from now on; the old one no
    /// longer. Calls of the new one in between were not seen.
    Moved {
        /// Which function.
        function: usize,
        /// When it was loaded, at the earliest; since the start.
        loaded: Duration,
        /// Since when it is watched.
        watched: Duration,
    },
    /// A function's code is gone, or its new version cannot be watched: none of its calls is
    /// seen until another version is loaded.
    Gone {
        /// Which function.
        function: usize,
        /// Since when.
        at: Duration,
        /// Why.
        why: String,
    },
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A call.
    Call(Box<WatchedCall>),
    /// Something else.
    Mark(Mark),
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchEnd {
    /// The time was up.
    Duration,
    /// As many calls as were allowed were seen.
    Limit,
    /// Processes were copied as often as was asked for.
    Snapshots,
    /// The user stopped it.
    Interrupted,
    /// The target ended.
    TargetExited,
}

/// What became of a function's calls:
/// `hits == seen + foreign + filtered + lost + unseen + beyond`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCount {
    /// The function.
    pub function: Mfa,
    /// Hits of its breakpoints, by the kernel's own count.
    pub hits: u64,
    /// Calls that were told.
    pub seen: u64,
    /// Hits of other code that had taken its place.
    pub foreign: u64,
    /// Calls that did not fit the conditions.
    pub filtered: u64,
    /// Calls for which the ring had no room.
    pub lost: u64,
    /// Hits at which the kernel could not run the program.
    pub unseen: u64,
    /// Hits beyond the limit.
    pub beyond: u64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchSummary {
    /// How long the breakpoints were there.
    pub elapsed: Duration,
    /// Of each function.
    pub functions: Vec<FunctionCount>,
    /// What a hit costs who makes it.
    pub price: HitPrice,
    /// How long copies of processes took.
    pub copying: Duration,
    /// Threads that had breakpoints.
    pub threads: usize,
    /// What we have used.
    pub cost: Cost,
}

impl WatchSummary {
    /// The time that the target has spent in breakpoints.
    #[must_use]
    pub fn spent(&self) -> Duration {
        let hits = self.functions.iter().map(|function| function.hits);
        let hits = Duration::from_nanos(hits.sum::<u64>().saturating_mul(self.price.hit_ns));
        hits.saturating_add(self.copying)
    }
}
