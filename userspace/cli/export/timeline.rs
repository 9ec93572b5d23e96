//! `export --format perfetto` and `chrome-trace`: everything over time.
//!
//! The recording is read twice: for the order of tracks, and to be told. So it need not fit
//! into memory.

use std::io::Write;

use escope_export::timeline::{Head, NotWatched, Plan, Point, Row};
use escope_export::{ExportError, chrome_trace, perfetto};
use escope_model::ProcId;

use escope_recording::{Problem, Recording, Rows, TimeRange};

use crate::args::ExportArgs;
use crate::failure::Failure;
use crate::load::{node, range};
use crate::output::{self, Content};
use crate::payloads::Payloads;
use crate::say::say;

/// Which one.
#[derive(Debug, Clone, Copy)]
pub(super) enum TimelineFormat {
    Perfetto,
    ChromeTrace,
}

pub(super) fn run(args: &ExportArgs, format: TimelineFormat) -> anyhow::Result<()> {
    for (option, is_given) in [
        ("--module", args.filter.module.is_some()),
        ("--by", args.by.is_some()),
    ] {
        if is_given {
            let what = format!("{option} is about stacks and means nothing here: leave it out");
            return Err(Failure::usage(what).into());
        }
    }
    let recording = Recording::open(&args.recording)?;
    let (dictionary, problems) = recording.dictionary()?;
    warn(&problems);
    let source = Source {
        range: range(
            args.filter.since.as_deref(),
            args.filter.until.as_deref(),
            recording.manifest().clocks.start_realtime_ns,
        )?,
        asked_for: args.filter.process.as_deref().map(|wanted| {
            let processes = dictionary.processes.iter();
            processes.map(|process| process.is_called(wanted)).collect()
        }),
        idle: args.idle,
        recording: &recording,
    };
    let mut plan = Plan::default();
    let problems = source.each(|row| {
        plan.add(&row);
        Ok(())
    })?;
    warn(&problems);
    if plan.is_empty() {
        return Err(Failure::failed(
            "there is nothing to tell of this: widen the filter, or record events with \
             `record --events full`",
        )
        .into());
    }
    let content = match format {
        TimelineFormat::Perfetto => Content::Data,
        TimelineFormat::ChromeTrace => Content::Json,
    };
    let head = head(&recording);
    output::write_to(args.output.as_deref(), content, |out: &mut dyn Write| {
        match format {
            TimelineFormat::Perfetto => {
                let mut teller = perfetto::begin(&plan, &dictionary, &head, out)?;
                source.each(|row| teller.tell(&row))?;
                teller.finish()?;
            }
            TimelineFormat::ChromeTrace => {
                let mut teller = chrome_trace::begin(&plan, &dictionary, &head, out)?;
                source.each(|row| teller.tell(&row))?;
                teller.finish()?;
            }
        }
        Ok(())
    })
}

fn warn(problems: &[Problem]) {
    for problem in problems {
        say!("escope-bpf: warning: {problem}");
    }
}

fn head(recording: &Recording) -> Head {
    let manifest = recording.manifest();
    Head {
        title: node(manifest),
        start_monotonic_ns: manifest.clocks.start_monotonic_ns,
        start_realtime_ns: manifest.clocks.start_realtime_ns,
        start_realtime: manifest.clocks.start_realtime.clone(),
    }
}

/// The rows that are told.
struct Source<'a> {
    recording: &'a Recording,
    range: TimeRange,
    /// By number of the process; all if there is none.
    asked_for: Option<Vec<bool>>,
    idle: bool,
}

