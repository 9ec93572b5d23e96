//! Which process called, and what it is called.

use escope_beam::Vm;
use escope_beam::snapshot::called_one;
use escope_capture::Call;
use escope_model::{ProcId, ProcessInfo};
use rustc_hash::FxHashMap;

/// Processes that are remembered at most.
const KNOWN_MAX: usize = 1 << 16;

/// Processes by their pids as terms, without names that they were given.
#[derive(Default)]
pub(super) struct Processes {
    known: FxHashMap<u64, ProcessInfo>,
}

impl Processes {
    /// The process of a call: its name is that of this moment, and the rest is read when it is
    /// first seen. One that has ended by then is known by what it was spawned with.
    pub(super) fn of(&mut self, vm: &Vm, call: &Call) -> Option<ProcessInfo> {
        let pid = vm.pids.print(call.pid)?;
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        let mut process = match self.known.get(&call.pid) {
            Some(known) => known.clone(),
            None => {
                let read = called_one(vm, call.process).filter(|(id, _)| *id == call.pid);
                let is_read = read.is_some();
                let (label, initial_call, parent) = read.map_or((None, None, None), |(_, read)| {
                    (read.label, read.initial_call, read.parent)
                });
                let process = ProcessInfo {
                    proc: ProcId(0),
                    pid,
                    name: None,
                    label,
                    initial_call: initial_call.or_else(|| vm.mfa(call.initial)),
                    parent,
                };
                if is_read {
                    self.known.insert(call.pid, process.clone());
                }
                process
            }
        };
        process.name = vm.atom(call.name).map(|name| name.to_string());
        Some(process)
    }
}
