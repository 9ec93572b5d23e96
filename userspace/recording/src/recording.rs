//! Reads a recording of any form.

use std::path::{Path, PathBuf};

use escope_model::{
    CheckpointRow, Collection, Dictionary, DistEvent, Life, Loss, Message, ModuleEvent, NativeCall,
    OffCpu, Payload, PortEvent, Run, Sample, StateRow, Window,
};

use crate::compact::compact;
use crate::dictionary::dictionary;
use crate::disk::{Disk, RealDisk};
use crate::error::{Problem, RecordingError};
use crate::manifest::{self, Form, Manifest};
use crate::packed::packed_path;
use crate::range::TimeRange;
use crate::source::{Chunks, Source};
use crate::tables::{CodeEvent, SeriesPoint, Table, Timed};

/// A recording open for reading.
///
/// Reading needs no lock: a recording that is still being written, or that was cut
/// short, reads up to its last whole batch.
#[derive(Debug, Clone)]
pub struct Recording {
    source: Source,
}

/// Where the rows of a table are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFiles {
    /// Which table.
    pub table: Table,
    /// What kind of files these are.
    pub form: Form,
    /// In order; none when a growing recording has no row yet.
    pub files: Vec<PathBuf>,
}

impl Recording {
    /// Opens the recording at `path`, a folder `NAME.escope`. Tables are opened and
    /// verified when they are read.
    ///
    /// # Errors
    /// If there is no recording, it cannot be read, or a later version wrote it.
    pub fn open(path: &Path) -> Result<Recording, RecordingError> {
        let manifest = manifest::load(path)?;
        Ok(Recording {
            source: Source {
                folder: path.to_owned(),
                manifest,
            },
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.source.folder
    }

    /// What was recorded and how it ended.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.source.manifest
    }

    /// What the ids in samples stand for, and what is wrong with it. Held in memory.
    ///
    /// # Errors
    /// If a table's file is unreadable as a whole.
    pub fn dictionary(&self) -> Result<(Dictionary, Vec<Problem>), RecordingError> {
        dictionary(&self.source)
    }

    /// Every sample, in time order.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn samples(&self) -> Result<Rows<Sample>, RecordingError> {
        self.samples_within(TimeRange::ALL)
    }

