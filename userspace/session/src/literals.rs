//! Whether memory that all processes share may have been used again: literals of code that was purged,
//! and of persistent terms that were replaced.
//!
//! The VM has a process of its own that waits until no process refers to such memory, and only then
//! frees it (`erts_literal_area_collector.erl`). As long as that one has not run, none was freed.

use escope_beam::memory::Memory;
use escope_beam::snapshot::called;
use escope_beam::{ProcessBlock, Vm};

/// The module of that process.
const COLLECTOR: &str = "erts_literal_area_collector";

/// That process, and since when it has not run.
#[derive(Debug, Default)]
pub(crate) struct Literals {
    /// The address of its struct, and its pid as a term; none where it was not found.
    collector: Option<(u64, u64)>,
    reductions: u64,
    stable_since_ns: Option<u64>,
}

impl Literals {
    /// Finds it.
    pub(crate) fn find<M: Memory>(vm: &Vm<M>) -> Literals {
        let all = called(vm).unwrap_or_default();
        let collector = all.into_iter().find_map(|(pid, address, process)| {
            let calls = [process.spawned_as, process.initial_call];
            let is_it = calls.iter().flatten().any(|call| call.module == COLLECTOR);
            is_it.then_some((address, pid))
        });
        Literals {
            collector,
            ..Literals::default()
        }
    }

    /// Looks at it; `now_ns` was read before.
    pub(crate) fn look<M: Memory>(&mut self, vm: &Vm<M>, now_ns: u64) {
        let reductions = self.collector.and_then(|who| resting(vm, who));
        let same = reductions == Some(self.reductions);
        self.stable_since_ns = match (reductions, self.stable_since_ns) {
            (None, _) => None,
            (Some(_), Some(since_ns)) if same => Some(since_ns),
            (Some(_), _) => Some(now_ns),
        };
        self.reductions = reductions.unwrap_or(0);
    }

    /// Whether nothing was freed from a time until now.
    pub(crate) fn hold_since<M: Memory>(&mut self, vm: &Vm<M>, at_ns: u64, now_ns: u64) -> bool {
        self.look(vm, now_ns);
        self.stable_since_ns
            .is_some_and(|since_ns| since_ns <= at_ns)
    }
}

/// What it has used so far, if it waits and has no signal to handle.
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
