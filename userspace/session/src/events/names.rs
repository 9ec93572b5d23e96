//! What processes are called.

use escope_beam::Vm;
use escope_beam::memory::Memory;
use escope_beam::snapshot::{ProcessSnapshot, called, called_at, structs};
use escope_model::ProcId;
use escope_symbolizer::{Symbolizer, Told};
use rustc_hash::{FxHashMap, FxHashSet};

use super::dist::Dist;
use super::downs::Downs;

/// Of so many processes it is remembered whether they had a name, and so many are looked at again.
pub(super) const LOOKED_AT: usize = 1 << 10;

/// A process that was there.
pub(super) struct Learned {
    pub(super) proc: ProcId,
    /// Where its struct is.
    pub(super) address: u64,
    /// It has asked not to be looked at.
    pub(super) is_sensitive: bool,
    /// Whether it had a name, if it rested.
    pub(super) is_named: Option<bool>,
}

/// Reads what all processes are called, and who has messages. `None` where that is not possible.
pub(super) fn learn<M: Memory>(
    symbolizer: &mut Symbolizer<M>,
    dist: &mut Dist,
    downs: &mut Downs,
) -> Option<Vec<Learned>> {
    // A table that cannot be read leaves pids without names.
    let all = called(symbolizer.vm()).ok()?;
    let mut learned = Vec::with_capacity(all.len());
    for (pid, address, process) in all {
        if let Some(proc) = symbolizer.process(pid, address) {
            learned.push(Learned {
                proc,
                address,
                is_sensitive: process.sensitive,
                is_named: process.consistent.then_some(process.name.is_some()),
            });
            if process.consistent && process.mailbox == Some(0) && !process.mailbox_cut {
                downs.has_none(proc);
            }
            if let Some(name) = &process.name {
                dist.register(name.clone(), (proc, address));
            }
            symbolizer.describe(proc, told(process));
        }
    }
    Some(learned)
}

/// How many of the processes that were met at these addresses are not there any more; `None` where
/// the VM cannot be asked.
pub(super) fn gone<M: Memory>(
    symbolizer: &Symbolizer<M>,
    at: &FxHashMap<u64, ProcId>,
) -> Option<u64> {
    let there: FxHashSet<u64> = structs(symbolizer.vm()).ok()?.into_iter().collect();
    let gone = at.keys().filter(|address| !there.contains(address));
    Some(gone.count() as u64)
}

/// How many processes have a name now that had none, and how many have none that had one. `named` is
/// who had one before, and who had none; whoever was `born` since had none.
pub(super) fn renamed<M: Memory>(
    symbolizer: &Symbolizer<M>,
    at: &FxHashMap<u64, ProcId>,
    named: &FxHashMap<ProcId, bool>,
    born: &dyn Fn(ProcId) -> bool,
) -> (u64, u64) {
    let known = |who: &ProcId| named.contains_key(who) || born(*who);
    let addresses = at.iter().filter(|(_, who)| known(who));
    let addresses: Vec<u64> = addresses.map(|(at, _)| *at).take(2 * LOOKED_AT).collect();
    let (mut got, mut lost) = (0, 0);
    for (pid, address, process) in called_at(symbolizer.vm(), &addresses) {
        let Some(who) = symbolizer.met(pid, address).filter(|_| process.consistent) else {
            continue;
        };
        let had = named.get(&who).copied().unwrap_or(false);
        got += u64::from(!had && process.name.is_some());
        lost += u64::from(had && process.name.is_none());
    }
    (got, lost)
}

/// Reads what processes are called that were met while they ran, by the addresses of their
/// structs. Those that have ended meanwhile have no names. Returns who of them has asked not to be
/// looked at.
pub(super) fn meet<M: Memory>(
    symbolizer: &mut Symbolizer<M>,
    dist: &mut Dist,
    addresses: &mut Vec<u64>,
) -> Vec<ProcId> {
    let mut sensitive = Vec::new();
    for (pid, address, process) in called_at(symbolizer.vm(), addresses) {
        if let Some(proc) = symbolizer.met(pid, address) {
            sensitive.extend(process.sensitive.then_some(proc));
            if let Some(name) = &process.name {
                dist.register(name.clone(), (proc, address));
            }
            symbolizer.describe(proc, told(process));
        }
    }
    addresses.clear();
    sensitive
}

/// Reads what records of a process's module call their fields, before there is anything to be masked by that:
/// a file takes longer to read than an event.
pub(super) fn learn_records(vm: &Vm, process: &ProcessSnapshot) {
    if let (Some(redaction), Some(call)) = (&vm.redaction, &process.initial_call) {
        redaction.learn(vm, &call.module);
    }
}

/// A process gets a name.
pub(super) fn registered<M: Memory>(symbolizer: &mut Symbolizer<M>, who: ProcId, name: String) {
    let told = Told {
        name: Some(name),
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
