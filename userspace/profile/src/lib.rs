//! What the samples of a recording add up to.
//!
//! Pure: samples and a dictionary in, plain structs out. One pass over the samples
//! sums them into a [`Tally`] by ids; only then are names looked at, once for each
//! distinct row. From one tally come
//!
//! * [`Stacks`], weighted stacks for flame graphs and exported profiles, and
//! * [`Report`], the tables of who spent the time: processes, functions, modules,
//!   activities, schedulers, threads.
//!
//! Nothing is dropped on the way: the weights of all stacks, and those of each full
//! table, add up to the weight of the samples that passed the [`Filter`].
//!
//! Invariant: knows nothing of recordings, formats or terminals.

#![forbid(unsafe_code)]

mod class;
mod filter;
mod frames;
mod group;
#[cfg(test)]
mod kit;
mod labels;
#[cfg(test)]
mod oracle;
mod recursion;
mod report;
mod stacks;
mod tally;
mod weight;

pub use class::FrameClass;
pub use filter::Filter;
pub use frames::StackFrame;
pub use group::GroupBy;
pub use labels::Labels;
pub use report::{
    ActivityRow, FunctionRow, GroupRow, Limits, ModuleRow, NativeRow, ProcessRow, Report,
    ReportOptions, SchedulerRow, Share, ThreadRow, Top, TruncationRow,
};
pub use stacks::{Entry, StackOptions, Stacks};
pub use tally::Tally;
pub use weight::{Measure, Weight};
