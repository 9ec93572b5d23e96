//! One file per format. Those of profiles have an options struct and a `write` from
//! [`Stacks`](escope_profile::Stacks) to any [`Write`](std::io::Write); those of
//! timelines are told what happened, in the plain terms of their own model.
//!
//! | module | format | read by |
//! |---|---|---|
//! | [`flamegraph`] | SVG | any browser |
//! | [`gantt`] | SVG: who ran when | any browser |
//! | [`sequence`] | SVG and Mermaid: who sent what to whom | any browser, Mermaid |
//! | [`supervision`] | SVG: who supervises whom | any browser |
//! | [`folded`] | folded stacks | flame graph tools, `diff`, `grep` |
//! | [`pprof`] | gzipped `profile.proto` | `go tool pprof`, continuous profilers |
//! | [`speedscope`] | JSON | speedscope |
//!
//! All of the first write every sample of the stacks they are given: the totals agree.
//! The others count what they leave out.
//!
//! Two more write a [`timeline`], row by row as it is read:
//!
//! | module | format | read by |
//! |---|---|---|
//! | [`perfetto`] | Perfetto's protobuf | ui.perfetto.dev, `trace_processor` |
//! | [`chrome_trace`] | JSON, the Trace Event Format | chrome://tracing, ui.perfetto.dev |
//!
//! Names come from the target and may hold anything; no format lets them out of
//! their place.
//!
//! Invariant: the only crate that knows inferno, pprof and protobuf. It reads no
//! recording and opens no file.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail so"))]

mod axis;
pub mod chrome_trace;
mod colours;
mod error;
pub mod flamegraph;
pub mod folded;
pub mod gantt;
#[cfg(test)]
mod kit;
pub mod perfetto;
pub mod pprof;
#[cfg(test)]
mod seen;
pub mod sequence;
pub mod speedscope;
pub mod supervision;
mod svg;
#[cfg(test)]
mod tests;
mod text;
pub mod timeline;

pub use error::ExportError;
