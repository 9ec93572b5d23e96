//! Garbage collections of processes.
//!
//! A collection begins and ends while its process runs (`erts_garbage_collect_nobump`,
//! `erts_gc_after_bif_call_lhf`, `erts_garbage_collect_hibernate` and what they call). One
//! that may take long is not done on a normal scheduler (`check_for_possibly_long_gc`):
//! the process is made to leave (`delay_garbage_collection`), is collected on a dirty
//! scheduler as a system task (`erts_execute_dirty_system_task`), and comes back. So
//!
//! | seen | told |
//! |---|---|
//! | Start, then End | a collection |
//! | Start, the process leaves, Start on a dirty scheduler | one collection, since the first Start |
//! | Start, the process leaves and comes back, End | one collection, all the time |
//! | Start, while another one is open that did not leave for a dirty scheduler | the open one, its end not seen |
//! | Start, then End on another scheduler, although it did not leave | both as cut, the second without a length |
//! | End without a Start | a collection whose start was not seen |
//! | Exit (`erts_do_exit_process`, never called from a collection) | what is open, its end not seen |
//!
//! A collection whose end was not seen is told until its process left, if it did, for
//! what was seen of it ends there. One whose start was not seen is told from the last
//! event of that scheduler, which is when its process came at the earliest, but not from
//! before another collection of it ended or the observation began.

use std::hash::Hash;

use escope_model::{Cut, SchedulerId, SchedulerKind, VmEvent, VmEventKind};
use rustc_hash::FxHashMap;

use crate::place::scheduler_of;
use crate::since::Since;

/// How many collections may be open whose processes left. Beyond that their ends were
/// lost, and they are told so.
const AWAY: usize = 1 << 14;

/// A collection of a process's heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectionRow<P> {
    /// Whose heap.
    pub who: P,
    /// Where it was last seen: a dirty scheduler if it moved to one.
    pub scheduler: Option<SchedulerId>,
    /// `CLOCK_MONOTONIC` nanoseconds.
    pub start_ns: u64,
    /// The same; never before `start_ns`.
    pub end_ns: u64,
    /// Which end was not seen.
    pub cut: Option<Cut>,
}

/// From Start and End to collections.
#[derive(Debug)]
pub struct Collections<P> {
    open: FxHashMap<P, Open>,
    /// Who has an open collection and did not leave since.
    at: FxHashMap<SchedulerId, P>,
    since: Since<P>,
    /// The latest time that was told, as in `Runs`.
    now_ns: u64,
    unplaced: u64,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    start_ns: u64,
    scheduler: Option<SchedulerId>,
    left_ns: Option<u64>,
}

impl<P: Copy + Eq + Hash> Collections<P> {
    /// The observation begins.
    #[must_use]
    pub fn new(began_ns: u64) -> Collections<P> {
        Collections {
            open: FxHashMap::default(),
            at: FxHashMap::default(),
            since: Since::new(began_ns),
            now_ns: began_ns,
            unplaced: 0,
        }
    }

    /// Takes the next event; `who` is the process that it is about, if there is one and
    /// it is known. In and Out are needed too. Appends what ends to `rows`.
    pub fn on(&mut self, event: &VmEvent, who: Option<P>, rows: &mut Vec<CollectionRow<P>>) {
        let scheduler = scheduler_of(event);
        let is_ours = matches!(
            event.what,
            VmEventKind::CollectionStart(_) | VmEventKind::CollectionEnd(_)
        );
        let moves = matches!(event.what, VmEventKind::In { .. } | VmEventKind::Out { .. });
        let exits = matches!(event.what, VmEventKind::Exit { .. });
        if !is_ours && !moves && !exits {
            return;
        }
        self.now_ns = self.now_ns.max(event.monotonic_ns);
        if let Some(scheduler) = scheduler {
            let is_there = self.at.get(&scheduler).copied();
            if moves || is_there != who {
                self.leave(scheduler);
            }
        }
        match (who, event.what) {
            (Some(who), VmEventKind::CollectionStart(_)) => self.start(scheduler, who, rows),
            (Some(who), VmEventKind::CollectionEnd(_)) => self.end(scheduler, who, rows),
            (Some(who), VmEventKind::Exit { .. }) => self.cut(who, self.now_ns, rows),
            _ => self.unplaced += u64::from(is_ours),
        }
        if let Some(scheduler) = scheduler {
            self.since.saw(scheduler, self.now_ns);
        }
    }

