//! Where a `gen_server` has its state.
//!
//! | OTP | waits in | slots, counted from the last one |
//! |---|---|---|
//! | 25, 27 | `loop/7`, `wake_hib/6` | parent, name, state, module or its `#callback_cache{}`, (time), hibernation, debug |
//! | 29 | `loop/5`, `loop_hibernate/4` | `#server_data{}`, state, ... |
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
