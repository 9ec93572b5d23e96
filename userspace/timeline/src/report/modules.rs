//! Modules that were loaded and purged.

use escope_model::{ModuleAction, ModuleEvent, ProcId};
use rustc_hash::FxHashMap;

use super::ReportScope;
use crate::merged::since_start;

/// More modules than a VM has.
const MODULES_MAX: usize = 1 << 16;

/// What happened to the code of one module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleOf {
    /// How often new code was put in place.
    pub loads: u64,
    /// How often old code was removed.
    pub purges: u64,
    /// When the last of either was.
    pub last_ns: u64,
    /// Who loaded it last.
    pub loaded_by: Option<ProcId>,
}

/// What happened to the code of all modules.
#[derive(Debug, Default)]
pub struct Modules {
    of: FxHashMap<String, ModuleOf>,
    /// All of them.
    pub all: ModuleOf,
    /// Loads and purges of modules that are too many to be told apart.
    pub others: u64,
}

impl Modules {
    /// By name, in no order.
    pub fn each(&self) -> impl Iterator<Item = (&str, &ModuleOf)> {
        self.of.iter().map(|(name, of)| (name.as_str(), of))
    }

    pub(super) fn add(&mut self, event: &ModuleEvent, scope: &ReportScope<'_>) {
        let at_ns = since_start(event.ts_ns);
        if !scope.contains(at_ns) || !(scope.wanted)(event.proc) {
            return;
        }
        self.all.add(event, at_ns);
        if self.of.len() < MODULES_MAX || self.of.contains_key(&event.module) {
            let of = self.of.entry(event.module.clone()).or_default();
            of.add(event, at_ns);
        } else {
            self.others += 1;
        }
    }
}

impl ModuleOf {
    fn add(&mut self, event: &ModuleEvent, at_ns: u64) {
        self.last_ns = self.last_ns.max(at_ns);
        match event.event {
            ModuleAction::Load => {
                self.loads += 1;
                self.loaded_by = event.proc;
            }
            ModuleAction::Purge => self.purges += 1,
        }
    }
}