    /// The samples of a span of time, in time order; the rest is skipped unread where
    /// the files allow it.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn samples_within(&self, range: TimeRange) -> Result<Rows<Sample>, RecordingError> {
        self.rows(range)
    }

    /// The series of a span of time, in time order.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn series(&self, range: TimeRange) -> Result<Rows<SeriesPoint>, RecordingError> {
        self.rows(range)
    }

    /// Every loss, in the order in which they began.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn losses(&self) -> Result<Rows<Loss>, RecordingError> {
        self.rows(TimeRange::ALL)
    }

    /// Code that was loaded and unloaded, in time order.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn code(&self) -> Result<Rows<CodeEvent>, RecordingError> {
        self.rows(TimeRange::ALL)
    }

    /// The runs of processes that began within a span of time, in the order in which they
    /// did. Recordings of format 1.0 have none, and no rows of the three tables below.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn runs(&self, range: TimeRange) -> Result<Rows<Run>, RecordingError> {
        self.rows(range)
    }

    /// The messages that were sent within a span of time, in the order in which they were.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn messages(&self, range: TimeRange) -> Result<Rows<Message>, RecordingError> {
        self.rows(range)
    }

    /// What messages said that were sent within a span of time, in the order in which they were.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn payloads(&self, range: TimeRange) -> Result<Rows<Payload>, RecordingError> {
        self.rows(range)
    }

    /// What happened to processes within a span of time, in time order.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn lifecycle(&self, range: TimeRange) -> Result<Rows<Life>, RecordingError> {
        self.rows(range)
    }

    /// The garbage collections that began within a span of time, in the order in which
    /// they did.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn gc(&self, range: TimeRange) -> Result<Rows<Collection>, RecordingError> {
        self.rows(range)
    }

    /// The times in which schedulers' threads had no CPU that began within a span of time, in the
    /// order in which they did.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn off_cpu(&self, range: TimeRange) -> Result<Rows<OffCpu>, RecordingError> {
        self.rows(range)
    }

    /// The calls of BIFs and NIFs that began within a span of time, in the order in which they
    /// did.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn native_calls(&self, range: TimeRange) -> Result<Rows<NativeCall>, RecordingError> {
        self.rows(range)
    }

    /// The modules that were loaded and purged within a span of time, in time order.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn modules(&self, range: TimeRange) -> Result<Rows<ModuleEvent>, RecordingError> {
        self.rows(range)
    }

    /// Signals to other nodes and from them within a span of time, in time order.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn dist(&self, range: TimeRange) -> Result<Rows<DistEvent>, RecordingError> {
        self.rows(range)
    }

    /// What processes had that came to rest within a span of time, in the order in which they did.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn states(&self, range: TimeRange) -> Result<Rows<StateRow>, RecordingError> {
        self.rows(range)
    }

    /// What every process was like at checkpoints that were read within a span of time, in the order in
    /// which they were.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn checkpoints(&self, range: TimeRange) -> Result<Rows<CheckpointRow>, RecordingError> {
        self.rows(range)
    }

    /// What happened to ports within a span of time, in time order.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn port_events(&self, range: TimeRange) -> Result<Rows<PortEvent>, RecordingError> {
        self.rows(range)
    }

    /// The times in which events were watched, in their order.
    ///
    /// # Errors
    /// If the table's files cannot be opened.
    pub fn windows(&self) -> Result<Rows<Window>, RecordingError> {
        self.rows(TimeRange::ALL)
    }

    /// The files of every table, for programs that read them on their own.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub fn tables(&self) -> Result<Vec<TableFiles>, RecordingError> {
        let of = |table| {
            Ok(TableFiles {
                table,
                form: self.source.manifest.form,
                files: self.source.files(table)?,
            })
        };
        Table::ALL.into_iter().map(of).collect()
    }

    /// Writes every table as Parquet into `folder`, which is created if it is absent;
    /// files of earlier such calls are replaced. The recording stays as it is.
    ///
    /// # Errors
    /// If a table cannot be read, or the disk refuses.
    pub fn compact_to(&self, folder: &Path) -> Result<Vec<TableFiles>, RecordingError> {
        if !folder.is_dir() {
            RealDisk
                .create_dir(folder)
                .map_err(|e| RecordingError::io("create", folder, e))?;
        }
        compact(&RealDisk, &self.source, folder)?;
        let of = |table| TableFiles {
            table,
            form: Form::Parquet,
            files: vec![packed_path(folder, table)],
        };
        Ok(Table::ALL.into_iter().map(of).collect())
    }

    fn rows<R: Timed>(&self, range: TimeRange) -> Result<Rows<R>, RecordingError> {
        let (chunks, problems) = self.source.timed::<R>(range)?;
        Ok(Rows {
            chunks,
            chunk: Vec::new().into_iter(),
            problems,
        })
    }
}

/// The rows of one table, read in chunks of bounded size.
///
/// After an error there is nothing more.
pub struct Rows<R> {
    chunks: Chunks<R>,
    chunk: std::vec::IntoIter<R>,
    problems: Vec<Problem>,
}

impl<R> Rows<R> {
    /// What of the table could not be read. Its rows are not among these.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl<R> Iterator for Rows<R> {
    type Item = Result<R, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.chunk.next() {
                return Some(Ok(row));
            }
            match self.chunks.next()? {
                Ok(rows) => self.chunk = rows.into_iter(),
                Err(e) => return Some(Err(e)),
            }
        }
    }
}

impl<R> std::fmt::Debug for Rows<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
