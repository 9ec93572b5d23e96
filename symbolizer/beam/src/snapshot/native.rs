//! Which processes are in a native function: of those, and of nobody else that runs, it can be
//! said from outside where they are.

use std::collections::BTreeMap;

use escope_model::Mfa;

use crate::Vm;
use crate::memory::Memory;

/// The native functions that run, by the address of their process.
///
/// A scheduler, dirty or not, says that one runs from before it is called until it has returned
/// (`current_nif`: `beam_jit_call_nif` in `beam_jit_common.cpp`, `erts_call_dirty_nif` in
/// `erl_nif.c`), the process which one (`current`), and its stack is stored for that time.
pub(super) fn running<M: Memory>(vm: &Vm<M>) -> BTreeMap<u64, Mfa> {
    let word = |base: u64, at: u32| vm.memory.u64(base.wrapping_add(u64::from(at))).ok();
    let fields = &vm.layout.scheduler;
    let mut running = BTreeMap::new();
    for scheduler in vm.schedulers().unwrap_or_default() {
        let on = || {
            let process = word(scheduler.data, fields.process)?;
            let nif = word(scheduler.data, fields.nif)?;
            Some((process, nif)).filter(|&(process, nif)| process != 0 && nif != 0)
        };
        let Some(before) = on() else {
            continue;
        };
        let function = word(before.0, vm.layout.process.current)
            .filter(|&function| function != 0)
            .and_then(|function| vm.memory.words(function, 3).ok())
            .and_then(|words| vm.mfa(<[u64; 3]>::try_from(words).ok()?));
        // Not one that has ended while its name was read.
        if let Some(function) = function.filter(|_| on() == Some(before)) {
            running.insert(before.0, function);
        }
    }
    running
}
