//! `timeline` alone: what each process and scheduler did, a line each. The figures are those of
//! `report`, from the same sums.

use std::cmp::Reverse;
use std::io::Write;

use escope_model::{Dictionary, ProcId};
use escope_recording::{Recording, TimeRange};
use escope_timeline::AtLeast;
use escope_timeline::report::{EventReport, Natives, OfProcess, ReportScope, RowsRead};
use serde_json::{Value, json};

use crate::args::{TimelineArgs, TimelineFormat, TimelineSort};
use crate::coverage::{self, Coverage, name};
use crate::failure::Failure;
use crate::output::{self, Content};
use crate::printable::one_line;
use crate::report::natives;
use crate::section::{Section, at_least_json};
use crate::time;

use super::others::Others;

/// What one process did, as it is listed.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    runs: u64,
    running_ns: u64,
    reductions: u64,
    queued_ns: u64,
    queued_max_ns: u64,
    queued_at_least: AtLeast,
    sent: u64,
    received: u64,
    dropped: u64,
    waiting: AtLeast,
    unknown: u64,
    lain_ns: u64,
    lain_max_ns: u64,
    mailbox_max: u64,
    collections: u64,
    collecting_ns: u64,
    collecting_max_ns: u64,
}

impl Totals {
    fn of(of: &OfProcess<'_>) -> Totals {
        let mut totals = Totals::default();
        if let Some(work) = of.work {
            totals.runs = work.runs;
            totals.running_ns = work.running_ns;
            totals.reductions = work.reductions;
            totals.queued_ns = work.queued_ns.sum();
            totals.queued_max_ns = work.queued_ns.max();
            totals.queued_at_least = work.queued_at_least;
        }
        if let Some(got) = of.got {
            totals.received = got.lain_ns.count();
            totals.dropped = got.dropped;
            totals.waiting = got.waiting;
            totals.unknown = got.unknown;
            totals.lain_ns = got.lain_ns.sum();
            totals.lain_max_ns = got.lain_ns.max();
        }
        if let Some(pauses) = of.pauses {
            totals.collections = pauses.count;
            totals.collecting_ns = pauses.collecting_ns;
            totals.collecting_max_ns = pauses.took_ns.max();
        }
        totals.sent = of.sent.map_or(0, |sent| sent.sum());
        totals.mailbox_max = of.mailbox.map_or(0, |mailbox| mailbox.peak);
        totals
    }
}

/// By what processes are put in order: the largest comes first.
pub(super) fn key(of: &OfProcess<'_>, by: TimelineSort) -> u64 {
    let of = Totals::of(of);
    match by {
        TimelineSort::Running => of.running_ns,
        TimelineSort::Queued => of.queued_ns,
        TimelineSort::Received => of.received,
        TimelineSort::Sent => of.sent,
        TimelineSort::Lain => of.lain_max_ns.max(of.waiting.max_ns),
        TimelineSort::Mailbox => of.mailbox_max,
        TimelineSort::Gc => of.collecting_ns,
    }
}

/// What a recording's events add up to.
struct Told<'a> {
    dictionary: &'a Dictionary,
    coverage: Coverage,
    report: &'a EventReport,
    rows: Vec<(ProcId, Totals)>,
    /// Of modules and ports.
    others: Others,
    /// Who called which BIFs and NIFs, where calls were recorded.
    calls: Option<Section>,
    /// Events that were recorded, and lost, in all.
    events: (u64, u64),
}

