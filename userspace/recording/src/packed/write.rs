//! Writes one table as a Parquet file.
//!
//! The file gets its name only when it is whole and on disk. Times and the numbers of
//! messages are delta encoded; everything else is a dictionary of few values or of
//! small numbers, which zstd then shortens.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

use super::{packed_path, unfinished_path};
use crate::disk::{Disk, DiskFile};
use crate::error::RecordingError;
use crate::manifest::TableFile;
use crate::tables::Row;

/// Rows of a row group: the unit that a time range skips and a reader holds.
const ROW_GROUP_ROWS: usize = 1 << 18;
/// A row group is ended before it takes more memory than this.
const ROW_GROUP_BYTES: usize = 64 << 20;
const ZSTD_LEVEL: i32 = 3;
/// Columns, of any table, whose values grow from row to row or nearly so.
const GROWING: [&str; 8] = [
    "ts_ns",
    "from_ns",
    "to_ns",
    "start_ns",
    "end_ns",
    "sent_ns",
    "received_ns",
    "msg",
];

/// Writes a table's rows, which come in chunks in their final order.
///
/// # Errors
/// If a chunk is an error, or the disk refuses; nothing is left behind then.
pub(crate) fn write_table<R: Row>(
    disk: &dyn Disk,
    folder: &Path,
    chunks: impl Iterator<Item = Result<Vec<R>, RecordingError>>,
) -> Result<TableFile, RecordingError> {
    let new = unfinished_path(folder, R::TABLE);
    // A leftover of an attempt that was killed.
    let _ = disk.remove(&new);
    let file = disk
        .create(&new)
        .map_err(|e| RecordingError::io("create", &new, e))?;
    let path = packed_path(folder, R::TABLE);
    let written = write_rows(file, &new, chunks).and_then(|table| {
        disk.rename(&new, &path)
            .map_err(|e| RecordingError::io("rename", &new, e))?;
        Ok(table)
    });
    if written.is_err() {
        // Best effort: readers ignore files of this name.
        let _ = disk.remove(&new);
    }
    written
}

fn write_rows<R: Row>(
    file: Box<dyn DiskFile>,
    path: &Path,
    chunks: impl Iterator<Item = Result<Vec<R>, RecordingError>>,
) -> Result<TableFile, RecordingError> {
    let refusal = Refusal::default();
    let failed = |e| refusal.or::<R>(path, &e);
    let options = ArrowWriterOptions::new()
        .with_properties(properties())
        .with_skip_arrow_metadata(true);
    let mut writer =
        ArrowWriter::try_new_with_options(Summed::new(file, refusal.clone()), R::schema(), options)
            .map_err(failed)?;
    let mut rows = 0;
    let mut buffer: Vec<R> = Vec::new();
    for chunk in chunks {
        buffer.append(&mut chunk?);
        while buffer.len() >= R::AT_ONCE {
            let rest = buffer.split_off(R::AT_ONCE);
            rows += write_batch(&mut writer, &buffer).map_err(failed)?;
            buffer = rest;
        }
    }
    rows += write_batch(&mut writer, &buffer).map_err(failed)?;
    let mut summed = writer.into_inner().map_err(failed)?;
    summed
        .file
        .sync()
        .map_err(|e| RecordingError::io("sync", path, e))?;
    Ok(TableFile {
        rows,
        bytes: summed.bytes,
        crc32: summed.sum.finalize(),
    })
}

fn write_batch<R: Row>(writer: &mut ArrowWriter<Summed>, rows: &[R]) -> Result<u64, ParquetError> {
    if !rows.is_empty() {
        writer.write(&R::batch(rows)?)?;
        if writer.in_progress_size() > ROW_GROUP_BYTES {
            writer.flush()?;
        }
    }
    Ok(rows.len() as u64)
}

fn properties() -> WriterProperties {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default();
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("escope-bpf ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS));
    for name in GROWING {
        let column = ColumnPath::from(name);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    properties.build()
}

/// What the disk refused, which the encoder hides in texts of its own.
#[derive(Clone, Default)]
struct Refusal(Arc<Mutex<Option<io::Error>>>);

impl Refusal {
    fn keep(&self, e: io::Error) -> io::Error {
        let kind = e.kind();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
        kind.into()
    }

    fn or<R: Row>(&self, path: &Path, e: &ParquetError) -> RecordingError {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match kept {
            Some(refusal) => RecordingError::io("write", path, refusal),
            None => RecordingError::Encode {
                table: R::TABLE.name(),
                path: path.to_owned(),
                what: e.to_string(),
            },
        }
    }
}

/// A file whose length and checksum are known when it is written.
struct Summed {
    file: Box<dyn DiskFile>,
    sum: crc32fast::Hasher,
    bytes: u64,
    refusal: Refusal,
}

impl Summed {
    fn new(file: Box<dyn DiskFile>, refusal: Refusal) -> Summed {
        Summed {
            file,
            sum: crc32fast::Hasher::new(),
            bytes: 0,
            refusal,
        }
    }
}

impl Write for Summed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = match self.file.write(buffer) {
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Err(e),
            Err(e) => return Err(self.refusal.keep(e)),
        };
        if let Some(written) = buffer.get(..count) {
            self.sum.update(written);
        }
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
