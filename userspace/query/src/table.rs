//! What a query answers.

use std::fmt;

use polars::prelude::{DataFrame, DataType, PolarsResult};

use crate::value::Value;

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Yes or no.
    Boolean,
    /// Whole numbers.
    Integer,
    /// Whole numbers that are never negative.
    Unsigned,
    /// Numbers.
    Float,
    /// Decimal fractions, given as text.
    Decimal,
    /// Text.
    Text,
    /// Days, given as text.
    Date,
    /// Times of day, given as text.
    Time,
    /// Instants, given as text.
    Timestamp,
    /// Spans of time, given as text.
    Duration,
    /// Lists.
    List(Box<Kind>),
    /// Nothing but null.
    Null,
}

impl Kind {
    /// Whether people expect it on the right of its column.
    #[must_use]
    pub fn is_number(&self) -> bool {
        matches!(
            self,
            Kind::Integer | Kind::Unsigned | Kind::Float | Kind::Decimal
        )
    }

    /// What it is called, and whether its values must be written out as text first.
    fn of(kind: &DataType) -> Option<(Kind, bool)> {
        Some(match kind {
            DataType::Boolean => (Kind::Boolean, false),
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                (Kind::Integer, false)
            }
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
                (Kind::Unsigned, false)
            }
            DataType::Float32 | DataType::Float64 => (Kind::Float, false),
            DataType::String => (Kind::Text, false),
            DataType::Null => (Kind::Null, false),
            DataType::Date => (Kind::Date, true),
            DataType::Time => (Kind::Time, true),
            DataType::Datetime(..) => (Kind::Timestamp, true),
            DataType::Duration(_) => (Kind::Duration, true),
            DataType::Decimal(..) => (Kind::Decimal, true),
            DataType::List(inner) => {
                let (inner, written) = Kind::of(inner)?;
                (Kind::List(Box::new(inner)), written)
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Boolean => "boolean",
            Kind::Integer => "integer",
            Kind::Unsigned => "unsigned integer",
            Kind::Float => "float",
            Kind::Decimal => "decimal",
            Kind::Text => "text",
            Kind::Date => "date",
            Kind::Time => "time",
            Kind::Timestamp => "timestamp",
            Kind::Duration => "duration",
            Kind::Null => "null",
            Kind::List(inner) => return write!(f, "list of {inner}"),
        })
    }
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name. Names of a result are distinct.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// What a query answers: columns and rows, held in memory.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    frame: DataFrame,
}

impl Table {
    /// Takes over what the engine answered. The error is the sentence to show.
    pub(crate) fn new(mut frame: DataFrame) -> Result<Table, String> {
        frame.rechunk_mut_par();
        let mut columns = Vec::new();
        let mut written = Vec::new();
        for column in frame.columns() {
            let name = column.name().to_string();
            let (kind, as_text) = Kind::of(column.dtype())
                .ok_or_else(|| format!("column {name} is of a type that has no printed form"))?;
            if as_text {
                written.push(column.cast(&text_like(column.dtype())).map_err(|e| {
                    format!("column {name} cannot be written as text: {e}")
                })?);
            }
            columns.push(Column { name, kind });
        }
        let replace = |frame: &mut DataFrame| -> PolarsResult<()> {
            for column in written {
                frame.with_column(column)?;
            }
            Ok(())
        };
        replace(&mut frame).map_err(|e| e.to_string())?;
        Ok(Table { columns, frame })
    }

    /// The columns, in order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frame.height()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The cell of a row and a column, both from 0; null where there is none.
    #[must_use]
    pub fn value(&self, row: usize, column: usize) -> Value<'_> {
        let cell = self.frame.columns().get(column).map(|cells| cells.get(row));
        match cell {
            Some(Ok(cell)) => Value::new(cell),
            _ => Value::Null,
        }
    }

    /// The cells of a row, in the order of the columns.
    pub fn row(&self, row: usize) -> impl Iterator<Item = Value<'_>> {
        (0..self.columns.len()).map(move |column| self.value(row, column))
    }

    /// Every row.
    pub fn rows(&self) -> impl Iterator<Item = Vec<Value<'_>>> {
        (0..self.len()).map(|row| self.row(row).collect())
    }
}

/// The type with text in place of what must be written out.
fn text_like(kind: &DataType) -> DataType {
    match kind {
        DataType::List(inner) => DataType::List(Box::new(text_like(inner))),
        _ => DataType::String,
    }
}