pub(super) fn tell(
    recording: &Recording,
    dictionary: &Dictionary,
    range: TimeRange,
    args: &TimelineArgs,
) -> anyhow::Result<()> {
    let coverage = Coverage::of(recording, range)?;
    let scope = ReportScope {
        since_ns: coverage.since_ns,
        until_ns: coverage.until_ns,
        gaps: coverage.gaps.clone(),
        worst: 0,
        wanted: &|_| true,
    };
    let rows = coverage::rows(recording, Some(coverage.until_ns))?;
    let report = EventReport::of(rows, &scope)?;
    let mut each = report.each();
    let is_json = args.format == Some(TimelineFormat::Json);
    let limit = if is_json { usize::MAX } else { args.rows };
    let calls = calls(recording, dictionary, &scope, &coverage, limit)?;
    let others = Others::of(&report);
    if each.is_empty() && others.is_empty() && calls.is_none() {
        return Err(Failure::failed(nothing(recording, &report.rows)).into());
    }
    each.sort_by_key(|(proc, of)| (Reverse(key(of, args.sort)), *proc));
    let rows = each.iter().map(|(proc, of)| (*proc, Totals::of(of)));
    let counters = &recording.manifest().totals.counters;
    let counter = |name: &str| counters.get(name).copied().unwrap_or(0);
    let told = Told {
        dictionary,
        coverage,
        report: &report,
        rows: rows.collect(),
        others,
        calls,
        events: (counter("events_recorded"), counter("events_lost")),
    };
    if !is_json {
        return output::write_to(None, Content::Text, |out| told.table(args.rows, out));
    }
    output::json(&told.json())
}

/// As `report` has them.
fn calls(
    recording: &Recording,
    dictionary: &Dictionary,
    scope: &ReportScope<'_>,
    coverage: &Coverage,
    limit: usize,
) -> anyhow::Result<Option<Section>> {
    let all = Natives::of(recording.native_calls(TimeRange::ALL)?, scope)?;
    let section = natives::processes(&natives::Source {
        natives: &all,
        dictionary,
        coverage,
        manifest: recording.manifest(),
        limit,
    });
    Ok((!section.rows.is_empty()).then_some(section))
}

/// Why there is nothing to tell.
fn nothing(recording: &Recording, rows: &RowsRead) -> String {
    let manifest = recording.manifest();
    if manifest
        .losses
        .iter()
        .any(|loss| loss.place.starts_with("unwritten_"))
    {
        return "there are no events in it, because the disk was full: `escope-bpf check` says how \
                many are missing"
            .to_owned();
    }
    if !rows.is_empty() {
        return "there are no runs, messages or collections in it: what else there is tells \
                `escope-bpf report`, and of one process `escope-bpf timeline --process`; `record \
                --events full` watches for all"
            .to_owned();
    }
    match &manifest.options.calls[..] {
        [] if manifest.events.is_some() => {
            "of the events that were asked for none happened while they were watched: \
               `record --events full` watches for all"
                .to_owned()
        }
        [] => "there are no events in it: record them with `record --events full`, and see its \
               other choices"
            .to_owned(),
        asked => format!(
            "nobody called {} while that was watched, and no other events are there: `record \
             --events full` records them besides",
            asked.join(" or ")
        ),
    }
}

