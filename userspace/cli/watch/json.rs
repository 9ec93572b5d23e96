//! Calls as JSON, one object a line. `kind` says what it is.

use std::io::Write;
use std::time::Duration;

use escope_model::Mfa;
use escope_session::{Caller, Mark, WatchEnd, WatchSummary, WatchedCall};
use serde_json::{Value, json};

use super::{Counts, name};

pub(super) fn call(
    functions: &[Mfa],
    call: &WatchedCall,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let process = call.process.as_ref();
    line(
        &json!({
            "kind": "call",
            "at_ns": nanoseconds(call.at),
            "function": name(functions, call.function),
            "pid": process.map(|process| &process.pid),
            "name": process.and_then(|process| process.name.as_ref()),
            "label": process.and_then(|process| process.label.as_ref()),
            "initial_call": process
                .and_then(|process| process.initial_call.as_ref())
                .map(Mfa::to_string),
            "caller": caller(&call.caller),
            "arguments": call.arguments,
            "arguments_missing": call.arguments_missing,
            "snapshot": call.snapshot.as_ref().map(super::snapshot::json),
        }),
        out,
    )
}

/// `call` says what the function that is returned to has called.
fn caller(caller: &Caller) -> Value {
    match caller {
        Caller::Function {
            mfa,
            location,
            called,
        } => json!({
            "function": mfa.to_string(),
            "file": location.as_ref().map(|(file, _)| file),
            "line": location.as_ref().map(|(_, line)| line),
            "call": called.as_str(),
        }),
        Caller::Nobody => json!({ "function": null, "call": "first" }),
        Caller::Unknown => Value::Null,
    }
}

pub(super) fn mark(functions: &[Mfa], mark: &Mark, out: &mut dyn Write) -> anyhow::Result<()> {
    let value = match mark {
        Mark::Moved {
            function,
            loaded,
            watched,
        } => json!({
            "kind": "moved",
            "function": name(functions, *function),
            "loaded_ns": nanoseconds(*loaded),
            "watched_ns": nanoseconds(*watched),
        }),
        Mark::Gone { function, at, why } => json!({
            "kind": "gone",
            "function": name(functions, *function),
            "at_ns": nanoseconds(*at),
            "why": why,
        }),
    };
    line(&value, out)
}

pub(super) fn counts(
    functions: &[Mfa],
    counts: &Counts,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    for ((function, who), count) in counts {
        let value = json!({
            "kind": "count",
            "function": name(functions, *function),
            "caller": caller(who),
            "calls": count,
        });
        line(&value, out)?;
    }
    Ok(())
}

/// The last line.
pub(super) fn end(
    end: WatchEnd,
    summary: &WatchSummary,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let functions = summary.functions.iter().map(|count| {
        json!({
            "function": count.function.to_string(),
            "hits": count.hits,
            "seen": count.seen,
            "filtered": count.filtered,
            "lost": count.lost,
            "unseen": count.unseen,
            "foreign": count.foreign,
            "beyond_limit": count.beyond,
        })
    });
    let end = match end {
        WatchEnd::Duration => "duration",
        WatchEnd::Snapshots => "snapshots",
        WatchEnd::Limit => "limit",
        WatchEnd::Interrupted => "interrupted",
        WatchEnd::TargetExited => "target_exited",
    };
    line(
        &json!({
            "kind": "end",
            "end": end,
            "elapsed_ns": nanoseconds(summary.elapsed),
            "threads": summary.threads,
            "hit_ns": summary.price.hit_ns,
            "spent_ns": nanoseconds(summary.spent()),
            "functions": functions.collect::<Vec<_>>(),
        }),
        out,
    )
}

fn nanoseconds(time: Duration) -> u64 {
    time.as_nanos() as u64
}

fn line(value: &Value, out: &mut dyn Write) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    Ok(writeln!(out)?)
}
