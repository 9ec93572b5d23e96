//! When events were watched, what that cost, and how much of the VM's work it was.

use std::collections::VecDeque;
use std::mem;

use escope_beam::Vm;
use escope_beam::memory::Memory;
use escope_capture::HitPrices;
use escope_model::{SchedulerKind, Window};
use escope_wire::{EventCounters, what};

use super::budget::{Budget, Step};
use crate::SessionError;
use crate::cost::{monotonic_ns, target_cpu_ns};
use crate::outcome::WindowsSummary;

/// The VM's account is asked for at most this often.
const ASK_NS: u64 = 20_000_000;

/// Why events of a time are not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    /// No window was open.
    Closed,
    /// Some of them were lost.
    Lossy,
    /// The recording has ended.
    Ended,
}

/// The windows of a recording.
pub(crate) struct Windows {
    budget: Budget,
    prices: HitPrices,
    pid: u32,
    origin_ns: u64,
    /// Where each normal scheduler counts what it has run.
    reductions_at: Vec<u64>,
    /// What these were when the first window was opened, and when they were last read: they
    /// cannot be read of a VM that has ended.
    reductions_before: Option<u64>,
    reductions_seen: Option<u64>,
    /// What they were when the recording ended: to remove probes takes a while, in which a VM
    /// that is not watched any more does much.
    reductions_ended: Option<u64>,
    /// The same of its CPU time.
    target_ended_ns: Option<u64>,
    target_before_ns: u64,
    /// The VM's CPU time when it was last asked, and when that was.
    target: (u64, u64),
    open: Option<Open>,
    /// Where events are missing: from when until when, if that is known, and why.
    gaps: VecDeque<(u64, Option<u64>, Gap)>,
    told_ns: Option<u64>,
    rows: Vec<Window>,
    told: WindowsSummary,
}

/// What things were when a window was opened.
struct Open {
    from_ns: u64,
    reductions: Option<u64>,
    target_ns: u64,
    counters: EventCounters,
}

/// How many of these hits had something to see.
pub(super) fn events_of(counts: &[u64; what::COUNT]) -> u64 {
    let kinds = counts.iter().zip(0..);
    let events = kinds.filter(|(_, kind)| *kind != what::PASSED);
    events.map(|(count, _)| count).sum()
}

impl Windows {
    pub(super) fn new(
        vm: &Vm,
        share: Option<f64>,
        prices: HitPrices,
        origin_ns: u64,
    ) -> Result<Windows, SessionError> {
        let counts = |scheduler: &escope_beam::Scheduler| {
            let at = u64::from(vm.layout.scheduler.reductions);
            (scheduler.id.kind == SchedulerKind::Normal).then(|| scheduler.data.wrapping_add(at))
        };
        let reductions_at: Vec<u64> = vm.schedulers()?.iter().filter_map(counts).collect();
        let target_before_ns = target_cpu_ns(vm.pid).unwrap_or(0);
        let mut windows = Windows {
            budget: Budget::new(share),
            prices,
            pid: vm.pid,
            origin_ns,
            reductions_at,
            reductions_before: None,
            reductions_seen: None,
            reductions_ended: None,
            target_ended_ns: None,
            target_before_ns,
            target: (target_before_ns, 0),
            open: None,
            gaps: VecDeque::from([(0, None, Gap::Closed)]),
            told_ns: None,
            rows: Vec::new(),
            told: WindowsSummary::default(),
        };
        windows.told.share = share;
        windows.told.prices_ns = windows.prices;
        Ok(windows)
    }

    /// What to do, given all hits since the start.
    pub(super) fn step<M: Memory>(&mut self, vm: &Vm<M>, hits: &[u64; what::COUNT]) -> Step {
        let now_ns = monotonic_ns();
        let (_, asked_ns) = self.target;
        if now_ns.saturating_sub(asked_ns) < ASK_NS {
            return Step::Stay;
        }
        // A target that has ended has no account any more.
        let Some(target_ns) = target_cpu_ns(self.pid) else {
            return Step::Stay;
        };
        self.target = (target_ns, now_ns);
        self.reductions_seen = self.reductions(vm).or(self.reductions_seen);
        let used_ns = target_ns.saturating_sub(self.target_before_ns);
        let spent_ns = self.prices.cost_ns(hits);
        self.budget.step(now_ns, spent_ns, used_ns)
    }

    pub(super) fn is_first(&self) -> bool {
        self.told.count == 0 && self.open.is_none()
    }

