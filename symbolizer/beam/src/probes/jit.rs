//! What the JIT's code calls: the way to functions in an emulator without symbols.

use std::collections::BTreeSet;

use crate::code::{Function, ListEntry, ModuleCode, read_list, read_module};
use crate::memory::Memory;

use super::calls::{Call, calls};

/// How many modules are looked at: those that every VM begins with come first.
const MODULES_MAX: usize = 64;
/// More code than a function has that is looked at.
const CODE_MAX: usize = 1 << 20;
/// More code than those modules have.
const ALL_CODE_MAX: usize = 64 << 20;

/// The code that the JIT has emitted.
pub(super) struct Jit<'a, M> {
    memory: &'a M,
    /// As they were emitted.
    entries: Vec<ListEntry>,
    fragments: Option<ModuleCode>,
}

impl<'a, M: Memory> Jit<'a, M> {
    /// Nothing, where the list cannot be read.
    pub(super) fn read(memory: &'a M, descriptor: u64) -> Jit<'a, M> {
        let (mut entries, _) = read_list(memory, descriptor).unwrap_or_default();
        entries.reverse();
        let globals = entries.iter().filter(|entry| entry.global);
        let mut globals = globals.filter_map(|e| read_module(memory, e.blob, e.blob_bytes));
        let fragments = globals.find(|module| module.functions.iter().all(|f| f.arity.is_none()));
        Jit {
            memory,
            entries,
            fragments,
        }
    }

    /// What a helper fragment calls.
    pub(super) fn of_fragment(&self, name: &str) -> Vec<Call> {
        let Some(module) = &self.fragments else {
            return Vec::new();
        };
        let function = module.functions.iter().find(|f| *f.name == *name);
        function.map_or_else(Vec::new, |function| self.of_function(module, function))
    }

    fn of_function(&self, module: &ModuleCode, function: &Function) -> Vec<Call> {
        let bytes = function.end.saturating_sub(function.start) as usize;
        let mut code = vec![0; bytes.min(CODE_MAX)];
        let start = module.base.wrapping_add(u64::from(function.start));
        match self.memory.read(start, &mut code) {
            Ok(()) => calls(self.memory, start, &code),
            Err(_) => Vec::new(),
        }
    }

    /// What the function at an address calls.
    pub(super) fn at(&self, address: u64) -> Vec<Call> {
        let around = |entry: &&ListEntry| {
            let end = entry.start.saturating_add(u64::from(entry.bytes));
            (entry.start..end).contains(&address)
        };
        let entry = self.entries.iter().rev().find(around);
        let module = entry.and_then(|e| read_module(self.memory, e.blob, e.blob_bytes));
        let Some(module) = module else {
            return Vec::new();
        };
        let offset = u32::try_from(address.wrapping_sub(module.base));
        let function = offset.ok().and_then(|offset| module.function_at(offset));
        function.map_or_else(Vec::new, |function| self.of_function(&module, function))
    }

    /// What the code of the first modules leads to.
    pub(super) fn of_modules(&self) -> BTreeSet<u64> {
        let modules = self.entries.iter().filter(|entry| !entry.global);
        let modules = modules.take(MODULES_MAX);
        let mut left = ALL_CODE_MAX;
        let mut found = BTreeSet::new();
        for module in modules.filter_map(|e| read_module(self.memory, e.blob, e.blob_bytes)) {
            for function in &module.functions {
                let bytes = function.end.saturating_sub(function.start) as usize;
                let Some(rest) = left.checked_sub(bytes.max(1)) else {
                    return found;
                };
                left = rest;
                found.extend(
                    self.of_function(&module, function)
                        .iter()
                        .map(|call| call.to),
                );
            }
        }
        found
    }
}
