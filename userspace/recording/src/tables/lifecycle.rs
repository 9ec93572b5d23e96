//! Table `lifecycle`: what happened to processes, besides running.

use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{Life, LifeEvent, ProcId};

use super::columns::{
    Columns, Words, maybe_numbers, maybe_texts, number_at, numbers, optional, required, text_at,
    texts,
};
use super::{Row, Table, Timed};

impl Row for Life {
    const TABLE: Table = Table::Lifecycle;
    const SORTED_BY: &'static str = "ts_ns";

    fn fields() -> Vec<Field> {
        vec![
            required("ts_ns", DataType::Int64),
            required("proc", DataType::UInt32),
            required("event", DataType::Utf8),
            optional("other", DataType::UInt32),
            optional("name", DataType::Utf8),
            optional("reason", DataType::Utf8),
        ]
    }

    fn columns(rows: &[Life]) -> Vec<ArrayRef> {
        vec![
            numbers::<Int64Type>(rows.iter().map(|row| row.ts_ns)),
            numbers::<UInt32Type>(rows.iter().map(|row| row.proc.0)),
            texts(rows.iter().map(|row| row.event.as_str())),
            maybe_numbers::<UInt32Type>(rows.iter().map(|row| row.other.map(|id| id.0))),
            maybe_texts(rows.iter().map(|row| row.name.as_ref())),
            maybe_texts(rows.iter().map(|row| row.reason.as_ref())),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<Life>) -> Result<(), String> {
        let columns = Columns(batch);
        let ts_ns = columns.i64("ts_ns")?;
        let proc = columns.u32("proc")?;
        let event = columns.text("event")?;
        let other = columns.maybe_u32("other")?;
        let name = columns.maybe_text("name")?;
        let reason = columns.maybe_text("reason")?;
        let mut events = Words::new("event", LifeEvent::parse);
        for row in 0..batch.num_rows() {
            out.push(Life {
                ts_ns: ts_ns.value(row),
                proc: ProcId(proc.value(row)),
                event: events.get(event.value(row))?,
                other: number_at(other, row).map(ProcId),
                name: text_at(name, row).map(str::to_owned),
                reason: text_at(reason, row).map(str::to_owned),
            });
        }
        Ok(())
    }
}

impl Timed for Life {
    fn ts_ns(&self) -> i64 {
        self.ts_ns
    }
}
