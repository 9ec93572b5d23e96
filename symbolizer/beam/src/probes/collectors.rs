//! Where the functions are that collect garbage, in an emulator without symbols.

use std::collections::BTreeSet;

use super::begin::first_calls;
use super::by_code::{ByCode, Found, only};
use super::collection::{self, Edge};
use super::site::{Want, Word};
use crate::memory::Memory;

/// How many functions are looked at that hibernation leads to.
const HIBERNATE_MAX: usize = 1024;

impl<M: Memory> ByCode<'_, M> {
    /// Whether a function changes its process's state as a collection does.
    fn collects(&self, start: u64) -> bool {
        let want = Want {
            word: Word::Argument(0),
            half: false,
            needed: true,
        };
        let function = start..self.code.end_of(start);
        let state = self.vm.layout.process.state;
        collection::find(self.code, function, state, Edge::End, want).is_ok()
    }

    /// `garbage_collect`: both fragments that may collect lead to it.
    pub(super) fn collector(&self) -> Found {
        let found = self.collector.get_or_init(|| self.find_collector());
        found.clone()
    }

    fn find_collector(&self) -> Found {
        let of_fragment = |fragment| {
            let called = self.of_fragment(fragment).into_iter();
            called
                .flat_map(|start| self.callees(start))
                .collect::<BTreeSet<_>>()
        };
        let both = &of_fragment("garbage_collect") & &of_fragment("call_light_bif_shared");
        let found = both.into_iter().filter(|&start| self.collects(start));
        only(found, "functions that collect")
    }

    pub(super) fn no_bump(&self) -> Found {
        self.calls_collector("garbage_collect")
    }

    pub(super) fn after_bif(&self) -> Found {
        self.calls_collector("call_light_bif_shared")
    }

    fn calls_collector(&self, fragment: &str) -> Found {
        let collector = self.collector()?;
        let found = self.of_fragment(fragment).into_iter();
        let found = found.filter(|&start| self.callees(start).contains(&collector));
        only(
            found,
            &format!("functions that the JIT's {fragment} calls to collect"),
        )
    }

    /// `erts_garbage_collect_hibernate` and the `garbage_collect_hibernate` that it calls.
    pub(super) fn hibernate(&self) -> Result<(u64, u64), String> {
        let found = self.hibernate.get_or_init(|| self.find_hibernate());
        found.clone()
    }

    fn find_hibernate(&self) -> Result<(u64, u64), String> {
        let (collector, bif) = (self.collector()?, self.bif("hibernate", 3)?);
        let outer = self.callees(bif).into_iter();
        let middle: BTreeSet<u64> = outer.flat_map(|start| self.callees(start)).collect();
        let inner = |start: u64| {
            let calls = first_calls(self.code, start, self.code.end_of(start));
            let [call] = calls.as_slice() else {
                return None;
            };
            let passes = call.passed.first() == Some(&Some(Word::Argument(0)));
            let collects = passes && call.to != collector && self.collects(call.to);
            collects.then_some((start, call.to))
        };
        let found = middle.into_iter().take(HIBERNATE_MAX).filter_map(inner);
        only(found, "functions that collect because of hibernation")
    }

    /// `erts_garbage_collect`: who else calls `garbage_collect` collects literals too, and for
    /// that calls what hibernation does, or is called by nobody (`erts_gc_after_bif_call`).
    pub(super) fn collect(&self) -> Found {
        let (collector, hibernate) = (self.collector()?, self.hibernate()?.1);
        let known = [self.no_bump()?, self.after_bif()?];
        let mut callers: BTreeSet<u64> = self.code.callers(collector).into_iter().collect();
        callers.retain(|caller| {
            !known.contains(caller)
                && !self.callees(*caller).contains(&hibernate)
                && !self.code.callers(*caller).is_empty()
        });
        only(callers, "functions that collect for C code")
    }
}