impl Source<'_> {
    /// Gives every row that is asked for. Returns what could not be read.
    fn each(
        &self,
        mut tell: impl FnMut(Row<'_>) -> Result<(), ExportError>,
    ) -> anyhow::Result<Vec<Problem>> {
        let (recording, range) = (self.recording, self.range);
        let mut problems = Vec::new();
        let is = |proc: Option<ProcId>| self.is_asked_for(proc);
        pass(recording.losses()?, &mut problems, |loss| {
            let starts_before = range.until_ns.is_none_or(|until| loss.from_ns < until);
            let ends_after = range.since_ns.is_none_or(|since| loss.to_ns >= since);
            match starts_before && ends_after {
                true => tell(Row::Loss(loss)),
                false => Ok(()),
            }
        })?;
        let ended = recording.manifest().ended.as_ref();
        let end_ns = ended.map_or(i64::MAX, |ended| ended.at_ns);
        let until_ns = range.until_ns.unwrap_or(end_ns).min(end_ns);
        for (from_ns, to_ns) in recording.watched()?.outside() {
            let clipped = |ns: u64| {
                let ns = i64::try_from(ns).unwrap_or(i64::MAX);
                ns.max(range.since_ns.unwrap_or(0)).min(until_ns)
            };
            let (from_ns, to_ns) = (clipped(from_ns), clipped(to_ns));
            if from_ns < to_ns && to_ns < i64::MAX {
                tell(Row::NotWatched(NotWatched { from_ns, to_ns }))?;
            }
        }
        pass(recording.runs(range)?, &mut problems, |run| {
            when(is(Some(run.proc)), || tell(Row::Run(run)))
        })?;
        pass(recording.gc(range)?, &mut problems, |collection| {
            when(is(Some(collection.proc)), || {
                tell(Row::Collection(collection))
            })
        })?;
        pass(recording.off_cpu(range)?, &mut problems, |off_cpu| {
            when(is(off_cpu.proc), || tell(Row::OffCpu(off_cpu)))
        })?;
        pass(recording.native_calls(range)?, &mut problems, |call| {
            when(is(Some(call.proc)), || tell(Row::NativeCall(call)))
        })?;
        let mut payloads = Payloads::of(recording, range)?;
        let mut messages = recording.messages(range)?;
        for message in &mut messages {
            let message = message?;
            if is(message.from) || is(Some(message.to)) {
                if let Some(said) = payloads.said(&message)? {
                    tell(Row::Payload(&said))?;
                }
                tell(Row::Message(&message))?;
            }
        }
        problems.extend_from_slice(messages.problems());
        pass(recording.lifecycle(range)?, &mut problems, |life| {
            let asked_for = is(Some(life.proc)) || is(life.other);
            when(asked_for, || tell(Row::Life(life)))
        })?;
        pass(recording.modules(range)?, &mut problems, |event| {
            when(is(event.proc), || tell(Row::Module(event)))
        })?;
        pass(recording.port_events(range)?, &mut problems, |event| {
            when(is(event.proc), || tell(Row::Port(event)))
        })?;
        pass(recording.dist(range)?, &mut problems, |event| {
            when(is(event.proc), || tell(Row::Dist(event)))
        })?;
        pass(recording.samples_within(range)?, &mut problems, |sample| {
            let counts = self.idle || sample.activity.is_work();
            when(counts && is(sample.proc), || tell(Row::Sample(sample)))
        })?;
        pass(recording.series(range)?, &mut problems, |point| {
            let row = Row::Point(Point {
                ts_ns: point.ts_ns,
                proc: point.proc,
                metric: &point.metric,
                value: point.value,
            });
            when(is(point.proc), || tell(row))
        })?;
        Ok(problems)
    }

    fn is_asked_for(&self, proc: Option<ProcId>) -> bool {
        let Some(asked_for) = &self.asked_for else {
            return true;
        };
        proc.is_some_and(|proc| asked_for.get(proc.index()) == Some(&true))
    }
}

fn when(
    condition: bool,
    tell: impl FnOnce() -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    if condition { tell() } else { Ok(()) }
}

fn pass<R>(
    mut rows: Rows<R>,
    problems: &mut Vec<Problem>,
    mut tell: impl FnMut(&R) -> Result<(), ExportError>,
) -> anyhow::Result<()> {
    for row in &mut rows {
        tell(&row?)?;
    }
    problems.extend_from_slice(rows.problems());
    Ok(())
}