    /// Nothing, or not everything, was seen from `from_ns` to `to_ns`: what was open then
    /// is cut at its begin, and nothing is told of within it.
    pub fn gap(&mut self, from_ns: u64, to_ns: u64, rows: &mut Vec<CollectionRow<P>>) {
        let to_ns = to_ns.max(from_ns);
        self.cut_all(from_ns, |open| open.start_ns < to_ns, rows);
        self.since.nothing_before(to_ns);
        self.now_ns = self.now_ns.max(to_ns);
    }

    /// The observation ends, and so does what is open, cut.
    pub fn finish(&mut self, end_ns: u64, rows: &mut Vec<CollectionRow<P>>) {
        self.cut_all(end_ns, |_| true, rows);
    }

    /// Starts and Ends of unknown processes. Nothing is told of them.
    #[must_use]
    pub fn unplaced(&self) -> u64 {
        self.unplaced
    }

    fn start(&mut self, to: Option<SchedulerId>, who: P, rows: &mut Vec<CollectionRow<P>>) {
        let is_dirty = |at: Option<SchedulerId>| {
            at.is_some_and(|scheduler| scheduler.kind != SchedulerKind::Normal)
        };
        let open = self.open.get(&who);
        let moved =
            open.filter(|open| open.left_ns.is_some() && !is_dirty(open.scheduler) && is_dirty(to));
        let start_ns = moved.map(|open| open.start_ns);
        if start_ns.is_none() {
            self.cut(who, self.now_ns, rows);
        }
        let open = Open {
            start_ns: start_ns.unwrap_or(self.now_ns),
            scheduler: to,
            left_ns: None,
        };
        self.open.insert(who, open);
        if let Some(scheduler) = to {
            self.at.insert(scheduler, who);
        }
        if self.open.len() > AWAY {
            self.cut_all(self.now_ns, |open| open.left_ns.is_some(), rows);
        }
    }

    fn end(&mut self, at: Option<SchedulerId>, who: P, rows: &mut Vec<CollectionRow<P>>) {
        let open = self.open.get(&who);
        let fits = |open: &&Open| open.left_ns.is_some() || open.scheduler == at;
        let start_ns = open.filter(fits).map(|open| open.start_ns);
        let end_ns = self.now_ns;
        if start_ns.is_some() {
            self.close(who);
        } else {
            self.cut(who, end_ns, rows);
        }
        rows.push(CollectionRow {
            who,
            scheduler: at,
            start_ns: start_ns.unwrap_or_else(|| self.since.start(at, who).min(end_ns)),
            end_ns,
            cut: start_ns.is_none().then_some(Cut::Start),
        });
        self.since.ended(who, end_ns);
    }

    /// Whoever is collected there is so no more, at least not there.
    fn leave(&mut self, scheduler: SchedulerId) {
        let who = self.at.remove(&scheduler);
        if let Some(open) = who.and_then(|who| self.open.get_mut(&who)) {
            open.left_ns = Some(self.now_ns);
        }
    }

    fn cut(&mut self, who: P, end_ns: u64, rows: &mut Vec<CollectionRow<P>>) {
        let Some(open) = self.close(who) else { return };
        let end_ns = open.left_ns.map_or(end_ns, |left_ns| left_ns.min(end_ns));
        let end_ns = end_ns.max(open.start_ns);
        self.since.ended(who, end_ns);
        rows.push(CollectionRow {
            who,
            scheduler: open.scheduler,
            start_ns: open.start_ns,
            end_ns,
            cut: Some(Cut::End),
        });
    }

    fn cut_all(
        &mut self,
        end_ns: u64,
        which: impl Fn(&Open) -> bool,
        rows: &mut Vec<CollectionRow<P>>,
    ) {
        let open = self.open.iter().filter(|(_, open)| which(open));
        let mut open: Vec<(P, u64)> = open.map(|(&who, open)| (who, open.start_ns)).collect();
        open.sort_by_key(|it| it.1);
        for (who, _) in open {
            self.cut(who, end_ns, rows);
        }
    }

    fn close(&mut self, who: P) -> Option<Open> {
        let open = self.open.remove(&who)?;
        if let Some(scheduler) = open.scheduler
            && self.at.get(&scheduler) == Some(&who)
        {
            self.at.remove(&scheduler);
        }
        Some(open)
    }
}

#[cfg(test)]
mod tests;
