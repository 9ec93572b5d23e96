//! One file per format. Each has an options struct and a `write` from
//! [`Stacks`](escope_profile::Stacks) to any [`Write`](std::io::Write).
//!
//! | module | format | read by |
//! |---|---|---|
//! | [`flamegraph`] | SVG | any browser |
//! | [`folded`] | folded stacks | flame graph tools, `diff`, `grep` |
//! | [`pprof`] | gzipped `profile.proto` | `go tool pprof`, continuous profilers |
//! | [`speedscope`] | JSON | speedscope |
//!
//! All of them write every sample of the stacks they are given: the totals agree.
//! Names come from the target and may hold anything; no format lets them out of
//! their place.
//!
//! Invariant: the only crate that knows inferno, pprof and protobuf. It reads no
//! recording and opens no file.

#![forbid(unsafe_code)]

mod error;
pub mod flamegraph;
pub mod folded;
#[cfg(test)]
mod kit;
pub mod pprof;
pub mod speedscope;
#[cfg(test)]
mod tests;
mod text;

pub use error::ExportError;
