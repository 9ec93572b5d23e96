//! Where a `gen_server` has its state.
//!
//! | OTP | waits in | slots, counted from the last one |
//! |---|---|---|
//! | 25, 27 | `loop/7`, `wake_hib/6` | parent, name, state, module or its `#callback_cache{}`, (time), hibernation, debug |
//! | 29 | `loop/5`, `loop_hibernate/4` | `#server_data{}`, state, ... |
//!
//! While it is in a callback, who has called that keeps the state that it was called with, for
//! `terminate/2`:
//!
//! | OTP | called by | slots, counted from the last one |
//! |---|---|---|
//! | 25, 27 | `handle_msg/6`, `/7`: a call | parent, name, state, module, hibernation, ...: 10 or 11 |
//! | 25, 27 | the same: anything else | message, parent, name, state, module, hibernation, (debug) |
//! | 25, 27 | `loop/7`: `handle_continue/2` | parent, name, state, module, `{continue, _}`, hibernation, ...: 8 |
//! | 29 | `handle_msg/3`, `/4`: a call | state, `#server_data{}`, ...: 8 or 10 |
//! | 29 | the same: anything else | `#server_data{}`, state, message, (debug) |
//! | 29 | `loop/4`: `handle_continue/2` | `#server_data{}`, state, ...: 5 |
//!
//! `#server_data{}` begins with parent, tag, name and module (`lib/stdlib/src/gen_server.erl`).

use super::behaviour::{Found, Term};
use super::evidence::Evidence;
use super::frames::Frame;
use super::{Behaviour, Rests};
use crate::memory::Memory;

/// What a frame of the loop has, if it proves to be that.
pub(super) fn in_frame<M: Memory>(evidence: &Evidence<'_, '_, M>, frame: &Frame) -> Option<Found> {
    let slots = frame.slots.as_slice();
    if frame.is("gen_server", "loop", 7) || frame.is("gen_server", "wake_hib", 6) {
        return plain(evidence, slots);
    }
    let with_data = frame.is("gen_server", "loop", 5) && slots.len() == 5
        || frame.is("gen_server", "loop_hibernate", 4) && slots.len() == 4;
    match slots {
        [.., state, data] if with_data => server(evidence, *data, *state),
        _ => None,
    }
}

fn plain<M: Memory>(evidence: &Evidence<'_, '_, M>, slots: &[u64]) -> Option<Found> {
    let [before @ .., module, state, name, parent] = slots else {
        return None;
    };
    // `wake_hib/6` of OTP 27 has one more slot, for the message.
    let is_loop = match before {
        [debug, after] => evidence.is_debug(*debug) && evidence.is_time(*after),
        [debug, after, time] => {
            evidence.is_debug(*debug) && evidence.is_time(*after) && evidence.is_time(*time)
                || evidence.is_debug(*after) && evidence.is_time(*time)
        }
        _ => false,
    };
    let proven = is_loop && evidence.is_family(*parent, *name);
    proven.then(|| found(evidence, *module, *state))?
}

/// With a `#server_data{}` and a state.
fn server<M: Memory>(evidence: &Evidence<'_, '_, M>, data: u64, state: u64) -> Option<Found> {
    let data = evidence.record(data, "server_data")?;
    let [_, parent, _tag, name, module, ..] = data.as_slice() else {
        return None;
    };
    let proven = evidence.is_family(*parent, *name);
    proven.then(|| found(evidence, *module, state))?
}

/// The arguments of `wake_hib/6`: `[Parent, Name, State, Module, HibernateAfter, Debug]`.
pub(super) fn hibernating<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    arguments: &[u64],
) -> Option<Found> {
    let [parent, name, state, module, after, debug] = arguments else {
        return None;
    };
    let proven =
        evidence.is_family(*parent, *name) && evidence.is_time(*after) && evidence.is_debug(*debug);
    let found = proven.then(|| found(evidence, *module, *state))??;
    Some(Found {
        rests: Rests::Hibernating,
        ..found
    })
}

/// What the caller of a callback has, if it proves to be that. `called` is what it has called: only
/// then have its slots the state of before.
pub(super) fn before_callback<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    frame: &Frame,
    called: &Frame,
) -> Option<Found> {
    if !called.is_of("gen_server") || !called.begins_with("try_") {
        return None;
    }
    let slots = frame.slots.as_slice();
    let handles = |arity| frame.is("gen_server", "handle_msg", arity);
    let continues = |arity| frame.is("gen_server", "loop", arity);
    let (parent, name, state, module, after) = match (slots.len(), slots) {
        (10 | 11, [.., after, module, state, name, parent]) if handles(6) || handles(7) => {
            (*parent, *name, *state, *module, *after)
        }
        (6 | 7, [.., after, module, state, name, parent, _message]) if handles(6) || handles(7) => {
            (*parent, *name, *state, *module, *after)
        }
        (8, [.., after, _continue, module, state, name, parent]) if continues(7) => {
            (*parent, *name, *state, *module, *after)
        }
        (8 | 10, [.., data, state]) if handles(3) || handles(4) => {
            return server(evidence, *data, *state);
        }
        (3 | 4, [.., state, data]) if handles(3) || handles(4) => {
            return server(evidence, *data, *state);
        }
        (5, [.., state, data]) if continues(4) => return server(evidence, *data, *state),
        _ => return None,
    };
    let proven = evidence.is_family(parent, name) && evidence.is_time(after);
    proven.then(|| found(evidence, module, state))?
}

/// What it has given to `sys`: `[Name, State, Module, Time, HibernateAfter]`, since OTP 28
/// `[ServerData, State, ...]`.
pub(super) fn suspended<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    parent: u64,
    misc: u64,
) -> Option<Found> {
    let misc = evidence.list(misc, 8)?;
    match misc.as_slice() {
        [data, state, ..] if evidence.record(*data, "server_data").is_some() => {
            server(evidence, *data, *state)
        }
        [name, state, module, ..] => {
            let proven = evidence.is_family(parent, *name);
            proven.then(|| found(evidence, *module, *state))?
        }
        _ => None,
    }
}

fn found<M: Memory>(evidence: &Evidence<'_, '_, M>, module: u64, state: u64) -> Option<Found> {
    let module = evidence.module(module)?;
    let behaviour = match &*module {
        "supervisor" => Behaviour::Supervisor,
        "Elixir.Agent.Server" => Behaviour::Agent,
        _ => Behaviour::GenServer,
    };
    Some(Found {
        behaviour,
        rests: Rests::Waiting,
        module: Some(module),
        callback: None,
        terms: vec![Term::new("state", state)],
    })
}
