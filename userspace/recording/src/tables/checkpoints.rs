//! Table `checkpoints`: what every process was like at a few instants.

use arrow_array::types::{Int64Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{CheckpointRow, CheckpointSeen, FrameId, ProcId, ProcessStatus};

use super::columns::{
    Columns, Words, maybe_numbers, number_at, numbers, optional, required, texts,
};
use super::{Row, Table, Timed};

impl Row for CheckpointRow {
    const TABLE: Table = Table::Checkpoints;
    const SORTED_BY: &'static str = "from_ns";

    fn fields() -> Vec<Field> {
        vec![
            required("checkpoint", DataType::UInt32),
            required("from_ns", DataType::Int64),
            required("to_ns", DataType::Int64),
            required("proc", DataType::UInt32),
            required("seen", DataType::Utf8),
            required("status", DataType::Utf8),
            optional("at", DataType::UInt32),
            optional("mailbox", DataType::UInt64),
            optional("mailbox_min", DataType::UInt64),
            required("heap_words", DataType::UInt64),
            required("reductions", DataType::UInt64),
        ]
    }

    fn columns(rows: &[CheckpointRow]) -> Vec<ArrayRef> {
        vec![
            numbers::<UInt32Type>(rows.iter().map(|row| row.checkpoint)),
            numbers::<Int64Type>(rows.iter().map(|row| row.from_ns)),
            numbers::<Int64Type>(rows.iter().map(|row| row.to_ns)),
            numbers::<UInt32Type>(rows.iter().map(|row| row.proc.0)),
            texts(rows.iter().map(|row| row.seen.as_str())),
            texts(rows.iter().map(|row| row.status.as_str())),
            maybe_numbers::<UInt32Type>(rows.iter().map(|row| row.at.map(|at| at.0))),
            maybe_numbers::<UInt64Type>(rows.iter().map(|row| row.mailbox)),
            maybe_numbers::<UInt64Type>(rows.iter().map(|row| row.mailbox_min)),
            numbers::<UInt64Type>(rows.iter().map(|row| row.heap_words)),
            numbers::<UInt64Type>(rows.iter().map(|row| row.reductions)),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<CheckpointRow>) -> Result<(), String> {
        let columns = Columns(batch);
        let checkpoint = columns.u32("checkpoint")?;
        let from_ns = columns.i64("from_ns")?;
        let to_ns = columns.i64("to_ns")?;
        let proc = columns.u32("proc")?;
        let seen = columns.text("seen")?;
        let status = columns.text("status")?;
        let at = columns.maybe_u32("at")?;
        let mailbox = columns.maybe_u64("mailbox")?;
        let mailbox_min = columns.maybe_u64("mailbox_min")?;
        let heap_words = columns.u64("heap_words")?;
        let reductions = columns.u64("reductions")?;
        let mut seens = Words::new("seen", CheckpointSeen::parse);
        let mut statuses = Words::new("status", ProcessStatus::parse);
        for row in 0..batch.num_rows() {
            out.push(CheckpointRow {
                checkpoint: checkpoint.value(row),
                from_ns: from_ns.value(row),
                to_ns: to_ns.value(row),
                proc: ProcId(proc.value(row)),
                seen: seens.get(seen.value(row))?,
                status: statuses.get(status.value(row))?,
                at: number_at(at, row).map(FrameId),
                mailbox: number_at(mailbox, row),
                mailbox_min: number_at(mailbox_min, row),
                heap_words: heap_words.value(row),
                reductions: reductions.value(row),
            });
        }
        Ok(())
    }
}

impl Timed for CheckpointRow {
    fn ts_ns(&self) -> i64 {
        self.from_ns
    }

    fn end_ns(&self) -> i64 {
        self.to_ns
    }
}
