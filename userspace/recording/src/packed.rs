//! The compacted form: one sorted Parquet file a table.

mod read;
mod write;

use std::path::{Path, PathBuf};

use crate::tables::Table;

pub(crate) use read::PackedTable;
pub(crate) use write::write_table;

/// The path of a table's file.
pub(crate) fn packed_path(folder: &Path, table: Table) -> PathBuf {
    folder.join(format!("{}.parquet", table.name()))
}

/// Its path while it is being written.
pub(crate) fn unfinished_path(folder: &Path, table: Table) -> PathBuf {
    folder.join(format!("{}.parquet.new", table.name()))
}

#[cfg(test)]
mod size;
#[cfg(test)]
mod tests;
