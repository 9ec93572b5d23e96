//! Which Erlang process a sample belongs to.

use escope_beam::memory::Memory;
use escope_beam::{ProcessBlock, Vm};
use escope_model::{ProcId, ProcessInfo, RawSample};
use rustc_hash::FxHashMap;

/// What of a process may change while it lives, as raw terms: names are made again only when
/// one of these differs.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    name: u64,
    initial_call: [u64; 3],
}

/// Processes by the VM's identity for them. The address belongs to it, because a pid comes
/// back after some hundred million spawns.
#[derive(Default)]
pub(crate) struct Processes {
    known: FxHashMap<(u64, u64), (ProcId, Seen)>,
    infos: Vec<ProcessInfo>,
    changed: Vec<ProcId>,
}

impl Processes {
    pub(crate) fn len(&self) -> usize {
        self.infos.len()
    }

    /// The process of a sample; `None` when it ran none or could not be read.
    pub(crate) fn identify<M: Memory>(
        &mut self,
        vm: &Vm<M>,
        raw: &RawSample<'_>,
        address: u64,
    ) -> Option<ProcId> {
        if address == 0 || raw.process.is_empty() {
            return None;
        }
        let block = ProcessBlock::new(raw.process, &vm.layout);
        let term = block.id();
        let seen = Seen {
            name: raw.registered_name,
            initial_call: raw.initial_call,
        };
        let key = (term, address);
        let proc = match self.known.get_mut(&key) {
            Some((proc, known)) if *known == seen => return Some(*proc),
            Some((proc, known)) => {
                *known = seen;
                *proc
            }
            None => {
                let pid = vm.pids.print(term)?;
                let proc = ProcId(self.infos.len() as u32);
                self.known.insert(key, (proc, seen));
                self.infos.push(ProcessInfo {
                    proc,
                    pid,
                    name: None,
                    label: None,
                    initial_call: None,
                    parent: vm.pids.print(block.parent()),
                });
                proc
            }
        };
        let info = self.infos.get_mut(proc.index())?;
        // A name or call that was known stays known: a process that exits gives up its name
        // before its last sample.
        if let Some(name) = vm.atom(seen.name) {
            info.name = Some(name.to_string());
        }
        // Of a process that has asked not to be looked at nothing in its dictionary is told.
        let real = vm.mfa_of_terms(seen.initial_call);
        let real = real.filter(|_| !block.is_sensitive());
        if real.is_some() || info.initial_call.is_none() {
            info.initial_call = real.or_else(|| vm.mfa(block.initial()));
        }
        self.changed.push(proc);
        Some(proc)
    }

    pub(crate) fn take_changed(&mut self, into: &mut Vec<ProcessInfo>) {
        self.changed.sort_unstable();
        self.changed.dedup();
        into.extend(
            self.changed
                .drain(..)
                .filter_map(|proc| self.infos.get(proc.index()).cloned()),
        );
    }
}
