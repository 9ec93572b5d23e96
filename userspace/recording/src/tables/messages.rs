//! Table `messages`: one row a message, from its sending to its fate.

use arrow_array::types::{Int64Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{Fate, Message, MessageKind, ProcId};

use super::columns::{
    Columns, Words, maybe_numbers, maybe_texts, number_at, numbers, optional, required, text_at,
    texts,
};
use super::{Row, Table, Timed};

impl Row for Message {
    const TABLE: Table = Table::Messages;
    const SORTED_BY: &'static str = "sent_ns";

    fn fields() -> Vec<Field> {
        vec![
            required("msg", DataType::UInt64),
            optional("from", DataType::UInt32),
            required("to", DataType::UInt32),
            required("kind", DataType::Utf8),
            optional("tag", DataType::Utf8),
            required("sent_ns", DataType::Int64),
            optional("received_ns", DataType::Int64),
            required("fate", DataType::Utf8),
            optional("size_words", DataType::UInt32),
        ]
    }

    fn columns(rows: &[Message]) -> Vec<ArrayRef> {
        vec![
            numbers::<UInt64Type>(rows.iter().map(|row| row.msg)),
            maybe_numbers::<UInt32Type>(rows.iter().map(|row| row.from.map(|id| id.0))),
            numbers::<UInt32Type>(rows.iter().map(|row| row.to.0)),
            texts(rows.iter().map(|row| row.kind.as_str())),
            maybe_texts(rows.iter().map(|row| row.tag.as_ref())),
            numbers::<Int64Type>(rows.iter().map(|row| row.sent_ns)),
            maybe_numbers::<Int64Type>(rows.iter().map(|row| row.received_ns)),
            texts(rows.iter().map(|row| row.fate.as_str())),
            maybe_numbers::<UInt32Type>(rows.iter().map(|row| row.size_words)),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<Message>) -> Result<(), String> {
        let columns = Columns(batch);
        let msg = columns.u64("msg")?;
        let from = columns.maybe_u32("from")?;
        let to = columns.u32("to")?;
        let kind = columns.text("kind")?;
        let tag = columns.maybe_text("tag")?;
        let sent_ns = columns.i64("sent_ns")?;
        let received_ns = columns.maybe_i64("received_ns")?;
        let fate = columns.text("fate")?;
        let size_words = columns.added_u32("size_words")?;
        let mut kinds = Words::new("kind", MessageKind::parse);
        let mut fates = Words::new("fate", Fate::parse);
        out.reserve(batch.num_rows());
        for row in 0..batch.num_rows() {
            out.push(Message {
                msg: msg.value(row),
                from: number_at(from, row).map(ProcId),
                to: ProcId(to.value(row)),
                kind: kinds.get(kind.value(row))?,
                tag: text_at(tag, row).map(str::to_owned),
                sent_ns: sent_ns.value(row),
                received_ns: number_at(received_ns, row),
                fate: fates.get(fate.value(row))?,
                size_words: size_words.and_then(|sizes| number_at(sizes, row)),
            });
        }
        Ok(())
    }
}

impl Timed for Message {
    fn ts_ns(&self) -> i64 {
        self.sent_ns
    }

    fn end_ns(&self) -> i64 {
        self.received_ns.unwrap_or(self.sent_ns)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::RecordBatch;
    use arrow_schema::Schema;
    use escope_model::Message;

    use super::Row;
    use crate::example;

    #[test]
    fn a_recording_from_before_sizes_were_recorded_has_none() {
        let rows: Vec<Message> = (0..4).map(example::message).collect();
        let schema = Arc::new(Schema::new(Message::fields()));
        let batch = RecordBatch::try_new(schema, Message::columns(&rows)).unwrap();
        let mut read = Vec::new();
        Message::read(&batch, &mut read).unwrap();
        assert_eq!(read, rows);

        let size = batch.schema().index_of("size_words").unwrap();
        let others: Vec<usize> = (0..batch.num_columns()).filter(|&at| at != size).collect();
        let mut early = Vec::new();
        Message::read(&batch.project(&others).unwrap(), &mut early).unwrap();
        read.iter_mut().for_each(|row| row.size_words = None);
        assert_eq!(early, read);
    }
}
