//! Table `ports`: what is known of each port.

use arrow_array::types::{Int64Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{PortId, PortInfo, ProcId};

use super::columns::{
    Columns, maybe_numbers, maybe_texts, number_at, numbers, optional, required, text_at,
};
use super::{Keyed, Row, Table};

impl Row for PortInfo {
    const TABLE: Table = Table::Ports;
    const SORTED_BY: &'static str = "port";

    fn fields() -> Vec<Field> {
        vec![
            required("port", DataType::UInt32),
            optional("id", DataType::Utf8),
            optional("driver", DataType::Utf8),
            optional("name", DataType::Utf8),
            optional("owner", DataType::UInt32),
            optional("opened_ns", DataType::Int64),
            optional("closed_ns", DataType::Int64),
            optional("bytes_in", DataType::UInt64),
            optional("bytes_out", DataType::UInt64),
        ]
    }

    fn columns(rows: &[PortInfo]) -> Vec<ArrayRef> {
        vec![
            numbers::<UInt32Type>(rows.iter().map(|row| row.port.0)),
            maybe_texts(rows.iter().map(|row| row.id.as_ref())),
            maybe_texts(rows.iter().map(|row| row.driver.as_ref())),
            maybe_texts(rows.iter().map(|row| row.name.as_ref())),
            maybe_numbers::<UInt32Type>(rows.iter().map(|row| row.owner.map(|id| id.0))),
            maybe_numbers::<Int64Type>(rows.iter().map(|row| row.opened_ns)),
            maybe_numbers::<Int64Type>(rows.iter().map(|row| row.closed_ns)),
            maybe_numbers::<UInt64Type>(rows.iter().map(|row| row.bytes_in)),
            maybe_numbers::<UInt64Type>(rows.iter().map(|row| row.bytes_out)),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<PortInfo>) -> Result<(), String> {
        let columns = Columns(batch);
        let port = columns.u32("port")?;
        let id = columns.maybe_text("id")?;
        let driver = columns.maybe_text("driver")?;
        let name = columns.maybe_text("name")?;
        let owner = columns.maybe_u32("owner")?;
        let opened_ns = columns.maybe_i64("opened_ns")?;
        let closed_ns = columns.maybe_i64("closed_ns")?;
        let bytes_in = columns.maybe_u64("bytes_in")?;
        let bytes_out = columns.maybe_u64("bytes_out")?;
        for row in 0..batch.num_rows() {
            out.push(PortInfo {
                port: PortId(port.value(row)),
                id: text_at(id, row).map(str::to_owned),
                driver: text_at(driver, row).map(str::to_owned),
                name: text_at(name, row).map(str::to_owned),
                owner: number_at(owner, row).map(ProcId),
                opened_ns: number_at(opened_ns, row),
                closed_ns: number_at(closed_ns, row),
                bytes_in: number_at(bytes_in, row),
                bytes_out: number_at(bytes_out, row),
            });
        }
        Ok(())
    }
}

impl Keyed for PortInfo {
    fn key(&self) -> u32 {
        self.port.0
    }
}
