//! The growing form: Arrow IPC streams, a few segments a table.
//!
//! ```text
//! samples.00000.arrows   schema, batch, batch, ..., end mark
//! samples.00001.arrows   schema, batch, ba          <- cut: the whole batches count
//! ```
//! Each segment is a stream that any Arrow reader understands. A segment needs no end
//! mark and may stop anywhere; what counts is its whole batches. Text is plain text
//! and not dictionary encoded: a dictionary that grows from batch to batch would make
//! every batch depend on all before it.

mod message;
mod read;
mod write;

use std::path::{Path, PathBuf};

use crate::error::RecordingError;
use crate::tables::Table;

pub(crate) use read::{BatchPlace, Item, SegmentReader, index, scan};
pub(crate) use write::{Rotation, StreamWriter};

const EXTENSION: &str = "arrows";

/// The path of a segment.
fn segment_path(folder: &Path, table: Table, number: u32) -> PathBuf {
    folder.join(format!("{}.{number:05}.{EXTENSION}", table.name()))
}

/// The segments of a table in a folder, in the order they were written.
pub(crate) fn segments(folder: &Path, table: Table) -> Result<Vec<PathBuf>, RecordingError> {
    let io = |e| RecordingError::io("list", folder, e);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let number = name.to_str().and_then(|name| segment_number(name, table));
        if let Some(number) = number {
            found.push((number, folder.join(name)));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn segment_number(name: &str, table: Table) -> Option<u32> {
    name.strip_prefix(table.name())?
        .strip_prefix('.')?
        .strip_suffix(EXTENSION)?
        .strip_suffix('.')?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests;
