//! `frame`: everything at an instant of a recording.

mod absent;
mod json;
mod read;
mod sampled;
mod states;
mod step;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use escope_model::{Dictionary, Payload, ProcId, Sample, SchedulerId};
use escope_recording::{Recording, TimeRange};
use escope_timeline::frame::{Alive, Doing, ExecutionFrame, ProcessFrame, as_of};

use crate::args::FrameArgs;
use crate::coverage::{self, Coverage, Missing};
use crate::failure::Failure;
use crate::output::{self, Content};
use crate::say::say;
use absent::Absent;
use read::{Found, LastCheckpoint, Recorded};
use sampled::Sampled;
use states::States;
use step::Stepped;

/// A frame, and what else there is of its instant.
struct Told<'a> {
    recording: &'a Recording,
    dictionary: &'a Dictionary,
    args: &'a FrameArgs,
    coverage: Coverage,
    /// The instant that is asked for.
    at_ns: i64,
    end_ns: i64,
    /// What is missing then, if anything is.
    missing: Option<Missing>,
    /// The event that happens then, if one was looked for.
    event: Option<Stepped>,
    frame: ExecutionFrame,
    counts: Counts,
    recorded: Recorded,
    checkpoint: Option<LastCheckpoint>,
    sampled: Sampled,
    said: BTreeMap<u64, Payload>,
    states: States,
    /// All that the VM is known to have.
    schedulers: Vec<SchedulerId>,
    /// Those that are asked for.
    wanted: Option<BTreeSet<ProcId>>,
    /// Of these, those that were not there.
    absent: Vec<Absent>,
}

/// How many processes and messages there are, whoever is asked for.
#[derive(Debug, Default)]
struct Counts {
    processes: usize,
    /// Of them, those that may have ended.
    unsure: usize,
    by_doing: BTreeMap<&'static str, usize>,
    collecting: usize,
    mailboxes: usize,
    messages: u64,
    messages_unsure: u64,
    /// From before events were watched.
    messages_unseen: u64,
    /// Processes of which nothing but a checkpoint tells what they do.
    by_checkpoint: usize,
}

pub(crate) fn run(args: FrameArgs) -> anyhow::Result<()> {
    let recording = Recording::open(&args.recording)?;
    let (dictionary, problems) = recording.dictionary()?;
    for problem in &problems {
        say!("escope-bpf: warning: {problem}");
    }
    let told = Told::of(&recording, &dictionary, &args)?;
    match args.json {
        true => output::json(&told.json()),
        false => output::write_to(None, Content::Text, |out| told.print(out)),
    }
}

