//! Table `series`: values over time, of a process or of the whole VM.

use arrow_array::types::{Float64Type, Int64Type, UInt32Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::ProcId;

use super::columns::{Columns, maybe_numbers, number_at, numbers, optional, required, texts};
use super::{Row, Table, Timed};

/// The value of one metric at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesPoint {
    /// Nanoseconds since the recording's start.
    pub ts_ns: i64,
    /// The process it is about; none for the whole VM.
    pub proc: Option<ProcId>,
    /// The metric's name, its unit last, such as `heap_words`.
    pub metric: String,
    /// Its value.
    pub value: f64,
}

impl Row for SeriesPoint {
    const TABLE: Table = Table::Series;
    const SORTED_BY: &'static str = "ts_ns";

    fn fields() -> Vec<Field> {
        vec![
            required("ts_ns", DataType::Int64),
            optional("proc", DataType::UInt32),
            required("metric", DataType::Utf8),
            required("value", DataType::Float64),
        ]
    }

    fn columns(rows: &[SeriesPoint]) -> Vec<ArrayRef> {
        vec![
            numbers::<Int64Type>(rows.iter().map(|row| row.ts_ns)),
            maybe_numbers::<UInt32Type>(rows.iter().map(|row| row.proc.map(|id| id.0))),
            texts(rows.iter().map(|row| &row.metric)),
            numbers::<Float64Type>(rows.iter().map(|row| row.value)),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<SeriesPoint>) -> Result<(), String> {
        let columns = Columns(batch);
        let ts_ns = columns.i64("ts_ns")?;
        let proc = columns.maybe_u32("proc")?;
        let metric = columns.text("metric")?;
        let value = columns.f64("value")?;
        for row in 0..batch.num_rows() {
            out.push(SeriesPoint {
                ts_ns: ts_ns.value(row),
                proc: number_at(proc, row).map(ProcId),
                metric: metric.value(row).to_owned(),
                value: value.value(row),
            });
        }
        Ok(())
    }
}

impl Timed for SeriesPoint {
    fn ts_ns(&self) -> i64 {
        self.ts_ns
    }
}
