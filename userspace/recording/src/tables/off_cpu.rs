//! Table `off_cpu`: one row a time in which a scheduler's thread had no CPU.

use arrow_array::types::{Int64Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{Cut, OffCpu, OffCpuWhy, ProcId, SchedulerId};

use super::columns::{
    Columns, Words, maybe_numbers, maybe_texts, number_at, numbers, optional, required, schedulers,
    text_at,
};
use super::{Row, Table, Timed};

impl Row for OffCpu {
    const TABLE: Table = Table::OffCpu;
    const SORTED_BY: &'static str = "start_ns";

    fn fields() -> Vec<Field> {
        vec![
            optional("proc", DataType::UInt32),
            required("scheduler", DataType::Utf8),
            required("start_ns", DataType::Int64),
            required("end_ns", DataType::Int64),
            optional("why", DataType::Utf8),
            optional("ready_ns", DataType::UInt64),
            optional("cut", DataType::Utf8),
        ]
    }

    fn columns(rows: &[OffCpu]) -> Vec<ArrayRef> {
        vec![
            maybe_numbers::<UInt32Type>(rows.iter().map(|row| row.proc.map(|id| id.0))),
            schedulers(rows.iter().map(|row| Some(row.scheduler))),
            numbers::<Int64Type>(rows.iter().map(|row| row.start_ns)),
            numbers::<Int64Type>(rows.iter().map(|row| row.end_ns)),
            maybe_texts(rows.iter().map(|row| row.why.map(OffCpuWhy::as_str))),
            maybe_numbers::<UInt64Type>(rows.iter().map(|row| row.ready_ns)),
            maybe_texts(rows.iter().map(|row| row.cut.map(Cut::as_str))),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<OffCpu>) -> Result<(), String> {
        let columns = Columns(batch);
        let proc = columns.maybe_u32("proc")?;
        let scheduler = columns.text("scheduler")?;
        let start_ns = columns.i64("start_ns")?;
        let end_ns = columns.i64("end_ns")?;
        let why = columns.maybe_text("why")?;
        let ready_ns = columns.maybe_u64("ready_ns")?;
        let cut = columns.maybe_text("cut")?;
        let mut schedulers = Words::new("scheduler", SchedulerId::parse);
        let mut whys = Words::new("why", OffCpuWhy::parse);
        let mut cuts = Words::new("cut", Cut::parse);
        out.reserve(batch.num_rows());
        for row in 0..batch.num_rows() {
            out.push(OffCpu {
                proc: number_at(proc, row).map(ProcId),
                scheduler: schedulers.get(scheduler.value(row))?,
                start_ns: start_ns.value(row),
                end_ns: end_ns.value(row),
                why: whys.maybe(text_at(why, row))?,
                ready_ns: number_at(ready_ns, row),
                cut: cuts.maybe(text_at(cut, row))?,
            });
        }
        Ok(())
    }
}

impl Timed for OffCpu {
    fn ts_ns(&self) -> i64 {
        self.start_ns
    }

    fn end_ns(&self) -> i64 {
        self.end_ns
    }
}
