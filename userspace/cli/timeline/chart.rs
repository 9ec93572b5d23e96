//! A recording as a chart over time.

use std::cmp::Reverse;

use escope_export::gantt::{Arrow, Facts, Gantt, GanttOptions, Lane, LaneKind, MarkKind, Span};
use escope_model::{Dictionary, Fate, Life, LifeEvent, Message, ProcId, Run, SchedulerId};
use escope_recording::{Recording, RecordingError, TimeRange};
use escope_timeline::{ProcessSummary, SchedulerSummary, Summary};
use std::collections::{HashMap, HashSet};

use super::facts::{self, called, gaps, identity, node, span, subtitle, unseen};
use super::{key, name};
use crate::args::{TimelineArgs, TimelineFormat};
use crate::failure::Failure;
use crate::output::{self, Content};
use crate::say::say;
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
    let gantt = chart.told()?;
    let picture = &args.picture;
    let path = picture.svg.as_deref().or(picture.output.as_deref());
    output::write_to(path, Content::Data, |mut out| Ok(gantt.write(&mut out)?))?;
    if let Some(path) = path.filter(|path| *path != std::path::Path::new("-")) {
        say!("wrote {}", path.display());
    }
    Ok(())
}

impl Chart<'_> {
    /// The runs within the picture's time, also those that began before it.
    fn runs(&self) -> anyhow::Result<impl Iterator<Item = Result<Run, RecordingError>>> {
        let (from_ns, to_ns) = (self.from_ns, self.to_ns);
        let only = self.args.picture.scheduler;
        let rows = self.recording.runs(self.up_to())?;
        for problem in rows.problems() {
            say!("escope-bpf: warning: {problem}");
        }
        Ok(rows.filter(move |run| match run {
            Ok(run) => {
                let is_within = run.end_ns >= from_ns && run.start_ns < to_ns;
                is_within && only.is_none_or(|only| only == run.scheduler)
            }
            Err(_) => true,
        }))
    }

    fn up_to(&self) -> TimeRange {
        TimeRange {
            since_ns: None,
            until_ns: Some(self.to_ns),
        }
    }

    /// Chooses the rows: all schedulers, and the processes that come first.
    fn choose(&mut self) -> anyhow::Result<()> {
        let (from_ns, to_ns) = (self.from_ns, self.to_ns);
        let clipped = self.runs()?.map(|run| {
            run.map(|run| Run {
                start_ns: run.start_ns.max(from_ns),
                end_ns: run.end_ns.min(to_ns),
                ..run
            })
        });
        let within = TimeRange {
            since_ns: Some(from_ns),
            until_ns: Some(to_ns),
        };
        let messages = self.recording.messages(within)?;
        let summary = Summary::of(clipped, messages, self.recording.gc(within)?)?;
        self.choose_schedulers(&summary);
        self.choose_processes(&summary)
    }

    fn choose_schedulers(&mut self, summary: &Summary) {
        let mut all: Vec<(SchedulerId, &SchedulerSummary)> = summary.schedulers().collect();
        all.sort_by_key(|(id, of)| (Reverse(of.running_ns), *id));
        if all.len() > SCHEDULERS_MAX {
            let more = all.len() - SCHEDULERS_MAX;
            self.notes.push(format!(
                "{more} more schedulers, which did less, are not drawn"
            ));
            all.truncate(SCHEDULERS_MAX);
        }
        self.schedulers = all.into_iter().map(|(id, _)| id).collect();
        self.schedulers.sort();
        let runs: HashMap<SchedulerId, u64> =
            summary.schedulers().map(|(id, of)| (id, of.runs)).collect();
        let runs = |id: &SchedulerId| runs.get(id).copied().unwrap_or(0);
        self.spans = self.schedulers.iter().map(runs).collect();
    }

    fn choose_processes(&mut self, summary: &Summary) -> anyhow::Result<()> {
        let mut wanted = HashSet::new();
        for name in self.args.process.iter().flat_map(|names| names.split(',')) {
            wanted.extend(called(self.dictionary, name)?);
        }
        let only = self.args.picture.scheduler;
        let mut all: Vec<(ProcId, &ProcessSummary)> = summary.processes().collect();
        all.retain(|(proc, of)| {
            (wanted.is_empty() || wanted.contains(proc)) && (only.is_none() || of.runs > 0)
        });
        if all.is_empty() {
            return Err(Failure::failed(
                "there is nothing to draw of it in this time: record with `--events full`, or \
                 choose more time or other processes",
            )
            .into());
        }
        all.sort_by_key(|(proc, of)| (Reverse(key(of, self.args.sort)), *proc));
        let most = self.args.rows.min(PROCESSES_MAX);
        let (shown, left) = all.split_at(most.min(all.len()));
        if !left.is_empty() {
            let of = |these: &[(ProcId, &ProcessSummary)]| -> u64 {
                these.iter().map(|(_, of)| of.running_ns).sum()
            };
            let runs: u64 = left.iter().map(|(_, of)| of.runs).sum();
            self.notes.push(format!(
                "{} more processes are not drawn, which ran {runs} times for {} of {} in all: -n \
                 draws more, --process others",
                left.len(),
                time::show(of(left)),
                time::show(of(&all)),
            ));
        }
        if let Some(only) = only {
            self.notes
                .push(format!("only runs on {only} are drawn: --scheduler"));
        }
        self.notes
            .push("numbers in the bars of processes are schedulers: 1, cpu 1, io 1".to_owned());
        let spans = shown.iter().map(|(_, of)| of.runs + of.collections);
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
            title: format!("{}: timeline", node(self.recording)),
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
            if message.fate != Fate::Unknown {
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
        let kind = message.kind.as_str();
        let tag = message.tag.as_deref().map(|tag| format!(" {tag}"));
        let from = message.from.map(|from| name(self.dictionary, from));
        let mut lines = vec![
            format!("{kind}{}", tag.unwrap_or_default()),
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
