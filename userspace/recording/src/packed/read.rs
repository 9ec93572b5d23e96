//! Reads one table's Parquet file.
//!
//! The whole file is checked against the length and checksum in the manifest before
//! its decoder sees it.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use crate::error::RecordingError;
use crate::input::{self, decode};
use crate::manifest::TableFile;
use crate::range::TimeRange;
use crate::tables::Row;

/// A table's file, open and verified.
pub(crate) struct PackedTable {
    path: PathBuf,
    table: &'static str,
    reader: ParquetRecordBatchReader,
    rows: u64,
}

impl PackedTable {
    /// Opens the file of table `R`, or of those of its row groups that may hold rows
    /// within `range`.
    ///
    /// # Errors
    /// If it is missing, not what the manifest says, or no Parquet file.
    pub(crate) fn open<R: Row>(
        path: &Path,
        stated: &TableFile,
        range: TimeRange,
    ) -> Result<PackedTable, RecordingError> {
        let table = R::TABLE.name();
        let corrupt = |what: String| RecordingError::corrupt(table, path, what);
        let mut file = match input::open(path) {
            Err(RecordingError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(corrupt("the file is missing".to_owned()));
            }
            other => other?,
        };
        verify(&mut file, path, stated)?.map_err(&corrupt)?;
        let (reader, rows) = decode(|| {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
            let rows = builder.metadata().file_metadata().num_rows();
            let groups = groups_within(builder.metadata(), R::SORTED_BY, range);
            let reader = builder
                .with_batch_size(R::AT_ONCE)
                .with_row_groups(groups)
                .build()?;
            Ok::<_, parquet::errors::ParquetError>((reader, rows))
        })
        .map_err(&corrupt)?;
        Ok(PackedTable {
            path: path.to_owned(),
            table,
            reader,
            rows: u64::try_from(rows).unwrap_or(0),
        })
    }

    /// Rows of the whole file, as its footer says.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// The next rows; after an error there are none.
    pub(crate) fn next<R: Row>(&mut self) -> Option<Result<Vec<R>, RecordingError>> {
        let mut rows = Vec::new();
        let read = decode(|| match self.reader.next() {
            None => Ok(false),
            Some(batch) => {
                R::read(&batch.map_err(|e| e.to_string())?, &mut rows)?;
                Ok::<bool, String>(true)
            }
        });
        match read {
            Ok(true) => Some(Ok(rows)),
            Ok(false) => None,
            Err(what) => Some(Err(RecordingError::corrupt(self.table, &self.path, what))),
        }
    }
}

/// Compares length and checksum; the inner error says how they differ.
fn verify(
    file: &mut File,
    path: &Path,
    stated: &TableFile,
) -> Result<Result<(), String>, RecordingError> {
    let io = |e| RecordingError::io("read", path, e);
    let bytes = file.metadata().map_err(io)?.len();
    if bytes != stated.bytes {
        return Ok(Err(format!(
            "it has {bytes} bytes and not {}",
            stated.bytes
        )));
    }
    let mut sum = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => sum.update(buffer.get(..count).unwrap_or(&[])),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(io(e)),
        }
    }
    file.rewind().map_err(io)?;
    if sum.finalize() != stated.crc32 {
        return Ok(Err("its checksum is wrong".to_owned()));
    }
    Ok(Ok(()))
}

/// The row groups whose times, which are in one column, may lie within a range.
fn groups_within(metadata: &ParquetMetaData, column: &str, range: TimeRange) -> Vec<usize> {
    let groups = metadata.row_groups().iter().enumerate();
    groups
        .filter(|(_, group)| {
            times(group, column).is_none_or(|(min_ns, max_ns)| range.touches(min_ns, max_ns))
        })
        .map(|(number, _)| number)
        .collect()
}

/// The earliest and the latest time of a row group in a column, if its statistics say so.
fn times(group: &RowGroupMetaData, column: &str) -> Option<(i64, i64)> {
    let chunk = group
        .columns()
        .iter()
        .find(|chunk| chunk.column_path().string() == column)?;
    match chunk.statistics()? {
        Statistics::Int64(times) => Some((*times.min_opt()?, *times.max_opt()?)),
        _ => None,
    }
}
