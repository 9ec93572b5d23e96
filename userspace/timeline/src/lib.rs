//! What events of the VM add up to.
//!
//! Pure: events in, rows out, no I/O. [`Reorder`] puts the events of the ring in the
//! order of their times; then each machine looks at those that concern it.
//!
//! Times are `CLOCK_MONOTONIC` nanoseconds, as in `VmEvent`. Who a process is, the
//! machines do not care: the caller finds it from pid and address and passes it as
//! some `P` that is never reused, like a `ProcId`.
//!
//! Events get lost, and the target may lie. No machine panics, none keeps more than
//! it says, and where events contradict each other what is told is marked as cut or
//! unknown, at the time of the event that shows it.
//!
//! Invariant: knows nothing of probes, layouts, names or recordings.

#![forbid(unsafe_code)]

mod at_least;
mod causality;
mod collections;
mod delays;
pub mod frame;
mod gaps;
mod influence;
#[cfg(test)]
mod kit;
mod left;
mod mailboxes;
mod merged;
mod messages;
mod native_calls;
mod off_cpu;
mod order;
mod pairing;
mod place;
pub mod report;
mod rests;
mod runs;
mod since;
mod spending;
mod spread;
pub mod states;
mod waits;
mod worst;

pub use at_least::AtLeast;
pub use causality::{Clock, Clocks, Moment, Relation, Step};
pub use collections::{CollectionRow, Collections};
pub use delays::{Delay, DelayKind, ProcessRuns};
pub use gaps::Gaps;
pub use influence::{Edge, Edges, How, Latest, Past, Reach};
pub use left::StateBits;
pub use mailboxes::{Change, Mailboxes, lies_in_mailbox};
pub use merged::{Happening, Tables, since_start};
pub use messages::{Entry, MessageRow, Messages, Sent};
pub use native_calls::{NativeCallRow, NativeCalls};
pub use off_cpu::{OffCpuRow, OffCpus};
pub use order::Reorder;
pub use pairing::{Answer, Asked, Pair, Pairing};
pub use runs::{RunRow, Runs};
pub use spending::{Departures, Spending, Spent, Stretch, WaitsFor};
pub use spread::Spread;
pub use worst::Worst;
