//! Table `threads`: the OS threads of the target.

use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{SchedulerId, ThreadInfo, ThreadKind};

use super::columns::{Columns, Words, maybe_texts, numbers, optional, required, text_at, texts};
use super::{Keyed, Row, Table};

impl Row for ThreadInfo {
    const TABLE: Table = Table::Threads;
    const SORTED_BY: &'static str = "tid";

    fn fields() -> Vec<Field> {
        vec![
            required("tid", DataType::UInt32),
            required("name", DataType::Utf8),
            required("kind", DataType::Utf8),
            optional("scheduler", DataType::Utf8),
        ]
    }

    fn columns(rows: &[ThreadInfo]) -> Vec<ArrayRef> {
        vec![
            numbers::<UInt32Type>(rows.iter().map(|row| row.tid)),
            texts(rows.iter().map(|row| &row.name)),
            texts(rows.iter().map(|row| row.kind.as_str())),
            maybe_texts(
                rows.iter()
                    .map(|row| row.scheduler.map(|id| id.to_string())),
            ),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<ThreadInfo>) -> Result<(), String> {
        let columns = Columns(batch);
        let tid = columns.u32("tid")?;
        let name = columns.text("name")?;
        let kind = columns.text("kind")?;
        let scheduler = columns.maybe_text("scheduler")?;
        let mut kinds = Words::new("kind", ThreadKind::parse);
        let mut schedulers = Words::new("scheduler", SchedulerId::parse);
        for row in 0..batch.num_rows() {
            out.push(ThreadInfo {
                tid: tid.value(row),
                name: name.value(row).to_owned(),
                kind: kinds.get(kind.value(row))?,
                scheduler: schedulers.maybe(text_at(scheduler, row))?,
            });
        }
        Ok(())
    }
}

impl Keyed for ThreadInfo {
    fn key(&self) -> u32 {
        self.tid
    }
}
