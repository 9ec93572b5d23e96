//! Table `processes`: what is known of each Erlang process.
//!
//! The initial call is stored twice: as it is printed, for people and SQL, and in
//! its three parts, which is what is read back.

use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use escope_model::{Mfa, ProcId, ProcessInfo};

use super::columns::{
    Columns, maybe_numbers, maybe_texts, number_at, numbers, optional, required, text_at, texts,
};
use super::{Keyed, Row, Table};

impl Row for ProcessInfo {
    const TABLE: Table = Table::Processes;
    const SORTED_BY: &'static str = "proc";

    fn fields() -> Vec<Field> {
        vec![
            required("proc", DataType::UInt32),
            required("pid", DataType::Utf8),
            optional("name", DataType::Utf8),
            optional("label", DataType::Utf8),
            optional("initial_call", DataType::Utf8),
            optional("initial_module", DataType::Utf8),
            optional("initial_function", DataType::Utf8),
            optional("initial_arity", DataType::UInt32),
            optional("parent", DataType::Utf8),
        ]
    }

    fn columns(rows: &[ProcessInfo]) -> Vec<ArrayRef> {
        let calls = || rows.iter().map(|row| row.initial_call.as_ref());
        vec![
            numbers::<UInt32Type>(rows.iter().map(|row| row.proc.0)),
            texts(rows.iter().map(|row| &row.pid)),
            maybe_texts(rows.iter().map(|row| row.name.as_ref())),
            maybe_texts(rows.iter().map(|row| row.label.as_ref())),
            maybe_texts(calls().map(|call| call.map(Mfa::to_string))),
            maybe_texts(calls().map(|call| call.map(|call| &call.module))),
            maybe_texts(calls().map(|call| call.map(|call| &call.function))),
            maybe_numbers::<UInt32Type>(calls().map(|call| call.map(|call| call.arity))),
            maybe_texts(rows.iter().map(|row| row.parent.as_ref())),
        ]
    }

    fn read(batch: &RecordBatch, out: &mut Vec<ProcessInfo>) -> Result<(), String> {
        let columns = Columns(batch);
        let proc = columns.u32("proc")?;
        let pid = columns.text("pid")?;
        let name = columns.maybe_text("name")?;
        let label = columns.maybe_text("label")?;
        let module = columns.maybe_text("initial_module")?;
        let function = columns.maybe_text("initial_function")?;
        let arity = columns.maybe_u32("initial_arity")?;
        let parent = columns.maybe_text("parent")?;
        for row in 0..batch.num_rows() {
            let call = (
                text_at(module, row),
                text_at(function, row),
                number_at(arity, row),
            );
            let initial_call = match call {
                (Some(module), Some(function), Some(arity)) => Some(Mfa {
                    module: module.to_owned(),
                    function: function.to_owned(),
                    arity,
                }),
                _ => None,
            };
            out.push(ProcessInfo {
                proc: ProcId(proc.value(row)),
                pid: pid.value(row).to_owned(),
                name: text_at(name, row).map(str::to_owned),
                label: text_at(label, row).map(str::to_owned),
                initial_call,
                parent: text_at(parent, row).map(str::to_owned),
            });
        }
        Ok(())
    }
}

impl Keyed for ProcessInfo {
    fn key(&self) -> u32 {
        self.proc.0
    }
}
