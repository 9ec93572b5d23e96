//! What processes are called.

use escope_beam::memory::Memory;
use escope_beam::snapshot::{ProcessSnapshot, called, called_at};
use escope_model::ProcId;
use escope_symbolizer::{Symbolizer, Told};
use rustc_hash::FxHashMap;

use super::dist::Dist;
use super::downs::Downs;

/// Reads what all processes are called, and who has messages; returns whether that was possible.
pub(super) fn learn<M: Memory>(
    symbolizer: &mut Symbolizer<M>,
    at: &mut FxHashMap<u64, ProcId>,
    dist: &mut Dist,
    downs: &mut Downs,
) -> bool {
    // A table that cannot be read leaves pids without names.
    let Ok(all) = called(symbolizer.vm()) else {
        return false;
    };
    for (pid, address, process) in all {
        if let Some(proc) = symbolizer.process(pid, address) {
            at.insert(address, proc);
            if process.consistent && process.mailbox == Some(0) && !process.mailbox_cut {
                downs.has_none(proc);
            }
            if let Some(name) = &process.name {
                dist.register(name.clone(), proc);
            }
            symbolizer.describe(proc, told(process));
        }
    }
    true
}

/// Reads what processes are called that were met while they ran, by the addresses of their
/// structs. Those that have ended meanwhile have no names.
pub(super) fn meet<M: Memory>(symbolizer: &mut Symbolizer<M>, addresses: &mut Vec<u64>) {
    for (pid, address, process) in called_at(symbolizer.vm(), addresses) {
        if let Some(proc) = symbolizer.met(pid, address) {
            symbolizer.describe(proc, told(process));
        }
    }
    addresses.clear();
}

/// A process gets a name.
pub(super) fn registered<M: Memory>(symbolizer: &mut Symbolizer<M>, who: ProcId, name: u64) {
    let name = symbolizer.vm().atom(name).map(|name| name.to_string());
    let told = Told {
        name,
        ..Told::default()
    };
    symbolizer.describe(who, told);
}

fn told(process: ProcessSnapshot) -> Told {
    Told {
        name: process.name,
        label: process.label,
        initial_call: process.initial_call,
        parent: process.parent,
    }
}
