//! Why a query could not be answered, and what the user can do about it.

use std::io;
use std::path::PathBuf;

use escope_recording::RecordingError;

/// Why a query could not be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The recording cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// There is no place for the scratch copy of an unfinished recording.
    #[error(
        "an unfinished recording is queried through a copy, which cannot be made in {folder}: {source}; set TMPDIR to a folder with room"
    )]
    Scratch {
        /// Where the copy was to be.
        folder: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A table's file cannot be read.
    #[error("table {table} cannot be read: {what}; run check to see what is readable")]
    Unreadable {
        /// The table.
        table: String,
        /// What is wrong with it.
        what: String,
    },
    /// There is no query.
    #[error("the query is empty: give a SELECT, or @NAME for a named query")]
    Empty,
    /// The text is not SQL.
    #[error("this is not valid SQL: {what}; check the spelling before that place")]
    Syntax {
        /// What the parser said, with the place.
        what: String,
    },
    /// More than one statement.
    #[error("{count} statements were given: ask one SELECT at a time")]
    Several {
        /// How many.
        count: usize,
    },
    /// A statement other than `SELECT`.
    #[error("{statement} is refused: a query only reads, use SELECT")]
    NotSelect {
        /// Its first word.
        statement: String,
    },
    /// A `WITH` name hides a table.
    #[error("WITH {name} has the name of a table: choose another name")]
    HidesTable {
        /// The name.
        name: String,
    },
    /// There is no such table.
    #[error("there is no table {name}: the tables are {}", known.join(", "))]
    UnknownTable {
        /// The name that was given.
        name: String,
        /// The names of all tables.
        known: Vec<String>,
    },
    /// There is no such column.
    #[error("there is no column {name}: the columns are {}", known.join(", "))]
    UnknownColumn {
        /// The name that was given.
        name: String,
        /// The columns of the query's tables.
        known: Vec<String>,
    },
    /// There is no such named query.
    #[error("there is no named query @{name}: the names are {}", known.join(", "))]
    UnknownNamed {
        /// The name that was given.
        name: String,
        /// All names.
        known: Vec<String>,
    },
    /// SQL that the engine does not know, or that does not fit the data.
    #[error("the query cannot be answered: {what}; docs/query.md says what SQL there is")]
    Refused {
        /// What the engine said.
        what: String,
    },
    /// The engine failed: a defect.
    #[error(
        "the SQL engine failed on this query: {what}; please report it, and try to rephrase it"
    )]
    Engine {
        /// What it said.
        what: String,
    },
}
