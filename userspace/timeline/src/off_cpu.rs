//! Times in which the threads of schedulers had no CPU.
//!
//! `SwitchedOut` begins one, `SwitchedIn` ends it. A thread that has no CPU does nothing, so any
//! other event of its scheduler in between shows that an end was missed:
//!
//! | seen | told |
//! |---|---|
//! | out, then in | a time without a CPU, whole |
//! | out, then anything else of that scheduler | it ends here at the latest, cut; after another out where the kernel's account says that it ended before |
//! | in, without an out | it began after the last event of that scheduler, or before events were seen, cut |
//!
//! Who is ready and has no CPU is counted by the kernel, as a sum over the thread's life
//! (`sched_info.run_delay`, the second number of `/proc/PID/task/TID/schedstat`). The difference
//! between in and out is what it waited for a CPU: all of it where it was preempted, and what
//! came after it was woken where it was blocked.
//!
//! An end may be missing though no event was lost: there are kernels that hide threads from
//! tracing, and what comes after one of those is not told either.

use std::collections::BTreeMap;

use escope_model::{Cut, OffCpuWhy, SchedulerId, VmEvent, VmEventKind};

use crate::place::scheduler_of;

/// A time in which a scheduler's thread had no CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffCpuRow<P> {
    /// Whom it ran.
    pub who: Option<P>,
    /// Which.
    pub scheduler: SchedulerId,
    /// `CLOCK_MONOTONIC` nanoseconds.
    pub start_ns: u64,
    /// The same; never before `start_ns`.
    pub end_ns: u64,
    /// Why; unknown where its begin was not seen.
    pub why: Option<OffCpuWhy>,
    /// How much of it, at its end, the thread was ready; never more than all. Unknown where the
    /// end was not seen, or the kernel does not count.
    pub ready_ns: Option<u64>,
    /// Which end was not seen; never both, since then there is nothing to tell.
    pub cut: Option<Cut>,
}

/// From switches to times without a CPU. Rows come out when they end.
#[derive(Debug)]
pub struct OffCpus<P> {
    open: BTreeMap<SchedulerId, Open<P>>,
    /// The last event of each scheduler.
    saw_ns: BTreeMap<SchedulerId, u64>,
    /// Nothing is told of what was before.
    floor_ns: u64,
    /// Time does not go back here: an event that came too late counts as of now.
    now_ns: u64,
}

#[derive(Debug, Clone, Copy)]
struct Open<P> {
    who: Option<P>,
    start_ns: u64,
    why: OffCpuWhy,
    delayed_ns: Option<u64>,
}

impl<P: Copy> OffCpus<P> {
    /// The observation begins.
    #[must_use]
    pub fn new(began_ns: u64) -> OffCpus<P> {
        OffCpus {
            open: BTreeMap::new(),
            saw_ns: BTreeMap::new(),
            floor_ns: began_ns,
            now_ns: began_ns,
        }
    }

    /// Takes the next event, of whatever kind; `who` is the process that its scheduler runs
    /// before it, if it runs one. Appends at most two rows.
    pub fn on(&mut self, event: &VmEvent, who: Option<P>, rows: &mut Vec<OffCpuRow<P>>) {
        let Some(scheduler) = scheduler_of(event) else {
            return;
        };
        self.now_ns = self.now_ns.max(event.monotonic_ns);
        let open = self.open.remove(&scheduler);
        match event.what {
            VmEventKind::SwitchedIn {
                delayed_ns,
                queued_ns,
            } => rows.push(match open {
                Some(open) => self.whole(scheduler, &open, delayed_ns),
                None => self.without_begin(scheduler, who, queued_ns),
            }),
            what => {
                rows.extend(open.map(|open| cut(scheduler, &open, self.latest_end(&open, &what))));
                if let VmEventKind::SwitchedOut {
                    is_ready,
                    delayed_ns,
                } = what
                {
                    let why = match is_ready {
                        true => OffCpuWhy::Preempted,
                        false => OffCpuWhy::Blocked,
                    };
                    let start_ns = self.now_ns;
                    let open = Open {
                        who,
                        start_ns,
                        why,
                        delayed_ns,
                    };
                    self.open.insert(scheduler, open);
                }
            }
        }
        self.saw_ns.insert(scheduler, self.now_ns);
    }

    /// Nothing, or not everything, was seen from `from_ns` to `to_ns`. What was open then is cut
    /// at its begin, and what is seen to end later began after it. To be told in its place among
    /// the events.
    pub fn gap(&mut self, from_ns: u64, to_ns: u64, rows: &mut Vec<OffCpuRow<P>>) {
        self.finish(from_ns, rows);
        let to_ns = to_ns.max(from_ns);
        self.floor_ns = self.floor_ns.max(to_ns);
        self.now_ns = self.now_ns.max(to_ns);
    }

    /// The observation ends: so does what is open, cut.
    pub fn finish(&mut self, end_ns: u64, rows: &mut Vec<OffCpuRow<P>>) {
        for (scheduler, open) in std::mem::take(&mut self.open) {
            rows.push(cut(scheduler, &open, end_ns.max(open.start_ns)));
        }
    }

    /// Where one at most ended that something else shows to be over.
    fn latest_end(&self, open: &Open<P>, shown_by: &VmEventKind) -> u64 {
        match (open.why, open.delayed_ns, shown_by) {
            (
                OffCpuWhy::Preempted,
                Some(before),
                VmEventKind::SwitchedOut {
                    delayed_ns: Some(after),
                    ..
                },
            ) => {
                let waited_ns = after.saturating_sub(before);
                open.start_ns.saturating_add(waited_ns).min(self.now_ns)
            }
            _ => self.now_ns,
        }
    }

    fn whole(
        &self,
        scheduler: SchedulerId,
        open: &Open<P>,
        delayed_ns: Option<u64>,
    ) -> OffCpuRow<P> {
        let took_ns = self.now_ns.saturating_sub(open.start_ns);
        let counted = open.delayed_ns.zip(delayed_ns);
        let counted = counted.map(|(before, after)| after.saturating_sub(before).min(took_ns));
        OffCpuRow {
            ready_ns: match open.why {
                OffCpuWhy::Preempted => Some(took_ns),
                OffCpuWhy::Blocked => counted,
            },
            cut: None,
            ..cut(scheduler, open, self.now_ns)
        }
    }

    /// What the kernel says of the queue that the thread comes out of is all that is known.
    fn without_begin(
        &self,
        scheduler: SchedulerId,
        who: Option<P>,
        queued_ns: Option<u64>,
    ) -> OffCpuRow<P> {
        let saw_ns = self.saw_ns.get(&scheduler).copied().unwrap_or(0);
        let start_ns = self.floor_ns.max(saw_ns).min(self.now_ns);
        OffCpuRow {
            who,
            scheduler,
            start_ns,
            end_ns: self.now_ns,
            why: None,
            ready_ns: queued_ns.map(|ns| ns.min(self.now_ns - start_ns)),
            cut: Some(Cut::Start),
        }
    }
}

/// One of which only the begin was seen.
fn cut<P: Copy>(scheduler: SchedulerId, open: &Open<P>, end_ns: u64) -> OffCpuRow<P> {
    let took_ns = end_ns.saturating_sub(open.start_ns);
    OffCpuRow {
        who: open.who,
        scheduler,
        start_ns: open.start_ns,
        end_ns,
        why: Some(open.why),
        ready_ns: (open.why == OffCpuWhy::Preempted).then_some(took_ns),
        cut: Some(Cut::End),
    }
}

#[cfg(test)]
mod tests;
