//! Which behaviour a process that rests is, and where its state lies.

use std::sync::Arc;

use escope_model::Mfa;

use super::evidence::Evidence;
use super::frames::{Frame, Stack};
use super::{Behaviour, Rests, bare, gen_event, gen_server, gen_statem, hibernating};
use crate::memory::Memory;

/// Modules of behaviours, whose functions call callbacks.
const BEHAVIOURS: [(&str, Behaviour); 3] = [
    ("gen_server", Behaviour::GenServer),
    ("gen_statem", Behaviour::GenStatem),
    ("gen_event", Behaviour::GenEvent),
];

/// What behaviours are made of: between two callbacks they call functions of these.
const NO_CALLBACKS: [&str; 5] = ["gen", "sys", "proc_lib", "logger", "erlang"];

/// A term of a state, not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) name: String,
    /// What is told behind the name, which may have secrets as any other term.
    pub(super) id: Option<u64>,
    pub(super) term: u64,
}

impl Term {
    pub(super) fn new(name: &str, term: u64) -> Term {
        Term {
            name: name.to_owned(),
            id: None,
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

/// What a process is that has this stack, and does not run.
pub(super) fn find<M: Memory>(evidence: &Evidence<'_, '_, M>, stack: &Stack) -> Found {
    let Some(top) = stack.top.first() else {
        return bare::nothing();
    };
    let found = if hibernating::resumes_with_arguments(top) {
        hibernating::found(evidence).or_else(|| bare::hibernating(evidence))
    } else {
        in_loop(evidence, &stack.top)
            .or_else(|| in_callback(evidence, stack))
            .or_else(|| ending(stack))
    };
    found.unwrap_or_else(|| bare::slots(top))
}

/// What a process is that runs, and has got into a callback: only then are the slots of its loop
/// all there. Those of the function that it is in may be not yet, or not any more.
pub(super) fn find_running<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    stack: &Stack,
) -> Option<Found> {
    // Then the slots of the behaviour's own function may be not there yet.
    let is_own = stack.top.first().is_some_and(is_of_behaviour);
    (!is_own).then(|| in_callback(evidence, stack))?
}

/// Whether it is in a function of a behaviour, or in one that such a function has called.
pub(super) fn is_in_behaviour(stack: &Stack) -> bool {
    stack.top.iter().chain(stack.lowest()).any(is_of_behaviour)
}

fn is_of_behaviour(frame: &Frame) -> bool {
    BEHAVIOURS.iter().any(|(module, _)| frame.is_of(module))
}

/// In the functions that report an end, which may wait for who writes the report: of the behaviour, and
/// of `proc_lib` afterwards (gen_server.erl, gen_statem.erl, gen_event.erl and proc_lib.erl, OTP 25 to
/// 29). None of them is called by who only talks to a behaviour.
fn ending(stack: &Stack) -> Option<Found> {
    let of = |frame: &Frame| {
        let reports = ["terminate", "error_info"].iter();
        let mut reports = reports.map(|begin| frame.begins_with(begin));
        let own = BEHAVIOURS.iter().find(|(module, _)| frame.is_of(module));
        own.filter(|_| reports.any(|is_it| is_it))
            .map(|(_, behaviour)| *behaviour)
    };
    let fails = |frame: &Frame| {
        let reports = ["crash_report", "exit_p"].iter();
        frame.is_of("proc_lib") && reports.into_iter().any(|begin| frame.begins_with(begin))
    };
    let frames = || stack.lowest().iter().rev();
    let behaviour = frames().find_map(of);
    let behaviour = behaviour.or(frames().any(fails).then_some(Behaviour::None))?;
    Some(Found {
        behaviour,
        rests: Rests::Ending,
        ..bare::nothing()
    })
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

/// In a function that a behaviour has called. The frame of the behaviour that has called it has its
/// state as of before.
fn in_callback<M: Memory>(evidence: &Evidence<'_, '_, M>, stack: &Stack) -> Option<Found> {
    let frames = stack.lowest();
    let of = |frame: &Frame| BEHAVIOURS.iter().find(|(module, _)| frame.is_of(module));
    // The outermost one: a callback may wait in `gen_server:call/2`.
    let known = |(at, frame)| Some((at, of(frame)?));
    let (outermost, (module, behaviour)) = frames.iter().enumerate().rev().find_map(known)?;
    // The behaviour calls it through several functions of its own.
    let above = frames.get(..outermost)?;
    let callback = above
        .iter()
        .rev()
        .skip_while(|frame| frame.is_of(module))
        .find_map(|frame| frame.function.as_ref())?;
    if NO_CALLBACKS.contains(&callback.mfa.module.as_str()) {
        return None;
    }
    let before = match (stack.has_bottom, frames.get(outermost), above.last()) {
        (true, Some(frame), Some(called)) => gen_server::before_callback(evidence, frame, called)
            .or_else(|| gen_statem::before_callback(evidence, frame)),
        _ => None,
    };
    let known = before.unwrap_or_else(|| Found {
        behaviour: *behaviour,
        module: Some(callback.mfa.module.as_str().into()),
        ..bare::nothing()
    });
    Some(Found {
        rests: Rests::InCallback,
        callback: Some(callback.mfa.clone()),
        ..known
    })
}
