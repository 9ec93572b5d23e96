//! `timeline --process`: what a process spent its time on, where it left schedulers, whom
//! it waited for, in which functions it was sampled, and then event by event.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use escope_model::{Dictionary, FrameId, LeftAs, MessageKind, ProcId};
use escope_profile::{Filter, Limits, Report, ReportOptions, Tally};
use escope_recording::{Recording, TimeRange};
use escope_timeline::{AtLeast, Departures, Happening, Spending, Spent, WaitsFor};
use serde_json::{Map, Value, json};

use super::facts::called;
use super::natives;
use super::story::{self, events};
use crate::args::{ReportFormat, TimelineArgs};
use crate::coverage::{self, Coverage, name, place, sender};
use crate::failure::Failure;
use crate::output::{self, Content};
use crate::payloads::Payloads;
use crate::printable::one_line;
use crate::section::{Row, Section, at_least_json};
use crate::tables::percent;
use crate::time;

/// What is told of the processes of a name, besides their events.
struct Told {
    coverage: Coverage,
    /// What was not recorded at all, or did not happen.
    has_runs: bool,
    has_messages: bool,
    processes: Vec<ProcId>,
    /// Of each of them from when to when, and what on.
    spent: Vec<(ProcId, Account)>,
    has_calls: bool,
    sections: Vec<Section>,
}

/// What one process spent its time on.
struct Account {
    observed_ns: (u64, u64),
    spent_ns: Vec<(Spent, u64)>,
    runs: u64,
    reductions: u64,
}

pub(super) fn tell(
    recording: &Recording,
    dictionary: &Dictionary,
    range: TimeRange,
    wanted: &str,
    args: &TimelineArgs,
) -> anyhow::Result<()> {
    let processes = called(dictionary, wanted)?;
    let told = account(recording, dictionary, range, processes, args)?;
    if told.spent.is_empty() && !told.has_calls {
        return Err(Failure::failed(format!(
            "nothing is told of {wanted}: no row is about it in this time; `timeline` without \
             --process lists those that did something"
        ))
        .into());
    }
    match args.table() {
        ReportFormat::Table => output::write_to(None, Content::Text, |out| {
            text(recording, dictionary, &told, args, out)
        }),
        ReportFormat::Json => output::write_to(None, Content::Json, |out| {
            json(recording, dictionary, &told, out)
        }),
    }
}

fn touches(row: &Happening, is_it: &dyn Fn(ProcId) -> bool) -> bool {
    match row {
        Happening::Run(run) => is_it(run.proc),
        Happening::Collection(collection) => is_it(collection.proc),
        Happening::OffCpu(off_cpu) => off_cpu.proc.is_some_and(is_it),
        Happening::Module(event) => event.proc.is_some_and(is_it),
        Happening::Port(event) => event.proc.is_some_and(is_it),
        Happening::Dist(event) => event.proc.is_some_and(is_it),
        Happening::Life(life) => is_it(life.proc) || life.other.is_some_and(is_it),
        Happening::Message(it) => is_it(it.to) || it.from.is_some_and(is_it),
    }
}

