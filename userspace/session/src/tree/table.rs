//! The processes that trees are made of.

use std::sync::Arc;

use escope_beam::memory::Memory;
use escope_beam::snapshot::{ProcessSnapshot, SnapshotOptions, placed};
use escope_beam::{BeamError, Vm};
use rustc_hash::FxHashMap;

use super::Linked;

/// Messages of a mailbox that are counted, and links of a process that are read.
const MESSAGES_MAX: u64 = 100_000;
const LINKS_MAX: usize = 10_000;
/// Modules whose processes are supervisors, of which `$initial_call` has the module, and as its
/// function that of the callbacks for the first two (`proc_lib:translate_initial_call/1`).
const SUPERVISORS: [&str; 3] = [
    "supervisor",
    "supervisor_bridge",
    "Elixir.DynamicSupervisor",
];

/// A process, and where it lies.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) pid: u64,
    pub(super) address: u64,
    pub(super) process: ProcessSnapshot,
}

/// All processes that were met.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    by_pid: FxHashMap<Arc<str>, usize>,
}

impl Table {
    /// Adds what is there now and was not before.
    pub(super) fn read<M: Memory>(&mut self, vm: &Vm<M>) -> Result<(), BeamError> {
        let options = SnapshotOptions {
            frames: 0,
            messages: MESSAGES_MAX,
            relations: LINKS_MAX,
            ..SnapshotOptions::default()
        };
        for (pid, address, process) in placed(vm, options)? {
            let text: Arc<str> = process.pid.as_str().into();
            if self.by_pid.contains_key(&text) {
                continue;
            }
            self.by_pid.insert(text, self.entries.len());
            self.entries.push(Entry {
                pid,
                address,
                process,
            });
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Entry> {
        self.entries.get(at)
    }

    /// Where a process of this pid is.
    pub(super) fn find(&self, pid: &str) -> Option<usize> {
        self.by_pid.get(pid).copied()
    }

    /// All, in the order in which they were spawned as far as their pids say so.
    pub(super) fn in_order(&self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.entries.len()).collect();
        all.sort_by_cached_key(|&at| self.get(at).map(|entry| spawned(&entry.process.pid)));
        all
    }

    /// To whom a process is linked that is here too.
    pub(super) fn links(&self, at: usize) -> impl Iterator<Item = usize> {
        let relations = self.get(at).and_then(|it| it.process.relations.as_ref());
        let links = relations.map_or(&[][..], |relations| &relations.links);
        links.iter().filter_map(|pid| self.find(pid))
    }

    pub(super) fn linked(&self, pid: &str) -> Linked {
        let found = self.find(pid).and_then(|at| self.get(at));
        Linked {
            pid: pid.to_owned(),
            who: found.map(|entry| who(&entry.process)),
        }
    }
}

/// `<0.N.S>` by S, then by N: as the VM gives pids out.
fn spawned(pid: &str) -> (u64, u64) {
    let mut numbers = pid.trim_matches(['<', '>']).split('.').skip(1);
    let mut next = || numbers.next().and_then(|number| number.parse().ok());
    let number = next().unwrap_or(u64::MAX);
    (next().unwrap_or(u64::MAX), number)
}

/// What a process is called.
pub(super) fn who(process: &ProcessSnapshot) -> String {
    match (&process.name, &process.label, &process.initial_call) {
        (Some(name), _, _) | (None, Some(name), _) => name.clone(),
        (None, None, Some(call)) => call.to_string(),
        (None, None, None) => "unknown".to_owned(),
    }
}

/// Whether a process was started as a supervisor.
pub(super) fn is_supervisor(process: &ProcessSnapshot) -> bool {
    let call = process.initial_call.as_ref();
    call.is_some_and(|call| SUPERVISORS.contains(&call.module.as_str()))
}

/// Whether a process was started by this function, which has one argument less in later releases.
pub(super) fn is_started_by(process: &ProcessSnapshot, module: &str, function: &str) -> bool {
    let call = process.initial_call.as_ref();
    call.is_some_and(|call| {
        call.module == module && call.function == function && matches!(call.arity, 3 | 4)
    })
}

/// The module of the callbacks of a process that was started by `proc_lib`.
pub(super) fn callbacks(process: &ProcessSnapshot) -> Option<String> {
    let call = process.initial_call.as_ref()?;
    match call.module.as_str() {
        "supervisor" | "supervisor_bridge" => Some(call.function.clone()),
        "proc_lib" | "Elixir.DynamicSupervisor" => None,
        module => Some(module.to_owned()),
    }
}
