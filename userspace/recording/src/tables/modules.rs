//! Table `modules`: modules that processes loaded and purged.

use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{ModuleAction, ModuleEvent, ProcId};

use super::columns::{
    Columns, Words, maybe_numbers, number_at, numbers, optional, required, texts,
};
use super::{Row, Table, Timed};

impl Row for ModuleEvent {
    const TABLE: Table = Table::Modules;
    const SORTED_BY: &'static str = "ts_ns";

    fn fields() -> Vec<Field> {
        vec![
            required("ts_ns", DataType::Int64),
            optional("proc", DataType::UInt32),
            required("event", DataType::Utf8),
            required("module", DataType::Utf8),
        ]
    }

    fn columns(rows: &[ModuleEvent]) -> Vec<ArrayRef> {
        vec![
            numbers::<Int64Type>(rows.iter().map(|row| row.ts_ns)),
            maybe_numbers::<UInt32Type>(rows.iter().map(|row| row.proc.map(|id| id.0))),
            texts(rows.iter().map(|row| row.event.as_str())),
            texts(rows.iter().map(|row| &row.module)),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<ModuleEvent>) -> Result<(), String> {
        let columns = Columns(batch);
        let ts_ns = columns.i64("ts_ns")?;
        let proc = columns.maybe_u32("proc")?;
        let event = columns.text("event")?;
        let module = columns.text("module")?;
        let mut events = Words::new("event", ModuleAction::parse);
        for row in 0..batch.num_rows() {
            out.push(ModuleEvent {
                ts_ns: ts_ns.value(row),
                proc: number_at(proc, row).map(ProcId),
                event: events.get(event.value(row))?,
                module: module.value(row).to_owned(),
            });
        }
        Ok(())
    }
}

impl Timed for ModuleEvent {
    fn ts_ns(&self) -> i64 {
        self.ts_ns
    }
}
