//! A recording as a chart over time.

use std::cmp::Reverse;

use escope_export::gantt::{Arrow, Facts, Gantt, GanttOptions, Lane, LaneKind, MarkKind, Span};
use escope_model::{Dictionary, Fate, Life, LifeEvent, Message, ProcId, Run, SchedulerId};
use escope_recording::{Recording, RecordingError, TimeRange};
use escope_timeline::report::{EventReport, OfProcess, ReportScope};
use escope_timeline::{Happening, lies_in_mailbox};
use std::collections::{HashMap, HashSet};

use super::facts::{self, called, gaps, identity, span, subtitle, unseen};
use super::name;
use super::totals::key;
use crate::args::{TimelineArgs, TimelineFormat, TimelineSort};
use crate::coverage::{self, Coverage};
use crate::failure::Failure;
use crate::load::node;
use crate::output;
use crate::time;

/// Rows of schedulers at most, busiest first.
const SCHEDULERS_MAX: usize = 128;
/// Rows of processes at most.
const PROCESSES_MAX: usize = 5000;

/// Whether a chart is to be drawn.
pub(super) fn is_asked_for(args: &TimelineArgs) -> anyhow::Result<bool> {
    let picture = &args.picture;
    if args.format == Some(TimelineFormat::Mermaid) {
        return Err(Failure::usage(
            "mermaid is for sequences of messages: say of which processes with --sequence",
        )
        .into());
    }
    let is_chart = picture.svg.is_some() || args.format == Some(TimelineFormat::Svg);
    let is_svg = |path: &std::path::PathBuf| path.extension().is_some_and(|it| it == "svg");
    if is_chart || args.format.is_none() && picture.output.as_ref().is_some_and(is_svg) {
        return Ok(true);
    }
    if picture.output.is_some() || picture.scheduler.is_some() {
        return Err(Failure::usage(
            "--output and --scheduler are for pictures: say --svg FILE, --format svg or --sequence",
        )
        .into());
    }
    Ok(false)
}

/// What is drawn.
struct Chart<'a> {
    recording: &'a Recording,
    dictionary: &'a Dictionary,
    args: &'a TimelineArgs,
    from_ns: i64,
    to_ns: i64,
    /// Schedulers and processes in the order of their rows.
    schedulers: Vec<SchedulerId>,
    processes: Vec<ProcId>,
    notes: Vec<String>,
    rows: HashMap<ProcId, usize>,
    /// Of each row how many runs and collections it has.
    spans: Vec<u64>,
}

/// Runs that are drawn in a row.
#[derive(Debug, Clone, Copy, Default)]
struct Runs {
    count: u64,
    running_ns: u64,
}

/// The runs that are drawn.
#[derive(Debug, Default)]
struct Drawn {
    schedulers: HashMap<SchedulerId, Runs>,
    processes: HashMap<ProcId, Runs>,
}

impl Drawn {
    fn add(&mut self, run: &Run, (from_ns, to_ns): (i64, i64)) {
        let (start_ns, end_ns) = (run.start_ns.max(from_ns), run.end_ns.min(to_ns));
        let of_both = [
            self.schedulers.entry(run.scheduler).or_default(),
            self.processes.entry(run.proc).or_default(),
        ];
        for runs in of_both {
            runs.count += 1;
            runs.running_ns += end_ns.saturating_sub(start_ns).max(0).unsigned_abs();
        }
    }
}

/// Draws the chart that is asked for.
pub(super) fn draw(
    recording: &Recording,
    dictionary: &Dictionary,
    range: TimeRange,
    args: &TimelineArgs,
) -> anyhow::Result<()> {
    let (from_ns, to_ns) = span(recording, range)?;
    let mut chart = Chart {
        recording,
        dictionary,
        args,
        from_ns,
        to_ns,
        schedulers: Vec::new(),
        processes: Vec::new(),
        notes: Vec::new(),
        rows: HashMap::default(),
        spans: Vec::new(),
    };
    chart.choose()?;
    let mut gantt = chart.told()?;
    let picture = &args.picture;
    let path = picture.svg.as_deref().or(picture.output.as_deref());
    output::picture(path, |mut out| Ok(gantt.write(&mut out)?))
}