/// One pass over all rows: sums for each process that any row is about.
fn account(
    recording: &Recording,
    dictionary: &Dictionary,
    range: TimeRange,
    processes: Vec<ProcId>,
    args: &TimelineArgs,
) -> anyhow::Result<Told> {
    let coverage = Coverage::of(recording, range)?;
    let is_it = |proc: ProcId| processes.binary_search(&proc).is_ok();
    let called = natives::calls(recording, &coverage, &is_it)?;
    let called = natives::section(called, dictionary, args.rows)?;
    let part = (coverage.since_ns, coverage.until_ns);
    let mut all: HashMap<ProcId, (Spending<'_>, bool)> = processes
        .iter()
        .map(|&proc| (proc, (Spending::new(proc, part, &coverage.gaps), false)))
        .collect();
    let (mut has_runs, mut has_messages) = (false, false);
    for row in coverage::rows(recording, Some(coverage.until_ns))? {
        let row = row?;
        has_runs |= matches!(row, Happening::Run(_));
        has_messages |= matches!(row, Happening::Message(_));
        let concerned = match &row {
            Happening::Run(run) => [Some(run.proc), None],
            Happening::Collection(collection) => [Some(collection.proc), None],
            Happening::OffCpu(off_cpu) => [off_cpu.proc, None],
            Happening::Module(event) => [event.proc, None],
            Happening::Port(event) => [event.proc, None],
            Happening::Dist(event) => [event.proc, None],
            Happening::Life(life) => [Some(life.proc), life.other],
            Happening::Message(message) => [Some(message.to), message.from],
        };
        for proc in concerned.into_iter().flatten() {
            if let Some((spending, is_seen)) = all.get_mut(&proc) {
                *is_seen = true;
                spending.on(&row, &mut |_| {});
            }
        }
    }
    let mut spent = Vec::new();
    let mut sums = Sums::default();
    for &proc in &processes {
        let Some((mut spending, true)) = all.remove(&proc) else {
            continue;
        };
        spending.finish(&mut |_| {});
        sums.add(&spending);
        let spent_ns = Spent::ALL.iter().map(|&on| (on, spending.spent_ns(on)));
        let account = Account {
            observed_ns: spending.observed_ns(),
            spent_ns: spent_ns.collect(),
            runs: spending.runs,
            reductions: spending.reductions,
        };
        spent.push((proc, account));
    }
    drop(all);
    let mut sections = Vec::new();
    if has_runs {
        sections.push(sums.time(&spent));
        sections.push(sums.places(dictionary, args.rows));
        sections.push(sums.waits(dictionary, args.rows));
    }
    let has_calls = called.is_some();
    sections.extend(called);
    sections.extend(sampled(recording, dictionary, range, args)?);
    Ok(Told {
        coverage,
        has_runs,
        has_messages,
        processes,
        spent,
        has_calls,
        sections,
    })
}

/// Of all processes of the name together.
#[derive(Default)]
struct Sums {
    places: BTreeMap<Option<FrameId>, Departures>,
    waits: HashMap<(Option<ProcId>, MessageKind), WaitsFor>,
}

impl Sums {
    fn add(&mut self, spending: &Spending<'_>) {
        for (at, of) in spending.departures() {
            let sum = self.places.entry(at).or_default();
            sum.count += of.count;
            sum.away_ns += of.away_ns;
            sum.away_max_ns = sum.away_max_ns.max(of.away_max_ns);
            sum.away_at_least.merge(&of.away_at_least);
            for (&left_as, count) in &of.left_as {
                *sum.left_as.entry(left_as).or_default() += count;
            }
            for (&on, ns) in &of.away {
                *sum.away.entry(on).or_default() += ns;
            }
        }
        for (by, of) in spending.waits() {
            let sum = self.waits.entry(by).or_default();
            sum.count += of.count;
            sum.waited_ns += of.waited_ns;
            sum.waited_max_ns = sum.waited_max_ns.max(of.waited_max_ns);
        }
    }

    fn time(&self, spent: &[(ProcId, Account)]) -> Section {
        let observed = |of: &Account| of.observed_ns.1 - of.observed_ns.0;
        let observed_ns: u64 = spent.iter().map(|(_, of)| observed(of)).sum();
        let sum = |at: usize| {
            let of_each = spent.iter().filter_map(move |(_, of)| of.spent_ns.get(at));
            of_each.map(|it| it.1).sum::<u64>()
        };
        let items: Vec<(Spent, u64)> = Spent::ALL
            .iter()
            .enumerate()
            .map(|(at, &on)| (on, sum(at)))
            .filter(|(_, ns)| *ns > 0)
            .collect();
        let title = match spent.len() {
            1 => format!("time, of {} observed", time::show(observed_ns)),
            many => format!("time of {many}, of {} observed", time::show(observed_ns)),
        };
        let columns = &["in all", "of it"];
        let all = items.len();
        let mut section = Section::new("time", title, columns, &items, all, |&(on, ns)| {
            let share = ns as f64 / observed_ns.max(1) as f64;
            Row {
                name: spoken(on).to_owned(),
                cells: vec![time::show(ns), percent(share)],
                value: json!({ "spent": on.as_str(), "ns": ns, "share": share }),
            }
        });
        section
            .more
            .insert("observed_ns".to_owned(), observed_ns.into());
        section
    }

    fn places(&self, dictionary: &Dictionary, limit: usize) -> Section {
        let mut items: Vec<(&Option<FrameId>, &Departures)> = self.places.iter().collect();
        items.sort_by_key(|(at, of)| (Reverse(of.away_ns), Reverse(of.count), **at));
        let title = "left schedulers in; how often, and how long it did not run then".to_owned();
        let columns = &["times", "waiting", "runnable", "away", "longest"];
        let mut cut = AtLeast::default();
        self.places
            .values()
            .for_each(|of| cut.merge(&of.away_at_least));
        let mut section = Section::new("left_in", title, columns, &items, limit, |(at, of)| {
            let function = at
                .and_then(|at| dictionary.frame(at))
                .map(|frame| frame.name());
            let place = place(dictionary, **at);
            let left = |left_as: LeftAs| of.left_as.get(&left_as).copied().unwrap_or(0);
            let counts = of.left_as.iter().map(|(it, count)| (it.as_str(), *count));
            let away = of.away.iter().map(|(it, ns)| (it.as_str(), *ns));
            Row {
                name: place.clone().unwrap_or_else(|| "unknown code".to_owned()),
                cells: vec![
                    of.count.to_string(),
                    left(LeftAs::Waiting).to_string(),
                    left(LeftAs::Runnable).to_string(),
                    time::show(of.away_ns),
                    time::show(of.away_max_ns),
                ],
                value: json!({
                    "at": place,
                    "function": function,
                    "count": of.count,
                    "left_as": counts.collect::<BTreeMap<_, _>>(),
                    "away_ns": of.away_ns,
                    "away_max_ns": of.away_max_ns,
                    "away_at_least": at_least_json(&of.away_at_least),
                    "away": away.collect::<BTreeMap<_, _>>(),
                }),
            }
        });
        let what = "times it was not seen to run again: not among the longest";
        section.at_least("away_at_least", &cut, what);
        section
    }

    /// Senders of one kind together: short-lived ones may be many.
    fn waits(&self, dictionary: &Dictionary, limit: usize) -> Section {
        let mut kinds: BTreeMap<(String, MessageKind), (u64, WaitsFor)> = BTreeMap::new();
        for ((from, kind), of) in &self.waits {
            let process = from.and_then(|from| dictionary.process(from));
            let who = process.map_or_else(|| sender(dictionary, *from), |it| it.group_name());
            let (senders, sum) = kinds.entry((who, *kind)).or_default();
            *senders += 1;
            sum.count += of.count;
            sum.waited_ns += of.waited_ns;
            sum.waited_max_ns = sum.waited_max_ns.max(of.waited_max_ns);
        }
        let mut items: Vec<_> = kinds.into_iter().collect();
        items.sort_by_key(|(_, (_, of))| Reverse(of.waited_ns));
        let title = "waited until a message came from".to_owned();
        let columns = &["times", "in all", "longest", "senders"];
        Section::new("waited_for", title, columns, &items, limit, |item| {
            let ((who, kind), (senders, of)) = item;
            Row {
                name: format!("{who} ({})", kind.as_str()),
                cells: vec![
                    of.count.to_string(),
                    time::show(of.waited_ns),
                    time::show(of.waited_max_ns),
                    senders.to_string(),
                ],
                value: json!({
                    "from": who,
                    "kind": kind.as_str(),
                    "senders": senders,
                    "count": of.count,
                    "waited_ns": of.waited_ns,
                    "waited_max_ns": of.waited_max_ns,
                }),
            }
        })
    }
}

/// As people say it.
fn spoken(on: Spent) -> &'static str {
    match on {
        Spent::Running => "running",
        Spent::Dirty => "running on a dirty scheduler",
        Spent::Collecting => "collecting garbage",
        Spent::Preempted => "on a scheduler that the kernel gave no CPU",
        Spent::Blocked => "on a scheduler that waited in the kernel",
        Spent::RunQueue => "ready, no scheduler ran it",
        Spent::Waiting => "waiting for a message or a timeout",
        Spent::Woken => "waiting, then ready: since when was not seen",
        Spent::Suspended => "suspended, then ready",
        Spent::DirtyQueue => "waiting for a dirty scheduler, or on the way back",
        Spent::Before => "before its first run that was seen",
        Spent::Exiting => "on its way out",
        Spent::Gap => "events are missing",
        Spent::Unknown => "unknown",
    }
}

