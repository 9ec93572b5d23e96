//! Events in the order of their times.
//!
//! CPUs write into one ring, each with the time it read before it reserved its place.
//! So neighbours may be swapped, by as much as it takes from the one to the other:
//! microseconds, or more where the kernel took the CPU away in between.
//!
//! An event is held until one is seen that is `window_ns` later, for then nothing
//! earlier is expected. What comes later still cannot be put in order any more; it is
//! given out at once and counted.
//!
//! What one thread wrote is in order in the ring, and a scheduler is one thread. That
//! order is kept, also where times are equal or where the clock, which is read without
//! locks, went back by some nanoseconds: the later event then gets the earlier one's
//! time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use escope_model::{SchedulerId, VmEvent};
use rustc_hash::FxHashMap;

use crate::place::scheduler_of;

/// Sorts events that are nearly sorted.
///
/// Holds at most as many as its capacity: beyond that the earliest is given out before
/// its window is over.
#[derive(Debug)]
pub struct Reorder {
    window_ns: u64,
    capacity: usize,
    held: BinaryHeap<Reverse<Held>>,
    /// Of each scheduler, the time of its latest event.
    latest: FxHashMap<SchedulerId, u64>,
    arrived: u64,
    /// Events up to this time are given out.
    due_ns: Option<u64>,
    /// The highest time that was given out.
    given_ns: u64,
    late: u64,
    early: u64,
    raised: u64,
}

/// An event with its place among those of the same time.
#[derive(Debug)]
struct Held {
    number: u64,
    event: VmEvent,
}

impl Held {
    fn key(&self) -> (u64, u64) {
        (self.event.monotonic_ns, self.number)
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Held) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Held) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Held) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Reorder {
    /// How many events are held at most, unless told otherwise: some megabytes.
    pub const CAPACITY: usize = 1 << 16;

    /// Holds events until one is seen that is `window_ns` later.
    #[must_use]
    pub fn new(window_ns: u64) -> Reorder {
        Reorder {
            window_ns,
            capacity: Reorder::CAPACITY,
            held: BinaryHeap::new(),
            latest: FxHashMap::default(),
            arrived: 0,
            due_ns: None,
            given_ns: 0,
            late: 0,
            early: 0,
            raised: 0,
        }
    }

    /// The same with another limit for what is held.
    #[must_use]
    pub fn with_capacity(self, capacity: usize) -> Reorder {
        Reorder { capacity, ..self }
    }

    /// Takes the next event of the ring and appends to `out` those that are now due.
    pub fn push(&mut self, mut event: VmEvent, out: &mut Vec<VmEvent>) {
        if let Some(scheduler) = scheduler_of(&event) {
            let latest = self.latest.entry(scheduler).or_default();
            if event.monotonic_ns < *latest {
                event.monotonic_ns = *latest;
                self.raised += 1;
            }
            *latest = event.monotonic_ns;
        }
        if event.monotonic_ns < self.given_ns {
            self.late += 1;
        }
        if let Some(due) = event.monotonic_ns.checked_sub(self.window_ns) {
            self.due_ns = self.due_ns.max(Some(due));
        }
        let number = self.arrived;
        self.arrived += 1;
        self.held.push(Reverse(Held { number, event }));
        self.give(out);
    }

    /// Appends all events up to `ns` to `out`: the caller knows that nothing earlier
    /// will come.
    pub fn flush_until(&mut self, ns: u64, out: &mut Vec<VmEvent>) {
        self.due_ns = self.due_ns.max(Some(ns));
        self.give(out);
    }

    /// Appends everything that is held to `out`.
    pub fn finish(&mut self, out: &mut Vec<VmEvent>) {
        self.flush_until(u64::MAX, out);
    }

    /// How many events are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// How many came after a later one had been given out. They were given out all
    /// the same, out of order.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    /// How many were given out before their window was over, for want of room.
    #[must_use]
    pub fn early(&self) -> u64 {
        self.early
    }

    /// How many got the time of the event before them on their scheduler, since their
    /// own was before that.
    #[must_use]
    pub fn raised(&self) -> u64 {
        self.raised
    }

    fn give(&mut self, out: &mut Vec<VmEvent>) {
        while let Some(Reverse(first)) = self.held.peek() {
            let ns = first.event.monotonic_ns;
            // What is late is before what was given out, so it is due.
            let due = ns < self.given_ns || self.due_ns.is_some_and(|due| ns <= due);
            if !due && self.held.len() <= self.capacity {
                return;
            }
            self.early += u64::from(!due);
            self.given_ns = self.given_ns.max(ns);
            out.extend(self.held.pop().map(|Reverse(held)| held.event));
        }
    }
}

#[cfg(test)]
mod tests {
    use escope_model::VmEvent;
    use proptest::prelude::*;

    use super::Reorder;
    use crate::kit;

    /// An event of a scheduler, or of another thread for 0, that `mark` tells from others.
    fn event(ns: u64, scheduler: u16, mark: u64) -> VmEvent {
        VmEvent {
            scheduler: (scheduler > 0).then_some((kit::NORMAL, scheduler)),
            ..kit::dequeue(ns, mark)
        }
    }

    fn push_all(order: &mut Reorder, events: &[VmEvent]) -> Vec<VmEvent> {
        let mut out = Vec::new();
        for event in events {
            order.push(*event, &mut out);
        }
        out
    }

