//! Checkpoints of a recording: what every process was like, read from outside between two looks at the
//! rings, a few milliseconds at a time.
//!
//! Events tell what happens; of a process to which nothing happens they tell nothing. A checkpoint does, and
//! what happened since it is known from the events. It is not of one instant: each row says between when it
//! was read, and whether its process rested all that time.

use std::time::{Duration, Instant};

use escope_beam::memory::Memory;
use escope_beam::snapshot::{Placed, Slices};
use escope_model::{CheckpointRow, CheckpointSeen, ProcessStatus};
use escope_recording::SeriesPoint;
use escope_symbolizer::Told;

use crate::SessionError;
use crate::cost::{Cost, monotonic_ns};
use crate::events::Events;
use crate::pipeline::Pipeline;

/// How long is read before the rings are looked at again.
const SLICE: Duration = Duration::from_millis(4);
/// At the end nothing else is to be done, but the recording has to end.
const LAST_MAX: Duration = Duration::from_secs(10);
/// Messages of a mailbox that are counted: of a longer one it is known that it is longer.
const MESSAGES: u64 = 10_000;

/// When there are checkpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CheckpointChoice {
    /// One at the start where events of all processes are recorded; where states are, one of those alone.
    #[default]
    WithEvents,
    /// One at the start.
    Once,
    /// At the start, so often, and at the end.
    Every(Duration),
    /// None.
    Never,
}

impl CheckpointChoice {
    /// How often, of a recording of which `has_all` says whether events of all processes are in it, and
    /// `has_states` whether what some have is; `None` for a recording without any.
    pub(crate) fn plan(self, has_all: bool, has_states: bool) -> Option<Checkpoints> {
        let (every, has_table) = match self {
            CheckpointChoice::WithEvents if !has_all && !has_states => return None,
            CheckpointChoice::WithEvents => (None, has_all),
            CheckpointChoice::Once => (None, true),
            CheckpointChoice::Every(every) => (Some(every), true),
            CheckpointChoice::Never => return None,
        };
        Some(Checkpoints {
            every,
            has_table,
            ..Checkpoints::default()
        })
    }
}

/// What was read and what that took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckpointCounts {
    /// How many were completed.
    pub checkpoints: u32,
    /// Processes that were told in them.
    pub processes: u64,
    /// CPU time of the recorder.
    pub cpu_ns: u64,
}

/// The checkpoints of a recording.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    /// How often after the first one; once if `None`.
    every: Option<Duration>,
    /// Whether all processes are told, or nothing but what those have whose states are wanted.
    has_table: bool,
    /// When the last one was begun.
    begun: Option<Instant>,
    /// The one that is being read.
    open: Option<Open>,
    /// The number of the next one: also one that is not read to its end has one.
    next: u32,
    counts: CheckpointCounts,
}

#[derive(Debug)]
struct Open {
    number: u32,
    slices: Slices,
    /// Whose states are still to be read.
    resting: Vec<Resting>,
    processes: u64,
    cpu_ns: u64,
}

/// A process: the address of its struct, its pid as a term, its name.
type Resting = (u64, u64, Option<String>);

impl Checkpoints {
    /// One, of all processes.
    pub(crate) fn once() -> Checkpoints {
        Checkpoints {
            has_table: true,
            ..Checkpoints::default()
        }
    }

    /// How much was read.
    pub(crate) fn counts(&self) -> CheckpointCounts {
        self.counts
    }

    /// Whether one is being read or is due.
    fn is_due(&self) -> bool {
        match (&self.open, self.begun) {
            (Some(_), _) | (None, None) => true,
            (None, Some(begun)) => self.every.is_some_and(|every| begun.elapsed() >= every),
        }
    }

    /// Whether one is being read.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Begins the next one if it is due, and reads as much as takes a few milliseconds; states as `events`
    /// want them. All code that was announced must be known: `sound` is as in `Symbolizer::sample`.
    ///
    /// # Errors
    /// When the process table cannot be read, as of a VM that has ended.
    pub(crate) fn step<M: Memory>(
        &mut self,
        events: Option<&mut Events>,
        pipeline: &mut Pipeline<M>,
        sound: &dyn Fn() -> bool,
    ) -> Result<(), SessionError> {
        match self.is_due() {
            true => self.read(events, pipeline, sound),
            false => Ok(()),
        }
    }

    /// There are no more: the VM cannot be read.
    pub(crate) fn give_up(&mut self) {
        (self.open, self.every) = (None, None);
        self.begun = Some(Instant::now());
    }

    /// Whether there is one at the end.
    pub(crate) fn has_last(&self) -> bool {
        self.every.is_some()
    }

    /// The next step of the one at the end, which is begun anew so that all of it is of then. Returns whether
    /// there is more; `since` is when the end began.
    pub(crate) fn last<M: Memory>(
        &mut self,
        since: Instant,
        events: Option<&mut Events>,
        pipeline: &mut Pipeline<M>,
        sound: &dyn Fn() -> bool,
    ) -> Result<bool, SessionError> {
        if self.begun.is_none_or(|begun| begun < since) {
            self.open = None;
        }
        self.read(events, pipeline, sound)?;
        Ok(self.open.is_some() && since.elapsed() < LAST_MAX)
    }

