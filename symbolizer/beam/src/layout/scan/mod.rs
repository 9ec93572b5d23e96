//! Second way to the globals: in a binary that exports nothing, by what they look like.
//!
//! Debian's OTP 29 exports the NIF and driver interfaces only. What we need is all there: each
//! variable is found in the writable data by the structure that hangs on it, and each find is
//! held against facts that hold in every VM (the first atom is `false`, scheduler 1 says it is
//! number 1 and its sleep state points back at it, ...). A candidate that is not the only one
//! is none.

mod data;
mod text;

use super::Layout;
use super::globals::Globals;
use crate::BeamError;
use crate::memory::Memory;
use crate::target::Elf;

pub(super) use text::release;
pub(crate) use text::{Text, fragment, schedule};

/// What was looked for in vain.
pub(super) type Missing = Vec<&'static str>;

/// Finds the globals of a VM with nothing but its memory and the extent of its segments.
///
/// # Errors
/// What was not found, or that memory could not be read.
pub(super) fn find<M: Memory>(
    memory: &M,
    elf: &Elf,
    bias: u64,
    layout: &Layout,
) -> Result<Result<Globals, Missing>, BeamError> {
    let data = data::Data::read(memory, elf, bias)?;
    let code = text::Text::read(memory, elf, bias)?;
    let mut missing = Vec::new();
    let mut need = |what: &'static str, found: Option<u64>| {
        found.unwrap_or_else(|| {
            missing.push(what);
            0
        })
    };
    let jit_descriptor = need("the JIT's descriptor", data.jit_descriptor(memory));
    let atom_table = need("the atom table", data.atom_table(memory, &layout.atom));
    let process_table = need("the process table", data.process_table(memory, layout));
    let schedulers = data.schedulers(memory, layout);
    if schedulers[0].is_none() {
        missing.push("the schedulers");
    }
    if !missing.is_empty() {
        return Ok(Err(missing));
    }
    Ok(Ok(Globals {
        atom_table,
        process_table,
        schedulers,
        jit_descriptor,
        jit_register: code.register_function(jit_descriptor),
        bifs: data.bif_table(layout, &code),
        this_node: data.this_node(memory, layout, atom_table),
        dirty_main: code.dirty_main(memory, jit_descriptor),
    }))
}

#[cfg(test)]
mod tier2;
