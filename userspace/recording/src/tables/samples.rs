//! Table `samples`: one row a CPU sample.

use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{Activity, ProcId, Sample, SchedulerId, StackId, Truncation};

use super::columns::{
    Columns, Words, maybe_numbers, maybe_texts, number_at, numbers, optional, required, schedulers,
    text_at, texts,
};
use super::{Row, Table, Timed};

impl Row for Sample {
    const TABLE: Table = Table::Samples;
    const SORTED_BY: &'static str = "ts_ns";

    fn fields() -> Vec<Field> {
        vec![
            required("ts_ns", DataType::Int64),
            required("cpu", DataType::UInt32),
            required("tid", DataType::UInt32),
            optional("scheduler", DataType::Utf8),
            optional("proc", DataType::UInt32),
            required("stack", DataType::UInt32),
            required("activity", DataType::Utf8),
            required("weight_ns", DataType::Int64),
            optional("truncated", DataType::Utf8),
        ]
    }

    fn columns(rows: &[Sample]) -> Vec<ArrayRef> {
        vec![
            numbers::<Int64Type>(rows.iter().map(|row| row.ts_ns)),
            numbers::<UInt32Type>(rows.iter().map(|row| row.cpu)),
            numbers::<UInt32Type>(rows.iter().map(|row| row.tid)),
            schedulers(rows.iter().map(|row| row.scheduler)),
            maybe_numbers::<UInt32Type>(rows.iter().map(|row| row.proc.map(|id| id.0))),
            numbers::<UInt32Type>(rows.iter().map(|row| row.stack.0)),
            texts(rows.iter().map(|row| row.activity.as_str())),
            numbers::<Int64Type>(
                rows.iter()
                    .map(|row| i64::try_from(row.weight_ns).unwrap_or(i64::MAX)),
            ),
            maybe_texts(rows.iter().map(|row| row.truncated.map(Truncation::as_str))),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<Sample>) -> Result<(), String> {
        let columns = Columns(batch);
        let ts_ns = columns.i64("ts_ns")?;
        let cpu = columns.u32("cpu")?;
        let tid = columns.u32("tid")?;
        let scheduler = columns.maybe_text("scheduler")?;
        let proc = columns.maybe_u32("proc")?;
        let stack = columns.u32("stack")?;
        let activity = columns.text("activity")?;
        let weight_ns = columns.i64("weight_ns")?;
        let truncated = columns.maybe_text("truncated")?;
        let mut schedulers = Words::new("scheduler", SchedulerId::parse);
        let mut activities = Words::new("activity", Activity::parse);
        let mut truncations = Words::new("truncated", Truncation::parse);
        out.reserve(batch.num_rows());
        for row in 0..batch.num_rows() {
            out.push(Sample {
                ts_ns: ts_ns.value(row),
                cpu: cpu.value(row),
                tid: tid.value(row),
                scheduler: schedulers.maybe(text_at(scheduler, row))?,
                proc: number_at(proc, row).map(ProcId),
                stack: StackId(stack.value(row)),
                activity: activities.get(activity.value(row))?,
                weight_ns: u64::try_from(weight_ns.value(row))
                    .map_err(|_| "column weight_ns holds a negative weight".to_owned())?,
                truncated: truncations.maybe(text_at(truncated, row))?,
            });
        }
        Ok(())
    }
}

impl Timed for Sample {
    fn ts_ns(&self) -> i64 {
        self.ts_ns
    }
}
