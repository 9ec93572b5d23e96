//! SQL over a recording.
//!
//! [`Sql`] opens a recording and answers one `SELECT` at a time with a [`Table`],
//! which [`write_table`], [`write_json`] and [`write_csv`] print. Besides the
//! recording's own tables there are a few derived ones, so that common questions need
//! no join, and [`named`] queries. `docs/query.md` describes them.
//!
//! Tables are read when a query asks for them: only the columns it names and, where
//! it bounds a column of whole numbers, only the row groups that may hold such rows.
//! An unfinished recording is first turned into Parquet files in a scratch folder,
//! which is removed with the [`Sql`].
//!
//! Invariants: only this crate knows polars, and polars is in nothing that it gives
//! out; a query changes nothing and reads nothing but the recording; a panic of the
//! SQL engine becomes an error.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail so"))]

mod dialect;
mod error;
mod failure;
mod named;
mod names;
mod prune;
mod render;
mod scan;
mod sql;
mod stacks;
mod statement;
mod table;
mod value;
mod views;

#[cfg(test)]
mod example;

pub use error::QueryError;
pub use named::{Named, named};
pub use render::{write_csv, write_json, write_table, write_table_within};
pub use sql::{Source, SourceKind, Sql};
pub use table::{Column, Kind, Table};
pub use value::Value;
