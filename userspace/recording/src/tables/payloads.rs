//! Table `payloads`: what messages said, of those that were asked for.

use arrow_array::types::{Int64Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{Payload, PayloadSeen};

use super::columns::{Columns, Words, maybe_texts, numbers, optional, required, text_at, texts};
use super::{Row, Table, Timed};

impl Row for Payload {
    const TABLE: Table = Table::Payloads;
    const SORTED_BY: &'static str = "sent_ns";

    fn fields() -> Vec<Field> {
        vec![
            required("msg", DataType::UInt64),
            required("sent_ns", DataType::Int64),
            required("seen", DataType::Utf8),
            optional("text", DataType::Utf8),
            required("masked", DataType::UInt32),
        ]
    }

    fn columns(rows: &[Payload]) -> Vec<ArrayRef> {
        vec![
            numbers::<UInt64Type>(rows.iter().map(|row| row.msg)),
            numbers::<Int64Type>(rows.iter().map(|row| row.sent_ns)),
            texts(rows.iter().map(|row| row.seen.as_str())),
            maybe_texts(rows.iter().map(|row| row.text.as_ref())),
            numbers::<UInt32Type>(rows.iter().map(|row| row.masked)),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<Payload>) -> Result<(), String> {
        let columns = Columns(batch);
        let msg = columns.u64("msg")?;
        let sent_ns = columns.i64("sent_ns")?;
        let seen = columns.text("seen")?;
        let text = columns.maybe_text("text")?;
        let masked = columns.u32("masked")?;
        let mut words = Words::new("seen", PayloadSeen::parse);
        for row in 0..batch.num_rows() {
            out.push(Payload {
                msg: msg.value(row),
                sent_ns: sent_ns.value(row),
                seen: words.get(seen.value(row))?,
                text: text_at(text, row).map(str::to_owned),
                masked: masked.value(row),
            });
        }
        Ok(())
    }
}

impl Timed for Payload {
    fn ts_ns(&self) -> i64 {
        self.sent_ns
    }
}
