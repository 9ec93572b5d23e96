//! Where a `gen_statem` has its state.
//!
//! Its loop has `#params{}`, what `sys` needs, and `#state{}`, in that order from the last slot: in
//! `loop_receive/3` (OTP 25, 27), `loop/3` and `loop_hibernate/3` (29). `#state{}` begins with the pair of
//! the state's name and data, `#params{}` has mode, state enter calls, parent, modules, name
//! (`lib/stdlib/src/gen_statem.erl`).
//!
//! `loop_state_callback/11`, which calls a callback, has from the last slot a catch tag, `#params{}`, what
//! `sys` needs, `#state{}`, events that wait, and the pair that the callback is given: 13 slots in OTP 25
//! and 27, 12 in 29.

use super::behaviour::{Found, Term};
use super::evidence::Evidence;
use super::frames::Frame;
use super::{Behaviour, Rests, bare};
use crate::memory::Memory;
use crate::term::NIL;

/// A callback module that has called `change_callback_module` has others below it.
const MODULES_MAX: usize = 64;

/// What a frame of the loop has, if it proves to be that.
pub(super) fn in_frame<M: Memory>(evidence: &Evidence<'_, '_, M>, frame: &Frame) -> Option<Found> {
    let is = |function, slots| frame.is("gen_statem", function, 3) && frame.slots.len() == slots;
    if !is("loop_receive", 5) && !is("loop", 4) && !is("loop_hibernate", 3) {
        return None;
    }
    match frame.slots.as_slice() {
        [.., state, _debug, params] => found(evidence, *params, *state),
        _ => None,
    }
}

/// The arguments of `wakeup_from_hibernate/3`: `[Params, Debug, State]`.
pub(super) fn hibernating<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    arguments: &[u64],
) -> Option<Found> {
    let [params, _debug, state] = arguments else {
        return None;
    };
    Some(Found {
        rests: Rests::Hibernating,
        ..found(evidence, *params, *state)?
    })
}

/// What it has given to `sys`: `{Params, State}`.
pub(super) fn suspended<M: Memory>(evidence: &Evidence<'_, '_, M>, misc: u64) -> Option<Found> {
    let misc = evidence.tuple(misc)?;
    match misc.as_slice() {
        [params, state] => found(evidence, *params, *state),
        _ => None,
    }
}

/// What the caller of a callback has, if it proves to be that.
pub(super) fn before_callback<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    frame: &Frame,
) -> Option<Found> {
    let slots = frame.slots.as_slice();
    if !frame.is("gen_statem", "loop_state_callback", 11) || !matches!(slots.len(), 12 | 13) {
        return None;
    }
    match slots {
        [.., pair, _waiting, state, _debug, params, caught] if bare::is_catch(*caught) => {
            evidence.record(*state, "state")?;
            with_pair(evidence, *params, *pair)
        }
        _ => None,
    }
}

fn found<M: Memory>(evidence: &Evidence<'_, '_, M>, params: u64, state: u64) -> Option<Found> {
    let state = evidence.record(state, "state")?;
    let [_, pair, ..] = state.as_slice() else {
        return None;
    };
    with_pair(evidence, params, *pair)
}

/// With `#params{}`, and the pair of the state's name and data.
fn with_pair<M: Memory>(evidence: &Evidence<'_, '_, M>, params: u64, pair: u64) -> Option<Found> {
    let params = evidence.record(params, "params")?;
    let [_, _mode, _enter, parent, modules, name, ..] = params.as_slice() else {
        return None;
    };
    if *modules == NIL || !evidence.is_family(*parent, *name) {
        return None;
    }
    let modules = evidence.list(*modules, MODULES_MAX)?;
    let module = evidence.module(*modules.first()?)?;
    let pair = evidence.tuple(pair)?;
    let [state, data] = pair.as_slice() else {
        return None;
    };
    Some(Found {
        behaviour: Behaviour::GenStatem,
        rests: Rests::Waiting,
        module: Some(module),
        callback: None,
        terms: vec![Term::new("state", *state), Term::new("data", *data)],
    })
}
