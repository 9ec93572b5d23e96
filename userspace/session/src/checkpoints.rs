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
    /// One at the start where events of all processes are recorded, else none.
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
    /// How often, of a recording of which `has_all` says whether events of all processes are in it; `None`
    /// for a recording without any.
    pub(crate) fn plan(self, has_all: bool) -> Option<Checkpoints> {
        let every = match self {
            CheckpointChoice::WithEvents if !has_all => return None,
            CheckpointChoice::WithEvents | CheckpointChoice::Once => None,
            CheckpointChoice::Every(every) => Some(every),
            CheckpointChoice::Never => return None,
        };
        Some(Checkpoints {
            every,
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
    processes: u64,
    cpu_ns: u64,
}

impl Checkpoints {
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

    /// Begins the next one if it is due, and reads as much as takes a few milliseconds. All code that was
    /// announced must be known: `sound` is as in `Symbolizer::sample`.
    ///
    /// # Errors
    /// When the process table cannot be read, as of a VM that has ended.
    pub(crate) fn step<M: Memory>(
        &mut self,
        pipeline: &mut Pipeline<M>,
        sound: &dyn Fn() -> bool,
    ) -> Result<(), SessionError> {
        match self.is_due() {
            true => self.read(pipeline, sound),
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
        pipeline: &mut Pipeline<M>,
        sound: &dyn Fn() -> bool,
    ) -> Result<bool, SessionError> {
        if self.begun.is_none_or(|begun| begun < since) {
            self.open = None;
        }
        self.read(pipeline, sound)?;
        Ok(self.open.is_some() && since.elapsed() < LAST_MAX)
    }

    fn read<M: Memory>(
        &mut self,
        pipeline: &mut Pipeline<M>,
        sound: &dyn Fn() -> bool,
    ) -> Result<(), SessionError> {
        let before = Cost::now().cpu_ns;
        let started = Instant::now();
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                self.begun = Some(started);
                let number = self.next;
                self.next = self.next.saturating_add(1);
                Open {
                    number,
                    slices: Slices::new(pipeline.symbolizer.vm(), MESSAGES)?,
                    processes: 0,
                    cpu_ns: 0,
                }
            }
        };
        let mut is_done = false;
        while !is_done && started.elapsed() < SLICE {
            let from_ns = monotonic_ns();
            match open.slices.next(pipeline.symbolizer.vm())? {
                Some(placed) => {
                    let between_ns = (from_ns, monotonic_ns());
                    open.processes += placed.len() as u64;
                    write(open.number, placed, between_ns, pipeline, sound);
                }
                None => is_done = true,
            }
        }
        open.cpu_ns += Cost::now().cpu_ns.saturating_sub(before);
        match is_done {
            true => self.done(&open, pipeline),
            false => self.open = Some(open),
        }
        Ok(())
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

/// Tells what was read of some processes.
fn write<M: Memory>(
    number: u32,
    placed: Vec<Placed>,
    (from_ns, to_ns): (u64, u64),
    pipeline: &mut Pipeline<M>,
    sound: &dyn Fn() -> bool,
) {
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
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::CheckpointChoice;

    #[test]
    fn there_is_one_at_the_start_where_all_are_recorded() {
        let plan = |choice: CheckpointChoice, has_all| {
            let plan = choice.plan(has_all)?;
            assert!(plan.is_due(), "the first one comes at once");
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
}