impl Told<'_> {
    fn table(&self, limit: usize, out: &mut dyn Write) -> anyhow::Result<()> {
        let (recorded, lost) = self.events;
        let coverage = &self.coverage;
        let seen = coverage.seen();
        match self.rows.len() {
            // Only calls of BIFs and NIFs are there, modules or ports.
            0 => writeln!(out, "{recorded} events, {lost} lost; {seen}")?,
            many => writeln!(
                out,
                "{many} processes; {recorded} events, {lost} lost; {seen}"
            )?,
        }
        for note in coverage.notes() {
            writeln!(out, "{note}")?;
        }
        for line in self.others.lines() {
            writeln!(out, "{line}")?;
        }
        if !self.rows.is_empty() {
            self.schedulers(out)?;
            self.processes(limit, out)?;
            self.not_whole(out)?;
        }
        self.calls.iter().try_for_each(|calls| calls.write(out))
    }

    fn schedulers(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        writeln!(
            out,
            "\n  {:<14} {:>10} {:>10} {:>8} {:>12}",
            "scheduler", "runs", "running", "of time", "reductions"
        )?;
        let seen_ns = self.coverage.seen_ns().max(1);
        for (scheduler, of) in self.report.work.schedulers() {
            writeln!(
                out,
                "  {:<14} {:>10} {:>10} {:>7.2}% {:>12}",
                scheduler.to_string(),
                of.runs,
                time::show(of.running_ns),
                100.0 * of.running_ns as f64 / seen_ns as f64,
                of.reductions,
            )?;
        }
        Ok(())
    }

    fn processes(&self, limit: usize, out: &mut dyn Write) -> anyhow::Result<()> {
        writeln!(
            out,
            "\n  {:>8} {:>9} {:>9} {:>9} {:>8} {:>8} {:>9} {:>9} {:>8} {:>6} {:>9}  process",
            "runs",
            "running",
            "queued",
            "longest",
            "sent",
            "got",
            "in box",
            "longest",
            "mailbox",
            "GCs",
            "in GC"
        )?;
        for (proc, of) in self.rows.iter().take(limit) {
            writeln!(
                out,
                "  {:>8} {:>9} {:>9} {:>9} {:>8} {:>8} {:>9} {:>9} {:>8} {:>6} {:>9}  {}",
                of.runs,
                time::show(of.running_ns),
                time::show(of.queued_ns),
                time::show(of.queued_max_ns),
                of.sent,
                of.received,
                time::show(of.lain_ns.checked_div(of.received).unwrap_or(0)),
                time::show(of.lain_max_ns),
                of.mailbox_max,
                of.collections,
                time::show(of.collecting_ns),
                one_line(&name(self.dictionary, *proc)),
            )?;
        }
        if self.rows.len() > limit {
            writeln!(out, "  and {} more: -n shows them", self.rows.len() - limit)?;
        }
        Ok(())
    }

    /// What is in no figure of the table, since its end was not seen.
    fn not_whole(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut queued = AtLeast::default();
        let mut waiting = AtLeast::default();
        for (_, of) in &self.rows {
            queued.merge(&of.queued_at_least);
            waiting.merge(&of.waiting);
        }
        if queued.count > 0 {
            writeln!(
                out,
                "{} times a process was still ready when events went missing, or at the end: not in \
                 the table, {} at least in all",
                queued.count,
                time::show(queued.sum_ns)
            )?;
        }
        if waiting.count > 0 {
            writeln!(
                out,
                "{} messages still lay in mailboxes at the end: not in the table, the longest for {} \
                 at least",
                waiting.count,
                time::show(waiting.max_ns)
            )?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let processes = self.rows.iter().map(|(proc, of)| {
            json!({
                "proc": proc.0,
                "pid": self.dictionary.process(*proc).map(|it| it.pid.as_str()),
                "name": name(self.dictionary, *proc),
                "runs": of.runs,
                "running_ns": of.running_ns,
                "reductions": of.reductions,
                "queued_ns": of.queued_ns,
                "queued_max_ns": of.queued_max_ns,
                "queued_at_least": at_least_json(&of.queued_at_least),
                "sent": of.sent,
                "received": of.received,
                "dropped": of.dropped,
                "waiting": of.waiting.count,
                "waiting_at_least": at_least_json(&of.waiting),
                "unknown": of.unknown,
                "lain_ns": of.lain_ns,
                "lain_max_ns": of.lain_max_ns,
                "mailbox_max": of.mailbox_max,
                "collections": of.collections,
                "collecting_ns": of.collecting_ns,
                "collecting_max_ns": of.collecting_max_ns,
            })
        });
        let schedulers = self.report.work.schedulers().map(|(id, of)| {
            json!({
                "scheduler": id.to_string(),
                "runs": of.runs,
                "running_ns": of.running_ns,
                "reductions": of.reductions,
            })
        });
        let mut value = json!({
            "covers": self.coverage.json(),
            "schedulers": schedulers.collect::<Vec<_>>(),
            "processes": processes.collect::<Vec<_>>(),
        });
        if let Value::Object(value) = &mut value {
            let others = self.others.json().into_iter();
            value.extend(others.map(|(name, counts)| (name.to_owned(), counts)));
            let calls = self.calls.iter();
            value.extend(calls.map(|calls| (calls.key.to_owned(), calls.json())));
        }
        value
    }
}
