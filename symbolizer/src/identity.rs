//! Which Erlang process a sample or an event belongs to.

use escope_beam::memory::Memory;
use escope_beam::{ProcessBlock, Vm};
use escope_model::{Mfa, ProcId, ProcessInfo, RawSample};
use rustc_hash::FxHashMap;

/// What of a process may change while it lives, as raw terms: names are made again only when
/// one of these differs.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    name: u64,
    initial_call: [u64; 3],
}

/// The process that has a pid now.
#[derive(Clone, Copy)]
struct Known {
    /// Of its struct; 0 while only its pid was heard of.
    address: u64,
    proc: ProcId,
    seen: Option<Seen>,
}

/// Processes by the VM's identity for them, pid and address: a pid comes back after some hundred
/// million spawns.
#[derive(Default)]
pub(crate) struct Processes {
    known: FxHashMap<u64, Known>,
    count: u32,
    infos: FxHashMap<ProcId, ProcessInfo>,
    changed: Vec<ProcId>,
    forgotten: Vec<ProcId>,
}

impl Processes {
    pub(crate) fn len(&self) -> usize {
        self.count as usize
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
        let seen = Seen {
            name: raw.registered_name,
            initial_call: raw.initial_call,
        };
        let proc = self.find(vm, block.id(), address)?;
        let known = self.known.get_mut(&block.id())?;
        if known.seen == Some(seen) {
            return Some(proc);
        }
        known.seen = Some(seen);
        let info = self.infos.get_mut(&proc)?;
        if info.parent.is_none() {
            info.parent = vm.pids.print(block.parent());
        }
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

    /// The process with a pid, as a term; `None` for what is no pid. An `address` of 0 is one that is not known.
    pub(crate) fn find<M: Memory>(&mut self, vm: &Vm<M>, pid: u64, address: u64) -> Option<ProcId> {
        if let Some(known) = self.known.get_mut(&pid)
            && (known.address == address || known.address == 0 || address == 0)
        {
            known.address = known.address.max(address);
            return Some(known.proc);
        }
        let text = vm.pids.print(pid)?;
        let proc = ProcId(self.count);
        self.count = self.count.saturating_add(1);
        let known = Known {
            address,
            proc,
            seen: None,
        };
        self.known.insert(pid, known);
        let info = ProcessInfo {
            proc,
            pid: text,
            name: None,
            label: None,
            initial_call: None,
            parent: None,
        };
        self.infos.insert(proc, info);
        self.changed.push(proc);
        Some(proc)
    }

    /// What a process is registered as.
    pub(crate) fn name(&self, proc: ProcId) -> Option<&str> {
        self.infos.get(&proc)?.name.as_deref()
    }

    /// The module that a process was spawned for, where that is known: `proc_lib` and `erlang:apply`, as for funs,
    /// stand for others.
    pub(crate) fn module(&self, proc: ProcId) -> Option<&str> {
        let call = self.infos.get(&proc)?.initial_call.as_ref()?;
        let stands_for_another =
            call.module == "proc_lib" || (call.module == "erlang" && call.function == "apply");
        (!stands_for_another).then_some(&*call.module)
    }

    /// The process with a pid, as a term, and an address, if it has been met with both.
    pub(crate) fn met(&self, pid: u64, address: u64) -> Option<ProcId> {
        let known = self.known.get(&pid)?;
        (known.address == address).then_some(known.proc)
    }

    /// Fills in what is not known yet of a process, and what it was spawned for where `proc_lib` was
    /// asked to do that.
    pub(crate) fn describe(&mut self, proc: ProcId, told: Told) {
        let Some(info) = self.infos.get_mut(&proc) else {
            return;
        };
        let mut changed = false;
        let mut fill = |known: &mut Option<String>, told: Option<String>| {
            changed |= known.is_none() && told.is_some();
            *known = known.take().or(told);
        };
        fill(&mut info.name, told.name);
        fill(&mut info.label, told.label);
        fill(&mut info.parent, told.parent);
        let is_real = |call: &Mfa| call.module != "proc_lib";
        let may_be_told = !info.initial_call.as_ref().is_some_and(is_real);
        if may_be_told && told.initial_call.is_some() && told.initial_call != info.initial_call {
            info.initial_call = told.initial_call;
            changed = true;
        }
        if changed {
            self.changed.push(proc);
        }
    }

    pub(crate) fn take_changed(&mut self, into: &mut Vec<ProcessInfo>) {
        self.changed.sort_unstable();
        self.changed.dedup();
        into.extend(
            self.changed
                .drain(..)
                .filter_map(|proc| self.infos.get(&proc).cloned()),
        );
        for proc in self.forgotten.drain(..) {
            self.infos.remove(&proc);
        }
    }

    /// A process has ended and nothing will be told of it any more: there may be millions.
    pub(crate) fn forget(&mut self, pid: u64) {
        if let Some(known) = self.known.remove(&pid) {
            // It may not have been told of yet.
            self.forgotten.push(known.proc);
        }
    }
}

/// What is told of a process elsewhere than in a sample.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Registered name, unquoted.
    pub name: Option<String>,
    /// Process label.
    pub label: Option<String>,
    /// Where it started.
    pub initial_call: Option<Mfa>,
    /// Who spawned it, as the VM prints it.
    pub parent: Option<String>,
}

#[cfg(test)]
mod tests {
    use escope_model::{Mfa, ProcId, ProcessInfo};

    use super::{Processes, Told};

    fn call(module: &str) -> Option<Mfa> {
        Some(Mfa {
            module: module.into(),
            function: "init".into(),
            arity: 1,
        })
    }

    /// What is known after a process of that initial call was described so.
    fn described(initial_call: Option<Mfa>, told: Told) -> (Processes, ProcessInfo) {
        let proc = ProcId(0);
        let info = ProcessInfo {
            proc,
            pid: "<0.1.0>".into(),
            name: None,
            label: None,
            initial_call,
            parent: None,
        };
        let mut processes = Processes::default();
        processes.infos.insert(proc, info);
        processes.describe(proc, told);
        let info = processes.infos[&proc].clone();
        (processes, info)
    }

    #[test]
    fn proc_lib_tells_for_what_it_was_asked_and_others_what_they_are() {
        let told = |module| Told {
            initial_call: call(module),
            ..Told::default()
        };
        let (_, info) = described(call("proc_lib"), told("my_server"));
        assert_eq!(info.initial_call, call("my_server"));
        let (_, info) = described(None, told("my_server"));
        assert_eq!(info.initial_call, call("my_server"));
        let (_, info) = described(call("my_server"), told("erl_eval"));
        assert_eq!(info.initial_call, call("my_server"));
    }

    #[test]
    fn what_is_known_stays_and_only_changes_are_told_again() {
        let told = Told {
            name: Some("shop".into()),
            ..Told::default()
        };
        let (mut processes, _) = described(None, told);
        let mut changed = Vec::new();
        processes.take_changed(&mut changed);
        assert_eq!(changed.len(), 1);
        processes.describe(
            ProcId(0),
            Told {
                name: Some("other".into()),
                ..Told::default()
            },
        );
        let mut again = Vec::new();
        processes.take_changed(&mut again);
        assert!(again.is_empty());
        assert_eq!(processes.infos[&ProcId(0)].name.as_deref(), Some("shop"));
    }
}
