//! What a timeline consists of, whatever the format it is written in: tracks with slices,
//! instants, counters, and flows between instants.
//!
//! | track | on it |
//! |---|---|
//! | a scheduler | a slice for each run, named by the process |
//! | below a scheduler | slices: when its thread had no CPU, and why |
//! | a process | a slice for each run, named by the scheduler; an instant for each event of its life, each process that it spawned, each module that it loaded or purged, what it gave to ports and got of them, each signal to and from other nodes, each message that it sent and each that it took out of its mailbox |
//! | below a process | slices of its collections, its calls of BIFs and NIFs, the length of its mailbox, its samples |
//! | a place of loss | slices: between when how much is missing |
//! | outside of processes | messages whose sender is no process of the node, samples of threads that ran none, code that no process loaded, events of ports and other nodes without a process |
//!
//! [`Plan`] sees all rows once, for the order of tracks; then [`Teller`] sees them again and
//! tells each to a [`Sink`] as it comes. Neither holds rows: what is kept is a few numbers for
//! each process, and the messages that lie in mailboxes at the same time.
//!
//! Nothing is invented. A run or collection of which an end was not seen says so in its name and
//! has the times of what was seen. A message of which it is not known what became of it is
//! an instant at its sender, with its fate, and nothing else: no flow leads from it, and it is not
//! counted in a mailbox. What is missing is a slice of its own.

mod plan;
mod sink;
mod teller;
mod tracks;

#[cfg(test)]
pub(crate) mod kit;
#[cfg(test)]
mod tests;

use escope_model::{
    Collection, DistEvent, Life, Loss, Message, ModuleEvent, NativeCall, OffCpu, Payload,
    PortEvent, ProcId, Run, Sample,
};

pub use plan::Plan;
pub use sink::{Arg, Flow, FlowEnd, FlowSort, Instant, Sink, Slice, Value};
pub use teller::Teller;
pub use tracks::{Track, TrackId, TrackKind};

/// A row of a recording.
#[derive(Debug, Clone, Copy)]
pub enum Row<'a> {
    /// Of `runs`.
    Run(&'a Run),
    /// Of `gc`.
    Collection(&'a Collection),
    /// Of `off_cpu`.
    OffCpu(&'a OffCpu),
    /// Of `native_calls`.
    NativeCall(&'a NativeCall),
    /// Of `messages`. Those must come in the order of sending.
    Message(&'a Message),
    /// Of `payloads`: right before the message of which it is.
    Payload(&'a Payload),
    /// Of `lifecycle`.
    Life(&'a Life),
    /// Of `modules`.
    Module(&'a ModuleEvent),
    /// Of `port_events`.
    Port(&'a PortEvent),
    /// Of `dist`.
    Dist(&'a DistEvent),
    /// Of `samples`.
    Sample(&'a Sample),
    /// Of `series`.
    Point(Point<'a>),
    /// Of `losses`.
    Loss(&'a Loss),
    /// Between windows: events were not watched.
    NotWatched(NotWatched),
}

/// A time in which no window was open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotWatched {
    /// Nanoseconds since the recording's start.
    pub from_ns: i64,
    /// The same.
    pub to_ns: i64,
}

/// A value at a time.
#[derive(Debug, Clone, Copy)]
pub struct Point<'a> {
    /// Nanoseconds since the recording's start.
    pub ts_ns: i64,
    /// The process it is about; none for the whole VM.
    pub proc: Option<ProcId>,
    /// What it is a value of.
    pub metric: &'a str,
    /// How much.
    pub value: f64,
}

/// What a file says of the recording as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// Which VM.
    pub title: String,
    /// `CLOCK_MONOTONIC` at the recording's start, nanoseconds.
    pub start_monotonic_ns: u64,
    /// `CLOCK_REALTIME` at the same instant, nanoseconds since 1970 UTC.
    pub start_realtime_ns: i64,
    /// The same as RFC 3339 text.
    pub start_realtime: String,
}

/// A value as a whole number, if it is exactly one.
pub(crate) fn whole(value: f64) -> Option<i64> {
    let is_exact = value.fract() == 0.0 && value.abs() < (1_u64 << 53) as f64;
    is_exact.then_some(value as i64)
}
