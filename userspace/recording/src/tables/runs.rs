//! Table `runs`: one row a run of a process on a scheduler.

use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{Cut, FrameId, LeftAs, ProcId, Run, SchedulerId, WokenBy};

use super::columns::{
    Columns, Words, maybe_numbers, maybe_texts, number_at, numbers, optional, required, schedulers,
    text_at,
};
use super::{Row, Table, Timed};

impl Row for Run {
    const TABLE: Table = Table::Runs;
    const SORTED_BY: &'static str = "start_ns";

    fn fields() -> Vec<Field> {
        vec![
            required("proc", DataType::UInt32),
            required("scheduler", DataType::Utf8),
            required("start_ns", DataType::Int64),
            required("end_ns", DataType::Int64),
            optional("woken_by", DataType::Utf8),
            optional("reductions", DataType::UInt32),
            optional("left_as", DataType::Utf8),
            optional("at", DataType::UInt32),
            optional("cut", DataType::Utf8),
        ]
    }

    fn columns(rows: &[Run]) -> Vec<ArrayRef> {
        vec![
            numbers::<UInt32Type>(rows.iter().map(|row| row.proc.0)),
            schedulers(rows.iter().map(|row| Some(row.scheduler))),
            numbers::<Int64Type>(rows.iter().map(|row| row.start_ns)),
            numbers::<Int64Type>(rows.iter().map(|row| row.end_ns)),
            maybe_texts(rows.iter().map(|row| row.woken_by.map(WokenBy::as_str))),
            maybe_numbers::<UInt32Type>(rows.iter().map(|row| row.reductions)),
            maybe_texts(rows.iter().map(|row| row.left_as.map(LeftAs::as_str))),
            maybe_numbers::<UInt32Type>(rows.iter().map(|row| row.at.map(|id| id.0))),
            maybe_texts(rows.iter().map(|row| row.cut.map(Cut::as_str))),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<Run>) -> Result<(), String> {
        let columns = Columns(batch);
        let proc = columns.u32("proc")?;
        let scheduler = columns.text("scheduler")?;
        let start_ns = columns.i64("start_ns")?;
        let end_ns = columns.i64("end_ns")?;
        let woken_by = columns.added_text("woken_by")?;
        let reductions = columns.maybe_u32("reductions")?;
        let left_as = columns.maybe_text("left_as")?;
        let at = columns.maybe_u32("at")?;
        let cut = columns.maybe_text("cut")?;
        let mut schedulers = Words::new("scheduler", SchedulerId::parse);
        let mut wakers = Words::new("woken_by", WokenBy::parse);
        let mut ways = Words::new("left_as", LeftAs::parse);
        let mut cuts = Words::new("cut", Cut::parse);
        out.reserve(batch.num_rows());
        for row in 0..batch.num_rows() {
            out.push(Run {
                proc: ProcId(proc.value(row)),
                scheduler: schedulers.get(scheduler.value(row))?,
                start_ns: start_ns.value(row),
                end_ns: end_ns.value(row),
                woken_by: wakers.maybe(woken_by.and_then(|woken_by| text_at(woken_by, row)))?,
                reductions: number_at(reductions, row),
                left_as: ways.maybe(text_at(left_as, row))?,
                at: number_at(at, row).map(FrameId),
                cut: cuts.maybe(text_at(cut, row))?,
            });
        }
        Ok(())
    }
}

impl Timed for Run {
    fn ts_ns(&self) -> i64 {
        self.start_ns
    }

    fn end_ns(&self) -> i64 {
        self.end_ns
    }
}
