//! What the events of a recording add up to, table by table.

use escope_model::{Dictionary, ProcId};
use escope_recording::{Recording, TimeRange};
use escope_timeline::Spread;
use escope_timeline::report::{EventReport, Natives, ReportScope};
use serde_json::{Map, Value, json};

use super::{calls, collections, dist, lives, mail, modules, natives, ports, schedulers, sizes};
use crate::args::ReportArgs;
use crate::coverage::{self, Coverage};
use crate::load::{Loaded, range};
use crate::section::Section;
use crate::time;

/// What all tables are made of.
pub(super) struct Source<'a> {
    pub(super) report: &'a EventReport,
    pub(super) dictionary: &'a Dictionary,
    pub(super) coverage: &'a Coverage,
    /// How many normal schedulers the VM has, where that is known.
    pub(super) normal_schedulers: Option<u16>,
    /// Whether it is about some processes only.
    pub(super) is_of_some: bool,
    /// How many rows a table may have.
    pub(super) limit: usize,
}

impl Source<'_> {
    pub(super) fn name(&self, proc: ProcId) -> String {
        coverage::name(self.dictionary, proc)
    }

    /// So many in the time that was seen, per second.
    pub(super) fn rate(&self, count: u64) -> f64 {
        count as f64 * 1e9 / self.coverage.seen_ns().max(1) as f64
    }

    /// A share of the time that was seen.
    pub(super) fn share(&self, ns: u64) -> f64 {
        ns as f64 / self.coverage.seen_ns().max(1) as f64
    }

    pub(super) fn title(&self, what: &str) -> String {
        format!("{what} ({})", self.coverage.seen())
    }

    /// `proc`, `pid` and `name` of a process, and what else there is to say of it.
    pub(super) fn process(&self, proc: ProcId, more: Value) -> Value {
        let mut value = Map::new();
        let pid = self.dictionary.process(proc).map(|it| it.pid.clone());
        value.insert("proc".to_owned(), json!(proc.0));
        value.insert("pid".to_owned(), json!(pid));
        value.insert("name".to_owned(), json!(self.name(proc)));
        if let Value::Object(more) = more {
            value.extend(more);
        }
        Value::Object(value)
    }
}

/// `3.2`, `12`, `128088`.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        ..10.0 => format!("{per_second:.1}"),
        _ => format!("{per_second:.0}"),
    }
}

/// Median, 99th percentile and largest.
pub(super) fn spread(of: &Spread) -> [String; 3] {
    [of.quantile(500), of.quantile(990), of.max()].map(time::show)
}

/// The same for programs.
pub(super) fn spread_json(of: &Spread) -> Value {
    json!({
        "count": of.count(),
        "sum_ns": of.sum(),
        "p50_ns": of.quantile(500),
        "p99_ns": of.quantile(990),
        "max_ns": of.max(),
    })
}

/// All tables; none if there are no events in the recording.
pub(super) fn sections(args: &ReportArgs, loaded: &Loaded) -> anyhow::Result<Vec<Section>> {
    let recording = Recording::open(&args.recording)?;
    let start_ns = loaded.manifest.clocks.start_realtime_ns;
    let range: TimeRange = range(
        args.filter.since.as_deref(),
        args.filter.until.as_deref(),
        start_ns,
    )?;
    let has_any = recording
        .tables()?
        .iter()
        .any(|table| IS_OF_EVENTS.contains(&table.table.name()) && !table.files.is_empty());
    // Events belong to no module.
    if !has_any || args.filter.module.is_some() {
        return Ok(Vec::new());
    }
    let coverage = Coverage::of(&recording, range)?;
    let wanted = |proc: Option<ProcId>| match &args.filter.process {
        None => true,
        Some(wanted) => {
            let process = proc.and_then(|proc| loaded.dictionary.process(proc));
            process.is_some_and(|process| process.is_called(wanted))
        }
    };
    let scope = ReportScope {
        since_ns: coverage.since_ns,
        until_ns: coverage.until_ns,
        gaps: coverage.gaps.clone(),
        worst: args.rows,
        wanted: &wanted,
    };
    let rows = coverage::rows(&recording, Some(coverage.until_ns))?;
    let report = EventReport::of(rows, &scope)?;
    let calls_of_natives = Natives::of(recording.native_calls(TimeRange::ALL)?, &scope)?;
    let natives = natives::sections(&natives::Source {
        natives: &calls_of_natives,
        dictionary: &loaded.dictionary,
        coverage: &coverage,
        manifest: &loaded.manifest,
        limit: args.rows,
    });
    if report.rows.is_empty() && natives.is_empty() {
        return Ok(Vec::new());
    }
    let source = Source {
        report: &report,
        dictionary: &loaded.dictionary,
        coverage: &coverage,
        normal_schedulers: loaded.manifest.target.schedulers,
        is_of_some: args.filter.process.is_some(),
        limit: args.rows,
    };
    let mut sections = vec![covers(&source, calls_of_natives.rows)];
    sections.extend(schedulers::sections(&source));
    sections.extend(mail::sections(&source));
    sections.extend(sizes::sections(&source));
    sections.extend(calls::sections(&source));
    sections.extend(collections::sections(&source));
    sections.extend(lives::sections(&source));
    sections.extend(natives);
    sections.extend(modules::sections(&source));
    sections.extend(ports::sections(&source));
    sections.extend(dist::sections(&source));
    Ok(sections)
}

