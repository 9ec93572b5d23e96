//! Table `native_calls`: one row a call of a BIF or NIF.

use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{Cut, FrameId, NativeCall, ProcId, SchedulerId};

use super::columns::{
    Columns, Words, maybe_numbers, maybe_texts, number_at, numbers, optional, required, schedulers,
    text_at,
};
use super::{Row, Table, Timed};

impl Row for NativeCall {
    const TABLE: Table = Table::NativeCalls;
    const SORTED_BY: &'static str = "start_ns";

    fn fields() -> Vec<Field> {
        vec![
            required("proc", DataType::UInt32),
            optional("scheduler", DataType::Utf8),
            required("start_ns", DataType::Int64),
            optional("end_ns", DataType::Int64),
            required("function", DataType::UInt32),
            optional("caller", DataType::UInt32),
            optional("cut", DataType::Utf8),
        ]
    }

    fn columns(rows: &[NativeCall]) -> Vec<ArrayRef> {
        vec![
            numbers::<UInt32Type>(rows.iter().map(|row| row.proc.0)),
            schedulers(rows.iter().map(|row| row.scheduler)),
            numbers::<Int64Type>(rows.iter().map(|row| row.start_ns)),
            maybe_numbers::<Int64Type>(rows.iter().map(|row| row.end_ns)),
            numbers::<UInt32Type>(rows.iter().map(|row| row.function.0)),
            maybe_numbers::<UInt32Type>(rows.iter().map(|row| row.caller.map(|id| id.0))),
            maybe_texts(rows.iter().map(|row| row.cut.map(Cut::as_str))),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<NativeCall>) -> Result<(), String> {
        let columns = Columns(batch);
        let proc = columns.u32("proc")?;
        let scheduler = columns.maybe_text("scheduler")?;
        let start_ns = columns.i64("start_ns")?;
        let end_ns = columns.maybe_i64("end_ns")?;
        let function = columns.u32("function")?;
        let caller = columns.maybe_u32("caller")?;
        let cut = columns.maybe_text("cut")?;
        let mut schedulers = Words::new("scheduler", SchedulerId::parse);
        let mut cuts = Words::new("cut", Cut::parse);
        out.reserve(batch.num_rows());
        for row in 0..batch.num_rows() {
            out.push(NativeCall {
                proc: ProcId(proc.value(row)),
                scheduler: schedulers.maybe(text_at(scheduler, row))?,
                start_ns: start_ns.value(row),
                end_ns: number_at(end_ns, row),
                function: FrameId(function.value(row)),
                caller: number_at(caller, row).map(FrameId),
                cut: cuts.maybe(text_at(cut, row))?,
            });
        }
        Ok(())
    }
}

impl Timed for NativeCall {
    fn ts_ns(&self) -> i64 {
        self.start_ns
    }

    fn end_ns(&self) -> i64 {
        self.end_ns.unwrap_or(self.start_ns)
    }
}
