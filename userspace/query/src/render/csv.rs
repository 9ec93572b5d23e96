//! CSV as RFC 4180 has it.

use std::io::{self, Write};

use super::json;
use crate::table::Table;
use crate::value::Value;

/// Writes a result as CSV: a header, lines that end with CR LF, fields quoted where
/// they must be.
///
/// Null is an empty field and empty text is `""`. Lists are written as JSON.
///
/// # Errors
/// If `out` refuses.
pub fn write_csv(table: &Table, out: &mut impl Write) -> io::Result<()> {
    for (n, column) in table.columns().iter().enumerate() {
        separator(n, out)?;
        write_text(&column.name, out)?;
    }
    out.write_all(b"\r\n")?;
    for row in 0..table.len() {
        for (n, value) in table.row(row).enumerate() {
            separator(n, out)?;
            write_field(&value, out)?;
        }
        out.write_all(b"\r\n")?;
    }
    Ok(())
}

fn separator(column: usize, out: &mut impl Write) -> io::Result<()> {
    match column {
        0 => Ok(()),
        _ => out.write_all(b","),
    }
}

fn write_field(value: &Value<'_>, out: &mut impl Write) -> io::Result<()> {
    match value {
        Value::Null => Ok(()),
        Value::Boolean(value) => write!(out, "{value}"),
        Value::Integer(value) => write!(out, "{value}"),
        Value::Unsigned(value) => write!(out, "{value}"),
        Value::Float(value) => write!(out, "{value:?}"),
        Value::Text(text) => write_text(text, out),
        Value::List(_) => {
            let mut list = Vec::new();
            json::write_value(value, &mut list)?;
            write_text(&String::from_utf8_lossy(&list), out)
        }
    }
}

fn write_text(text: &str, out: &mut impl Write) -> io::Result<()> {
    let quoted = text.is_empty()
        || text.starts_with(' ')
        || text.ends_with(' ')
        || text.contains([',', '"', '\n', '\r']);
    if quoted {
        write!(out, "\"{}\"", text.replace('"', "\"\""))
    } else {
        out.write_all(text.as_bytes())
    }
}
