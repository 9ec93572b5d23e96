//! Table `losses`: what is missing, when, and what would have prevented it.

use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::Loss;

use super::columns::{Columns, numbers, required, texts};
use super::{Row, Table, Timed};

impl Row for Loss {
    const TABLE: Table = Table::Losses;
    const SORTED_BY: &'static str = "from_ns";

    fn fields() -> Vec<Field> {
        vec![
            required("from_ns", DataType::Int64),
            required("to_ns", DataType::Int64),
            required("place", DataType::Utf8),
            required("count", DataType::UInt64),
            required("meaning", DataType::Utf8),
            required("remedy", DataType::Utf8),
        ]
    }

    fn columns(rows: &[Loss]) -> Vec<ArrayRef> {
        vec![
            numbers::<Int64Type>(rows.iter().map(|row| row.from_ns)),
            numbers::<Int64Type>(rows.iter().map(|row| row.to_ns)),
            texts(rows.iter().map(|row| &row.place)),
            numbers::<UInt64Type>(rows.iter().map(|row| row.count)),
            texts(rows.iter().map(|row| &row.meaning)),
            texts(rows.iter().map(|row| &row.remedy)),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<Loss>) -> Result<(), String> {
        let columns = Columns(batch);
        let from_ns = columns.i64("from_ns")?;
        let to_ns = columns.i64("to_ns")?;
        let place = columns.text("place")?;
        let count = columns.u64("count")?;
        let meaning = columns.text("meaning")?;
        let remedy = columns.text("remedy")?;
        for row in 0..batch.num_rows() {
            out.push(Loss {
                from_ns: from_ns.value(row),
                to_ns: to_ns.value(row),
                place: place.value(row).to_owned(),
                count: count.value(row),
                meaning: meaning.value(row).to_owned(),
                remedy: remedy.value(row).to_owned(),
            });
        }
        Ok(())
    }
}

impl Timed for Loss {
    fn ts_ns(&self) -> i64 {
        self.from_ns
    }
}
