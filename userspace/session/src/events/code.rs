//! Modules that are loaded and purged.

use std::sync::Arc;

use escope_beam::Vm;
use escope_beam::memory::Memory;
use escope_model::ModuleAction;
use rustc_hash::FxHashMap;

/// Tells purges by their steps.
///
/// A purge is prepared and then completed or given up (`erts_internal_purge_module_2` in
/// `beam_bif_load.c`), one at a time in a VM. A step that finds another process loading code waits
/// and begins anew, which looks the same.
#[derive(Default)]
pub(super) struct Purges {
    /// The module whose purge was the last to be completed, as a term, until the next step.
    completed: Option<u64>,
    /// How often each module was loaded since a step of its purge.
    loads: FxHashMap<u64, u8>,
    unpurged: u64,
}

/// So many modules are remembered that were loaded.
const LOADS_MAX: usize = 1 << 16;
/// A VM has a module's code twice: at the third time, what was there first has been purged.
const LOADS: u8 = 3;

impl Purges {
    /// A module is loaded.
    pub(super) fn loaded(&mut self, module: u64) {
        if self.loads.len() >= LOADS_MAX {
            self.loads.clear();
        }
        let loads = self.loads.entry(module).or_default();
        *loads = loads.saturating_add(1);
        self.unpurged += u64::from(*loads == LOADS);
    }

    /// How many modules were loaded so often that they were purged, of which nothing was seen.
    pub(super) fn unpurged(&self) -> u64 {
        self.unpurged
    }

    /// Whether a step completes a purge that was not told yet.
    fn completes(&mut self, module: u64, is_last: bool) -> bool {
        let before = self.completed.take();
        if is_last {
            self.completed = Some(module);
        }
        is_last && before != Some(module)
    }

    /// What a step tells, and of which module.
    pub(super) fn step<M: Memory>(
        &mut self,
        vm: &Vm<M>,
        module: u64,
        step: u64,
    ) -> Option<(ModuleAction, Arc<str>)> {
        self.loads.remove(&module);
        let is_last = vm.atom(step).is_some_and(|step| &*step == "complete");
        let completes = self.completes(module, is_last);
        let module = vm.atom(module)?;
        completes.then_some((ModuleAction::Purge, module))
    }

    /// Steps are missing here.
    pub(super) fn gap(&mut self) {
        self.completed = None;
        self.loads.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Purges;

    #[test]
    fn a_step_that_waits_is_one() {
        let mut purges = Purges::default();
        let steps = [
            (1, false, false),
            (1, true, true),
            // It had to wait.
            (1, true, false),
            (1, true, false),
            (2, false, false),
            (2, true, true),
            (1, false, false),
            // Given up.
            (1, false, false),
            (1, false, false),
            (1, true, true),
            (2, true, true),
        ];
        for (at, (module, is_last, completes)) in steps.into_iter().enumerate() {
            assert_eq!(purges.completes(module, is_last), completes, "{at}");
        }
        purges.gap();
        assert!(purges.completes(2, true));
    }

    #[test]
    fn a_module_that_is_loaded_for_the_third_time_was_purged() {
        let mut purges = Purges::default();
        for module in [1, 1, 2, 1, 1] {
            purges.loaded(module);
        }
        assert_eq!(purges.unpurged(), 1);
        purges.loaded(2);
        purges.gap();
        purges.loaded(2);
        assert_eq!(purges.unpurged(), 1);
    }
}