impl<'a> Told<'a> {
    fn of(
        recording: &'a Recording,
        dictionary: &'a Dictionary,
        args: &'a FrameArgs,
    ) -> anyhow::Result<Told<'a>> {
        let wanted = wanted(dictionary, &args.process)?;
        let coverage = Coverage::of(recording, TimeRange::ALL)?;
        let end_ns = i64::try_from(coverage::end_ns(recording)?).unwrap_or(i64::MAX);
        let mut at_ns = match &args.at {
            Some(at) => coverage::instant(recording, at)?,
            // The last one that is known, if any is.
            None => {
                let last_ns = end_ns.saturating_sub(1).max(0);
                as_of(&coverage.gaps, last_ns).unwrap_or(last_ns)
            }
        };
        let mut event = None;
        if let Some(step) = args.step {
            let stepped = step::step(recording, at_ns, step, wanted.as_ref())?;
            at_ns = stepped.at_ns;
            event = Some(stepped);
        }
        let missing = coverage::missing(recording, &recording.watched()?)?;
        let is_then = |missing: &Missing| {
            let (from_ns, to_ns) = missing.span;
            (from_ns..to_ns).contains(&at_ns.unsigned_abs())
        };
        let missing = missing.into_iter().find(is_then);
        let Found {
            frame,
            said,
            recorded,
            checkpoint,
        } = read::frame(recording, &coverage, at_ns)?;
        let sampled = Sampled::of(recording, &frame, at_ns)?;
        let states = states::of(recording, at_ns, wanted.as_ref())?;
        let absent = match &wanted {
            Some(wanted) => absent::of(recording, &frame, wanted)?,
            None => Vec::new(),
        };
        let threads = dictionary.threads.iter();
        let schedulers: BTreeSet<SchedulerId> = threads
            .filter_map(|thread| thread.scheduler)
            .chain(frame.runs.keys().copied())
            .chain(sampled.schedulers.keys().copied())
            .collect();
        Ok(Told {
            recording,
            dictionary,
            args,
            coverage,
            at_ns,
            end_ns,
            missing,
            event,
            counts: Counts::of(&frame),
            frame,
            recorded,
            checkpoint,
            sampled,
            said,
            states,
            schedulers: schedulers.into_iter().collect(),
            wanted,
            absent,
        })
    }

    fn is_wanted(&self, proc: ProcId) -> bool {
        self.wanted
            .as_ref()
            .is_none_or(|wanted| wanted.contains(&proc))
    }

    /// The processes that are told.
    fn processes(&self) -> impl Iterator<Item = &ProcessFrame> {
        let all = self.frame.processes.iter();
        all.filter(|process| self.is_wanted(process.proc))
    }

    /// Where a process is, or was last: where it left its last run, or where a sample saw it in the run that
    /// goes on.
    fn place(&self, process: &ProcessFrame) -> Option<String> {
        if let Doing::Running { .. } = process.doing {
            let sample = self.sampled.processes.get(&process.proc);
            let seen = sample.and_then(|sample| self.leaf(sample));
            return seen.or_else(|| coverage::place(self.dictionary, process.went_on_at));
        }
        let left = process.run.as_ref().map(|run| run.at);
        let rested = process.checkpoint.map(|row| row.at);
        coverage::place(self.dictionary, left.or(rested).flatten())
    }

    /// The first function of Erlang on a sample's stack, or what else comes first.
    fn leaf(&self, sample: &Sample) -> Option<String> {
        let stack = self.dictionary.stack(sample.stack);
        let is_erlang = |id: &&escope_model::FrameId| {
            let frame = self.dictionary.frame(**id);
            frame.is_some_and(|frame| frame.module.is_some())
        };
        let first = stack.iter().find(is_erlang).or_else(|| stack.first());
        coverage::place(self.dictionary, first.copied())
    }

    /// Whether all that were alive are there: all were read, and whoever came since was seen.
    fn is_complete(&self) -> bool {
        let since_ns = self.frame.watched_since_ns;
        let is_whole = self.checkpoint.is_some_and(|it| it.from_ns >= since_ns);
        is_whole && self.coverage.has_births()
    }

    /// How long it is since something, at the instant that is told.
    fn ago_ns(&self, since_ns: i64) -> u64 {
        u64::try_from(self.frame.as_of_ns.saturating_sub(since_ns)).unwrap_or(0)
    }
}

impl Counts {
    fn of(frame: &ExecutionFrame) -> Counts {
        let mut counts = Counts::default();
        for process in &frame.processes {
            counts.processes += 1;
            let is_sure = !matches!(process.alive, Alive::LastSeen(_));
            counts.unsure += usize::from(!is_sure);
            *counts.by_doing.entry(process.doing.as_str()).or_default() += 1;
            counts.collecting += usize::from(process.collection.is_some());
            counts.mailboxes += usize::from(process.mailbox.sure > 0);
            let unseen = process.mailbox.unseen;
            counts.messages_unseen = counts.messages_unseen.saturating_add(unseen);
            counts.by_checkpoint += usize::from(process.is_by_checkpoint);
            counts.messages += process.mailbox.sure;
            counts.messages_unsure += process.mailbox.unsure;
        }
        counts
    }
}

/// Those that are called so, if any are asked for.
fn wanted(dictionary: &Dictionary, names: &[String]) -> anyhow::Result<Option<BTreeSet<ProcId>>> {
    let mut wanted = BTreeSet::new();
    for name in names {
        let all = dictionary.processes.iter();
        let these = all.filter(|process| process.is_called(name));
        let before = wanted.len();
        wanted.extend(these.map(|process| process.proc));
        if wanted.len() == before {
            return Err(Failure::failed(format!(
                "there is no process {name} in it: give a registered name, a label, a pid <0.N.S> or an \
                 initial call; `timeline` lists them"
            ))
            .into());
        }
    }
    Ok((!names.is_empty()).then_some(wanted))
}
