//! Which behaviour a process that rests is, and where its state lies.

use std::sync::Arc;

use escope_model::Mfa;

use super::evidence::Evidence;
use super::frames::Frame;
use super::{Behaviour, Rests, bare, gen_event, gen_server, gen_statem, hibernating};
use crate::memory::Memory;

/// Modules of behaviours, whose functions call callbacks.
const BEHAVIOURS: [(&str, Behaviour); 3] = [
    ("gen_server", Behaviour::GenServer),
    ("gen_statem", Behaviour::GenStatem),
    ("gen_event", Behaviour::GenEvent),
];

/// A term of a state, not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) name: String,
    pub(super) term: u64,
}

impl Term {
    pub(super) fn new(name: &str, term: u64) -> Term {
        Term {
            name: name.to_owned(),
            term,
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) behaviour: Behaviour,
    pub(super) rests: Rests,
    pub(super) module: Option<Arc<str>>,
    pub(super) callback: Option<Mfa>,
    pub(super) terms: Vec<Term>,
}

/// What a process is that has these frames.
pub(super) fn find<M: Memory>(evidence: &Evidence<'_, '_, M>, frames: &[Frame]) -> Found {
    let Some(top) = frames.first() else {
        return bare::nothing();
    };
    let found = if hibernating::resumes_with_arguments(top) {
        hibernating::found(evidence).or_else(|| bare::hibernating(evidence))
    } else {
        in_loop(evidence, frames).or_else(|| in_callback(frames))
    };
    found.unwrap_or_else(|| bare::slots(top))
}

fn in_loop<M: Memory>(evidence: &Evidence<'_, '_, M>, frames: &[Frame]) -> Option<Found> {
    let (top, below) = frames.split_first()?;
    let hibernates = |frame: &&Frame| {
        let function = frame.function.as_ref();
        function.is_some_and(|own| own.mfa.function == "loop_hibernate")
    };
    // `erlang:hibernate/0` (OTP 28) keeps the stack, and may be on top of it itself.
    let below = below.first().filter(|_| top.slots.is_empty());
    match below.filter(hibernates).or(Some(top).filter(hibernates)) {
        Some(frame) => Some(Found {
            rests: Rests::Hibernating,
            ..in_frame(evidence, frame)?
        }),
        None => in_frame(evidence, top),
    }
}

fn in_frame<M: Memory>(evidence: &Evidence<'_, '_, M>, frame: &Frame) -> Option<Found> {
    gen_server::in_frame(evidence, frame)
        .or_else(|| gen_statem::in_frame(evidence, frame))
        .or_else(|| gen_event::in_frame(evidence, frame))
        .or_else(|| in_sys(evidence, frame))
}

/// In the loop of one that is suspended: `sys:suspend_loop/6` has, from the second slot on, what the
/// behaviour gave, what is for debugging, the behaviour's module and the parent (OTP 25 to 29).
fn in_sys<M: Memory>(evidence: &Evidence<'_, '_, M>, frame: &Frame) -> Option<Found> {
    let suspends = frame.is("sys", "suspend_loop", 6) && frame.slots.len() == 5
        || frame.is("sys", "suspend_loop_hib", 6) && frame.slots.len() == 6;
    match frame.slots.as_slice() {
        [_hib, misc, debug, module, parent, ..] if suspends && evidence.is_debug(*debug) => {
            suspended(evidence, *parent, *module, *misc)
        }
        _ => None,
    }
}

/// What a behaviour has given to `sys`.
pub(super) fn suspended<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    parent: u64,
    module: u64,
    misc: u64,
) -> Option<Found> {
    let found = match &*evidence.atom(module)? {
        "gen_server" => gen_server::suspended(evidence, parent, misc),
        "gen_statem" => gen_statem::suspended(evidence, misc),
        "gen_event" => gen_event::suspended(evidence, parent, misc),
        _ => None,
    };
    Some(Found {
        rests: Rests::Suspended,
        ..found?
    })
}

/// In a function that a behaviour has called.
fn in_callback(frames: &[Frame]) -> Option<Found> {
    let of = |frame: &Frame| BEHAVIOURS.iter().find(|(module, _)| frame.is_of(module));
    // The outermost one: a callback may wait in `gen_server:call/2`.
    let known = |(at, frame)| Some((at, of(frame)?));
    let (outermost, (module, behaviour)) = frames.iter().enumerate().rev().find_map(known)?;
    // The behaviour calls it through several functions of its own.
    let above = frames.get(..outermost)?.iter().rev();
    let callback = above
        .skip_while(|frame| frame.is_of(module))
        .find_map(|frame| frame.function.as_ref())?;
    Some(Found {
        behaviour: *behaviour,
        rests: Rests::InCallback,
        module: Some(callback.mfa.module.as_str().into()),
        callback: Some(callback.mfa.clone()),
        terms: Vec::new(),
    })
}
