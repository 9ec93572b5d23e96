//! Turns a recording of any form into Parquet files.
//!
//! Memory: tables sorted by time pass through in chunks (see `merge`) plus one row
//! group that is being encoded; frames, stacks, processes and threads are held whole,
//! as they are by the recorder and by every report.

use std::collections::BTreeMap;
use std::iter;
use std::path::Path;

use escope_model::{
    Collection, DistEvent, Life, Loss, Message, ModuleEvent, NativeCall, OffCpu, Payload,
    PortEvent, PortInfo, ProcessInfo, Run, Sample, ThreadInfo, Window,
};

use crate::disk::Disk;
use crate::error::RecordingError;
use crate::manifest::TableFile;
use crate::packed::{packed_path, write_table};
use crate::range::TimeRange;
use crate::source::Source;
use crate::tables::{CodeEvent, FrameRow, Keyed, SeriesPoint, StackRow, Table, Timed};

/// Rows of a table without times that are converted at once.
const CHUNK_ROWS: usize = 1 << 14;

/// Writes every table of `source` into `folder`, an empty one or the source's own.
///
/// # Errors
/// If a table cannot be read or written; the files written so far are removed.
pub(crate) fn compact(
    disk: &dyn Disk,
    source: &Source,
    folder: &Path,
) -> Result<BTreeMap<String, TableFile>, RecordingError> {
    let mut tables = BTreeMap::new();
    let done = Table::ALL.into_iter().try_for_each(|table| {
        let file = write(disk, source, folder, table)?;
        tables.insert(table.name().to_owned(), file);
        Ok(())
    });
    let synced = done.and_then(|()| {
        disk.sync_dir(folder)
            .map_err(|e| RecordingError::io("sync", folder, e))
    });
    match synced {
        Ok(()) => Ok(tables),
        Err(e) => {
            for table in Table::ALL {
                if tables.contains_key(table.name()) {
                    // Best effort: the manifest does not name them.
                    let _ = disk.remove(&packed_path(folder, table));
                }
            }
            Err(e)
        }
    }
}

fn write(
    disk: &dyn Disk,
    source: &Source,
    folder: &Path,
    table: Table,
) -> Result<TableFile, RecordingError> {
    match table {
        Table::Frames => keyed::<FrameRow>(disk, source, folder),
        Table::Stacks => keyed::<StackRow>(disk, source, folder),
        Table::Processes => keyed::<ProcessInfo>(disk, source, folder),
        Table::Threads => keyed::<ThreadInfo>(disk, source, folder),
        Table::Ports => keyed::<PortInfo>(disk, source, folder),
        Table::Code => timed::<CodeEvent>(disk, source, folder),
        Table::Series => timed::<SeriesPoint>(disk, source, folder),
        Table::Losses => timed::<Loss>(disk, source, folder),
        Table::Runs => timed::<Run>(disk, source, folder),
        Table::Messages => timed::<Message>(disk, source, folder),
        Table::Payloads => timed::<Payload>(disk, source, folder),
        Table::Lifecycle => timed::<Life>(disk, source, folder),
        Table::Gc => timed::<Collection>(disk, source, folder),
        Table::OffCpu => timed::<OffCpu>(disk, source, folder),
        Table::NativeCalls => timed::<NativeCall>(disk, source, folder),
        Table::Modules => timed::<ModuleEvent>(disk, source, folder),
        Table::PortEvents => timed::<PortEvent>(disk, source, folder),
        Table::Dist => timed::<DistEvent>(disk, source, folder),
        Table::Windows => timed::<Window>(disk, source, folder),
        Table::Samples => timed::<Sample>(disk, source, folder),
    }
}

fn keyed<R: Keyed>(
    disk: &dyn Disk,
    source: &Source,
    folder: &Path,
) -> Result<TableFile, RecordingError> {
    let (rows, _) = source.keyed::<R>()?;
    // What is written is not held any more.
    let mut rows = rows.into_values();
    let chunks = iter::from_fn(|| {
        let chunk: Vec<R> = rows.by_ref().take(CHUNK_ROWS).collect();
        (!chunk.is_empty()).then_some(Ok(chunk))
    });
    write_table(disk, folder, chunks)
}

fn timed<R: Timed>(
    disk: &dyn Disk,
    source: &Source,
    folder: &Path,
) -> Result<TableFile, RecordingError> {
    let (chunks, _) = source.timed::<R>(TimeRange::ALL)?;
    write_table(disk, folder, chunks)
}
