//! Ends a recording.
//!
//! ```text
//! flush         everything is in the streams
//! compact       TABLE.parquet.new, sync, rename to TABLE.parquet, each
//! manifest      replaced in one step: from now on the Parquet files count
//! remove        the streams
//! ```
//! The manifest alone decides which form counts. Killed before it is replaced, the
//! recording is its streams and the Parquet files are ignored; killed after, it is
//! the other way round. At no point is a row lost or there twice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use escope_model::{Loss, ProcessInfo};

use crate::compact::compact;
use crate::disk::Disk;
use crate::error::RecordingError;
use crate::manifest::{self, EndedHow, FORMAT_VERSION, Form, Manifest, TableFile};
use crate::packed::packed_path;
use crate::reserve;
use crate::source::Source;
use crate::stream;
use crate::tables::{FrameRow, StackRow, Table};
use crate::writer::Writer;

/// A recording that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The folder.
    pub path: PathBuf,
    /// Rows and bytes by table.
    pub tables: BTreeMap<String, TableFile>,
    /// Bytes of all tables.
    pub bytes: u64,
}

impl Writer {
    /// Ends the recording: sorts it into Parquet files and replaces the manifest by
    /// `manifest`, whose format version, form and tables are set here. Samples and events that
    /// could not be written are added to its losses; the samples leave its totals.
    ///
    /// # Errors
    /// If the last rows cannot be flushed, or, as [`RecordingError::NotCompacted`], if
    /// the disk has no room for the other form. The streams stay in place then, and the
    /// recording opens.
    pub fn finish(mut self, manifest: &mut Manifest) -> Result<Finished, RecordingError> {
        let flushed = self.flush();
        let unwritten = self.unwritten();
        let (disk, path) = self.close();
        let disk = &*disk;
        manifest.format_version = FORMAT_VERSION;
        manifest.form = Form::Streams;
        manifest.tables.clear();
        if let Err(e) = flushed {
            reserve::release(disk, &path);
            let source = Source {
                folder: path.clone(),
                manifest: manifest.clone(),
            };
            lose(manifest, &unwritten, &source);
            fail(manifest, &e);
            // Best effort: how it ended is worth knowing, but the rows matter more.
            let _ = manifest::save(disk, &path, manifest);
            return Err(e);
        }
        let mut source = Source {
            folder: path.clone(),
            manifest: manifest.clone(),
        };
        match replace_streams(disk, &source) {
            Ok(tables) => {
                remove_streams(disk, &path);
                reserve::release(disk, &path);
                Ok(Finished {
                    bytes: tables.values().map(|table| table.bytes).sum(),
                    path,
                    tables,
                })
            }
            Err(e) => {
                reserve::release(disk, &path);
                fail(&mut source.manifest, &e);
                manifest.ended.clone_from(&source.manifest.ended);
                // Best effort, as above.
                let _ = manifest::save(disk, &path, &source.manifest);
                Err(RecordingError::NotCompacted {
                    source: Box::new(e),
                })
            }
        }
    }

    /// Rows that no flush could write, of the tables that hold what was seen.
    fn unwritten(&self) -> [Unwritten; 13] {
        let of = |rows: usize, place, what| Unwritten {
            rows: rows as u64,
            place,
            what,
        };
        [
            of(self.samples.buffered(), SAMPLES, "samples"),
            of(self.runs.buffered(), "unwritten_runs", "runs"),
            of(self.messages.buffered(), "unwritten_messages", "messages"),
            of(
                self.payloads.buffered(),
                "unwritten_payloads",
                "texts of messages",
            ),
            of(
                self.lifecycle.buffered(),
                "unwritten_lifecycle",
                "events of processes' lives",
            ),
            of(self.gc.buffered(), "unwritten_gc", "garbage collections"),
            of(
                self.off_cpu.buffered(),
                "unwritten_off_cpu",
                "times without a CPU",
            ),
            of(
                self.native_calls.buffered(),
                "unwritten_native_calls",
                "calls of BIFs and NIFs",
            ),
            of(
                self.modules.buffered(),
                "unwritten_modules",
                "loads and purges of modules",
            ),
            of(
                self.port_events.buffered(),
                "unwritten_port_events",
                "events of ports",
            ),
            of(
                self.dist.buffered(),
                "unwritten_dist",
                "signals to other nodes and from them",
            ),
            of(
                self.states.buffered(),
                "unwritten_states",
                "states of processes",
            ),
            of(
                self.checkpoints.buffered(),
                "unwritten_checkpoints",
                "processes at checkpoints",
            ),
        ]
    }
}

/// Where samples were lost to the disk.
const SAMPLES: &str = "unwritten";

/// Rows of one table that the disk would not take.
struct Unwritten {
    rows: u64,
    place: &'static str,
    what: &'static str,
}

/// It did not end as it should have.
fn fail(manifest: &mut Manifest, error: &RecordingError) {
    if let Some(ended) = &mut manifest.ended {
        ended.how = EndedHow::Failed;
        ended.note.get_or_insert_with(|| error.to_string());
    }
}

/// What the disk would not take. The totals are those of what is there.
fn lose(manifest: &mut Manifest, unwritten: &[Unwritten], source: &Source) {
    let totals = &mut manifest.totals;
    for lost in unwritten.iter().filter(|lost| lost.place == SAMPLES) {
        totals.samples = totals.samples.saturating_sub(lost.rows);
    }
    if let Ok((rows, _)) = source.keyed::<StackRow>() {
        totals.stacks = rows.len() as u64;
    }
    if let Ok((rows, _)) = source.keyed::<FrameRow>() {
        totals.frames = rows.len() as u64;
    }
    if let Ok((rows, _)) = source.keyed::<ProcessInfo>() {
        totals.processes = rows.len() as u64;
    }
    let to_ns = manifest.ended.as_ref().map_or(0, |ended| ended.at_ns);
    for lost in unwritten.iter().filter(|lost| lost.rows > 0) {
        manifest.losses.push(Loss {
            from_ns: 0,
            to_ns,
            place: lost.place.to_owned(),
            count: lost.rows,
            meaning: format!("{} were captured but could not be written", lost.what),
            remedy: "free some space, or record to another disk".to_owned(),
        });
    }
}

fn replace_streams(
    disk: &dyn Disk,
    source: &Source,
) -> Result<BTreeMap<String, TableFile>, RecordingError> {
    let tables = compact(disk, source, &source.folder)?;
    let mut manifest = source.manifest.clone();
    manifest.form = Form::Parquet;
    manifest.tables = tables.clone();
    manifest::save(disk, &source.folder, &manifest).inspect_err(|_| {
        for table in Table::ALL {
            let _ = disk.remove(&packed_path(&source.folder, table));
        }
    })?;
    Ok(tables)
}

/// What cannot be removed wastes room but is ignored by readers.
fn remove_streams(disk: &dyn Disk, path: &Path) {
    for table in Table::ALL {
        for segment in stream::segments(path, table).unwrap_or_default() {
            let _ = disk.remove(&segment);
        }
    }
    let _ = disk.sync_dir(path);
}

#[cfg(test)]
mod tests;