/// In which functions samples saw it.
fn sampled(
    recording: &Recording,
    dictionary: &Dictionary,
    range: TimeRange,
    args: &TimelineArgs,
) -> anyhow::Result<Option<Section>> {
    let mut tally = Tally::new(Filter {
        since_ns: range.since_ns,
        until_ns: range.until_ns,
        process: args.process.clone(),
        ..Filter::default()
    });
    for sample in recording.samples_within(range)? {
        tally.add(&sample?);
    }
    let report = Report::build(
        &tally,
        dictionary,
        ReportOptions {
            limits: Limits { rows: args.rows },
            duration_ns: None,
        },
    );
    if report.work.samples == 0 {
        return Ok(None);
    }
    let title = format!("sampled in, {} samples", report.work.samples);
    let columns = &["self", "of work", "in C", "total"];
    let rows = &report.functions.rows;
    let mut section = Section::new("sampled_in", title, columns, rows, args.rows, |row| {
        let place = match (&row.file, row.line) {
            (Some(file), Some(line)) => format!("{} {file}:{line}", row.name),
            _ => row.name.clone(),
        };
        Row {
            name: place,
            cells: vec![
                time::show(row.erlang_self_ns),
                percent(row.erlang_self_share),
                time::show(row.native_ns + row.kernel_ns),
                percent(row.total_share),
            ],
            value: serde_json::to_value(row).unwrap_or(Value::Null),
        }
    });
    section.omitted = report.functions.omitted;
    section
        .more
        .insert("samples".to_owned(), report.work.samples.into());
    section
        .more
        .insert("cpu_ns".to_owned(), report.work.cpu_ns.into());
    Ok(Some(section))
}