const IS_OF_EVENTS: [&str; 10] = [
    "runs",
    "messages",
    "lifecycle",
    "gc",
    "off_cpu",
    "modules",
    "port_events",
    "native_calls",
    "dist",
    "windows",
];

/// What the tables that follow are about.
fn covers(source: &Source<'_>, native_calls: u64) -> Section {
    let rows = source.report.rows;
    let counts = [
        (rows.runs, "runs", "schedule_out"),
        (rows.messages, "messages", "enqueue"),
        (rows.collections, "garbage collections", "gc_start"),
        (rows.lives, "lives", "register"),
    ];
    let (there, absent): (Vec<_>, Vec<_>) = counts.iter().partition(|count| count.0 > 0);
    let mut notes = source.coverage.notes();
    let whys = [
        (Some(true), "there were none"),
        (Some(false), "they were not asked for"),
        (None, "there were none, or they were not recorded"),
    ];
    for (probed, why) in whys {
        let of_these = |probe: &str| source.coverage.has_probe(probe) == probed;
        let absent = absent.iter().filter(|(_, _, probe)| of_these(probe));
        let absent: Vec<&str> = absent.map(|(_, what, _)| *what).collect();
        if !absent.is_empty() {
            notes.push(format!("no {}: {why}", absent.join(" and no ")));
        }
    }
    let mut there: Vec<String> = there
        .iter()
        .map(|(count, what, _)| format!("{count} {what}"))
        .collect();
    // Whoever asked for none is not told that there are none.
    let on_request = [
        (rows.modules, "modules loaded or purged"),
        (rows.ports, "events of ports"),
        (rows.dist, "events between nodes"),
    ];
    for (count, what) in on_request.iter().filter(|count| count.0 > 0) {
        there.push(format!("{count} {what}"));
    }
    if native_calls > 0 || there.is_empty() {
        there.push(format!("{native_calls} calls of BIFs and NIFs"));
    }
    let mut more = match source.coverage.json() {
        Value::Object(coverage) => coverage,
        _ => Map::new(),
    };
    more.insert("runs".to_owned(), rows.runs.into());
    more.insert("messages".to_owned(), rows.messages.into());
    more.insert("lifecycle".to_owned(), rows.lives.into());
    more.insert("gc".to_owned(), rows.collections.into());
    more.insert("off_cpu".to_owned(), rows.off_cpu.into());
    more.insert("native_calls".to_owned(), native_calls.into());
    more.insert("modules".to_owned(), rows.modules.into());
    more.insert("port_events".to_owned(), rows.ports.into());
    more.insert("dist".to_owned(), rows.dist.into());
    let seen = source.coverage.seen();
    Section {
        key: "covers",
        title: format!("events: {seen}; up to its end {}", there.join(", ")),
        columns: &[],
        rows: Vec::new(),
        omitted: 0,
        notes,
        more,
    }
}
