//! Calls of BIFs and NIFs.

use std::cmp::Reverse;

use escope_model::{Dictionary, FrameId};
use escope_recording::Manifest;
use escope_timeline::report::{CallsOf, Natives};
use serde_json::{Value, json};

use super::events::{rate, spread, spread_json};
use crate::coverage::{self, Coverage, place};
use crate::section::{Row, Section};
use crate::time;

/// What the tables are made of.
pub(crate) struct Source<'a> {
    pub(crate) natives: &'a Natives,
    pub(crate) dictionary: &'a Dictionary,
    pub(crate) coverage: &'a Coverage,
    pub(crate) manifest: &'a Manifest,
    /// How many rows a table may have.
    pub(crate) limit: usize,
}

/// None where nobody asked for calls.
pub(super) fn sections(source: &Source<'_>) -> Vec<Section> {
    let was_asked = !source.manifest.options.calls.is_empty();
    if !was_asked && source.natives.rows == 0 {
        return Vec::new();
    }
    vec![functions(source), callers(source), processes(source)]
}

impl Source<'_> {
    fn called(&self, function: FrameId) -> String {
        let frame = self.dictionary.frame(function);
        frame.map_or_else(|| "unknown function".to_owned(), |frame| frame.name())
    }

    fn rate(&self, count: u64) -> f64 {
        count as f64 * 1e9 / self.coverage.seen_ns().max(1) as f64
    }

    /// Calls, calls per second, and how long they took where returns were watched.
    fn cells(&self, of: &CallsOf) -> Vec<String> {
        let mut cells = vec![of.count.to_string(), rate(self.rate(of.count))];
        match of.took_ns.count() {
            0 => cells.extend(std::iter::repeat_n("?".to_owned(), 4)),
            _ => {
                cells.extend(spread(&of.took_ns));
                cells.push(time::show(of.took_ns.sum()));
            }
        }
        cells
    }

    fn value(&self, of: &CallsOf) -> Value {
        json!({
            "calls": of.count,
            "per_s": self.rate(of.count),
            "took": (of.took_ns.count() > 0).then(|| spread_json(&of.took_ns)),
            "return_not_seen": of.open,
        })
    }
}

fn with(mut value: Value, more: Value) -> Value {
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

/// How long they took, of those whose return was seen.
const COLUMNS: &[&str] = &["calls", "per s", "p50", "p99", "longest", "in all"];

fn functions(source: &Source<'_>) -> Section {
    let natives = source.natives;
    let mut items: Vec<(String, CallsOf, usize)> = natives
        .functions
        .iter()
        .map(|(&function, of)| {
            let name = source.called(function);
            (name, of.all.clone(), of.processes.len())
        })
        .collect();
    // What was watched and never called.
    for name in &source.manifest.options.calls {
        if !items.iter().any(|(known, ..)| known == name) {
            items.push((name.clone(), CallsOf::default(), 0));
        }
    }
    items.sort_by(|a, b| (Reverse(a.1.count), &a.0).cmp(&(Reverse(b.1.count), &b.0)));
    let title = format!("BIF or NIF called ({})", source.coverage.seen());
    let columns = &[
        "calls",
        "per s",
        "p50",
        "p99",
        "longest",
        "in all",
        "processes",
    ];
    let limit = source.limit;
    let mut section = Section::new("native_calls", title, columns, &items, limit, |item| {
        let (name, of, processes) = item;
        let mut cells = source.cells(of);
        cells.push(processes.to_string());
        let more = json!({ "function": name, "processes": processes });
        Row {
            name: name.clone(),
            cells,
            value: with(source.value(of), more),
        }
    });
    let why = match source.manifest.options.call_times {
        true => "times have about a microsecond of the probes themselves in them",
        false => "how long calls took was not asked for: record with --call-times",
    };
    section.notes.push(why.to_owned());
    let open: u64 = items.iter().map(|(_, of, _)| of.open).sum();
    let what = "did not return while they were watched: their times are not in these";
    section.count("return_not_seen", open, what);
    let what = "were going on when they could first be seen: they are not counted";
    section.count("begun_before", natives.begun_before, what);
    section
}

fn callers(source: &Source<'_>) -> Section {
    let callers = source.natives.callers.iter();
    let mut items: Vec<(String, Option<String>, &CallsOf)> = callers
        .map(|(&(function, caller), of)| {
            let name = source.called(function);
            (name, place(source.dictionary, caller), of)
        })
        .collect();
    items.sort_by(|a, b| (Reverse(a.2.count), &a.0, &a.1).cmp(&(Reverse(b.2.count), &b.0, &b.1)));
    let title = "where they were called, by where they return to".to_owned();
    let limit = source.limit;
    Section::new("native_callers", title, COLUMNS, &items, limit, |item| {
        let (function, caller, of) = item;
        let from = caller.as_deref().unwrap_or("unknown code");
        let more = json!({ "function": function, "caller": caller });
        Row {
            name: format!("{function} from {from}"),
            cells: source.cells(of),
            value: with(source.value(of), more),
        }
    })
}

/// By whom each was called, the most often first.
pub(crate) fn processes(source: &Source<'_>) -> Section {
    let processes = source.natives.processes.iter();
    let mut items: Vec<_> = processes
        .map(|(&(function, proc), of)| (source.called(function), proc, of))
        .collect();
    items.sort_by(|a, b| (Reverse(a.2.count), a.1, &a.0).cmp(&(Reverse(b.2.count), b.1, &b.0)));
    let title = "who called them".to_owned();
    let limit = source.limit;
    Section::new("native_processes", title, COLUMNS, &items, limit, |item| {
        let (function, proc, of) = item;
        let name = coverage::name(source.dictionary, *proc);
        let process = source.dictionary.process(*proc);
        let more = json!({
            "function": function,
            "proc": proc.0,
            "pid": process.map(|process| process.pid.as_str()),
            "name": name,
        });
        Row {
            name: format!("{function} by {name}"),
            cells: source.cells(of),
            value: with(source.value(of), more),
        }
    })
}
