//! A process that is no behaviour that is known: what its topmost function keeps.

use super::behaviour::{Found, Term};
use super::evidence::Evidence;
use super::frames::Frame;
use super::{Behaviour, Rests, hibernating};
use crate::memory::Memory;

/// Slots that are told.
const SLOTS_MAX: usize = 64;

/// Nothing is known of where it is.
pub(super) fn nothing() -> Found {
    Found {
        behaviour: Behaviour::None,
        rests: Rests::Waiting,
        module: None,
        callback: None,
        terms: Vec::new(),
    }
}

/// What the topmost frame has, slot by slot: which variable each of them is, only the compiler
/// knows. Catch tags are no terms of the program's.
pub(super) fn slots(top: &Frame) -> Found {
    let slots = top.slots.iter().take(SLOTS_MAX).enumerate();
    let terms = slots.filter(|(_, slot)| !is_catch(**slot));
    Found {
        terms: terms
            .map(|(at, &slot)| Term::new(&format!("y{at}"), slot))
            .collect(),
        ..nothing()
    }
}

/// Where an exception goes on, put on the stack by `try` and `catch`.
pub(super) fn is_catch(term: u64) -> bool {
    term & 0x3f == 0x1b
}

/// What it will be resumed with.
pub(super) fn hibernating<M: Memory>(evidence: &Evidence<'_, '_, M>) -> Option<Found> {
    let [module, function, arguments] = hibernating::registers(evidence)?;
    Some(Found {
        rests: Rests::Hibernating,
        terms: vec![
            Term::new("module", module),
            Term::new("function", function),
            Term::new("arguments", arguments),
        ],
        ..nothing()
    })
}
