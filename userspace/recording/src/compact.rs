//! Turns a recording of any form into Parquet files.
//!
//! Memory: tables sorted by time pass through in chunks (see `merge`) plus one row
//! group that is being encoded; of frames, stacks, processes and threads so many rows are held
//! at a time, and the table is read as often as that takes: there may be millions of processes.

use std::collections::BTreeMap;
use std::iter;
use std::path::Path;

use escope_model::{
    CheckpointRow, Collection, DistEvent, Life, Loss, Message, ModuleEvent, NativeCall, OffCpu,
    Payload, PortEvent, PortInfo, ProcessInfo, Run, Sample, StateRow, ThreadInfo, Window,
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
/// Rows of one that are held: a process takes some 500 bytes.
const HELD_ROWS: usize = 1 << 17;

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
        Table::States => timed::<StateRow>(disk, source, folder),
        Table::Checkpoints => timed::<CheckpointRow>(disk, source, folder),
        Table::Windows => timed::<Window>(disk, source, folder),
        Table::Samples => timed::<Sample>(disk, source, folder),
    }
}

fn keyed<R: Keyed>(
    disk: &dyn Disk,
    source: &Source,
    folder: &Path,
) -> Result<TableFile, RecordingError> {
    write_table(disk, folder, by_id::<R>(source, HELD_ROWS))
}

/// All rows by id, of several with one id the last, in chunks. At most `held` are in memory.
fn by_id<R: Keyed>(
    source: &Source,
    held: usize,
) -> impl Iterator<Item = Result<Vec<R>, RecordingError>> {
    let mut rows = BTreeMap::new().into_values();
    let mut next = Some(0);
    iter::from_fn(move || {
        loop {
            // What is written is not held any more.
            let chunk: Vec<R> = rows.by_ref().take(CHUNK_ROWS).collect();
            if !chunk.is_empty() {
                return Some(Ok(chunk));
            }
            match source.keyed_from::<R>(next.take()?, held) {
                Ok((found, more)) => {
                    let last = found.last_key_value().map(|(&key, _)| key);
                    next = last.filter(|_| more).and_then(|last| last.checked_add(1));
                    rows = found.into_values();
                    if rows.len() == 0 {
                        return None;
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    })
}

fn timed<R: Timed>(
    disk: &dyn Disk,
    source: &Source,
    folder: &Path,
) -> Result<TableFile, RecordingError> {
    let (chunks, _) = source.timed::<R>(TimeRange::ALL)?;
    write_table(disk, folder, chunks)
}

#[cfg(test)]
mod tests {
    use escope_model::ProcessInfo;

    use super::by_id;
    use crate::example::{self, place};
    use crate::manifest::Manifest;
    use crate::source::Source;
    use crate::writer::{Writer, WriterOptions};

    #[test]
    fn rows_by_id_are_the_same_however_few_are_held() {
        let place = place();
        let manifest = Manifest::default();
        let mut writer =
            Writer::create(&place.path, manifest.clone(), WriterOptions::default()).unwrap();
        // In no order, with gaps, and each of them twice: the last one counts.
        for round in ["first", "last"] {
            for n in 0..40 {
                writer.process(&example::process(n * 7 % 40 * 3, Some(round)));
            }
            writer.flush().unwrap();
        }
        let source = Source {
            folder: place.path.clone(),
            manifest,
        };
        let all = (0..40).map(|n| example::process(n * 3, Some("last")));
        let all: Vec<ProcessInfo> = all.collect();
        for held in [1, 7, 40, 41] {
            let chunks: Vec<_> = by_id::<ProcessInfo>(&source, held)
                .map(Result::unwrap)
                .collect();
            assert!(chunks.iter().all(|chunk| chunk.len() <= held), "{held}");
            assert_eq!(chunks.concat(), all, "{held}");
        }
    }
}
