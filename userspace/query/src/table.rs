//! What a query answers.

use std::fmt;

use polars::prelude::{DataFrame, DataType, TimeUnit};

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

    /// What it is called, and the type its values are brought to before they are shown.
    fn of(kind: &DataType) -> Option<(Kind, DataType)> {
        let called = match kind {
            DataType::Boolean => Kind::Boolean,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Kind::Integer,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
                Kind::Unsigned
            }
            DataType::Float32 | DataType::Float64 => Kind::Float,
            DataType::String => Kind::Text,
            DataType::Null => Kind::Null,
            DataType::Date => return Some((Kind::Date, DataType::String)),
            DataType::Time => return Some((Kind::Time, DataType::String)),
            DataType::Datetime(..) => return Some((Kind::Timestamp, DataType::String)),
            DataType::Decimal(..) => return Some((Kind::Decimal, DataType::String)),
            // As everywhere in a recording, spans of time are whole nanoseconds.
            DataType::Duration(TimeUnit::Nanoseconds) => {
                return Some((Kind::Integer, DataType::Int64));
            }
            DataType::List(inner) => {
                let (inner, shown) = Kind::of(inner)?;
                return Some((Kind::List(Box::new(inner)), DataType::List(shown.into())));
            }
            _ => return None,
        };
        Some((called, kind.clone()))
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
        let mut shown = Vec::new();
        for column in frame.columns() {
            let name = column.name().to_string();
            let (kind, data) = Kind::of(&in_nanoseconds(column.dtype()))
                .ok_or_else(|| format!("column {name} is of a type that has no printed form"))?;
            let cells = match column.dtype() {
                DataType::Duration(_) => column.cast(&in_nanoseconds(column.dtype())),
                _ => Ok(column.clone()),
            };
            let cells = cells.and_then(|cells| cells.cast(&data));
            shown.push(cells.map_err(|e| format!("column {name} cannot be shown: {e}"))?);
            columns.push(Column { name, kind });
        }
        let frame = DataFrame::new(frame.height(), shown).map_err(|e| e.to_string())?;
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

fn in_nanoseconds(kind: &DataType) -> DataType {
    match kind {
        DataType::Duration(_) => DataType::Duration(TimeUnit::Nanoseconds),
        other => other.clone(),
    }
}