    fn read<M: Memory>(
        &mut self,
        mut events: Option<&mut Events>,
        pipeline: &mut Pipeline<M>,
        sound: &dyn Fn() -> bool,
    ) -> Result<(), SessionError> {
        let before = Cost::now().cpu_ns;
        let started = Instant::now();
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(started, pipeline)?,
        };
        let mut is_done = false;
        while !is_done && started.elapsed() < SLICE {
            if let (Some(resting), Some(events)) = (open.resting.pop(), &mut events) {
                let (address, pid, name) = &resting;
                if !events.read_state((*address, *pid, name.as_deref()), pipeline, sound) {
                    // The news of code comes between two steps.
                    open.resting.push(resting);
                    break;
                }
                continue;
            }
            let from_ns = monotonic_ns();
            match open.slices.next(pipeline.symbolizer.vm())? {
                Some(placed) => {
                    let between_ns = (from_ns, monotonic_ns());
                    if let Some(events) = &events {
                        let wanted = placed.iter().filter(|it| events.wants_state(it));
                        let who = |it: &Placed| (it.address, it.pid, it.process.name.clone());
                        open.resting.extend(wanted.map(who));
                    }
                    if self.has_table {
                        let told = write(open.number, placed, between_ns, pipeline, sound);
                        open.processes += told;
                    }
                }
                None => is_done = true,
            }
        }
        open.cpu_ns += Cost::now().cpu_ns.saturating_sub(before);
        match (is_done, self.has_table) {
            (true, true) => self.done(&open, pipeline),
            (true, false) => {}
            (false, _) => self.open = Some(open),
        }
        Ok(())
    }

    fn begin<M: Memory>(
        &mut self,
        now: Instant,
        pipeline: &Pipeline<M>,
    ) -> Result<Open, SessionError> {
        self.begun = Some(now);
        let number = self.next;
        self.next = self.next.saturating_add(1);
        let messages = if self.has_table { MESSAGES } else { 0 };
        Ok(Open {
            number,
            slices: Slices::new(pipeline.symbolizer.vm(), messages)?,
            resting: Vec::new(),
            processes: 0,
            cpu_ns: 0,
        })
    }

    fn done<M: Memory>(&mut self, open: &Open, pipeline: &mut Pipeline<M>) {
        let ts_ns = pipeline.since_start(monotonic_ns());
        for (metric, value) in [
            ("checkpoint_processes", open.processes),
            ("checkpoint_cpu_ns", open.cpu_ns),
        ] {
            pipeline.writer().series(&SeriesPoint {
                ts_ns,
                proc: None,
                metric: metric.to_owned(),
                value: value as f64,
            });
        }
        self.counts.checkpoints += 1;
        self.counts.processes += open.processes;
        self.counts.cpu_ns += open.cpu_ns;
    }
}

/// Tells what was read of some processes. Returns of how many.
fn write<M: Memory>(
    number: u32,
    placed: Vec<Placed>,
    (from_ns, to_ns): (u64, u64),
    pipeline: &mut Pipeline<M>,
    sound: &dyn Fn() -> bool,
) -> u64 {
    let mut told = 0;
    for it in placed {
        let symbolizer = &mut pipeline.symbolizer;
        let status = ProcessStatus::parse(it.process.status);
        let Some(status) = status.filter(|status| *status != ProcessStatus::Free) else {
            continue;
        };
        let Some(proc) = symbolizer.process(it.pid, it.address) else {
            continue;
        };
        let at = Some(it.resumes).filter(|at| *at != 0);
        let at = at.map(|at| symbolizer.place(at, to_ns, sound));
        let process = it.process;
        let (mailbox, mailbox_min) = match process.mailbox_cut {
            true => (None, process.mailbox),
            false => (process.mailbox, None),
        };
        let row = CheckpointRow {
            checkpoint: number,
            from_ns: pipeline.since_start(from_ns),
            to_ns: pipeline.since_start(to_ns),
            proc,
            // A mailbox that is not counted to its end is not known to have rested.
            seen: match process.consistent {
                true => CheckpointSeen::Exact,
                false => CheckpointSeen::Changing,
            },
            status,
            at,
            mailbox,
            mailbox_min,
            heap_words: process.total_heap_words,
            reductions: process.reductions,
        };
        pipeline.symbolizer.describe(
            proc,
            Told {
                name: process.name,
                label: process.label,
                initial_call: process.initial_call,
                parent: process.parent,
            },
        );
        pipeline.checkpoint(&row);
        told += 1;
    }
    told
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::CheckpointChoice;

    #[test]
    fn there_is_one_at_the_start_where_all_are_recorded() {
        let plan = |choice: CheckpointChoice, has_all| {
            let plan = choice.plan(has_all, false)?;
            assert!(
                plan.is_due() && plan.has_table,
                "the first one comes at once"
            );
            Some(plan.has_last())
        };
        assert_eq!(plan(CheckpointChoice::WithEvents, true), Some(false));
        assert_eq!(plan(CheckpointChoice::WithEvents, false), None);
        assert_eq!(plan(CheckpointChoice::Once, false), Some(false));
        assert_eq!(plan(CheckpointChoice::Never, true), None);
        let every = CheckpointChoice::Every(Duration::from_secs(10));
        assert_eq!(plan(every, true), Some(true));
        assert_eq!(plan(every, false), Some(true));
    }

    #[test]
    fn where_states_are_wanted_these_are_read() {
        let table = |choice: CheckpointChoice, has_all| {
            let plan = choice.plan(has_all, true)?;
            Some(plan.has_table)
        };
        assert_eq!(table(CheckpointChoice::WithEvents, true), Some(true));
        assert_eq!(table(CheckpointChoice::WithEvents, false), Some(false));
        assert_eq!(table(CheckpointChoice::Once, false), Some(true));
        assert_eq!(table(CheckpointChoice::Never, false), None);
    }
}
