//! Table `code`: modules that were loaded and unloaded.

use arrow_array::types::{Int64Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};

use super::columns::{Columns, Words, numbers, required, texts};
use super::{Row, Table, Timed};

/// Whether code came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodeAction {
    /// It was loaded, or was there when the recording began.
    Load,
    /// It was unloaded.
    Unload,
}

impl CodeAction {
    /// The word used in recordings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CodeAction::Load => "load",
            CodeAction::Unload => "unload",
        }
    }

    /// The action a recording's word stands for.
    #[must_use]
    pub fn parse(text: &str) -> Option<CodeAction> {
        match text {
            "load" => Some(CodeAction::Load),
            "unload" => Some(CodeAction::Unload),
            _ => None,
        }
    }
}

/// One range of JIT code that came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeEvent {
    /// Nanoseconds since the recording's start; 0 for what was there before.
    pub ts_ns: i64,
    /// Whether it came or went.
    pub event: CodeAction,
    /// The module, unquoted.
    pub module: String,
    /// How many functions it has.
    pub functions: u32,
    /// First address, in the target's address space.
    pub start: u64,
    /// Size in bytes.
    pub size: u64,
}

impl Row for CodeEvent {
    const TABLE: Table = Table::Code;
    const SORTED_BY: &'static str = "ts_ns";

    fn fields() -> Vec<Field> {
        vec![
            required("ts_ns", DataType::Int64),
            required("event", DataType::Utf8),
            required("module", DataType::Utf8),
            required("functions", DataType::UInt32),
            required("start", DataType::UInt64),
            required("size", DataType::UInt64),
        ]
    }

    fn columns(rows: &[CodeEvent]) -> Vec<ArrayRef> {
        vec![
            numbers::<Int64Type>(rows.iter().map(|row| row.ts_ns)),
            texts(rows.iter().map(|row| row.event.as_str())),
            texts(rows.iter().map(|row| &row.module)),
            numbers::<UInt32Type>(rows.iter().map(|row| row.functions)),
            numbers::<UInt64Type>(rows.iter().map(|row| row.start)),
            numbers::<UInt64Type>(rows.iter().map(|row| row.size)),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<CodeEvent>) -> Result<(), String> {
        let columns = Columns(batch);
        let ts_ns = columns.i64("ts_ns")?;
        let event = columns.text("event")?;
        let module = columns.text("module")?;
        let functions = columns.u32("functions")?;
        let start = columns.u64("start")?;
        let size = columns.u64("size")?;
        let mut actions = Words::new("event", CodeAction::parse);
        for row in 0..batch.num_rows() {
            out.push(CodeEvent {
                ts_ns: ts_ns.value(row),
                event: actions.get(event.value(row))?,
                module: module.value(row).to_owned(),
                functions: functions.value(row),
                start: start.value(row),
                size: size.value(row),
            });
        }
        Ok(())
    }
}

impl Timed for CodeEvent {
    fn ts_ns(&self) -> i64 {
        self.ts_ns
    }
}
