//! What a process had as it called.

use std::io::Write;

use escope_session::{
    CallSnapshot, Limits, Part, ProcessState, SnapshotState, StackPlace, WatchedCall, lines,
};
use serde_json::{Value, json};

use crate::printable::one_line;
use crate::time;

/// All of what is copied, unless it refers to the same again and again.
pub(super) const LIMITS: Limits = Limits {
    depth: 128,
    nodes: 1 << 18,
    bytes: 1 << 20,
};
/// Columns of a term, and how many characters of it are printed.
const WIDTH: usize = 100;
const CHARS_MAX: usize = 64 << 10;
/// Before what is told, and before terms.
const INDENT: usize = 4;
const TERM_INDENT: usize = 6;
/// Functions of a stack that are printed.
const STACK_MAX: usize = 40;

pub(super) fn print(call: &WatchedCall, out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(snapshot) = &call.snapshot else {
        if call.no_room {
            writeln!(out, "{:INDENT$}no snapshot: there was no room for it", "")?;
        }
        return Ok(());
    };
    writeln!(out, "{:INDENT$}{}", "", taken(snapshot))?;
    for part in &snapshot.arguments {
        writeln!(out, "{:INDENT$}argument {}{}", "", part.name, cut(part))?;
        term(part, out)?;
    }
    writeln!(out, "{:INDENT$}stack", "")?;
    for (number, place) in snapshot.stack.iter().enumerate().take(STACK_MAX) {
        if snapshot.gap == Some(number) {
            writeln!(out, "{:TERM_INDENT$}...", "")?;
        }
        writeln!(out, "{:TERM_INDENT$}{}", "", one_line(&shown(place)))?;
    }
    let more = snapshot.stack.len().saturating_sub(STACK_MAX);
    if more > 0 || snapshot.gap == Some(snapshot.stack.len()) {
        writeln!(out, "{:TERM_INDENT$}and more", "")?;
    }
    match &snapshot.state {
        SnapshotState::Of(state) => told(state, out),
        SnapshotState::None => Ok(writeln!(
            out,
            "{:INDENT$}no state: it is in no callback of a behaviour",
            ""
        )?),
        SnapshotState::NotTold(why) => {
            Ok(writeln!(out, "{:INDENT$}no state: {}", "", one_line(why))?)
        }
    }
}

fn taken(snapshot: &CallSnapshot) -> String {
    let (bytes, took) = (snapshot.bytes, time::show(snapshot.took.as_nanos() as u64));
    let masked = match &snapshot.state {
        SnapshotState::Of(state) => snapshot.masked + state.masked,
        SnapshotState::None | SnapshotState::NotTold(_) => snapshot.masked,
    };
    let masked = match masked {
        0 => String::new(),
        1 => "; 1 value masked (***)".to_owned(),
        many => format!("; {many} values masked (***)"),
    };
    match snapshot.whole {
        true => format!("snapshot of {bytes} bytes, for which it was held up {took}{masked}"),
        false => format!(
            "snapshot of its stack alone, for which it was held up {took}: it has more than is copied{masked}"
        ),
    }
}

fn told(state: &ProcessState, out: &mut dyn Write) -> anyhow::Result<()> {
    let module = state
        .module
        .as_ref()
        .map_or(String::new(), |module| format!(" of {module}"));
    let callback = state
        .callback
        .as_ref()
        .map_or_else(String::new, |callback| format!(" {callback}"));
    let what = format!(
        "{}{module}, as of before its callback{callback}",
        state.behaviour.word()
    );
    writeln!(out, "{:INDENT$}{}", "", one_line(&what))?;
    for part in &state.parts {
        writeln!(out, "{:INDENT$}{}{}", "", one_line(&part.name), cut(part))?;
        term(part, out)?;
    }
    Ok(())
}

fn term(part: &Part, out: &mut dyn Write) -> anyhow::Result<()> {
    for line in lines(&part.term, WIDTH, TERM_INDENT, CHARS_MAX) {
        writeln!(out, "{:TERM_INDENT$}{}", "", one_line(&line))?;
    }
    Ok(())
}

fn cut(part: &Part) -> &'static str {
    match part.whole {
        true => "",
        false => " (not all of it)",
    }
}

fn shown(place: &StackPlace) -> String {
    match place {
        Some((mfa, Some((file, line)))) => format!("{mfa}  {file}:{line}"),
        Some((mfa, None)) => mfa.to_string(),
        None => "unknown code".to_owned(),
    }
}

/// The same for programs.
pub(super) fn json(snapshot: &CallSnapshot) -> Value {
    let part = |part: &Part| {
        json!({
            "name": part.name,
            "term": part.term.text(CHARS_MAX),
            "whole": part.whole,
        })
    };
    let (state, why) = match &snapshot.state {
        SnapshotState::Of(state) => (Some(state), None),
        SnapshotState::None => (None, Some("it is in no callback of a behaviour")),
        SnapshotState::NotTold(why) => (None, Some(why.as_str())),
    };
    json!({
        "took_ns": snapshot.took.as_nanos() as u64,
        "bytes": snapshot.bytes,
        "whole": snapshot.whole,
        "masked": snapshot.masked,
        "arguments": snapshot.arguments.iter().map(part).collect::<Vec<_>>(),
        "stack": snapshot.stack.iter().map(shown).collect::<Vec<_>>(),
        "stack_gap": snapshot.gap,
        "state": state.map(|state| json!({
            "behaviour": state.behaviour.word(),
            "module": state.module,
            "callback": state.callback.as_ref().map(ToString::to_string),
            "masked": state.masked,
            "parts": state.parts.iter().map(part).collect::<Vec<_>>(),
        })),
        "why_no_state": why,
    })
}
