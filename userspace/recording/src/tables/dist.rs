//! Table `dist`: signals that go to other nodes and come from them.

use arrow_array::types::{Int64Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{DistAction, DistEvent, DistOp, ProcId};

use super::columns::{
    Columns, Words, maybe_numbers, maybe_texts, number_at, numbers, optional, required, text_at,
    texts,
};
use super::{Row, Table, Timed};

impl Row for DistEvent {
    const TABLE: Table = Table::Dist;
    const SORTED_BY: &'static str = "ts_ns";

    fn fields() -> Vec<Field> {
        vec![
            required("ts_ns", DataType::Int64),
            optional("proc", DataType::UInt32),
            optional("node", DataType::Utf8),
            required("event", DataType::Utf8),
            optional("op", DataType::Utf8),
            optional("bytes", DataType::UInt64),
        ]
    }

    fn columns(rows: &[DistEvent]) -> Vec<ArrayRef> {
        vec![
            numbers::<Int64Type>(rows.iter().map(|row| row.ts_ns)),
            maybe_numbers::<UInt32Type>(rows.iter().map(|row| row.proc.map(|id| id.0))),
            maybe_texts(rows.iter().map(|row| row.node.as_ref())),
            texts(rows.iter().map(|row| row.event.as_str())),
            maybe_texts(rows.iter().map(|row| row.op.map(DistOp::as_str))),
            maybe_numbers::<UInt64Type>(rows.iter().map(|row| row.bytes)),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<DistEvent>) -> Result<(), String> {
        let columns = Columns(batch);
        let ts_ns = columns.i64("ts_ns")?;
        let proc = columns.maybe_u32("proc")?;
        let node = columns.maybe_text("node")?;
        let event = columns.text("event")?;
        let op = columns.maybe_text("op")?;
        let bytes = columns.maybe_u64("bytes")?;
        let mut events = Words::new("event", DistAction::parse);
        let mut ops = Words::new("op", DistOp::parse);
        for row in 0..batch.num_rows() {
            out.push(DistEvent {
                ts_ns: ts_ns.value(row),
                proc: number_at(proc, row).map(ProcId),
                node: text_at(node, row).map(str::to_owned),
                event: events.get(event.value(row))?,
                op: ops.maybe(text_at(op, row))?,
                bytes: number_at(bytes, row),
            });
        }
        Ok(())
    }
}

impl Timed for DistEvent {
    fn ts_ns(&self) -> i64 {
        self.ts_ns
    }
}
