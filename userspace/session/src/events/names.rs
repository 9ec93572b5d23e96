//! What processes that were there before are called, and why processes end.

use escope_beam::Vm;
use escope_beam::memory::{LiveMemory, Memory};
use escope_beam::snapshot::{ProcessSnapshot, called, called_at};
use escope_model::{MessageShape, ProcId};
use escope_symbolizer::{Symbolizer, Told};
use rustc_hash::FxHashMap;

/// Reads what all processes are called.
pub(super) fn learn(symbolizer: &mut Symbolizer<LiveMemory>, at: &mut FxHashMap<u64, ProcId>) {
    // A table that cannot be read leaves pids without names.
    let Ok(all) = called(symbolizer.vm()) else {
        return;
    };
    describe(symbolizer, all, |address, proc| {
        at.insert(address, proc);
    });
}

/// Reads what processes are called that were met while they ran, by the addresses of their
/// structs. Those that have ended meanwhile have no names.
pub(super) fn meet(symbolizer: &mut Symbolizer<LiveMemory>, addresses: &mut Vec<u64>) {
    let all = called_at(symbolizer.vm(), addresses);
    addresses.clear();
    describe(symbolizer, all, |_, _| {});
}

fn describe(
    symbolizer: &mut Symbolizer<LiveMemory>,
    all: Vec<(u64, u64, ProcessSnapshot)>,
    mut seen: impl FnMut(u64, ProcId),
) {
    for (pid, address, process) in all {
        let Some(proc) = symbolizer.process(pid, address) else {
            continue;
        };
        seen(address, proc);
        let told = Told {
            name: process.name,
            label: process.label,
            initial_call: process.initial_call,
            parent: process.parent,
        };
        symbolizer.describe(proc, told);
    }
}

/// A reason as far as its first words tell it.
pub(super) fn reason<M: Memory>(vm: &Vm<M>, shape: &MessageShape) -> String {
    if let Some(atom) = vm.atom(shape.term) {
        return atom.to_string();
    }
    // A tuple of some size with an atom in front, as `{shutdown, _}` or `{badmatch, _}`.
    let size = shape.header >> 6;
    match vm.atom(shape.first) {
        Some(first) if shape.term & 3 == 2 && shape.header & 0x3f == 0 && size < 256 => {
            let rest = ", _".repeat(size.saturating_sub(1) as usize);
            format!("{{{first}{rest}}}")
        }
        _ => "_".to_owned(),
    }
}
