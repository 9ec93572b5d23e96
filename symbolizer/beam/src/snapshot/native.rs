//! Which processes are in a native function: of those, and of nobody else that runs, it can be
//! said from outside where they are.

use std::collections::BTreeMap;

use escope_model::Mfa;

use crate::Vm;
use crate::memory::Memory;

/// A native function that was seen to run.
pub(super) struct Native {
    /// The data of the scheduler that it was seen on.
    scheduler: u64,
    seen: Seen,
    pub(super) mfa: Mfa,
}

/// What a scheduler says that it runs: process and native function.
type Seen = (u64, u64);

impl Native {
    /// Whether it is what its scheduler still says: reading the table takes longer than many of
    /// them run.
    pub(super) fn still_runs<M: Memory>(&self, vm: &Vm<M>) -> bool {
        seen(vm, self.scheduler) == Some(self.seen)
    }
}

/// The native functions that run, by the address of their process.
///
/// A scheduler, dirty or not, says that one runs from before it is called until it has returned
/// (`current_nif`: `beam_jit_call_nif` in `beam_jit_common.cpp`, `erts_call_dirty_nif` in
/// `erl_nif.c`), the process which one (`current`), and its stack is stored for that time.
pub(super) fn running<M: Memory>(vm: &Vm<M>) -> BTreeMap<u64, Native> {
    let mut running = BTreeMap::new();
    for scheduler in vm.schedulers().unwrap_or_default() {
        let Some(seen) = seen(vm, scheduler.data) else {
            continue;
        };
        let mfa = word(vm, seen.0, vm.layout.process.current)
            .filter(|&function| function != 0)
            .and_then(|function| vm.memory.words(function, 3).ok())
            .and_then(|words| vm.mfa(<[u64; 3]>::try_from(words).ok()?));
        if let Some(mfa) = mfa {
            let native = Native {
                scheduler: scheduler.data,
                seen,
                mfa,
            };
            // Not one that has ended while its name was read.
            if native.still_runs(vm) {
                running.insert(seen.0, native);
            }
        }
    }
    running
}

fn seen<M: Memory>(vm: &Vm<M>, scheduler: u64) -> Option<Seen> {
    let fields = &vm.layout.scheduler;
    let process = word(vm, scheduler, fields.process)?;
    let nif = word(vm, scheduler, fields.nif)?;
    Some((process, nif)).filter(|&(process, nif)| process != 0 && nif != 0)
}

fn word<M: Memory>(vm: &Vm<M>, base: u64, at: u32) -> Option<u64> {
    vm.memory.u64(base.wrapping_add(u64::from(at))).ok()
}
