//! Aligned text for people.

use std::fmt::Write as _;
use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::table::Table;
use crate::value::Value;

const GAP: &str = "  ";
const CUT: char = '…';

/// Writes a result as aligned text: a header, numbers on the right, null empty.
///
/// Cells are printed whole. Floats are rounded to six decimals, which JSON and CSV are
/// not; control characters are escaped.
///
/// # Errors
/// If `out` refuses.
pub fn write_table(table: &Table, out: &mut impl Write) -> io::Result<()> {
    write_table_within(table, usize::MAX, out)
}

/// Like [`write_table`], with cells wider than `cell` columns of a terminal cut; a
/// cell that was cut ends with `…`. Numbers are never cut.
///
/// # Errors
/// If `out` refuses.
pub fn write_table_within(table: &Table, cell: usize, out: &mut impl Write) -> io::Result<()> {
    let columns = table.columns();
    let number: Vec<bool> = columns.iter().map(|c| c.kind.is_number()).collect();
    let fit = |n: usize, text: String| match number[n] {
        true => text,
        false => shortened(text, cell),
    };
    let header: Vec<String> = columns.iter().map(|c| escaped(&c.name)).collect();
    let mut widths: Vec<usize> = header.iter().map(|name| name.width()).collect();
    for row in 0..table.len() {
        for (n, value) in table.row(row).enumerate() {
            widths[n] = widths[n].max(fit(n, printed(&value)).width());
        }
    }
    let mut line = |cells: &mut dyn Iterator<Item = String>| -> io::Result<()> {
        let mut text = String::new();
        for (n, cell) in cells.enumerate() {
            let gap = if n == 0 { "" } else { GAP };
            let pad = " ".repeat(widths[n].saturating_sub(cell.width()));
            let (before, after) = if number[n] { (&*pad, "") } else { ("", &*pad) };
            // Writing into a string cannot fail.
            let _ = write!(text, "{gap}{before}{cell}{after}");
        }
        writeln!(out, "{}", text.trim_end())
    };
    line(&mut header.iter().cloned())?;
    line(&mut widths.iter().map(|width| "-".repeat(*width)))?;
    for row in 0..table.len() {
        line(
            &mut table
                .row(row)
                .enumerate()
                .map(|(n, value)| fit(n, printed(&value))),
        )?;
    }
    Ok(())
}

fn printed(value: &Value<'_>) -> String {
    match value {
        Value::Null => String::new(),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Unsigned(value) => value.to_string(),
        Value::Float(value) => rounded(*value),
        Value::Text(text) => escaped(text),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(printed).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

/// At most six decimals; the very small and the very large keep four digits.
fn rounded(value: f64) -> String {
    if value.is_finite() && value != 0.0 && !(0.001..1e15).contains(&value.abs()) {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.6}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Without anything that moves a terminal's cursor.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char.is_control() {
            true => out.extend(char.escape_default()),
            false => out.push(char),
        }
    }
    out
}

fn shortened(text: String, width: usize) -> String {
    if text.width() <= width {
        return text;
    }
    let mut used = 1;
    let mut out = String::new();
    for char in text.chars() {
        used += char.width().unwrap_or(0);
        if used > width {
            break;
        }
        out.push(char);
    }
    out.push(CUT);
    out
}
