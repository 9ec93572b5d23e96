//! Writes one table as segments that are readable at any moment.
//!
//! A batch is encoded in memory and appended with one write. When that fails the
//! segment is cut back to its last whole batch, and the rows stay buffered, so a
//! later attempt continues where the disk filled up.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow_ipc::writer::StreamWriter as Encoder;

use super::segment_path;
use crate::disk::{Disk, DiskFile};
use crate::error::RecordingError;
use crate::tables::Row;

/// Rows of one batch at most: bounds what a reader holds.
const BATCH_ROWS: usize = 1 << 16;

/// When a new segment starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation {
    pub(crate) bytes: u64,
    pub(crate) age: Duration,
}

/// One table that grows.
pub(crate) struct StreamWriter<R> {
    rows: Vec<R>,
    segment: Option<Segment>,
    next_number: u32,
    bytes: u64,
}

struct Segment {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    encoder: Encoder<Vec<u8>>,
    /// Length up to the last whole message.
    good: u64,
    opened: Instant,
    synced: bool,
}

impl<R: Row> StreamWriter<R> {
    /// A table without segments.
    pub(crate) fn new() -> StreamWriter<R> {
        StreamWriter {
            rows: Vec::new(),
            segment: None,
            next_number: 0,
            bytes: 0,
        }
    }

    /// Buffers a row.
    pub(crate) fn push(&mut self, row: R) {
        self.rows.push(row);
    }

    /// Rows that are only in memory.
    pub(crate) fn buffered(&self) -> usize {
        self.rows.len()
    }

    /// Bytes in whole messages on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes the buffered rows and makes them survive a power cut.
    pub(crate) fn flush(
        &mut self,
        disk: &dyn Disk,
        folder: &Path,
        rotation: Rotation,
    ) -> Result<(), RecordingError> {
        while !self.rows.is_empty() {
            let count = self.rows.len().min(BATCH_ROWS);
            let batch = R::batch(&self.rows[..count]);
            let segment = self.segment(disk, folder)?;
            let encoded = batch.and_then(|batch| segment.encoder.write(&batch));
            encoded.map_err(|e| segment.encode_error::<R>(e))?;
            let written = segment.append();
            self.bytes += self.settle(disk, written)?;
            self.rows.drain(..count);
        }
        let Some(segment) = &mut self.segment else {
            return Ok(());
        };
        segment.sync()?;
        if segment.good >= rotation.bytes || segment.opened.elapsed() >= rotation.age {
            self.close();
        }
        Ok(())
    }

    /// Ends the segment with an end mark. A reader does not need the mark, so failing
    /// to write it is no failure.
    pub(crate) fn close(&mut self) {
        if let Some(mut segment) = self.segment.take()
            && segment.encoder.finish().is_ok()
            && let Ok(bytes) = segment.append()
        {
            self.bytes += bytes;
            let _ = segment.sync();
        }
    }

    /// The current segment; a new one has its schema encoded but not written.
    fn segment(&mut self, disk: &dyn Disk, folder: &Path) -> Result<&mut Segment, RecordingError> {
        let segment = match self.segment.take() {
            Some(segment) => segment,
            None => {
                let path = segment_path(folder, R::TABLE, self.next_number);
                self.next_number += 1;
                Segment::create::<R>(disk, path)?
            }
        };
        Ok(self.segment.insert(segment))
    }

    /// After a failed append: keeps a segment only if it is whole.
    fn settle(
        &mut self,
        disk: &dyn Disk,
        written: Result<u64, (RecordingError, bool)>,
    ) -> Result<u64, RecordingError> {
        let (error, whole) = match written {
            Ok(bytes) => return Ok(bytes),
            Err(failed) => failed,
        };
        match self.segment.take() {
            Some(segment) if segment.good == 0 => {
                // Best effort: an empty segment holds no rows.
                let _ = disk.remove(&segment.path);
            }
            Some(segment) if whole => self.segment = Some(segment),
            _ => {}
        }
        Err(error)
    }
}

impl Segment {
    fn create<R: Row>(disk: &dyn Disk, path: PathBuf) -> Result<Segment, RecordingError> {
        let encoder =
            Encoder::try_new(Vec::new(), &R::schema()).map_err(|e| RecordingError::Encode {
                table: R::TABLE.name(),
                path: path.clone(),
                what: e.to_string(),
            })?;
        let file = disk
            .create(&path)
            .map_err(|e| RecordingError::io("create", &path, e))?;
        if let Some(folder) = path.parent() {
            disk.sync_dir(folder)
                .map_err(|e| RecordingError::io("sync", folder, e))?;
        }
        Ok(Segment {
            path,
            file,
            encoder,
            good: 0,
            opened: Instant::now(),
            synced: true,
        })
    }

    /// Appends what was encoded. If that fails, also says whether the segment could be
    /// cut back to whole messages.
    fn append(&mut self) -> Result<u64, (RecordingError, bool)> {
        let bytes = std::mem::take(self.encoder.get_mut());
        match self.file.write_all(&bytes) {
            Ok(()) => {
                self.good += bytes.len() as u64;
                self.synced = false;
                Ok(bytes.len() as u64)
            }
            Err(e) => {
                let whole = self.file.truncate(self.good).is_ok();
                Err((RecordingError::io("append to", &self.path, e), whole))
            }
        }
    }

    fn sync(&mut self) -> Result<(), RecordingError> {
        if !self.synced {
            self.file
                .sync()
                .map_err(|e| RecordingError::io("sync", &self.path, e))?;
            self.synced = true;
        }
        Ok(())
    }

    fn encode_error<R: Row>(&self, e: impl ToString) -> RecordingError {
        RecordingError::Encode {
            table: R::TABLE.name(),
            path: self.path.clone(),
            what: e.to_string(),
        }
    }
}
