//! JSON: an array of objects, one a line.

use std::io::{self, Write};

use crate::table::Table;
use crate::value::Value;

/// Writes a result as a JSON array with an object a row.
///
/// Whole numbers are exact, up to 64 bits with and without sign. Floats read back as
/// the same number; those that JSON has no number for, infinities and NaN, are null.
///
/// # Errors
/// If `out` refuses.
pub fn write_json(table: &Table, out: &mut impl Write) -> io::Result<()> {
    let keys = table
        .columns()
        .iter()
        .map(|column| serde_json::to_string(&column.name))
        .collect::<Result<Vec<_>, _>>()?;
    out.write_all(b"[")?;
    for row in 0..table.len() {
        out.write_all(if row == 0 { b"\n{" } else { b",\n{" })?;
        for (n, (key, value)) in keys.iter().zip(table.row(row)).enumerate() {
            if n > 0 {
                out.write_all(b",")?;
            }
            write!(out, "{key}:")?;
            write_value(&value, out)?;
        }
        out.write_all(b"}")?;
    }
    out.write_all(b"\n]\n")
}

/// Writes one value as JSON.
pub(super) fn write_value(value: &Value<'_>, out: &mut impl Write) -> io::Result<()> {
    match value {
        Value::Null => out.write_all(b"null"),
        Value::Boolean(value) => write!(out, "{value}"),
        Value::Integer(value) => write!(out, "{value}"),
        Value::Unsigned(value) => write!(out, "{value}"),
        Value::Float(value) => Ok(serde_json::to_writer(out, value)?),
        Value::Text(text) => Ok(serde_json::to_writer(out, text)?),
        Value::List(items) => {
            out.write_all(b"[")?;
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.write_all(b",")?;
                }
                write_value(item, out)?;
            }
            out.write_all(b"]")
        }
    }
}
