//! A recording open for queries.

use std::collections::BTreeMap;

use escope_recording::{Form, Problem, Recording, TableFiles, TimeRange};
use polars::prelude::PolarsError;
use polars::sql::SQLContext;
use tempfile::TempDir;

use crate::error::QueryError;
use crate::failure;
use crate::named;
use crate::scan::ParquetTable;
use crate::statement::Select;
use crate::table::{Column, Table};
use crate::views::Tables;

/// A recording open for queries.
#[derive(Debug)]
pub struct Sql {
    tables: Tables,
    problems: Vec<Problem>,
    /// The Parquet files of an unfinished recording; removed when dropped.
    _scratch: Option<TempDir>,
}

/// Where the rows of a table come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// The recording holds them.
    Recorded,
    /// They are derived from other tables.
    Derived,
}

/// A table that a query can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Where its rows come from.
    pub kind: SourceKind,
    /// Its columns, in order.
    pub columns: Vec<Column>,
}

impl Sql {
    /// Opens a recording for queries. An unfinished one is copied as it is now, into a
    /// folder that is removed with this value.
    ///
    /// # Errors
    /// If its files cannot be listed, or there is no room for the copy.
    pub fn open(recording: &Recording) -> Result<Sql, QueryError> {
        if recording.manifest().form == Form::Parquet {
            return Sql::over(recording, &recording.tables()?);
        }
        let scratch = scratch()?;
        let copied = recording.compact_to(scratch.path());
        // If it ended meanwhile, its streams may have gone while they were copied.
        let now = Recording::open(recording.path())?;
        if now.manifest().form == Form::Parquet {
            return Sql::over(&now, &now.tables()?);
        }
        Ok(Sql {
            problems: problems(recording)?,
            _scratch: Some(scratch),
            ..Sql::over(recording, &copied?)?
        })
    }

    fn over(recording: &Recording, files: &[TableFiles]) -> Result<Sql, QueryError> {
        let files: BTreeMap<_, _> = files
            .iter()
            .filter_map(|of| {
                let name = of.table.name();
                Some((name, ParquetTable::new(name, of.files.first()?.clone())))
            })
            .collect();
        let start_realtime_ns = recording.manifest().clocks.start_realtime_ns;
        Ok(Sql {
            tables: Tables::new(files, start_realtime_ns, recording.watched()?),
            problems: Vec::new(),
            _scratch: None,
        })
    }

    /// What of an unfinished recording could not be read, and is in no answer.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Every table that a query can name: the recording's own, then the derived ones.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn sources(&self) -> Result<Vec<Source>, QueryError> {
        let own = self.tables.own().map(|name| (name, SourceKind::Recorded));
        let derived = self.tables.derived();
        own.chain(derived.map(|name| (name, SourceKind::Derived)))
            .map(|(name, kind)| {
                let none = self.run(&format!("SELECT * FROM {name} LIMIT 0"))?;
                Ok(Source {
                    name: name.to_owned(),
                    kind,
                    columns: none.columns().to_vec(),
                })
            })
            .collect()
    }

    /// Answers one `SELECT`, or a named query given as `@name`.
    ///
    /// # Errors
    /// If it is not valid, names what is not there, uses what the engine has not, or
    /// a table cannot be read.
    pub fn run(&self, sql: &str) -> Result<Table, QueryError> {
        let sql = named::expand(sql)?;
        let select = Select::parse(sql, |name| self.tables.has(name))?;
        if let Some(name) = select.tables.iter().find(|name| !self.tables.has(name)) {
            return Err(QueryError::UnknownTable {
                name: name.clone(),
                known: self.tables.names(),
            });
        }
        failure::caught(|| self.answer(&select)).map_err(|what| QueryError::Engine { what })?
    }

    fn answer(&self, select: &Select) -> Result<Table, QueryError> {
        let mut columns = Vec::new();
        let mut engine = SQLContext::new();
        for name in &select.tables {
            let mut frame = self.tables.get(name).map_err(|e| self.meaning(e, &[]))?;
            let schema = frame.collect_schema().map_err(|e| self.meaning(e, &[]))?;
            for column in schema.iter_names() {
                if !columns.iter().any(|known| known == column.as_str()) {
                    columns.push(column.to_string());
                }
            }
            engine.register(name, frame);
        }
        let frame = engine
            .execute(&select.sql)
            .and_then(|answer| answer.collect())
            .map_err(|e| self.meaning(e, &columns))?;
        Table::new(frame).map_err(|what| QueryError::Refused { what })
    }

    fn meaning(&self, error: PolarsError, columns: &[String]) -> QueryError {
        failure::meaning(error, columns, &self.tables.names())
    }
}

fn scratch() -> Result<TempDir, QueryError> {
    tempfile::Builder::new()
        .prefix("escope-query-")
        .tempdir()
        .map_err(|source| QueryError::Scratch {
            folder: std::env::temp_dir(),
            source,
        })
}

/// What of a recording in stream form is unreadable: the copy leaves it out.
fn problems(recording: &Recording) -> Result<Vec<Problem>, QueryError> {
    let (_, mut problems) = recording.dictionary()?;
    problems.extend_from_slice(recording.samples()?.problems());
    problems.extend_from_slice(recording.series(TimeRange::ALL)?.problems());
    problems.extend_from_slice(recording.runs(TimeRange::ALL)?.problems());
    problems.extend_from_slice(recording.messages(TimeRange::ALL)?.problems());
    problems.extend_from_slice(recording.payloads(TimeRange::ALL)?.problems());
    problems.extend_from_slice(recording.lifecycle(TimeRange::ALL)?.problems());
    problems.extend_from_slice(recording.gc(TimeRange::ALL)?.problems());
    problems.extend_from_slice(recording.off_cpu(TimeRange::ALL)?.problems());
    problems.extend_from_slice(recording.native_calls(TimeRange::ALL)?.problems());
    problems.extend_from_slice(recording.modules(TimeRange::ALL)?.problems());
    problems.extend_from_slice(recording.port_events(TimeRange::ALL)?.problems());
    problems.extend_from_slice(recording.dist(TimeRange::ALL)?.problems());
    problems.extend_from_slice(recording.states(TimeRange::ALL)?.problems());
    problems.extend_from_slice(recording.checkpoints(TimeRange::ALL)?.problems());
    problems.extend_from_slice(recording.windows()?.problems());
    problems.extend_from_slice(recording.losses()?.problems());
    problems.extend_from_slice(recording.code()?.problems());
    Ok(problems)
}

#[cfg(test)]
mod tests;
