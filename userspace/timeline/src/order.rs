//! Events in the order of their times.
//!
//! CPUs write into one ring, each first reserving its place and then reading the time. So
//! neighbours may be swapped, by as much as it takes from the one to the other: nanoseconds, or
//! more where the kernel took the CPU away in between. The reader of the ring knows up to when
//! all have come, for it cannot read past a place that is reserved and not yet written: what
//! was reserved later has a later time. Events are held until then.
//!
//! What one thread wrote is in order in the ring, and a scheduler is one thread. That
//! order is kept, also where times are equal or where the clock, which is read without
//! locks, went back by some nanoseconds: the later event then gets the earlier one's
//! time.

use std::collections::VecDeque;

use escope_model::{SchedulerId, VmEvent};
use rustc_hash::FxHashMap;

use crate::place::scheduler_of;

/// How far an event is moved step by step before its place is searched for.
const STEPS: usize = 32;

/// Sorts events that are nearly sorted.
///
/// Holds at most as many as its capacity: beyond that the earliest is given out before
/// its time.
#[derive(Debug)]
pub struct Reorder {
    capacity: usize,
    /// By their times; of the same time the first that came first.
    held: VecDeque<VmEvent>,
    /// Of each scheduler, the time of its latest event.
    latest: FxHashMap<SchedulerId, u64>,
    /// The highest time that was given out.
    given_ns: u64,
    late: u64,
    early: u64,
    raised: u64,
}

impl Reorder {
    /// Holds at most so many events.
    #[must_use]
    pub fn new(capacity: usize) -> Reorder {
        Reorder {
            capacity,
            held: VecDeque::new(),
            latest: FxHashMap::default(),
            given_ns: 0,
            late: 0,
            early: 0,
            raised: 0,
        }
    }

    /// Takes the next event of the ring. Appends to `out` what there is no room for, and the
    /// event itself if later ones have been given out.
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
            out.push(event);
            return;
        }
        let place = self.place(event.monotonic_ns);
        self.held.insert(place, event);
        while self.held.len() > self.capacity {
            self.early += 1;
            self.give(out);
        }
    }

    /// Appends all events up to `ns` to `out`: the caller knows that nothing earlier
    /// will come.
    pub fn flush_until(&mut self, ns: u64, out: &mut Vec<VmEvent>) {
        while self
            .held
            .front()
            .is_some_and(|first| first.monotonic_ns <= ns)
        {
            self.give(out);
        }
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

    /// How many were given out before their time, for want of room.
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

    /// Behind all that are not later; nearly always that is the end.
    fn place(&self, ns: u64) -> usize {
        let later = self.held.iter().rev().take(STEPS);
        let later = later.take_while(|held| held.monotonic_ns > ns).count();
        match later < STEPS {
            true => self.held.len() - later,
            false => self.held.partition_point(|held| held.monotonic_ns <= ns),
        }
    }

    fn give(&mut self, out: &mut Vec<VmEvent>) {
        if let Some(first) = self.held.pop_front() {
            self.given_ns = self.given_ns.max(first.monotonic_ns);
            out.push(first);
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
    fn neighbours_are_swapped_back_when_all_have_come() {
        let mut order = Reorder::new(10);
        let events = [event(5, 1, 0), event(3, 2, 1), event(14, 1, 2)];
        let mut out = push_all(&mut order, &events);
        assert_eq!(times(&out), []);
        order.flush_until(13, &mut out);
        assert_eq!(times(&out), [3, 5]);
        assert_eq!(order.held(), 1);
        order.finish(&mut out);
        assert_eq!(times(&out), [3, 5, 14]);
        assert_eq!((order.late(), order.early(), order.raised()), (0, 0, 0));
    }

    #[test]
    fn a_late_event_comes_out_at_once_and_is_counted() {
        let mut order = Reorder::new(10);
        let mut out = push_all(&mut order, &[event(100, 1, 0), event(120, 1, 1)]);
        order.flush_until(100, &mut out);
        let out = push_all(&mut order, &[event(99, 2, 2), event(100, 3, 3)]);
        assert_eq!(times(&out), [99]);
        assert_eq!((order.late(), order.held()), (1, 2));
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
    fn where_there_is_no_room_the_earliest_goes_first() {
        let mut order = Reorder::new(2);
        let events = [event(7, 1, 0), event(5, 2, 1), event(6, 3, 2)];
        assert_eq!(times(&push_all(&mut order, &events)), [5]);
        assert_eq!((order.held(), order.early()), (2, 1));
    }

    proptest! {
        #[test]
        fn any_disorder_among_what_is_held_is_sorted_stably(
            steps in prop::collection::vec((0..20u64, 0..=900u64, 1..4u16), 0..200),
            flushes in prop::collection::vec(0..200usize, 0..4),
        ) {
            let mut now = 0;
            let mut last = [0; 4];
            let events: Vec<VmEvent> = steps.iter().zip(0..).map(|(&(step, delay, scheduler), mark)| {
                now += step;
                let ns = (now + 900 - delay).max(last[usize::from(scheduler)]);
                last[usize::from(scheduler)] = ns;
                event(ns, scheduler, mark)
            }).collect();
            let (mut order, mut out) = (Reorder::new(1000), Vec::new());
            for (at, it) in events.iter().enumerate() {
                order.push(*it, &mut out);
                if flushes.contains(&at) {
                    // What is still to come is not earlier.
                    let to_come = events[at + 1..].iter().map(|it| it.monotonic_ns).min();
                    order.flush_until(to_come.unwrap_or(u64::MAX).saturating_sub(1), &mut out);
                }
            }
            order.finish(&mut out);
            let mut sorted = events;
            sorted.sort_by_key(|event| event.monotonic_ns);
            prop_assert_eq!(out, sorted);
            prop_assert_eq!((order.late(), order.early(), order.raised()), (0, 0, 0));
        }

        #[test]
        fn whatever_the_times_nothing_is_dropped_and_schedulers_keep_their_order(
            events in prop::collection::vec((0..100u64, 0..4u16), 0..200),
            (every, capacity) in (1..60usize, 1..40usize),
        ) {
            let mut order = Reorder::new(capacity);
            let mut out = Vec::new();
            for (at, &(ns, scheduler)) in events.iter().enumerate() {
                order.push(event(ns, scheduler, at as u64), &mut out);
                prop_assert!(order.held() <= capacity);
                if at % every == 0 {
                    order.flush_until(ns, &mut out);
                }
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
