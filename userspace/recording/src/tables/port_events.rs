//! Table `port_events`: ports that come and go, and what they and processes give each other.

use arrow_array::types::{Int64Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{PortAction, PortEvent, PortId, ProcId};

use super::columns::{
    Columns, Words, maybe_numbers, number_at, numbers, optional, required, texts,
};
use super::{Row, Table, Timed};

impl Row for PortEvent {
    const TABLE: Table = Table::PortEvents;
    const SORTED_BY: &'static str = "ts_ns";

    fn fields() -> Vec<Field> {
        vec![
            required("ts_ns", DataType::Int64),
            required("port", DataType::UInt32),
            required("event", DataType::Utf8),
            optional("proc", DataType::UInt32),
            optional("bytes", DataType::UInt64),
        ]
    }

    fn columns(rows: &[PortEvent]) -> Vec<ArrayRef> {
        vec![
            numbers::<Int64Type>(rows.iter().map(|row| row.ts_ns)),
            numbers::<UInt32Type>(rows.iter().map(|row| row.port.0)),
            texts(rows.iter().map(|row| row.event.as_str())),
            maybe_numbers::<UInt32Type>(rows.iter().map(|row| row.proc.map(|id| id.0))),
            maybe_numbers::<UInt64Type>(rows.iter().map(|row| row.bytes)),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<PortEvent>) -> Result<(), String> {
        let columns = Columns(batch);
        let ts_ns = columns.i64("ts_ns")?;
        let port = columns.u32("port")?;
        let event = columns.text("event")?;
        let proc = columns.maybe_u32("proc")?;
        let bytes = columns.maybe_u64("bytes")?;
        let mut events = Words::new("event", PortAction::parse);
        for row in 0..batch.num_rows() {
            out.push(PortEvent {
                ts_ns: ts_ns.value(row),
                port: PortId(port.value(row)),
                event: events.get(event.value(row))?,
                proc: number_at(proc, row).map(ProcId),
                bytes: number_at(bytes, row),
            });
        }
        Ok(())
    }
}

impl Timed for PortEvent {
    fn ts_ns(&self) -> i64 {
        self.ts_ns
    }
}