    fn times(events: &[VmEvent]) -> Vec<u64> {
        events.iter().map(|event| event.monotonic_ns).collect()
    }

    #[test]
    fn neighbours_are_swapped_back_when_the_window_is_over() {
        let mut order = Reorder::new(10);
        let events = [event(5, 1, 0), event(3, 2, 1), event(14, 1, 2)];
        assert_eq!(times(&push_all(&mut order, &events)), [3]);
        assert_eq!(times(&push_all(&mut order, &[event(15, 2, 3)])), [5]);
        assert_eq!(order.held(), 2);
        let mut out = Vec::new();
        order.flush_until(14, &mut out);
        assert_eq!(times(&out), [14]);
        order.finish(&mut out);
        assert_eq!(times(&out), [14, 15]);
        assert_eq!((order.late(), order.early(), order.raised()), (0, 0, 0));
    }

    #[test]
    fn a_late_event_comes_out_at_once_and_is_counted() {
        let mut order = Reorder::new(10);
        push_all(&mut order, &[event(100, 1, 0), event(120, 1, 1)]);
        let out = push_all(&mut order, &[event(99, 2, 2), event(100, 3, 3)]);
        assert_eq!(times(&out), [99, 100]);
        assert_eq!(order.late(), 1);
    }

    #[test]
    fn a_clock_that_goes_back_does_not_turn_a_scheduler_round() {
        let mut order = Reorder::new(10);
        let mut out = push_all(&mut order, &[event(100, 1, 0), event(98, 1, 1)]);
        order.finish(&mut out);
        assert_eq!(out, [event(100, 1, 0), event(100, 1, 1)]);
        assert_eq!((order.raised(), order.late()), (1, 0));
    }

    #[test]
    fn a_full_window_gives_out_its_earliest() {
        let mut order = Reorder::new(1_000).with_capacity(2);
        let events = [event(7, 1, 0), event(5, 2, 1), event(6, 3, 2)];
        assert_eq!(times(&push_all(&mut order, &events)), [5]);
        assert_eq!((order.held(), order.early()), (2, 1));
    }

    #[test]
    fn times_at_the_ends_of_the_clock_do_no_harm() {
        let mut order = Reorder::new(u64::MAX);
        let mut out = push_all(&mut order, &[event(u64::MAX, 1, 0), event(0, 2, 1)]);
        order.finish(&mut out);
        assert_eq!(times(&out), [0, u64::MAX]);
    }

    proptest! {
        #[test]
        fn a_disorder_within_the_window_is_sorted_stably(
            steps in prop::collection::vec((0..20u64, 0..=9u64, 1..4u16), 0..200),
        ) {
            // In the ring an event is behind others that are up to 9 ns later, on other
            // schedulers: events are written in the order of `written`.
            let mut now = 0;
            let mut last = [0; 4];
            let events: Vec<VmEvent> = steps.iter().zip(0..).map(|(&(step, delay, scheduler), mark)| {
                now += step;
                let ns = (now + 9 - delay).max(last[usize::from(scheduler)]);
                last[usize::from(scheduler)] = ns;
                event(ns, scheduler, mark)
            }).collect();
            let mut order = Reorder::new(9);
            let mut out = push_all(&mut order, &events);
            order.finish(&mut out);
            let mut sorted = events;
            sorted.sort_by_key(|event| event.monotonic_ns);
            prop_assert_eq!(out, sorted);
            prop_assert_eq!((order.late(), order.early(), order.raised()), (0, 0, 0));
        }

        #[test]
        fn whatever_the_times_nothing_is_dropped_and_schedulers_keep_their_order(
            events in prop::collection::vec((0..100u64, 0..4u16), 0..200),
            (window, capacity) in (0..60u64, 1..40usize),
        ) {
            let mut order = Reorder::new(window).with_capacity(capacity);
            let (mut out, mut latest, mut pushed) = (Vec::new(), [0; 4], Vec::new());
            for (&(ns, scheduler), mark) in events.iter().zip(0..) {
                order.push(event(ns, scheduler, mark), &mut out);
                prop_assert!(order.held() <= capacity);
                let latest = &mut latest[usize::from(scheduler)];
                *latest = if scheduler == 0 { ns } else { ns.max(*latest) };
                pushed.push(*latest);
                let newest = pushed.iter().copied().max().unwrap_or(0);
                let given: Vec<u64> = out.iter().map(mark_of).collect();
                let is_held = |mark: &u64| !given.contains(mark);
                let mut held = pushed.iter().zip(0..).filter(|(_, mark)| is_held(mark));
                prop_assert!(held.all(|(&ns, _)| ns + window > newest));
            }
            order.finish(&mut out);
            let mut marks: Vec<u64> = out.iter().map(mark_of).collect();
            for scheduler in 1..4 {
                let of_one = out.iter().filter(|it| it.scheduler == Some((kit::NORMAL, scheduler)));
                prop_assert!(of_one.map(mark_of).is_sorted());
            }
            let mut highest = 0;
            let behind = out.iter().filter(|event| {
                let behind = event.monotonic_ns < highest;
                highest = highest.max(event.monotonic_ns);
                behind
            });
            prop_assert_eq!(behind.count() as u64, order.late());
            marks.sort_unstable();
            prop_assert!(marks.into_iter().eq(0..events.len() as u64));
        }
    }

    fn mark_of(event: &VmEvent) -> u64 {
        kit::message_of(event).unwrap_or(u64::MAX)
    }
}
