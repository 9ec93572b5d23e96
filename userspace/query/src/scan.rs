//! A Parquet file as a table of the SQL engine, read when a query asks for it.
//!
//! The engine's own Parquet scan would bring its streaming executor and with that an
//! HTTP client; this one reads the same files with the engine's reader, the columns
//! and row groups that a query needs.
//!
//! Unsigned 32-bit numbers become signed 64-bit ones: in SQL, `a - b` of two such
//! columns must not wrap around. Columns of types that no version of the format has
//! are left out.

use std::any::Any;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use polars::prelude::{
    AnonymousScan, AnonymousScanArgs, DataFrame, DataType, Expr, IntoLazy, LazyFrame, PlSmallStr,
    PolarsResult, ScanArgsAnonymous, Schema, SchemaRef, SerReader,
};
use polars_io::prelude::ParquetReader;

use crate::failure;
use crate::prune;

/// One table's file.
#[derive(Debug, Clone)]
pub(crate) struct ParquetTable {
    name: &'static str,
    path: PathBuf,
}

impl ParquetTable {
    /// The table in the file at `path`.
    pub(crate) fn new(name: &'static str, path: PathBuf) -> ParquetTable {
        ParquetTable { name, path }
    }

    /// All of it.
    pub(crate) fn frame(&self) -> PolarsResult<DataFrame> {
        let columns: Vec<_> = self.columns()?.iter_names().cloned().collect();
        self.read(&columns, None, None)
    }

    /// A frame that reads the file when it is collected.
    pub(crate) fn lazy(&self) -> PolarsResult<LazyFrame> {
        LazyFrame::anonymous_scan(Arc::new(self.clone()), ScanArgsAnonymous::default())
    }

    /// The columns and their types.
    pub(crate) fn columns(&self) -> PolarsResult<Schema> {
        let schema = self.guarded(|| self.reader()?.schema())?;
        Ok(schema
            .iter_values()
            .filter_map(|field| {
                let kind = shown(&DataType::from_arrow_field(field))?;
                Some((field.name.clone(), kind))
            })
            .collect())
    }

    /// Some columns of the first `limit` rows, or of the rows that `filter` keeps. The
    /// engine never asks for both.
    fn read(
        &self,
        columns: &[PlSmallStr],
        filter: Option<&Expr>,
        limit: Option<usize>,
    ) -> PolarsResult<DataFrame> {
        let filter = filter.map(prune::without_hints).transpose()?.flatten();
        let mut needed = columns.to_vec();
        for name in filter.iter().flat_map(columns_of) {
            if !needed.contains(&name) {
                needed.push(name);
            }
        }
        let frame = self.guarded(|| {
            let mut reader = self
                .reader()?
                .with_columns(Some(needed.iter().map(ToString::to_string).collect()))
                .with_slice(limit.map(|limit| (0, limit)));
            if let (Some(filter), None) = (&filter, limit) {
                let mut bounds = prune::bounds(filter);
                let schema = reader.schema()?;
                bounds.retain(|column, _| {
                    schema
                        .get(column)
                        .is_some_and(|field| DataType::from_arrow_field(field) == DataType::Int64)
                });
                let rows = prune::rows(reader.get_metadata()?, &bounds);
                reader = reader.with_slice(Some((rows.start, rows.len())));
            }
            reader.finish()
        })?;
        let frame = widened(frame)?;
        match filter {
            None => frame.select(columns),
            Some(filter) => frame.lazy().filter(filter).collect()?.select(columns),
        }
    }

    /// Whatever goes wrong with a file, an error or a panic, is told with its table.
    fn guarded<T>(&self, read: impl FnOnce() -> PolarsResult<T>) -> PolarsResult<T> {
        failure::caught(read)
            .map_err(io::Error::other)
            .and_then(|read| read.map_err(|e| io::Error::other(e.to_string())))
            .map_err(|error| failure::unreadable(self.name, error))
    }

    fn reader(&self) -> PolarsResult<ParquetReader<File>> {
        Ok(ParquetReader::new(File::open(&self.path)?))
    }
}

impl AnonymousScan for ParquetTable {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self, _infer_schema_length: Option<usize>) -> PolarsResult<SchemaRef> {
        self.columns().map(Arc::new)
    }

    fn scan(&self, asked: AnonymousScanArgs) -> PolarsResult<DataFrame> {
        let mut columns = match &asked.with_columns {
            Some(columns) => columns.to_vec(),
            None => asked.schema.iter_names().cloned().collect(),
        };
        if columns.is_empty() {
            // A count alone needs rows but no column: the first one carries them.
            columns.extend(asked.schema.iter_names().next().cloned());
        }
        self.read(&columns, asked.predicate.as_ref(), asked.n_rows)
    }

    fn allows_predicate_pushdown(&self) -> bool {
        true
    }

    fn allows_projection_pushdown(&self) -> bool {
        true
    }
}

fn columns_of(filter: &Expr) -> Vec<PlSmallStr> {
    let column = |part: &Expr| match part {
        Expr::Column(name) => Some(name.clone()),
        _ => None,
    };
    filter.into_iter().filter_map(column).collect()
}

/// The type in SQL of a type in the file; none if it is not one of the format.
fn shown(kind: &DataType) -> Option<DataType> {
    match kind {
        DataType::UInt32 => Some(DataType::Int64),
        DataType::Boolean
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::String => Some(kind.clone()),
        DataType::List(inner) => Some(DataType::List(Box::new(shown(inner)?))),
        _ => None,
    }
}

fn widened(mut frame: DataFrame) -> PolarsResult<DataFrame> {
    let mut wider = Vec::new();
    for column in frame.columns() {
        if let Some(kind) = shown(column.dtype())
            && kind != *column.dtype()
        {
            wider.push(column.cast(&kind)?);
        }
    }
    for column in wider {
        frame.with_column(column)?;
    }
    Ok(frame)
}

#[cfg(test)]
mod tests;
