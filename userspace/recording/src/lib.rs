//! The columnar recording: schema, writer, reader, check.
//!
//! A recording is a folder `NAME.escope` with a `manifest.json` and twelve tables.
//! While it grows, a table is a row of Arrow IPC streams; a clean end turns each into
//! one sorted Parquet file. [`Writer`] writes, [`Recording`] reads both forms, and
//! [`check`] says what is missing. Only this crate knows Arrow and Parquet.
//!
//! Invariants: what was flushed survives a kill at any instant; a sample on disk
//! refers only to what is on disk; the manifest alone decides which form counts;
//! nothing read from disk is believed before it is checked. The format is described
//! for other readers in `docs/recording.md`.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail so"))]

mod check;
mod compact;
mod dictionary;
mod disk;
mod error;
mod finish;
mod input;
mod manifest;
mod merge;
mod packed;
mod range;
mod recording;
mod reserve;
mod source;
mod stream;
mod tables;
mod watched;
mod writer;

#[cfg(test)]
mod example;

pub use check::{CheckReport, check};
pub use error::{Problem, RecordingError};
pub use finish::Finished;
pub use manifest::{
    Clocks, Ended, EndedHow, Events, FORMAT_VERSION, Form, FormatVersion, Host, Layout, Manifest,
    Options, Recorder, TableFile, Target, Totals,
};
pub use range::TimeRange;
pub use recording::{Recording, Rows, TableFiles};
pub use tables::{CodeAction, CodeEvent, SeriesPoint, Table};
pub use watched::Watched;
pub use writer::{Writer, WriterOptions};
