//! What has to be known before the first row is told.

use std::cmp::Reverse;

use escope_model::{LifeEvent, ProcId};
use rustc_hash::FxHashMap;

use super::Row;

/// Which process comes where, and when each ended. A few numbers for each process.
#[derive(Debug, Default)]
pub struct Plan {
    processes: FxHashMap<ProcId, Share>,
    rows: u64,
}

/// What one process did.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    running_ns: u64,
    events: u64,
    exited_ns: Option<i64>,
}

impl Plan {
    /// Takes a row into account. Their order does not matter.
    pub fn add(&mut self, row: &Row<'_>) {
        // What was lost is told beside what was not.
        self.rows += u64::from(!matches!(
            row,
            Row::Loss(_) | Row::NotWatched(_) | Row::Payload(_)
        ));
        match row {
            Row::Run(run) => {
                let ran_ns = run.end_ns.saturating_sub(run.start_ns);
                let share = self.event(run.proc);
                share.running_ns = share
                    .running_ns
                    .saturating_add(u64::try_from(ran_ns).unwrap_or(0));
            }
            Row::Collection(collection) => {
                self.event(collection.proc);
            }
            Row::OffCpu(off_cpu) => {
                off_cpu.proc.map(|proc| self.event(proc));
            }
            Row::NativeCall(call) => {
                self.event(call.proc);
            }
            Row::Message(message) => {
                self.event(message.to);
                message.from.map(|from| self.event(from));
            }
            Row::Life(life) => {
                let share = self.event(life.proc);
                if life.event == LifeEvent::Exit {
                    share.exited_ns = Some(life.ts_ns);
                }
            }
            Row::Module(event) => {
                event.proc.map(|proc| self.event(proc));
            }
            Row::Port(event) => {
                event.proc.map(|proc| self.event(proc));
            }
            Row::Dist(event) => {
                event.proc.map(|proc| self.event(proc));
            }
            Row::Sample(sample) => {
                sample.proc.map(|proc| self.event(proc));
            }
            Row::Point(point) => {
                point.proc.map(|proc| self.event(proc));
            }
            Row::Loss(_) | Row::NotWatched(_) | Row::Payload(_) => {}
        }
    }

    /// Whether there was no row but losses.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// When a process ended, if that was seen.
    pub(super) fn exited_ns(&self, proc: ProcId) -> Option<i64> {
        self.processes.get(&proc)?.exited_ns
    }

    /// Processes by their place, from 0: those that ran longest first, then those of which there
    /// is most to tell, then in the order in which they were first seen.
    pub(super) fn ranks(&self) -> FxHashMap<ProcId, i32> {
        let mut order: Vec<(&ProcId, &Share)> = self.processes.iter().collect();
        order.sort_by_key(|(proc, share)| (Reverse((share.running_ns, share.events)), **proc));
        (0..)
            .zip(order)
            .map(|(rank, (proc, _))| (*proc, rank))
            .collect()
    }

    fn event(&mut self, proc: ProcId) -> &mut Share {
        let share = self.processes.entry(proc).or_default();
        share.events += 1;
        share
    }
}
