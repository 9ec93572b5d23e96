//! Where a `gen_event` has its handlers.
//!
//! `fetch_msg/6` has, from the last slot, parent, name, handlers, the time until it hibernates, what
//! `sys` needs, and whether it has just woken up (OTP 25 to 29). A handler is
//! `#handler{module, id, state, supervised}` (`lib/stdlib/src/gen_event.erl`).

use super::behaviour::{Found, Term};
use super::evidence::Evidence;
use super::frames::Frame;
use super::{Behaviour, Rests};
use crate::memory::Memory;
use crate::term::NIL;

/// Handlers that are told.
const HANDLERS_MAX: usize = 1000;
/// What a frame of the loop has, if it proves to be that.
pub(super) fn in_frame<M: Memory>(evidence: &Evidence<'_, '_, M>, frame: &Frame) -> Option<Found> {
    if !frame.is("gen_event", "fetch_msg", 6) {
        return None;
    }
    let [_hib, debug, after, handlers, name, parent] = frame.slots.as_slice() else {
        return None;
    };
    let proven =
        evidence.is_family(*parent, *name) && evidence.is_time(*after) && evidence.is_debug(*debug);
    proven.then(|| found(evidence, *handlers))?
}

/// The arguments of `wake_hib/5`: `[Parent, Name, Handlers, HibernateAfter, Debug]`.
pub(super) fn hibernating<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    arguments: &[u64],
) -> Option<Found> {
    let [parent, name, handlers, after, _debug] = arguments else {
        return None;
    };
    let proven = evidence.is_family(*parent, *name) && evidence.is_time(*after);
    Some(Found {
        rests: Rests::Hibernating,
        ..proven.then(|| found(evidence, *handlers))??
    })
}

/// What it has given to `sys`: `[Name, Handlers, HibernateAfter, Hibernates]`.
pub(super) fn suspended<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    parent: u64,
    misc: u64,
) -> Option<Found> {
    let misc = evidence.list(misc, 8)?;
    let [name, handlers, ..] = misc.as_slice() else {
        return None;
    };
    let proven = evidence.is_family(parent, *name);
    proven.then(|| found(evidence, *handlers))?
}

fn found<M: Memory>(evidence: &Evidence<'_, '_, M>, handlers: u64) -> Option<Found> {
    let handlers = evidence.list(handlers, HANDLERS_MAX)?;
    let handlers = handlers.into_iter().map(|one| handler(evidence, one));
    Some(Found {
        behaviour: Behaviour::GenEvent,
        rests: Rests::Waiting,
        module: None,
        callback: None,
        terms: handlers.collect::<Option<_>>()?,
    })
}

fn handler<M: Memory>(evidence: &Evidence<'_, '_, M>, handler: u64) -> Option<Term> {
    let handler = evidence.record(handler, "handler")?;
    let [_, module, id, state, ..] = handler.as_slice() else {
        return None;
    };
    let module = evidence.module(*module)?;
    // `false` for one that is known by its module alone.
    let is_plain = *id == NIL || evidence.is_atom(*id, "false");
    Some(Term {
        id: (!is_plain).then_some(*id),
        ..Term::new(&module, *state)
    })
}