impl Chart<'_> {
    /// The runs within the picture's time, also those that began before it.
    fn runs(&self) -> anyhow::Result<impl Iterator<Item = Result<Run, RecordingError>>> {
        let rows = self.recording.runs(self.up_to())?;
        Ok(rows.filter(|run| run.as_ref().map_or(true, |run| self.is_drawn(run))))
    }

    fn is_drawn(&self, run: &Run) -> bool {
        let is_within = run.end_ns >= self.from_ns && run.start_ns < self.to_ns;
        let only = self.args.picture.scheduler;
        is_within && only.is_none_or(|only| only == run.scheduler)
    }

    fn up_to(&self) -> TimeRange {
        TimeRange {
            since_ns: None,
            until_ns: Some(self.to_ns),
        }
    }

    /// Chooses the rows: all schedulers, and the processes that come first.
    fn choose(&mut self) -> anyhow::Result<()> {
        let within = TimeRange {
            since_ns: Some(self.from_ns),
            until_ns: Some(self.to_ns),
        };
        let coverage = Coverage::of(self.recording, within)?;
        let scope = ReportScope {
            since_ns: coverage.since_ns,
            until_ns: coverage.until_ns,
            gaps: coverage.gaps,
            worst: 0,
            wanted: &|_| true,
        };
        let mut drawn = Drawn::default();
        let rows = coverage::rows(self.recording, Some(self.to_ns.unsigned_abs()))?;
        let rows = rows.inspect(|row| {
            if let Ok(Happening::Run(run)) = row
                && self.is_drawn(run)
            {
                drawn.add(run, (self.from_ns, self.to_ns));
            }
        });
        let report = EventReport::of(rows, &scope)?;
        self.choose_schedulers(&drawn);
        self.choose_processes(&report, &drawn)
    }

    fn choose_schedulers(&mut self, drawn: &Drawn) {
        let mut all: Vec<(SchedulerId, Runs)> =
            drawn.schedulers.iter().map(|(id, of)| (*id, *of)).collect();
        all.sort_by_key(|(id, of)| (Reverse(of.running_ns), *id));
        if all.len() > SCHEDULERS_MAX {
            let more = all.len() - SCHEDULERS_MAX;
            self.notes.push(format!(
                "{more} more schedulers, which did less, are not drawn"
            ));
            all.truncate(SCHEDULERS_MAX);
        }
        all.sort_by_key(|(id, _)| *id);
        self.schedulers = all.iter().map(|(id, _)| *id).collect();
        self.spans = all.iter().map(|(_, of)| of.count).collect();
    }

    fn choose_processes(&mut self, report: &EventReport, drawn: &Drawn) -> anyhow::Result<()> {
        let mut wanted = HashSet::new();
        for name in self.args.process.iter().flat_map(|names| names.split(',')) {
            wanted.extend(called(self.dictionary, name)?);
        }
        let only = self.args.picture.scheduler;
        let ran = |proc: ProcId| drawn.processes.get(&proc).copied().unwrap_or_default();
        let mut all: Vec<(ProcId, OfProcess<'_>)> = report.each();
        all.retain(|(proc, _)| {
            (wanted.is_empty() || wanted.contains(proc)) && (only.is_none() || ran(*proc).count > 0)
        });
        if all.is_empty() {
            return Err(Failure::failed(
                "there is nothing to draw of it in this time: record with `--events full`, or \
                 choose more time or other processes",
            )
            .into());
        }
        let by = self.args.sort;
        all.sort_by_key(|(proc, of)| {
            let key = match by {
                TimelineSort::Running => ran(*proc).running_ns,
                _ => key(of, by),
            };
            (Reverse(key), *proc)
        });
        let most = self.args.rows.min(PROCESSES_MAX);
        let (shown, left) = all.split_at(most.min(all.len()));
        if !left.is_empty() {
            let sum = |these: &[(ProcId, OfProcess<'_>)]| -> u64 {
                these.iter().map(|(proc, _)| ran(*proc).running_ns).sum()
            };
            let runs: u64 = left.iter().map(|(proc, _)| ran(*proc).count).sum();
            self.notes.push(format!(
                "{} more processes are not drawn, which ran {runs} times for {} of {} in all: -n \
                 draws more, --process others",
                left.len(),
                time::show(sum(left)),
                time::show(sum(&all)),
            ));
        }
        if let Some(only) = only {
            self.notes
                .push(format!("only runs on {only} are drawn: --scheduler"));
        }
        self.notes
            .push("numbers in the bars of processes are schedulers: 1, cpu 1, io 1".to_owned());
        let collections = |of: &OfProcess<'_>| of.pauses.map_or(0, |pauses| pauses.count);
        let spans = shown
            .iter()
            .map(|(proc, of)| ran(*proc).count + collections(of));
        self.spans.extend(spans);
        self.processes = shown.iter().map(|(proc, _)| *proc).collect();
        let rows = self.processes.iter().enumerate();
        let first = self.schedulers.len();
        self.rows = rows.map(|(at, proc)| (*proc, first + at)).collect();
        Ok(())
    }

    /// The chart, with everything told.
    fn told(self) -> anyhow::Result<Gantt> {
        let mut lanes: Vec<Lane> = Vec::new();
        let lane = |kind, name: String, details| Lane {
            kind,
            name,
            details,
            began_ns: None,
            ended_ns: None,
            spans: u64::MAX,
        };
        for id in &self.schedulers {
            lanes.push(lane(LaneKind::Scheduler, id.to_string(), Vec::new()));
        }
        for proc in &self.processes {
            let details = identity(self.dictionary, *proc);
            lanes.push(lane(
                LaneKind::Process,
                name(self.dictionary, *proc),
                details,
            ));
        }
        for (lane, spans) in lanes.iter_mut().zip(&self.spans) {
            lane.spans = *spans;
        }
        let mut lives = Vec::new();
        for life in self.recording.lifecycle(self.up_to())? {
            let life = life?;
            let Some(lane) = self.rows.get(&life.proc).and_then(|at| lanes.get_mut(*at)) else {
                continue;
            };
            match life.event {
                LifeEvent::Spawn => lane.began_ns = Some(life.ts_ns),
                LifeEvent::Exit => lane.ended_ns = Some(life.ts_ns),
                LifeEvent::Register | LifeEvent::Unregister => {}
                _ => continue,
            }
            lives.push(life);
        }
        let options = GanttOptions {
            title: format!("{}: timeline", node(self.recording.manifest())),
            subtitle: subtitle(self.recording, (self.from_ns, self.to_ns)),
            notes: self.notes.clone(),
            from_ns: self.from_ns,
            to_ns: self.to_ns,
            arrows_max: self.args.picture.messages,
            ..GanttOptions::default()
        };
        let mut gantt = Gantt::new(options, lanes, gaps(self.recording)?);
        self.tell_runs(&mut gantt)?;
        self.tell_collections(&mut gantt)?;
        self.tell_messages(&mut gantt)?;
        for life in &lives {
            self.tell_life(&mut gantt, life);
        }
        Ok(gantt)
    }

    fn tell_runs(&self, gantt: &mut Gantt) -> anyhow::Result<()> {
        for run in self.runs()? {
            let run = run?;
            let span = Span {
                start_ns: run.start_ns,
                end_ns: run.end_ns,
                left_as: run.left_as,
                cut: run.cut,
                reductions: run.reductions,
            };
            let facts = |label: String| Facts {
                label,
                lines: facts::run(self.dictionary, &run),
            };
            let scheduler = self.schedulers.binary_search(&run.scheduler);
            if let Ok(row) = scheduler {
                gantt.run(row, span, || facts(name(self.dictionary, run.proc)));
            }
            if let Some(row) = self.rows.get(&run.proc) {
                gantt.run(*row, span, || facts(facts::short(run.scheduler)));
            }
        }
        Ok(())
    }

    fn tell_collections(&self, gantt: &mut Gantt) -> anyhow::Result<()> {
        for collection in self.recording.gc(self.up_to())? {
            let it = collection?;
            let Some(row) = self.rows.get(&it.proc) else {
                continue;
            };
            let span = Span {
                start_ns: it.start_ns,
                end_ns: it.end_ns,
                left_as: None,
                cut: it.cut,
                reductions: None,
            };
            let words = |words: Option<u64>| words.map_or("?".to_owned(), |it| it.to_string());
            gantt.collection(*row, span, || {
                let took_ns = it.end_ns.saturating_sub(it.start_ns).max(0);
                let mut lines = vec![
                    name(self.dictionary, it.proc),
                    format!("collected garbage for {}", time::show(took_ns as u64)),
                    format!("from {:.9} s", it.start_ns as f64 / 1e9),
                    format!(
                        "heaps of {} words became {}",
                        words(it.before_words),
                        words(it.after_words)
                    ),
                ];
                lines.extend(it.kind.map(|kind| kind.as_str().to_owned()));
                lines.extend(it.cut.map(|cut| unseen(cut).to_owned()));
                Facts {
                    label: String::new(),
                    lines,
                }
            });
        }
        Ok(())
    }

    fn tell_messages(&self, gantt: &mut Gantt) -> anyhow::Result<()> {
        for message in self.recording.messages(self.up_to())? {
            let message = message?;
            let Some(&to) = self.rows.get(&message.to) else {
                continue;
            };
            if lies_in_mailbox(&message) {
                gantt.mail(to, message.sent_ns, message.received_ns);
            }
            let from = message.from.and_then(|from| self.rows.get(&from));
            if let Some(&from) = from {
                let arrow = Arrow {
                    from,
                    to,
                    sent_ns: message.sent_ns,
                    received_ns: message.received_ns,
                    fate: message.fate,
                };
                gantt.arrow(arrow, || self.message(&message));
            }
        }
        Ok(())
    }

    /// A message, a line each.
    fn message(&self, message: &Message) -> Vec<String> {
        let from = message.from.map(|from| name(self.dictionary, from));
        let mut lines = vec![
            coverage::what(message),
            format!("from {}", from.as_deref().unwrap_or("outside")),
            format!("to {}", name(self.dictionary, message.to)),
            format!("sent at {:.9} s", message.sent_ns as f64 / 1e9),
        ];
        lines.push(match (message.received_ns, message.fate) {
            (Some(at_ns), _) => {
                let lain_ns = at_ns.saturating_sub(message.sent_ns).max(0);
                format!("taken after {}", time::show(lain_ns as u64))
            }
            (None, Fate::Dropped) => "never taken: the receiver ended first".to_owned(),
            (None, Fate::Waiting) => "not taken while that was seen".to_owned(),
            (None, _) => "what became of it was not seen".to_owned(),
        });
        lines
    }

    fn tell_life(&self, gantt: &mut Gantt, life: &Life) {
        let Some(row) = self.rows.get(&life.proc) else {
            return;
        };
        let other = life.other.map(|other| name(self.dictionary, other));
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
        let (kind, fact) = match life.event {
            LifeEvent::Spawn => (MarkKind::Spawn, format!("spawned by {}", text(&other))),
            LifeEvent::Exit => {
                let kind = match life.reason.as_deref() {
                    Some("normal" | "shutdown") => MarkKind::Exit,
                    Some(reason) if reason.starts_with("{shutdown,") => MarkKind::Exit,
                    _ => MarkKind::Crash,
                };
                (kind, format!("ended: {}", text(&life.reason)))
            }
            LifeEvent::Register => (
                MarkKind::Name,
                format!("registered as {}", text(&life.name)),
            ),
            LifeEvent::Unregister => (MarkKind::Name, format!("gave up {}", text(&life.name))),
            _ => return,
        };
        gantt.mark(*row, life.ts_ns, kind, vec![fact]);
    }
}
