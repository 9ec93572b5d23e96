//! Table `states`: what processes had when they came to rest, of those that were asked for.

use std::sync::Arc;

use arrow_array::types::{Int64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{ProcId, StateRow, StateSeen, StateSource};

use super::columns::{
    Columns, Words, maybe_numbers, maybe_texts, number_at, numbers, optional, required, text_at,
    texts,
};
use super::{Row, Table, Timed};

impl Row for StateRow {
    const TABLE: Table = Table::States;
    const SORTED_BY: &'static str = "ts_ns";
    // A term may have some hundred kilobytes.
    const AT_ONCE: usize = 1 << 8;

    fn fields() -> Vec<Field> {
        vec![
            required("ts_ns", DataType::Int64),
            required("proc", DataType::UInt32),
            required("part", DataType::UInt32),
            required("seen", DataType::Utf8),
            optional("source", DataType::Utf8),
            optional("behaviour", DataType::Utf8),
            optional("module", DataType::Utf8),
            optional("rests", DataType::Utf8),
            optional("name", DataType::Utf8),
            optional("term", DataType::Binary),
            optional("hash", DataType::UInt64),
            required("masked", DataType::UInt32),
            required("reductions", DataType::UInt64),
            required("runs", DataType::UInt32),
            optional("began_ns", DataType::Int64),
        ]
    }

    fn columns(rows: &[StateRow]) -> Vec<ArrayRef> {
        vec![
            numbers::<Int64Type>(rows.iter().map(|row| row.ts_ns)),
            numbers::<UInt32Type>(rows.iter().map(|row| row.proc.0)),
            numbers::<UInt32Type>(rows.iter().map(|row| row.part)),
            texts(rows.iter().map(|row| row.seen.as_str())),
            maybe_texts(rows.iter().map(|row| row.source.map(StateSource::as_str))),
            maybe_texts(rows.iter().map(|row| row.behaviour.as_ref())),
            maybe_texts(rows.iter().map(|row| row.module.as_ref())),
            maybe_texts(rows.iter().map(|row| row.rests.as_ref())),
            maybe_texts(rows.iter().map(|row| row.name.as_ref())),
            Arc::new(
                rows.iter()
                    .map(|row| row.term.as_deref())
                    .collect::<BinaryArray>(),
            ),
            maybe_numbers::<UInt64Type>(rows.iter().map(|row| row.hash)),
            numbers::<UInt32Type>(rows.iter().map(|row| row.masked)),
            numbers::<UInt64Type>(rows.iter().map(|row| row.reductions)),
            numbers::<UInt32Type>(rows.iter().map(|row| row.runs)),
            maybe_numbers::<Int64Type>(rows.iter().map(|row| row.began_ns)),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<StateRow>) -> Result<(), String> {
        let columns = Columns(batch);
        let ts_ns = columns.i64("ts_ns")?;
        let proc = columns.u32("proc")?;
        let part = columns.u32("part")?;
        let seen = columns.text("seen")?;
        let source = columns.maybe_text("source")?;
        let behaviour = columns.maybe_text("behaviour")?;
        let module = columns.maybe_text("module")?;
        let rests = columns.maybe_text("rests")?;
        let name = columns.maybe_text("name")?;
        let term = columns.maybe_bytes("term")?;
        let hash = columns.maybe_u64("hash")?;
        let masked = columns.u32("masked")?;
        let reductions = columns.u64("reductions")?;
        let runs = columns.u32("runs")?;
        let began_ns = columns.maybe_i64("began_ns")?;
        let mut seens = Words::new("seen", StateSeen::parse);
        let mut sources = Words::new("source", StateSource::parse);
        let text = |column, row| text_at(column, row).map(str::to_owned);
        for row in 0..batch.num_rows() {
            out.push(StateRow {
                ts_ns: ts_ns.value(row),
                proc: ProcId(proc.value(row)),
                part: part.value(row),
                seen: seens.get(seen.value(row))?,
                source: sources.maybe(text_at(source, row))?,
                behaviour: text(behaviour, row),
                module: text(module, row),
                rests: text(rests, row),
                name: text(name, row),
                term: term.is_valid(row).then(|| term.value(row).to_vec()),
                hash: number_at(hash, row),
                masked: masked.value(row),
                reductions: reductions.value(row),
                runs: runs.value(row),
                began_ns: number_at(began_ns, row),
            });
        }
        Ok(())
    }
}

impl Timed for StateRow {
    fn ts_ns(&self) -> i64 {
        self.ts_ns
    }
}
