//! `timeline`: who ran, waited, sent and collected.

mod chart;
mod facts;
mod influence;
mod process;
mod sequence;
mod story;

use std::cmp::Reverse;
use std::io::Write;

use escope_model::{Dictionary, ProcId};
use escope_recording::{Recording, TimeRange};
use escope_timeline::{ProcessSummary, Summary};
use serde_json::json;

use crate::args::{TimelineArgs, TimelineFormat, TimelineSort};
use crate::coverage::{Coverage, name};
use crate::failure::Failure;
use crate::load::range;
use crate::output::{self, Content};
use crate::printable::one_line;
use crate::say::say;
use crate::time;

pub(crate) fn run(args: TimelineArgs) -> anyhow::Result<()> {
    let recording = Recording::open(&args.recording)?;
    let (dictionary, problems) = recording.dictionary()?;
    for problem in &problems {
        say!("escope-bpf: warning: {problem}");
    }
    let start_ns = recording.manifest().clocks.start_realtime_ns;
    let range = range(args.since.as_deref(), args.until.as_deref(), start_ns)?;
    if !args.picture.sequence.is_empty() {
        return sequence::draw(&recording, &dictionary, range, &args);
    }
    if chart::is_asked_for(&args)? {
        return chart::draw(&recording, &dictionary, range, &args);
    }
    if let Some(asked) = &args.before {
        return influence::before(&recording, &dictionary, range, asked, &args);
    }
    if let Some(asked) = &args.path {
        return influence::path(&recording, &dictionary, range, asked, &args);
    }
    if let Some(wanted) = &args.process {
        return process::tell(&recording, &dictionary, range, wanted, &args);
    }
    let summary = Summary::of(
        recording.runs(range)?,
        recording.messages(range)?,
        recording.gc(range)?,
    )?;
    let mut rows: Vec<(ProcId, &ProcessSummary)> = summary.processes().collect();
    if rows.is_empty() {
        return Err(Failure::failed(
            "there are no events in it: record them with `record --events full`, and see its \
             other choices",
        )
        .into());
    }
    rows.sort_by_key(|(proc, of)| (Reverse(key(of, args.sort)), *proc));
    if args.format != Some(TimelineFormat::Json) {
        return output::write_to(None, Content::Text, |out| {
            table(&recording, &dictionary, &summary, &rows, range, &args, out)
        });
    }
    output::write_to(None, Content::Json, |out| {
        let value = json(&dictionary, &summary, &rows);
        serde_json::to_writer_pretty(&mut *out, &value)?;
        Ok(writeln!(out)?)
    })
}

fn key(of: &ProcessSummary, by: TimelineSort) -> u64 {
    match by {
        TimelineSort::Running => of.running_ns,
        TimelineSort::Queued => of.queued_ns,
        TimelineSort::Received => of.received,
        TimelineSort::Sent => of.sent,
        TimelineSort::Lain => of.lain_max_ns,
        TimelineSort::Mailbox => of.mailbox_max,
        TimelineSort::Gc => of.collecting_ns,
    }
}

fn table(
    recording: &Recording,
    dictionary: &Dictionary,
    summary: &Summary,
    rows: &[(ProcId, &ProcessSummary)],
    range: TimeRange,
    args: &TimelineArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let manifest = recording.manifest();
    let counter = |name: &str| manifest.totals.counters.get(name).copied().unwrap_or(0);
    let (recorded, lost) = (counter("events_recorded"), counter("events_lost"));
    let coverage = Coverage::of(recording, range)?;
    writeln!(
        out,
        "{} processes; {recorded} events, {lost} lost; {}",
        rows.len(),
        coverage.seen()
    )?;
    for note in [coverage.windowed(), coverage.missing(), coverage.filtered()]
        .iter()
        .flatten()
    {
        writeln!(out, "{note}")?;
    }
    let lasted_ns = i64::try_from(coverage.seen_ns()).unwrap_or(i64::MAX).max(1);
    writeln!(
        out,
        "\n  {:<14} {:>10} {:>10} {:>8} {:>12}",
        "scheduler", "runs", "running", "of time", "reductions"
    )?;
    for (scheduler, of) in summary.schedulers() {
        writeln!(
            out,
            "  {:<14} {:>10} {:>10} {:>7.2}% {:>12}",
            scheduler.to_string(),
            of.runs,
            time::show(of.running_ns),
            100.0 * of.running_ns as f64 / lasted_ns as f64,
            of.reductions,
        )?;
    }
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
    for (proc, of) in rows.iter().take(args.rows) {
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
            one_line(&name(dictionary, *proc)),
        )?;
    }
    if rows.len() > args.rows {
        writeln!(out, "  and {} more: -n shows them", rows.len() - args.rows)?;
    }
    Ok(())
}

fn json(
    dictionary: &Dictionary,
    summary: &Summary,
    rows: &[(ProcId, &ProcessSummary)],
) -> serde_json::Value {
    let processes = rows.iter().map(|(proc, of)| {
        json!({
            "proc": proc.0,
            "pid": dictionary.process(*proc).map(|it| it.pid.as_str()),
            "name": name(dictionary, *proc),
            "runs": of.runs,
            "running_ns": of.running_ns,
            "reductions": of.reductions,
            "queued_ns": of.queued_ns,
            "queued_max_ns": of.queued_max_ns,
            "sent": of.sent,
            "received": of.received,
            "dropped": of.dropped,
            "lain_ns": of.lain_ns,
            "lain_max_ns": of.lain_max_ns,
            "mailbox_max": of.mailbox_max,
            "collections": of.collections,
            "collecting_ns": of.collecting_ns,
            "collecting_max_ns": of.collecting_max_ns,
        })
    });
    let schedulers = summary.schedulers().map(|(id, of)| {
        json!({
            "scheduler": id.to_string(),
            "runs": of.runs,
            "running_ns": of.running_ns,
            "reductions": of.reductions,
        })
    });
    json!({
        "schedulers": schedulers.collect::<Vec<_>>(),
        "processes": processes.collect::<Vec<_>>(),
    })
}
