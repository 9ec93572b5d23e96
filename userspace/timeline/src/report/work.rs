//! How schedulers were used, and who waited for one.

use std::collections::BTreeMap;

use escope_model::{Life, LifeEvent, Message, OffCpu, ProcId, Run, SchedulerId, SchedulerKind};
use rustc_hash::FxHashMap;

use super::ReportScope;
use crate::at_least::AtLeast;
use crate::delays::{Delay, DelayKind};
use crate::merged::since_start;
use crate::rests::Rest;
use crate::spread::Spread;

/// What one scheduler did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchedulerWork {
    /// Runs of processes that began on it.
    pub runs: u64,
    /// For how long it ran processes. The rest of the time it ran ports, looked for work,
    /// or slept, which runs do not tell.
    pub running_ns: u64,
    /// Of that, for how long its thread was ready and the kernel had no CPU for it.
    pub preempted_ns: u64,
    /// Of that, for how long its thread waited in the kernel: for a page, a lock, a system call.
    pub blocked_ns: u64,
    /// For how long its thread waited in the kernel while it ran no process: it slept, or waited
    /// for what ports or the VM itself asked of the kernel.
    pub asleep_ns: u64,
    /// For how long its thread was ready and had no CPU while it ran no process.
    pub idle_preempted_ns: u64,
    /// Reductions of the runs whose end was seen.
    pub reductions: u64,
    /// Runs of which an end was not seen.
    pub cut: u64,
}

/// What one process did, and what it waited for to do it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessWork {
    /// Runs that began.
    pub runs: u64,
    /// For how long it ran.
    pub running_ns: u64,
    /// For how long of that the scheduler's thread was ready and had no CPU, each time.
    pub preempted_ns: Spread,
    /// For how long of that the scheduler's thread waited in the kernel, each time.
    pub blocked_ns: Spread,
    /// Reductions of the runs whose end was seen.
    pub reductions: u64,
    /// How long it was ready and no scheduler ran it, each time of which all was seen.
    pub queued_ns: Spread,
    /// The same of the times that a gap cut, or the end.
    pub queued_at_least: AtLeast,
    /// How long it waited until a timeout or the like woke it, and then for a scheduler: what
    /// of it was which is not known. Each time of which all was seen.
    pub woken_ns: Spread,
    /// Times between runs of which it is not known what it waited for.
    pub unknown_ns: Spread,
    /// How often it ran on another normal scheduler than the last time.
    pub moved: u64,
}

impl ProcessWork {
    fn delay(&mut self, delay: &Delay) {
        let took_ns = delay.took_ns();
        match (delay.kind, delay.is_cut) {
            (DelayKind::RunQueue, false) => self.queued_ns.add(took_ns),
            (DelayKind::RunQueue, true) => self.queued_at_least.add(took_ns),
            (DelayKind::Woken, false) => self.woken_ns.add(took_ns),
            (DelayKind::Unknown, _) => self.unknown_ns.add(took_ns),
            // What a gap cuts is no wait that something ended: what follows it is unknown.
            (DelayKind::Woken, true) => {}
            (DelayKind::Waiting | DelayKind::Suspended | DelayKind::Dirty, _) => {}
        }
    }
}

/// Runs, and the time between them.
#[derive(Debug, Default)]
pub struct Work {
    schedulers: BTreeMap<SchedulerId, SchedulerWork>,
    processes: FxHashMap<ProcId, ProcessWork>,
    rests: FxHashMap<ProcId, Rest>,
}

impl Work {
    /// By scheduler, normal ones first.
    pub fn schedulers(&self) -> impl Iterator<Item = (SchedulerId, &SchedulerWork)> {
        self.schedulers.iter().map(|(&id, of)| (id, of))
    }

    /// By process, in no order.
    pub fn processes(&self) -> impl Iterator<Item = (ProcId, &ProcessWork)> {
        self.processes.iter().map(|(&proc, of)| (proc, of))
    }

