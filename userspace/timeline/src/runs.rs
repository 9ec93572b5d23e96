//! Runs of processes on schedulers.
//!
//! `In` opens a run (`copy_in_registers`, which the JIT's main loop calls with each
//! process that `erts_schedule` gives it; on dirty schedulers `erts_call_dirty_nif` and
//! the like), `Out` closes it (`erts_schedule`, which takes the process that ran).
//!
//! A scheduler runs one process at a time, and a process runs on one scheduler at a
//! time. Where events say otherwise some are missing, and what they contradict is closed
//! at the time of the event that shows it, as a run whose end was not seen:
//!
//! | seen | told |
//! |---|---|
//! | In, while another run is open on that scheduler | that run ends here, cut |
//! | In, while the process has a run open on another scheduler | that run ends here, cut |
//! | Out of the process that runs there | its run, whole |
//! | Out of a process that does not run there | what is open on that scheduler, and of that process elsewhere, ends here, cut; then a run whose start was not seen |
//! | Out of no process: the scheduler had nothing to run | nothing |
//!
//! A run whose start was not seen is told from where it may have begun at the earliest,
//! see [`Runs::on`]; it has no length if that is here and now. A run that is
//! closed at a contradiction is at most as long as told. So both are bounds, not facts,
//! which is what the mark is for.

use std::collections::BTreeMap;
use std::hash::Hash;

use escope_model::{Cut, LeftAs, SchedulerId, VmEvent, VmEventKind, WokenBy};
use rustc_hash::FxHashMap;

use crate::left::StateBits;
use crate::place::scheduler_of;
use crate::since::Since;
use crate::waits::Waits;

/// A run of a process on a scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunRow<P> {
    /// Who.
    pub who: P,
    /// Where.
    pub scheduler: SchedulerId,
    /// `CLOCK_MONOTONIC` nanoseconds.
    pub start_ns: u64,
    /// The same; never before `start_ns`.
    pub end_ns: u64,
    /// What let it run after it had waited. Unknown if that was not seen, or it had not.
    pub woken_by: Option<WokenBy>,
    /// `Process.i` when it left: where it will go on. Unknown if that was not seen.
    pub at: Option<u64>,
    /// Reductions that it used, as `erts_schedule` was told. Likewise.
    pub reductions: Option<u32>,
    /// How it left. Likewise.
    pub left_as: Option<LeftAs>,
    /// Which end was not seen; never both, since then there is no run to tell.
    pub cut: Option<Cut>,
}

/// From In and Out to runs. Rows come out when runs end.
#[derive(Debug)]
pub struct Runs<P> {
    bits: StateBits,
    open: BTreeMap<SchedulerId, Open<P>>,
    /// Where each process runs that has an open run.
    at: FxHashMap<P, SchedulerId>,
    since: Since<P>,
    waits: Waits<P>,
    /// The latest time that was told. Time does not go back here: an event that came
    /// too late to be put in order counts as of now.
    now_ns: u64,
    unplaced: u64,
}

#[derive(Debug, Clone, Copy)]
struct Open<P> {
    who: P,
    start_ns: u64,
    woken_by: Option<WokenBy>,
}

impl<P: Copy + Eq + Hash> Runs<P> {
    /// The observation begins.
    #[must_use]
    pub fn new(bits: StateBits, began_ns: u64) -> Runs<P> {
        Runs {
            bits,
            open: BTreeMap::new(),
            at: FxHashMap::default(),
            since: Since::new(began_ns),
            waits: Waits::new(),
            now_ns: began_ns,
            unplaced: 0,
        }
    }

    /// Takes the next event; `who` is the process that it is about, if there is one and
    /// it is known. Appends the runs that it ends to `rows`: at most three.
    ///
    /// If it is an Out without an In, its run begins when the observation began or was
    /// taken up again, or with the last event of that scheduler, or when the last run of
    /// that process ended, whatever is latest.
    pub fn on(&mut self, event: &VmEvent, who: Option<P>, rows: &mut Vec<RunRow<P>>) {
        let (is_in, is_out) = match event.what {
            VmEventKind::In { .. } => (true, false),
            VmEventKind::Out { .. } => (false, true),
            _ => return,
        };
        if is_out && event.process == 0 && who.is_none() {
            return;
        }
        let Some(scheduler) = scheduler_of(event) else {
            self.unplaced += 1;
            return;
        };
        self.now_ns = self.now_ns.max(event.monotonic_ns);
        let whole = match who {
            Some(who) if is_out && self.runs(who, scheduler) => self.close(scheduler),
            _ => None,
        };
        if whole.is_none() {
            self.cut(scheduler, rows);
            if let Some(elsewhere) = who.and_then(|who| self.at.get(&who).copied()) {
                self.cut(elsewhere, rows);
            }
        }
        match who {
            Some(who) if is_in => self.enter(event, scheduler, who),
            Some(who) => rows.push(self.leave(event, scheduler, who, whole)),
            None => self.unplaced += 1,
        }
        self.since.saw(scheduler, self.now_ns);
    }