fn text(
    recording: &Recording,
    dictionary: &Dictionary,
    told: &Told,
    args: &TimelineArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (since_ns, until_ns) = (told.coverage.since_ns, told.coverage.until_ns);
    for (proc, of) in told.spent.iter().take(args.rows) {
        let (from_ns, to_ns) = of.observed_ns;
        let mut line = format!(
            "{}: {} runs, {} reductions, observed for {}",
            name(dictionary, *proc),
            of.runs,
            of.reductions,
            time::show(to_ns - from_ns),
        );
        if (from_ns, to_ns) != (since_ns, until_ns) {
            let (from_s, to_s) = (from_ns as f64 / 1e9, to_ns as f64 / 1e9);
            line.push_str(&format!(", from {from_s:.6} s to {to_s:.6} s"));
        }
        writeln!(out, "{}", one_line(&line))?;
    }
    if told.spent.len() > args.rows {
        writeln!(
            out,
            "and {} more: -n shows them",
            told.spent.len() - args.rows
        )?;
    }
    for note in told.coverage.notes() {
        writeln!(out, "{note}")?;
    }
    if !told.has_runs {
        writeln!(
            out,
            "no runs were recorded: what it spent its time on is not known"
        )?;
    } else if !told.has_messages {
        writeln!(
            out,
            "no messages were recorded: where waiting ended and the run queue began is not known"
        )?;
    }
    for section in &told.sections {
        section.write(out)?;
    }
    writeln!(out)?;
    let mut count = 0_usize;
    let is_it = |proc: ProcId| told.processes.binary_search(&proc).is_ok();
    let rows = coverage::rows(recording, Some(until_ns))?;
    let mut calls = natives::calls(recording, &told.coverage, &is_it)?.peekable();
    let mut payloads = Payloads::of(recording, TimeRange::ALL)?;
    let mut line = |at_ns: i64, text: &dyn Fn() -> String| {
        count += 1;
        if count <= args.rows {
            let at_s = at_ns as f64 / 1e9;
            writeln!(out, "{at_s:>14.6} s  {}", one_line(&text()))?;
        }
        anyhow::Ok(())
    };
    events(rows, &mut payloads, since_ns, &is_it, |at_ns, event| {
        while let Some(call) = natives::until(&mut calls, Some(at_ns)) {
            let call = call?;
            line(call.start_ns, &|| natives::text(&call, dictionary))?;
        }
        line(at_ns, &|| event.text(dictionary))
    })?;
    while let Some(call) = natives::until(&mut calls, None) {
        let call = call?;
        line(call.start_ns, &|| natives::text(&call, dictionary))?;
    }
    if count > args.rows {
        writeln!(out, "and {} more: -n shows them", count - args.rows)?;
    }
    Ok(())
}