    /// Whether the first one is open.
    pub(super) fn is_first_open(&self) -> bool {
        self.told.count == 0 && self.is_open()
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// All probes are in place.
    pub(super) fn opened(&mut self, vm: &Vm, counters: &EventCounters) {
        let reductions = self.reductions(vm);
        let from_ns = monotonic_ns();
        self.reductions_before = self.reductions_before.or(reductions);
        if let Some((_, to_ns @ None, _)) = self.gaps.back_mut() {
            *to_ns = Some(from_ns);
        }
        self.budget
            .opened(from_ns, self.prices.cost_ns(&counters.attempts));
        self.open = Some(Open {
            from_ns,
            reductions,
            target_ns: target_cpu_ns(self.pid).unwrap_or(self.target.0),
            counters: *counters,
        });
    }

    /// All probes are still in place.
    pub(super) fn closing(&mut self, vm: &Vm, counters: &EventCounters, to_ns: u64, why: Gap) {
        let Some(open) = self.open.take() else { return };
        let reductions = match why {
            Gap::Ended => self.reductions_ended,
            Gap::Closed | Gap::Lossy => self.reductions(vm).or(self.reductions_seen),
        };
        self.gaps.push_back((to_ns, None, why));
        let since = |after: &[u64; what::COUNT], before: &[u64; what::COUNT]| {
            events_of(after).saturating_sub(events_of(before))
        };
        let (before, after) = (&open.counters, counters);
        let cost_ns = self.prices.cost_ns(&after.attempts) - self.prices.cost_ns(&before.attempts);
        let target_ns = target_cpu_ns(self.pid).unwrap_or(self.target.0);
        let attempts = since(&after.attempts, &before.attempts);
        let lost = since(&after.ring_full, &before.ring_full);
        let filtered = since(&after.filtered, &before.filtered);
        let window = Window {
            from_ns: open.from_ns.saturating_sub(self.origin_ns) as i64,
            to_ns: to_ns.saturating_sub(self.origin_ns) as i64,
            attempts,
            // Not all of them have been fetched yet.
            recorded: attempts.saturating_sub(lost + filtered),
            lost,
            reductions: open
                .reductions
                .zip(reductions)
                .map(|(before, after)| after.saturating_sub(before)),
            target_cpu_ns: target_ns.saturating_sub(open.target_ns),
            cost_ns: cost_ns.max(0.0) as u64,
        };
        self.told.add(&window);
        self.rows.push(window);
    }

    /// The recording ends, whether a window is open or not.
    pub(super) fn ended(&mut self, vm: &Vm) {
        self.reductions_ended = self.reductions(vm).or(self.reductions_seen);
        self.target_ended_ns = target_cpu_ns(self.pid);
    }

    /// All probes are gone.
    pub(super) fn closed(&mut self, counters: &EventCounters) {
        let spent_ns = self.prices.cost_ns(&counters.attempts);
        self.budget.closed(monotonic_ns(), spent_ns);
    }

    /// Events were lost.
    pub(super) fn lost(&mut self, from_ns: u64, to_ns: u64) {
        if self.is_open() {
            self.gaps.push_back((from_ns, Some(to_ns), Gap::Lossy));
        }
    }

    /// Whether events are missing where this one lies, and why. Called in the order of time;
    /// `gap` is told where what came before must be cut, and from when on it goes on.
    pub(super) fn gap_at(&mut self, at_ns: u64, mut gap: impl FnMut(u64, u64, Gap)) -> Option<Gap> {
        while let Some(&(from_ns, to_ns, why)) = self.gaps.front() {
            if at_ns <= from_ns {
                return None;
            }
            if self.told_ns != Some(from_ns) {
                self.told_ns = Some(from_ns);
                gap(from_ns, from_ns, why);
            }
            match to_ns {
                Some(to_ns) if at_ns > to_ns => {
                    gap(from_ns, to_ns, why);
                    self.gaps.pop_front();
                }
                _ => return Some(why),
            }
        }
        None
    }

    /// The windows that were closed since the last call.
    pub(super) fn take_rows(&mut self) -> Vec<Window> {
        mem::take(&mut self.rows)
    }

    /// What all windows come to, and what the VM has done in all.
    pub(super) fn told(&mut self, vm: &Vm, hits: &[u64; what::COUNT]) -> WindowsSummary {
        let now = self.reductions_ended;
        let now = now.or_else(|| self.reductions(vm)).or(self.reductions_seen);
        // Also of those while probes were being placed and removed.
        self.told.cost_ns = self.prices.cost_ns(hits) as u64;
        self.told.open_from_ns = self
            .open
            .as_ref()
            .map(|open| open.from_ns.saturating_sub(self.origin_ns));
        let since = self.reductions_before.zip(now);
        // A VM that has ended cannot be asked any more.
        if let Some((before, now)) = since {
            self.told.all_reductions = Some(now.saturating_sub(before));
        }
        if let Some(now_ns) = self.target_ended_ns.or_else(|| target_cpu_ns(self.pid)) {
            self.told.all_target_cpu_ns = now_ns.saturating_sub(self.target_before_ns);
        }
        self.told
    }

    /// What all normal schedulers have run so far (`ErtsSchedulerData.reductions`).
    fn reductions<M: Memory>(&self, vm: &Vm<M>) -> Option<u64> {
        let counts = self.reductions_at.iter();
        let counts = counts.map(|&address| vm.memory.u64(address).ok());
        counts.sum()
    }
}
