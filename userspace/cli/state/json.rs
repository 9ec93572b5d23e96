//! States for programs.

use escope_session::{Node, ProcessState, Rests, StateAnswer, StateOf, States};
use serde_json::{Value, json};

use super::text;
use super::words::why_not;
use crate::args::StateArgs;

/// An array with an object for each process.
pub(super) fn of(states: &States, args: &StateArgs) -> Value {
    let node = states.node.as_ref();
    let told = states.told.iter();
    let stopped_us = states.stop.map(|stop| stop.took.as_micros() as u64);
    told.map(|one| process(one, args, (node, stopped_us)))
        .collect()
}

fn process(
    one: &StateOf,
    args: &StateArgs,
    (node, stopped_us): (Option<&Node>, Option<u64>),
) -> Value {
    let called = &one.process;
    let mut value = json!({
        "pid": called.pid,
        "name": called.name,
        "label": called.label,
        "initial_call": called.initial_call.as_ref().map(ToString::to_string),
        "certainty": one.answer.certainty(),
        "tries": one.tries,
        "stopped_us": stopped_us,
    });
    let rest = match &one.answer {
        StateAnswer::Exact(state) => {
            let parts = state.parts.iter().map(|part| {
                json!({
                    "name": part.name,
                    "term": text(&part.term, args, node).join("\n"),
                    "whole": part.whole,
                })
            });
            let location = state.location.as_ref();
            json!({
                "behaviour": state.behaviour.word(),
                "module": state.module,
                "status": state.status,
                "rests": state.rests.word(),
                "as_of": as_of(state),
                "waits_in": state.waits_in.as_ref().map(ToString::to_string),
                "file": location.map(|(file, _)| file),
                "line": location.map(|(_, line)| line),
                "callback": state.callback.as_ref().map(ToString::to_string),
                "reductions": state.reductions,
                "masked": state.masked,
                "nameless": state.nameless,
                "words": state.words,
                "parts": parts.collect::<Vec<_>>(),
            })
        }
        answer => json!({ "why": why_not(answer, one.tries, args) }),
    };
    if let (Value::Object(value), Value::Object(rest)) = (&mut value, rest) {
        value.extend(rest);
    }
    value
}

/// Which instant a state is of, where there is one.
fn as_of(state: &ProcessState) -> Option<&'static str> {
    match (state.rests, state.parts.is_empty()) {
        (Rests::InCallback | Rests::Ending, true) => None,
        (Rests::InCallback, false) => Some("before_callback"),
        _ => Some("now"),
    }
}