    /// Nothing, or not everything, was seen from `from_ns` to `to_ns`. What was open
    /// then is cut at its begin, and whatever is seen to end later began after it.
    ///
    /// To be told in its place among the events. If events from within it or after it
    /// were already told, what is open since before its end is cut all the same, but
    /// rows that came out stand.
    pub fn gap(&mut self, from_ns: u64, to_ns: u64, rows: &mut Vec<RunRow<P>>) {
        let to_ns = to_ns.max(from_ns);
        self.cut_all(from_ns, |start_ns| start_ns < to_ns, rows);
        self.since.nothing_before(to_ns);
        self.waits.forget();
        self.now_ns = self.now_ns.max(to_ns);
    }

    /// The observation ends: so do all open runs, cut.
    pub fn finish(&mut self, end_ns: u64, rows: &mut Vec<RunRow<P>>) {
        self.cut_all(end_ns, |_| true, rows);
    }

    /// Events without a place: an In or Out of an unknown process, or on a thread that
    /// is no scheduler. No run is told of them.
    #[must_use]
    pub fn unplaced(&self) -> u64 {
        self.unplaced
    }

    /// Whom a scheduler runs.
    #[must_use]
    pub fn running(&self, scheduler: SchedulerId) -> Option<P> {
        self.open.get(&scheduler).map(|open| open.who)
    }

    fn runs(&self, who: P, scheduler: SchedulerId) -> bool {
        self.at.get(&who) == Some(&scheduler)
    }

    fn enter(&mut self, event: &VmEvent, scheduler: SchedulerId, who: P) {
        let woken_by = match event.what {
            VmEventKind::In { at, state } => {
                let is_exiting = state & self.bits.exiting != 0;
                self.waits.wake(who, at, is_exiting)
            }
            _ => None,
        };
        let open = Open {
            who,
            start_ns: self.now_ns,
            woken_by,
        };
        self.open.insert(scheduler, open);
        self.at.insert(who, scheduler);
    }

    fn leave(
        &mut self,
        event: &VmEvent,
        scheduler: SchedulerId,
        who: P,
        whole: Option<Open<P>>,
    ) -> RunRow<P> {
        let start_ns = match whole {
            Some(open) => open.start_ns,
            None => self.since.start(Some(scheduler), who).min(self.now_ns),
        };
        self.since.ended(who, self.now_ns);
        let mut row = RunRow {
            end_ns: self.now_ns,
            cut: whole.is_none().then_some(Cut::Start),
            ..row(
                scheduler,
                Open {
                    who,
                    start_ns,
                    woken_by: whole.and_then(|open| open.woken_by),
                },
            )
        };
        if let VmEventKind::Out {
            at,
            state,
            reductions,
            ..
        } = event.what
        {
            row.at = Some(at);
            row.reductions = Some(reductions);
            row.left_as = self.bits.left_as(state, scheduler.kind);
            if row.left_as == Some(LeftAs::Waiting) {
                self.waits.wait(who, at);
            }
        }
        row
    }

    /// Ends the run that is open on a scheduler here and now, its end not seen.
    fn cut(&mut self, scheduler: SchedulerId, rows: &mut Vec<RunRow<P>>) {
        if let Some(open) = self.close(scheduler) {
            self.since.saw(scheduler, self.now_ns);
            self.since.ended(open.who, self.now_ns);
            rows.push(RunRow {
                end_ns: self.now_ns,
                ..row(scheduler, open)
            });
        }
    }

    /// Ends open runs at `end_ns`, by their start; those that began later where they began.
    fn cut_all(&mut self, end_ns: u64, which: impl Fn(u64) -> bool, rows: &mut Vec<RunRow<P>>) {
        let open = self.open.iter().filter(|(_, open)| which(open.start_ns));
        let schedulers: Vec<SchedulerId> = open.map(|(&scheduler, _)| scheduler).collect();
        for scheduler in schedulers {
            rows.extend(self.close(scheduler).map(|open| RunRow {
                end_ns: open.start_ns.max(end_ns),
                ..row(scheduler, open)
            }));
        }
    }

    fn close(&mut self, scheduler: SchedulerId) -> Option<Open<P>> {
        let open = self.open.remove(&scheduler)?;
        self.at.remove(&open.who);
        Some(open)
    }
}

/// A run of which only the start was seen.
fn row<P: Copy>(scheduler: SchedulerId, open: Open<P>) -> RunRow<P> {
    RunRow {
        who: open.who,
        scheduler,
        start_ns: open.start_ns,
        end_ns: open.start_ns,
        woken_by: open.woken_by,
        at: None,
        reductions: None,
        left_as: None,
        cut: Some(Cut::End),
    }
}

#[cfg(test)]
mod tests;
