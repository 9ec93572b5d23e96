//! What the engine's failures mean to the user.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use polars::prelude::PolarsError;

use crate::error::QueryError;
use crate::statement::one_line;

/// Runs a piece of the engine; a panic becomes its message. The last resort: what the
/// engine left half done is dropped with the query.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    first_paragraph(text.unwrap_or("it stopped without a reason"))
}

/// The engine's error for a table's file that cannot be read.
pub(crate) fn unreadable(table: &'static str, error: io::Error) -> PolarsError {
    PolarsError::IO {
        error: Arc::new(error),
        msg: Some(table.into()),
    }
}

/// What an error of the engine means. `known` are the columns of the query's tables,
/// `tables` the names of all tables.
pub(crate) fn meaning(error: PolarsError, known: &[String], tables: &[String]) -> QueryError {
    match error {
        PolarsError::Context { error, .. } | PolarsError::ExprContext { error, .. } => {
            meaning(*error, known, tables)
        }
        PolarsError::IO {
            error,
            msg: Some(table),
        } => QueryError::Unreadable {
            table: table.to_string(),
            what: first_paragraph(&error.to_string()),
        },
        PolarsError::ColumnNotFound(what) | PolarsError::SchemaFieldNotFound(what) => column(
            quoted(&what).unwrap_or_else(|| first_paragraph(&what)),
            known,
        ),
        PolarsError::SQLInterface(what) | PolarsError::SQLSyntax(what) => {
            match (quoted(&what), &*what) {
                (Some(name), text) if text.starts_with("no column named") => column(name, known),
                (Some(name), text) if text.starts_with("relation '") => QueryError::UnknownTable {
                    name,
                    known: tables.to_vec(),
                },
                (_, text) => refused(text),
            }
        }
        other => refused(&other.to_string()),
    }
}

/// A column that is not there, or not at the place where it is named.
fn column(name: String, known: &[String]) -> QueryError {
    match known.contains(&name) {
        false => QueryError::UnknownColumn {
            name,
            known: known.to_vec(),
        },
        true => QueryError::Refused {
            what: format!(
                "column {name} cannot be named there, after GROUP BY or in ORDER BY there are \
                 the columns of the answer"
            ),
        },
    }
}

fn refused(what: &str) -> QueryError {
    let what = match quoted(what) {
        Some(name) if what.contains("duplicate") => {
            format!("two columns are called {name}, give one another name with AS")
        }
        _ => first_paragraph(what),
    };
    // The engine shows its syntax tree for what it does not support.
    let what = match what.find("Span(") {
        Some(_) => {
            let end = what.find([':', '(', '[', '{']).unwrap_or(what.len());
            format!("{} (in SQL that the engine lacks)", what[..end].trim_end())
        }
        None => what,
    };
    QueryError::Refused { what }
}

/// The first text in quotation marks.
fn quoted(text: &str) -> Option<String> {
    let start = text.find(['\'', '"', '`'])?;
    let mark = text[start..].chars().next()?;
    let rest = &text[start + mark.len_utf8()..];
    Some(rest[..rest.find(mark)?].to_owned())
}

/// Without the engine's plans and hints, which follow after an empty line.
fn first_paragraph(text: &str) -> String {
    one_line(text.trim().split("\n\n").next().unwrap_or(text))
}
