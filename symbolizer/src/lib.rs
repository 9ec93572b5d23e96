//! From a raw sample to named frames: the kernel, C, Erlang, in one list.
//!
//! A sample of a thread in C code has two stacks: the C stack of its scheduler, which ends
//! where the JIT called into C, and the Erlang stack of its process. [`Symbolizer::sample`]
//! walks both, joins them at that call, names every frame by the code that was there when the
//! sample was taken, tells which process it was and what it was doing, and numbers frames,
//! stacks and processes.
//!
//! Invariants: never fails and never panics on any sample; what could not be found out is in
//! the sample itself (`truncated`, a marker frame, a missing process) and counted.

#![forbid(unsafe_code)]

mod activity;
mod events;
mod fingerprint;
mod follow;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod identity;
mod intern;
mod kernel;
mod native;
mod resolve;
mod statistics;
mod stitch;
mod symbolizer;

pub use follow::CodeChange;
pub use identity::Told;
pub use intern::NewEntries;
pub use statistics::Statistics;
pub use symbolizer::Symbolizer;
