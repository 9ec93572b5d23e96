//! Calls of BIFs and NIFs of some processes: in sums, and each in its place among other events.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::iter::Peekable;

use escope_model::{Dictionary, FrameId, NativeCall, ProcId};
use escope_recording::{Recording, RecordingError, TimeRange};
use serde_json::{Value, json};

use crate::coverage::{Coverage, name, place};
use crate::section::{Row, Section};
use crate::time;

/// The calls of some processes that begin in the part, in the order in which they do.
pub(super) fn calls<'a>(
    recording: &Recording,
    coverage: &Coverage,
    is_it: &'a dyn Fn(ProcId) -> bool,
) -> Result<impl Iterator<Item = Result<NativeCall, RecordingError>> + 'a, RecordingError> {
    let at = |ns: u64| Some(i64::try_from(ns).unwrap_or(i64::MAX));
    let rows = recording.native_calls(TimeRange {
        since_ns: at(coverage.since_ns),
        until_ns: at(coverage.until_ns),
    })?;
    Ok(rows.filter(move |row| row.as_ref().map_or(true, |call| is_it(call.proc))))
}

/// Of one function from one place.
#[derive(Default)]
struct Sum {
    count: u64,
    took_ns: u64,
    longest_ns: u64,
    is_timed: bool,
}

/// What they called, from where; `None` where there are no calls.
pub(super) fn section(
    rows: impl Iterator<Item = Result<NativeCall, RecordingError>>,
    dictionary: &Dictionary,
    limit: usize,
) -> Result<Option<Section>, RecordingError> {
    let mut sums: BTreeMap<(FrameId, Option<FrameId>), Sum> = BTreeMap::new();
    for call in rows {
        let call = call?;
        let sum = sums.entry((call.function, call.caller)).or_default();
        sum.count += 1;
        if let Some(ns) = took_ns(&call) {
            sum.is_timed = true;
            sum.took_ns = sum.took_ns.saturating_add(ns);
            sum.longest_ns = sum.longest_ns.max(ns);
        }
    }
    if sums.is_empty() {
        return Ok(None);
    }
    let mut items: Vec<_> = sums.into_iter().collect();
    items.sort_by_key(|(by, sum)| (Reverse((sum.took_ns, sum.count)), *by));
    let title = "called these BIFs and NIFs, by where they return to".to_owned();
    let columns = &["calls", "in all", "longest"];
    Ok(Some(Section::new(
        "native_calls",
        title,
        columns,
        &items,
        limit,
        |((function, caller), sum)| {
            let function = called(dictionary, *function);
            let caller = place(dictionary, *caller);
            let from = caller.as_deref().unwrap_or("unknown code");
            let shown = |ns: u64| match sum.is_timed {
                true => time::show(ns),
                false => "?".to_owned(),
            };
            Row {
                name: format!("{function} from {from}"),
                cells: vec![
                    sum.count.to_string(),
                    shown(sum.took_ns),
                    shown(sum.longest_ns),
                ],
                value: json!({
                    "function": function,
                    "caller": caller,
                    "calls": sum.count,
                    "took_ns": sum.is_timed.then_some(sum.took_ns),
                    "longest_ns": sum.is_timed.then_some(sum.longest_ns),
                }),
            }
        },
    )))
}

/// The calls that begin before a time, or all that are left.
pub(super) fn until<I>(
    calls: &mut Peekable<I>,
    ns: Option<i64>,
) -> Option<Result<NativeCall, RecordingError>>
where
    I: Iterator<Item = Result<NativeCall, RecordingError>>,
{
    calls.next_if(|call| match (call, ns) {
        (Ok(call), Some(ns)) => call.start_ns < ns,
        _ => true,
    })
}

/// For people: one line, without its time.
pub(super) fn text(call: &NativeCall, dictionary: &Dictionary) -> String {
    let took = match (took_ns(call), call.end_ns) {
        (Some(ns), _) => format!(", which took {}", time::show(ns)),
        (None, Some(_)) => ", of which an end was not seen".to_owned(),
        (None, None) => String::new(),
    };
    let from = place(dictionary, call.caller);
    format!(
        "{} called {} from {}{took}",
        name(dictionary, call.proc),
        called(dictionary, call.function),
        from.as_deref().unwrap_or("unknown code"),
    )
}

/// For programs.
pub(super) fn json(call: &NativeCall, dictionary: &Dictionary) -> Value {
    json!({
        "ts_ns": call.start_ns, "event": "native_call", "proc": call.proc.0,
        "function": called(dictionary, call.function), "caller": place(dictionary, call.caller),
        "scheduler": call.scheduler.map(|scheduler| scheduler.to_string()),
        "took_ns": took_ns(call), "cut": call.cut.map(|cut| cut.as_str()),
    })
}

/// Of one that was seen whole.
fn took_ns(call: &NativeCall) -> Option<u64> {
    let end_ns = call.end_ns.filter(|_| call.cut.is_none())?;
    u64::try_from(end_ns.saturating_sub(call.start_ns)).ok()
}

fn called(dictionary: &Dictionary, function: FrameId) -> String {
    let frame = dictionary.frame(function);
    frame.map_or_else(|| "unknown function".to_owned(), |frame| frame.name())
}