    /// Of one process, if it ran.
    #[must_use]
    pub fn process(&self, proc: ProcId) -> Option<&ProcessWork> {
        self.processes.get(&proc)
    }

    pub(super) fn on_message(&mut self, message: &Message) {
        if let Some(rest) = self.rests.get_mut(&message.to) {
            rest.on_message(message);
        }
    }

    /// A process that has ended waits for no scheduler.
    pub(super) fn on_life(&mut self, life: &Life) {
        if life.event == LifeEvent::Exit {
            self.rests.remove(&life.proc);
        }
    }

    /// Who is still ready at the end has been so at least until then.
    pub(super) fn finish(&mut self, scope: &ReportScope<'_>) {
        for (proc, rest) in std::mem::take(&mut self.rests) {
            for delay in rest.until(scope.until_ns, &scope.gaps) {
                let is_within = scope.clip(delay.start_ns, delay.end_ns) > 0;
                if delay.kind == DelayKind::RunQueue && is_within {
                    let process = self.processes.entry(proc).or_default();
                    process.queued_at_least.add(delay.took_ns());
                }
            }
        }
    }

    /// What a run tells of itself is in its row; here is what it did not have a CPU for.
    pub(super) fn on_off_cpu(&mut self, off_cpu: &OffCpu, scope: &ReportScope<'_>) {
        // That a scheduler slept is a part of what it did, whomever is asked for.
        if off_cpu.proc.is_some_and(|proc| !scope.wants(proc)) {
            return;
        }
        let start_ns = since_start(off_cpu.start_ns);
        let end_ns = since_start(off_cpu.end_ns).max(start_ns);
        let ready_ns = since_start(off_cpu.ready_from_ns()).clamp(start_ns, end_ns);
        let blocked_ns = scope.clip(start_ns, ready_ns);
        let preempted_ns = scope.clip(ready_ns, end_ns);
        let scheduler = self.schedulers.entry(off_cpu.scheduler).or_default();
        let Some(proc) = off_cpu.proc else {
            scheduler.asleep_ns += blocked_ns;
            scheduler.idle_preempted_ns += preempted_ns;
            return;
        };
        scheduler.blocked_ns += blocked_ns;
        scheduler.preempted_ns += preempted_ns;
        let process = self.processes.entry(proc).or_default();
        for (spread, ns) in [
            (&mut process.blocked_ns, blocked_ns),
            (&mut process.preempted_ns, preempted_ns),
        ] {
            if ns > 0 {
                spread.add(ns);
            }
        }
    }

    pub(super) fn on_run(&mut self, run: &Run, scope: &ReportScope<'_>) {
        if !scope.wants(run.proc) {
            return;
        }
        let before = self.rests.insert(run.proc, Rest::after(run));
        let start_ns = since_start(run.start_ns);
        let end_ns = since_start(run.end_ns).max(start_ns);
        if end_ns < scope.since_ns {
            return;
        }
        let is_within = scope.contains(start_ns);
        let running_ns = scope.clip(start_ns, end_ns);
        let reductions = u64::from(run.reductions.unwrap_or(0));
        let process = self.processes.entry(run.proc).or_default();
        let scheduler = self.schedulers.entry(run.scheduler).or_default();
        process.running_ns += running_ns;
        scheduler.running_ns += running_ns;
        if !is_within {
            return;
        }
        process.runs += 1;
        scheduler.runs += 1;
        process.reductions += reductions;
        scheduler.reductions += reductions;
        scheduler.cut += u64::from(run.cut.is_some());
        let Some(before) = before else { return };
        let is_normal = |id: SchedulerId| id.kind == SchedulerKind::Normal;
        let was = before.scheduler();
        let moved = was != run.scheduler && is_normal(was) && is_normal(run.scheduler);
        process.moved += u64::from(moved);
        for delay in before.until_run(run, &scope.gaps) {
            process.delay(&delay);
        }
    }
}
