//! Table `gc`: one row a garbage collection.

use arrow_array::types::{Int64Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{Collection, CollectionKind, Cut, ProcId};

use super::columns::{
    Columns, Words, maybe_numbers, maybe_texts, number_at, numbers, optional, required, text_at,
};
use super::{Row, Table, Timed};

impl Row for Collection {
    const TABLE: Table = Table::Gc;
    const SORTED_BY: &'static str = "start_ns";

    fn fields() -> Vec<Field> {
        vec![
            required("proc", DataType::UInt32),
            required("start_ns", DataType::Int64),
            required("end_ns", DataType::Int64),
            optional("before_words", DataType::UInt64),
            optional("after_words", DataType::UInt64),
            optional("kind", DataType::Utf8),
            optional("cut", DataType::Utf8),
        ]
    }

    fn columns(rows: &[Collection]) -> Vec<ArrayRef> {
        vec![
            numbers::<UInt32Type>(rows.iter().map(|row| row.proc.0)),
            numbers::<Int64Type>(rows.iter().map(|row| row.start_ns)),
            numbers::<Int64Type>(rows.iter().map(|row| row.end_ns)),
            maybe_numbers::<UInt64Type>(rows.iter().map(|row| row.before_words)),
            maybe_numbers::<UInt64Type>(rows.iter().map(|row| row.after_words)),
            maybe_texts(rows.iter().map(|row| row.kind.map(CollectionKind::as_str))),
            maybe_texts(rows.iter().map(|row| row.cut.map(Cut::as_str))),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<Collection>) -> Result<(), String> {
        let columns = Columns(batch);
        let proc = columns.u32("proc")?;
        let start_ns = columns.i64("start_ns")?;
        let end_ns = columns.i64("end_ns")?;
        let before_words = columns.maybe_u64("before_words")?;
        let after_words = columns.maybe_u64("after_words")?;
        let kind = columns.maybe_text("kind")?;
        let cut = columns.maybe_text("cut")?;
        let mut kinds = Words::new("kind", CollectionKind::parse);
        let mut cuts = Words::new("cut", Cut::parse);
        for row in 0..batch.num_rows() {
            out.push(Collection {
                proc: ProcId(proc.value(row)),
                start_ns: start_ns.value(row),
                end_ns: end_ns.value(row),
                before_words: number_at(before_words, row),
                after_words: number_at(after_words, row),
                kind: kinds.maybe(text_at(kind, row))?,
                cut: cuts.maybe(text_at(cut, row))?,
            });
        }
        Ok(())
    }
}

impl Timed for Collection {
    fn ts_ns(&self) -> i64 {
        self.start_ns
    }

    fn end_ns(&self) -> i64 {
        self.end_ns
    }
}
