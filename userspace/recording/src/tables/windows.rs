//! Table `windows`: when events of the VM were watched, and what that cost it.

use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::Window;

use super::columns::{Columns, maybe_numbers, number_at, numbers, optional, required};
use super::{Row, Table, Timed};

impl Row for Window {
    const TABLE: Table = Table::Windows;
    const SORTED_BY: &'static str = "from_ns";

    fn fields() -> Vec<Field> {
        vec![
            required("from_ns", DataType::Int64),
            required("to_ns", DataType::Int64),
            required("attempts", DataType::UInt64),
            required("recorded", DataType::UInt64),
            required("lost", DataType::UInt64),
            optional("reductions", DataType::UInt64),
            required("target_cpu_ns", DataType::UInt64),
            required("cost_ns", DataType::UInt64),
        ]
    }

    fn columns(rows: &[Window]) -> Vec<ArrayRef> {
        vec![
            numbers::<Int64Type>(rows.iter().map(|row| row.from_ns)),
            numbers::<Int64Type>(rows.iter().map(|row| row.to_ns)),
            numbers::<UInt64Type>(rows.iter().map(|row| row.attempts)),
            numbers::<UInt64Type>(rows.iter().map(|row| row.recorded)),
            numbers::<UInt64Type>(rows.iter().map(|row| row.lost)),
            maybe_numbers::<UInt64Type>(rows.iter().map(|row| row.reductions)),
            numbers::<UInt64Type>(rows.iter().map(|row| row.target_cpu_ns)),
            numbers::<UInt64Type>(rows.iter().map(|row| row.cost_ns)),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<Window>) -> Result<(), String> {
        let columns = Columns(batch);
        let from_ns = columns.i64("from_ns")?;
        let to_ns = columns.i64("to_ns")?;
        let attempts = columns.u64("attempts")?;
        let recorded = columns.u64("recorded")?;
        let lost = columns.u64("lost")?;
        let reductions = columns.maybe_u64("reductions")?;
        let target_cpu_ns = columns.u64("target_cpu_ns")?;
        let cost_ns = columns.u64("cost_ns")?;
        for row in 0..batch.num_rows() {
            out.push(Window {
                from_ns: from_ns.value(row),
                to_ns: to_ns.value(row),
                attempts: attempts.value(row),
                recorded: recorded.value(row),
                lost: lost.value(row),
                reductions: number_at(reductions, row),
                target_cpu_ns: target_cpu_ns.value(row),
                cost_ns: cost_ns.value(row),
            });
        }
        Ok(())
    }
}

impl Timed for Window {
    fn ts_ns(&self) -> i64 {
        self.from_ns
    }

    fn end_ns(&self) -> i64 {
        self.to_ns
    }
}