/// `processes`, the tables, and `events`, which may be many and are written as they come.
fn json(
    recording: &Recording,
    dictionary: &Dictionary,
    told: &Told,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let processes = told.spent.iter().map(|(proc, of)| {
        let spent = of.spent_ns.iter();
        let spent = spent.map(|(on, ns)| (format!("{}_ns", on.as_str()), Value::from(*ns)));
        json!({
            "proc": proc.0,
            "pid": dictionary.process(*proc).map(|it| it.pid.as_str()),
            "name": name(dictionary, *proc),
            "observed_from_ns": of.observed_ns.0,
            "observed_to_ns": of.observed_ns.1,
            "runs": of.runs,
            "reductions": of.reductions,
            "time": told.has_runs.then(|| spent.collect::<Map<String, Value>>()),
        })
    });
    let mut value = Map::new();
    value.insert("covers".to_owned(), told.coverage.json());
    value.insert("processes".to_owned(), processes.collect());
    for section in &told.sections {
        value.insert(section.key.to_owned(), section.json());
    }
    let head = serde_json::to_string(&value)?;
    let head = head.strip_suffix('}').unwrap_or(&head);
    write!(out, "{head},\n\"events\":[")?;
    let mut between = "\n";
    let is_it = |proc: ProcId| told.processes.binary_search(&proc).is_ok();
    let rows = coverage::rows(recording, Some(told.coverage.until_ns))?;
    let rows = rows.filter(|row| row.as_ref().map_or(true, |row| touches(row, &is_it)));
    let mut calls = natives::calls(recording, &told.coverage, &is_it)?.peekable();
    let mut write = |value: &Value| {
        out.write_all(between.as_bytes())?;
        serde_json::to_writer(&mut *out, value)?;
        between = ",\n";
        anyhow::Ok(())
    };
    let mut payloads = Payloads::of(recording, TimeRange::ALL)?;
    events(
        rows,
        &mut payloads,
        told.coverage.since_ns,
        &is_it,
        |at_ns, event: story::Event| {
            while let Some(call) = natives::until(&mut calls, Some(at_ns)) {
                write(&natives::json(&call?, dictionary))?;
            }
            write(&event.json(at_ns, dictionary))
        },
    )?;
    while let Some(call) = natives::until(&mut calls, None) {
        write(&natives::json(&call?, dictionary))?;
    }
    Ok(writeln!(out, "\n]}}")?)
}
