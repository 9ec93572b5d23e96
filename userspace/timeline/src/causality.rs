//! What may have caused what.
//!
//! Between processes only these pass on anything: a spawn (`erl_create_process`), and a
//! message or signal from being sent to being received or handled, which includes what
//! an exit sends (`erts_do_exit_process`: EXIT and DOWN). So an event happened before
//! another one if it was earlier in the same process, or if such edges lead from it to
//! the other; otherwise the two are concurrent, whatever their times say. (ETS, ports and
//! the like pass things on too, and are not seen.)
//!
//! The vector clock of an event says of each process how many of its events happened
//! before it or are it. One for each event would take as much room as events times
//! processes; so only the edges are kept, and a clock is made when asked for, by following
//! them backwards: in the time that the edges in its past take, once each.

use std::hash::Hash;

use rustc_hash::FxHashMap;

/// An event of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment<P> {
    /// Whose.
    pub who: P,
    /// What it did.
    pub what: Step<P>,
}

/// What an event passes on or takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<P> {
    /// Nothing that concerns others.
    Local,
    /// It sends what has this number: a message, or the signals of its exit.
    Send(u64),
    /// It receives it, or handles the signal. Several may receive one number.
    Receive(u64),
    /// It spawns a process.
    Spawn(P),
}

/// How one event stands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// They are the same.
    Same,
    /// It happened before the other, and may be among its causes.
    Before,
    /// The other one happened before it.
    After,
    /// Neither: it cannot have caused the other, nor the other it.
    Concurrent,
}

/// Events and the edges between them.
#[derive(Debug, Clone)]
pub struct Clocks<P> {
    procs: Vec<P>,
    /// Of each event, the index of its process, and its number there, from 1.
    places: Vec<Place>,
    /// Of each process the edges that lead to it, in order.
    joins: Vec<Vec<Join>>,
    loose: u64,
}

type Place = (usize, u64);

/// An edge from `from` to the event `at` of a process.
#[derive(Debug, Clone, Copy)]
struct Join {
    at: u64,
    from: Place,
}

/// The vector clock of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock<P: Eq + Hash> {
    who: P,
    seen: FxHashMap<P, u64>,
}

impl<P: Copy + Eq + Hash> Clock<P> {
    /// Whose event it is the clock of.
    #[must_use]
    pub fn who(&self) -> P {
        self.who
    }

    /// How many events of a process happened before this one or are it.
    #[must_use]
    pub fn count(&self, who: P) -> u64 {
        self.seen.get(&who).copied().unwrap_or(0)
    }

    /// The processes of which that are any, in no order.
    pub fn counts(&self) -> impl Iterator<Item = (P, u64)> {
        self.seen.iter().map(|(&who, &count)| (who, count))
    }

    /// How this event stands to another one of the same events.
    #[must_use]
    pub fn compare(&self, other: &Clock<P>) -> Relation {
        let before = other.count(self.who) >= self.count(self.who);
        let after = self.count(other.who) >= other.count(other.who);
        match (before, after) {
            (true, true) => Relation::Same,
            (true, false) => Relation::Before,
            (false, true) => Relation::After,
            (false, false) => Relation::Concurrent,
        }
    }
}

impl<P: Copy + Eq + Hash> Clocks<P> {
    /// Reads events in the order of their times. Edges lead from the latest Send of a
    /// number to each Receive of it, and from a Spawn to the child's next event.
    #[must_use]
    pub fn of(events: &[Moment<P>]) -> Clocks<P> {
        let mut clocks = Clocks {
            procs: Vec::new(),
            places: Vec::with_capacity(events.len()),
            joins: Vec::new(),
            loose: 0,
        };
        let mut index: FxHashMap<P, Place> = FxHashMap::default();
        let mut sent: FxHashMap<u64, Place> = FxHashMap::default();
        let mut spawned: FxHashMap<P, Vec<Place>> = FxHashMap::default();
        for event in events {
            let next = (clocks.procs.len(), 0);
            let place = index.entry(event.who).or_insert(next);
            if *place == next {
                clocks.procs.push(event.who);
                clocks.joins.push(Vec::new());
            }
            place.1 += 1;
            let place = *place;
            clocks.places.push(place);
            for from in spawned.remove(&event.who).unwrap_or_default() {
                clocks.join(from, place);
            }
            match event.what {
                Step::Local => {}
                Step::Send(msg) => {
                    sent.insert(msg, place);
                }
                Step::Receive(msg) => match sent.get(&msg) {
                    Some(&from) => clocks.join(from, place),
                    None => clocks.loose += 1,
                },
                Step::Spawn(child) => spawned.entry(child).or_default().push(place),
            }
        }
        clocks
    }

    /// The vector clock of the event with this index, if there is one.
    #[must_use]
    pub fn at(&self, event: usize) -> Option<Clock<P>> {
        let &place = self.places.get(event)?;
        let mut seen: FxHashMap<usize, u64> = FxHashMap::default();
        let mut next = vec![place];
        while let Some((proc, count)) = next.pop() {
            let reached = seen.entry(proc).or_default();
            if count <= *reached {
                continue;
            }
            let joins = self.joins.get(proc).map_or(&[][..], Vec::as_slice);
            let first = joins.partition_point(|join| join.at <= *reached);
            let after = joins.partition_point(|join| join.at <= count);
            *reached = count;
            next.extend(
                joins
                    .get(first..after)
                    .unwrap_or(&[])
                    .iter()
                    .map(|join| join.from),
            );
        }
        let seen = seen.into_iter();
        let seen = seen.filter_map(|(proc, count)| Some((*self.procs.get(proc)?, count)));
        Some(Clock {
            who: *self.procs.get(place.0)?,
            seen: seen.collect(),
        })
    }

