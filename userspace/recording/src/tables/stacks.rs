//! Table `stacks`: one row a distinct stack.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, UInt32Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{FrameId, StackId};

use super::columns::{Columns, numbers, required};
use super::{Keyed, Row, Table};

/// A distinct stack and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StackRow {
    /// Its id.
    pub(crate) stack: StackId,
    /// Leaf first.
    pub(crate) frames: Box<[FrameId]>,
}

fn element() -> Field {
    required("item", DataType::UInt32)
}

impl Row for StackRow {
    const TABLE: Table = Table::Stacks;
    const SORTED_BY: &'static str = "stack";

    fn fields() -> Vec<Field> {
        vec![
            required("stack", DataType::UInt32),
            required("frames", DataType::List(Arc::new(element()))),
        ]
    }

    fn columns(rows: &[StackRow]) -> Vec<ArrayRef> {
        let mut lists = ListBuilder::new(UInt32Builder::new()).with_field(element());
        for row in rows {
            for frame in &row.frames {
                lists.values().append_value(frame.0);
            }
            lists.append(true);
        }
        vec![
            numbers::<UInt32Type>(rows.iter().map(|row| row.stack.0)),
            Arc::new(lists.finish()),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<StackRow>) -> Result<(), String> {
        let columns = Columns(batch);
        let stack = columns.u32("stack")?;
        let frames = columns.list("frames")?;
        for row in 0..batch.num_rows() {
            let list = frames.value(row);
            let ids = list
                .as_primitive_opt::<UInt32Type>()
                .filter(|ids| ids.null_count() == 0)
                .ok_or("column frames does not hold lists of frame ids")?;
            out.push(StackRow {
                stack: StackId(stack.value(row)),
                frames: ids.values().iter().copied().map(FrameId).collect(),
            });
        }
        Ok(())
    }
}

impl Keyed for StackRow {
    fn key(&self) -> u32 {
        self.stack.0
    }
}
