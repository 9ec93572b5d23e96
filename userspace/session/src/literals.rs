//! Whether memory that all processes share may have been used again: literals of code that was purged
//! and of persistent terms that were replaced, and what the VM knows of the funs of a module.
//!
//! The VM has a process of its own that waits until no process refers to such literals, and only then
//! frees them (`erts_literal_area_collector.erl`), and another that purges modules
//! (`erts_code_purger.erl`), after which the entry of a fun goes with the last fun that refers to it
//! (`erl_fun.c`, OTP 25.0 to 29.0). As long as neither has run, nothing of a loaded module was freed.

use escope_beam::memory::Memory;
use escope_beam::snapshot::called;
use escope_beam::{ProcessBlock, Vm};

/// The modules of those processes.
const KEEPERS: [&str; 2] = ["erts_literal_area_collector", "erts_code_purger"];

/// Those processes, and since when none has run.
#[derive(Debug, Default)]
pub(crate) struct Literals {
    /// The address of the struct of each, and its pid as a term; none where it was not found.
    keepers: Option<[(u64, u64); KEEPERS.len()]>,
    reductions: [u64; KEEPERS.len()],
    stable_since_ns: Option<u64>,
}

impl Literals {
    /// Finds them.
    pub(crate) fn find<M: Memory>(vm: &Vm<M>) -> Literals {
        let all = called(vm).unwrap_or_default();
        let keeper = |module| {
            all.iter().find_map(|(pid, address, process)| {
                let calls = [&process.spawned_as, &process.initial_call];
                let is_it = calls
                    .into_iter()
                    .flatten()
                    .any(|call| call.module == module);
                is_it.then_some((*address, *pid))
            })
        };
        let [collector, purger] = KEEPERS.map(keeper);
        Literals {
            keepers: collector.zip(purger).map(<[_; 2]>::from),
            ..Literals::default()
        }
    }

    /// Looks at them; `now_ns` was read before.
    pub(crate) fn look<M: Memory>(&mut self, vm: &Vm<M>, now_ns: u64) {
        let reductions = self
            .keepers
            .map(|keepers| keepers.map(|who| resting(vm, who)));
        let reductions = match reductions {
            Some([Some(collector), Some(purger)]) => Some([collector, purger]),
            _ => None,
        };
        let same = reductions == Some(self.reductions);
        self.stable_since_ns = match (reductions, self.stable_since_ns) {
            (None, _) => None,
            (Some(_), Some(since_ns)) if same => Some(since_ns),
            (Some(_), _) => Some(now_ns),
        };
        self.reductions = reductions.unwrap_or_default();
    }

    /// Whether nothing was freed from a time until now.
    pub(crate) fn hold_since<M: Memory>(&mut self, vm: &Vm<M>, at_ns: u64, now_ns: u64) -> bool {
        self.look(vm, now_ns);
        self.stable_since_ns
            .is_some_and(|since_ns| since_ns <= at_ns)
    }
}

/// What one has used so far, if it waits and has no signal to handle.
fn resting<M: Memory>(vm: &Vm<M>, (address, pid): (u64, u64)) -> Option<u64> {
    // The flags first: one that has run since then has other reductions.
    let flags = address.wrapping_add(u64::from(vm.layout.process.state));
    let flags = escope_beam::ProcessState(vm.memory.u32(flags).ok()?);
    let mut block = vec![0; vm.layout.process.size as usize];
    vm.memory.read(address, &mut block).ok()?;
    let block = ProcessBlock::new(&block, &vm.layout);
    let rests = flags.status() == "waiting" && block.state().status() == "waiting";
    (rests && block.id() == pid).then(|| block.reductions())
}
