//! Table `frames`: one row a distinct frame.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{Frame, FrameId, FrameKind};

use super::columns::{
    Columns, Words, maybe_numbers, maybe_texts, number_at, numbers, optional, required, text_at,
    texts,
};
use super::{Keyed, Row, Table};

/// A distinct frame and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrameRow {
    /// Its id.
    pub(crate) id: FrameId,
    /// What it is.
    pub(crate) frame: Frame,
}

impl Row for FrameRow {
    const TABLE: Table = Table::Frames;
    const SORTED_BY: &'static str = "frame";

    fn fields() -> Vec<Field> {
        vec![
            required("frame", DataType::UInt32),
            required("kind", DataType::Utf8),
            optional("module", DataType::Utf8),
            required("function", DataType::Utf8),
            optional("arity", DataType::UInt32),
            optional("file", DataType::Utf8),
            optional("line", DataType::UInt32),
            optional("object", DataType::Utf8),
            required("address", DataType::UInt64),
        ]
    }

    fn columns(rows: &[FrameRow]) -> Vec<ArrayRef> {
        let frames = || rows.iter().map(|row| &row.frame);
        vec![
            numbers::<UInt32Type>(rows.iter().map(|row| row.id.0)),
            texts(frames().map(|frame| frame.kind.as_str())),
            maybe_texts(frames().map(|frame| frame.module.as_deref())),
            texts(frames().map(|frame| &frame.function)),
            maybe_numbers::<UInt32Type>(frames().map(|frame| frame.arity)),
            maybe_texts(frames().map(|frame| frame.file.as_deref())),
            maybe_numbers::<UInt32Type>(frames().map(|frame| frame.line)),
            maybe_texts(frames().map(|frame| frame.object.as_deref())),
            numbers::<UInt64Type>(frames().map(|frame| frame.address)),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<FrameRow>) -> Result<(), String> {
        let columns = Columns(batch);
        let id = columns.u32("frame")?;
        let kind = columns.text("kind")?;
        let module = columns.maybe_text("module")?;
        let function = columns.text("function")?;
        let arity = columns.maybe_u32("arity")?;
        let file = columns.maybe_text("file")?;
        let line = columns.maybe_u32("line")?;
        let object = columns.maybe_text("object")?;
        let address = columns.u64("address")?;
        let mut kinds = Words::new("kind", FrameKind::parse);
        let mut shared = Shared::default();
        for row in 0..batch.num_rows() {
            let frame = Frame {
                kind: kinds.get(kind.value(row))?,
                module: text_at(module, row).map(|text| shared.get(text)),
                function: shared.get(function.value(row)),
                arity: number_at(arity, row),
                file: text_at(file, row).map(|text| shared.get(text)),
                line: number_at(line, row),
                object: text_at(object, row).map(|text| shared.get(text)),
                address: address.value(row),
            };
            out.push(FrameRow {
                id: FrameId(id.value(row)),
                frame,
            });
        }
        Ok(())
    }
}

impl Keyed for FrameRow {
    fn key(&self) -> u32 {
        self.id.0
    }
}

/// Keeps equal texts of a batch in memory once.
#[derive(Default)]
struct Shared(HashSet<Arc<str>>);

impl Shared {
    fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.0.insert(new.clone());
        new
    }
}
