//! The rows of a table, whatever form it has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Problem, RecordingError};
use crate::manifest::{Form, Manifest};
use crate::merge::Merge;
use crate::packed::{PackedTable, packed_path};
use crate::range::TimeRange;
use crate::stream::{self, BatchPlace, Item, SegmentReader};
use crate::tables::{Keyed, Row, Table, Timed};

/// Chunks of rows, one after the other.
pub(crate) type Chunks<R> = Box<dyn Iterator<Item = Result<Vec<R>, RecordingError>> + Send>;

/// A recording's folder and what its manifest says of it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) folder: PathBuf,
    pub(crate) manifest: Manifest,
}

impl Source {
    /// The files of a table that count; a table that the recording does not have has none.
    pub(crate) fn files(&self, table: Table) -> Result<Vec<PathBuf>, RecordingError> {
        match self.manifest.form {
            Form::Streams => stream::segments(&self.folder, table),
            Form::Parquet => Ok(self
                .manifest
                .table(table)
                .map(|_| packed_path(&self.folder, table))
                .into_iter()
                .collect()),
        }
    }

    /// Rows in time order, those of `range` only, and what could not be read.
    pub(crate) fn timed<R: Timed>(
        &self,
        range: TimeRange,
    ) -> Result<(Chunks<R>, Vec<Problem>), RecordingError> {
        let (chunks, problems): (Chunks<R>, _) = match self.manifest.form {
            Form::Streams => {
                let files = self.files(R::TABLE)?;
                let (mut places, problems) = stream::index::<R>(&files)?;
                places.retain(|place| range.touches(place.min_ns, place.max_ns));
                let mut loader = Loader::new(files);
                let merge = Merge::new(places, move |place| loader.load::<R>(place));
                (Box::new(merge), problems)
            }
            Form::Parquet => (self.packed(range)?, Vec::new()),
        };
        if range == TimeRange::ALL {
            return Ok((chunks, problems));
        }
        let within = chunks.map(move |chunk| {
            chunk.map(|mut rows| {
                rows.retain(|row| range.contains(row.ts_ns()));
                rows
            })
        });
        Ok((Box::new(within), problems))
    }

    /// Rows by id; of several with one id the last. Also what could not be read.
    pub(crate) fn keyed<R: Keyed>(
        &self,
    ) -> Result<(BTreeMap<u32, R>, Vec<Problem>), RecordingError> {
        let mut rows = BTreeMap::new();
        let problems = self.each::<R>(|chunk| {
            for row in chunk {
                rows.insert(row.key(), row);
            }
        })?;
        Ok((rows, problems))
    }

    /// The rows of so many of the lowest ids that are not below `from`, and whether there are more.
    pub(crate) fn keyed_from<R: Keyed>(
        &self,
        from: u32,
        most: usize,
    ) -> Result<(BTreeMap<u32, R>, bool), RecordingError> {
        let (mut rows, mut more) = (BTreeMap::new(), false);
        self.each::<R>(|chunk| {
            for row in chunk.into_iter().filter(|row| row.key() >= from) {
                rows.insert(row.key(), row);
                if rows.len() > most {
                    rows.pop_last();
                    more = true;
                }
            }
        })?;
        Ok((rows, more))
    }

    /// Every row in the order it is stored, and what could not be read.
    pub(crate) fn each<R: Row>(
        &self,
        mut run: impl FnMut(Vec<R>),
    ) -> Result<Vec<Problem>, RecordingError> {
        match self.manifest.form {
            Form::Streams => stream::scan::<R>(&self.files(R::TABLE)?, |_, _, rows| run(rows)),
            Form::Parquet => {
                for chunk in self.packed(TimeRange::ALL)? {
                    run(chunk?);
                }
                Ok(Vec::new())
            }
        }
    }

    fn packed<R: Row>(&self, range: TimeRange) -> Result<Chunks<R>, RecordingError> {
        let Some(stated) = self.manifest.table(R::TABLE) else {
            return Ok(Box::new(std::iter::empty()));
        };
        let path = packed_path(&self.folder, R::TABLE);
        let mut table = PackedTable::open::<R>(&path, stated, range)?;
        if table.rows() != stated.rows {
            let what = format!("it has {} rows and not {}", table.rows(), stated.rows);
            return Err(RecordingError::corrupt(R::TABLE.name(), &path, what));
        }
        let mut failed = false;
        Ok(Box::new(std::iter::from_fn(move || {
            let next = if failed { None } else { table.next::<R>() };
            failed = matches!(next, Some(Err(_)));
            next
        })))
    }
}

/// Loads batches of a stream by their places, keeping the last segment open.
struct Loader {
    files: Vec<PathBuf>,
    open: Option<(usize, SegmentReader)>,
}

impl Loader {
    fn new(files: Vec<PathBuf>) -> Loader {
        Loader { files, open: None }
    }

    fn load<R: Row>(&mut self, place: BatchPlace) -> Result<Vec<R>, RecordingError> {
        let path: &Path = self.files.get(place.segment).map_or(Path::new(""), |p| p);
        let mut reader = match self.open.take() {
            Some((segment, reader)) if segment == place.segment => reader,
            _ => SegmentReader::open(path)?,
        };
        let item = reader.batch_at::<R>(place.offset)?;
        self.open = Some((place.segment, reader));
        match item {
            Item::Rows(_, rows) => Ok(rows),
            Item::Unreadable(what) => Err(RecordingError::corrupt(R::TABLE.name(), path, what)),
            Item::End(_) => Err(RecordingError::corrupt(
                R::TABLE.name(),
                path,
                "it changed while it was read",
            )),
        }
    }
}
