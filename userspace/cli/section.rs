//! A table of the report, for people and for programs.

use std::io::Write;

use escope_timeline::AtLeast;
use serde_json::{Map, Value, json};

use crate::printable::one_line;
use crate::tables::line;
use crate::time;

/// Of what was not seen to end, for programs.
pub(crate) fn at_least_json(of: &AtLeast) -> Value {
    json!({ "count": of.count, "sum_ns": of.sum_ns, "max_ns": of.max_ns })
}

/// One table about events.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its name in JSON.
    pub(crate) key: &'static str,
    /// What its rows are.
    pub(crate) title: String,
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: Vec<Row>,
    /// How many rows more there are.
    pub(crate) omitted: usize,
    /// What else is to be said, a sentence each; the same is in `more`.
    pub(crate) notes: Vec<String>,
    pub(crate) more: Map<String, Value>,
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) cells: Vec<String>,
    pub(crate) value: Value,
}

impl Section {
    /// The first `limit` of `items`, which are in their order.
    pub(crate) fn new<T>(
        key: &'static str,
        title: String,
        columns: &'static [&'static str],
        items: &[T],
        limit: usize,
        row: impl Fn(&T) -> Row,
    ) -> Section {
        Section {
            key,
            title,
            columns,
            rows: items.iter().take(limit).map(row).collect(),
            omitted: items.len().saturating_sub(limit),
            notes: Vec::new(),
            more: Map::new(),
        }
    }

    /// Adds a number that is no row; it is said if it is not 0.
    pub(crate) fn count(&mut self, key: &str, count: u64, what: &str) {
        self.more.insert(key.to_owned(), count.into());
        if count > 0 {
            self.notes.push(format!("{count} {what}"));
        }
    }

    /// Adds what is in no percentile, since its end was not seen; it is said if there is any.
    pub(crate) fn at_least(&mut self, key: &str, of: &AtLeast, what: &str) {
        self.more.insert(key.to_owned(), at_least_json(of));
        if of.count > 0 {
            self.notes.push(format!(
                "{} {what}: counted apart, {} at least in all, the longest {}",
                of.count,
                time::show(of.sum_ns),
                time::show(of.max_ns),
            ));
        }
    }

    /// For people. A table without rows has nothing to say but its notes; what has no columns is
    /// a title with notes.
    pub(crate) fn write(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        if !self.columns.is_empty() && self.rows.is_empty() && self.notes.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        let heads = self.columns.iter().map(|&head| head.to_owned()).collect();
        match self.columns {
            [] => writeln!(out, "{}", one_line(&self.title))?,
            _ => line(out, &self.title, heads)?,
        }
        for row in &self.rows {
            line(out, &row.name, row.cells.clone())?;
        }
        if self.omitted > 0 {
            writeln!(out, "  and {} more: -n shows them", self.omitted)?;
        }
        for note in &self.notes {
            writeln!(out, "  {}", one_line(note))?;
        }
        Ok(())
    }

    /// For programs: `rows`, `omitted`, and what else there is.
    pub(crate) fn json(&self) -> Value {
        let mut value = self.more.clone();
        if !self.columns.is_empty() {
            let rows: Vec<&Value> = self.rows.iter().map(|row| &row.value).collect();
            value.insert("rows".to_owned(), json!(rows));
            value.insert("omitted".to_owned(), json!(self.omitted));
        }
        Value::Object(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Row, Section};

    fn written(columns: &'static [&'static str], items: &[u64]) -> (String, Value) {
        let title = "a title".to_owned();
        let mut section = Section::new("key", title, columns, items, 1, |&item| Row {
            name: "a\nname".to_owned(),
            cells: vec![item.to_string()],
            value: json!(item),
        });
        section.count("none", 0, "are not said");
        let mut out = Vec::new();
        section.write(&mut out).unwrap();
        (String::from_utf8(out).unwrap(), section.json())
    }

    #[test]
    fn a_title_is_written_and_a_table_without_rows_is_not() {
        assert_eq!(written(&[], &[]).0, "\na title\n");
        assert_eq!(written(&["column"], &[]).0, "");
        let (text, json) = written(&["column"], &[7, 8]);
        assert!(text.contains("a\u{fffd}name") && text.ends_with("  and 1 more: -n shows them\n"));
        assert_eq!(json, json!({ "rows": [7], "omitted": 1, "none": 0 }));
    }
}