    /// How one event stands to another one, by their indices. Who compares one with
    /// many asks for its clock once: [`Clocks::at`].
    #[must_use]
    pub fn compare(&self, event: usize, other: usize) -> Option<Relation> {
        Some(self.at(event)?.compare(&self.at(other)?))
    }

    /// How many were received that were not sent before, as far as was seen. What they
    /// depend on is not known, so what is told as concurrent may not be.
    #[must_use]
    pub fn loose(&self) -> u64 {
        self.loose
    }

    fn join(&mut self, from: Place, to: Place) {
        if let Some(joins) = self.joins.get_mut(to.0) {
            joins.push(Join { at: to.1, from });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Clocks, Moment, Relation, Step};

    fn moment(who: char, what: Step<char>) -> Moment<char> {
        Moment { who, what }
    }

    #[test]
    fn a_call_orders_what_is_before_the_request_and_after_the_reply() {
        let clocks = Clocks::of(&[
            moment('c', Step::Local),
            moment('s', Step::Local),
            moment('c', Step::Send(1)),
            moment('c', Step::Local),
            moment('s', Step::Receive(1)),
            moment('s', Step::Send(2)),
            moment('c', Step::Receive(2)),
        ]);
        assert_eq!(clocks.compare(0, 4), Some(Relation::Before));
        assert_eq!(clocks.compare(3, 5), Some(Relation::Concurrent));
        assert_eq!(clocks.compare(0, 1), Some(Relation::Concurrent));
        assert_eq!(clocks.compare(6, 1), Some(Relation::After));
        assert_eq!(clocks.compare(6, 6), Some(Relation::Same));
        assert_eq!(clocks.compare(6, 7), None);
        let clock = clocks.at(5).expect("there is such an event");
        assert_eq!(
            (clock.who(), clock.count('s'), clock.count('c')),
            ('s', 3, 2)
        );
        assert_eq!(clock.counts().count(), 2);
        assert_eq!(clocks.loose(), 0);
    }

    #[test]
    fn a_child_comes_after_its_spawn_and_an_exit_before_those_who_hear_of_it() {
        let clocks = Clocks::of(&[
            moment('p', Step::Spawn('a')),
            moment('p', Step::Spawn('b')),
            moment('a', Step::Local),
            moment('b', Step::Send(7)),
            moment('p', Step::Receive(7)),
            moment('a', Step::Receive(7)),
        ]);
        assert_eq!(clocks.compare(0, 2), Some(Relation::Before));
        assert_eq!(clocks.compare(1, 2), Some(Relation::Concurrent));
        assert_eq!(clocks.compare(3, 4), Some(Relation::Before));
        assert_eq!(clocks.compare(1, 5), Some(Relation::Before));
        assert_eq!(clocks.compare(4, 5), Some(Relation::Concurrent));
    }

    #[test]
    fn what_was_not_seen_sent_is_counted_and_orders_nothing() {
        let clocks = Clocks::of(&[moment('a', Step::Receive(1)), moment('b', Step::Send(1))]);
        assert_eq!(clocks.loose(), 1);
        assert_eq!(clocks.compare(0, 1), Some(Relation::Concurrent));
        assert!(Clocks::<char>::of(&[]).at(0).is_none());
    }

    fn programs() -> impl Strategy<Value = Vec<Moment<u8>>> {
        let step = prop_oneof![
            2 => Just(Step::Local),
            3 => (0..6u64).prop_map(Step::Send),
            3 => (0..6u64).prop_map(Step::Receive),
            1 => (0..5u8).prop_map(Step::Spawn),
        ];
        let moment = (0..5u8, step).prop_map(|(who, what)| Moment { who, what });
        prop::collection::vec(moment, 0..40)
    }

    /// For each two events whether a path leads from the one to the other.
    fn closure(events: &[Moment<u8>]) -> Vec<Vec<bool>> {
        let many = events.len();
        let mut leads = vec![vec![false; many]; many];
        for (to, event) in events.iter().enumerate() {
            for (from, earlier) in events[..to].iter().enumerate() {
                let between = &events[from + 1..to];
                leads[from][to] = earlier.who == event.who
                    || match (earlier.what, event.what) {
                        (Step::Send(msg), Step::Receive(it)) if msg == it => {
                            !between.iter().any(|it| it.what == Step::Send(msg))
                        }
                        (Step::Spawn(child), _) if child == event.who => {
                            !between.iter().any(|it| it.who == child)
                        }
                        _ => false,
                    };
            }
        }
        for middle in 0..many {
            for from in 0..many {
                for to in 0..many {
                    leads[from][to] |= leads[from][middle] && leads[middle][to];
                }
            }
        }
        leads
    }

    proptest! {
        #[test]
        fn clocks_say_what_paths_say(events in programs()) {
            let clocks = Clocks::of(&events);
            let leads = closure(&events);
            for (a, paths) in leads.iter().enumerate() {
                for (b, &forth) in paths.iter().enumerate() {
                    let expected = match (a == b, forth, leads[b][a]) {
                        (true, ..) => Relation::Same,
                        (_, true, _) => Relation::Before,
                        (_, _, true) => Relation::After,
                        _ => Relation::Concurrent,
                    };
                    prop_assert_eq!(clocks.compare(a, b), Some(expected), "{} {}", a, b);
                }
                let clock = clocks.at(a).expect("there is such an event");
                for who in 0..5 {
                    let before = (0..events.len()).filter(|&b| a == b || leads[b][a]);
                    let count = before.filter(|&b| events[b].who == who).count();
                    prop_assert_eq!(clock.count(who), count as u64);
                }
            }
        }
    }
}
