//! Calls of BIFs and NIFs.
//!
//! Each is seen when its C function is entered and, where that was asked for, when it returns.
//! C functions of one process nest, and the last one entered returns first:
//!
//! | seen | told |
//! |---|---|
//! | Call of a function whose returns are not watched | a call without an end |
//! | Call, then Return | a call |
//! | Call, and the Return of one that was entered before it | it, its end not seen; then the other |
//! | Return without a Call | a call whose start was not seen |
//!
//! A process may end while a dirty scheduler is in a NIF for it, so an exit ends no call. One whose
//! start was not seen is told from the last event of that scheduler, as in
//! [`Collections`](crate::Collections).

use std::hash::Hash;

use escope_model::{Cut, SchedulerId, VmEvent, VmEventKind};
use rustc_hash::FxHashMap;

use crate::place::scheduler_of;
use crate::since::Since;

/// How deep calls of one process may nest. Of more the ends of the first were lost.
const DEPTH_MAX: usize = 16;
/// How many processes may be in a call at a time.
const OPEN_MAX: usize = 1 << 14;

/// A call of a BIF or NIF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NativeCallRow<P> {
    /// Who called.
    pub who: P,
    /// Where.
    pub scheduler: Option<SchedulerId>,
    /// The function's number.
    pub function: u32,
    /// Where in Erlang code it returns to; 0 if that is not known.
    pub caller: u64,
    /// `CLOCK_MONOTONIC` nanoseconds.
    pub start_ns: u64,
    /// The same; `None` where returns were not watched.
    pub end_ns: Option<u64>,
    /// Which end was not seen.
    pub cut: Option<Cut>,
}

/// From calls and returns to rows.
#[derive(Debug)]
pub struct NativeCalls<P> {
    /// By function: whether its returns are watched.
    returns: Vec<bool>,
    open: FxHashMap<P, Vec<NativeCallRow<P>>>,
    since: Since<P>,
    /// The latest time that was told, as in `Runs`.
    now_ns: u64,
    unplaced: u64,
}

impl<P: Copy + Eq + Hash> NativeCalls<P> {
    /// The observation begins. `returns` says of each function whether its returns are watched.
    #[must_use]
    pub fn new(returns: Vec<bool>, began_ns: u64) -> NativeCalls<P> {
        NativeCalls {
            returns,
            open: FxHashMap::default(),
            since: Since::new(began_ns),
            now_ns: began_ns,
            unplaced: 0,
        }
    }

    /// Whether an event is one half of a call.
    #[must_use]
    pub fn is_of_a_pair(&self, what: &VmEventKind) -> bool {
        match *what {
            VmEventKind::NativeCall { function, .. } | VmEventKind::NativeReturn { function } => {
                self.watches_returns(function)
            }
            _ => false,
        }
    }

    /// Takes the next event; `who` is the process that it is about, if there is one and it is
    /// known. Appends what ends to `rows`.
    pub fn on(&mut self, event: &VmEvent, who: Option<P>, rows: &mut Vec<NativeCallRow<P>>) {
        let (function, caller) = match event.what {
            VmEventKind::NativeCall {
                function, caller, ..
            } => (function, Some(caller)),
            VmEventKind::NativeReturn { function } => (function, None),
            _ => return,
        };
        self.now_ns = self.now_ns.max(event.monotonic_ns);
        let scheduler = scheduler_of(event);
        match who {
            None => self.unplaced += 1,
            Some(who) => {
                let call = NativeCallRow {
                    who,
                    scheduler,
                    function,
                    caller: caller.unwrap_or(0),
                    start_ns: self.now_ns,
                    end_ns: None,
                    cut: None,
                };
                match caller {
                    Some(_) => self.call(call, rows),
                    None => self.returned(call, rows),
                }
            }
        }
        if let Some(scheduler) = scheduler {
            self.since.saw(scheduler, self.now_ns);
        }
    }

    /// Nothing, or not everything, was seen from `from_ns` to `to_ns`: what was open then is cut
    /// at its begin.
    pub fn gap(&mut self, from_ns: u64, to_ns: u64, rows: &mut Vec<NativeCallRow<P>>) {
        let to_ns = to_ns.max(from_ns);
        self.cut_all(from_ns, rows);
        self.since.nothing_before(to_ns);
        self.now_ns = self.now_ns.max(to_ns);
    }

    /// The observation ends, and so does what is open, cut.
    pub fn finish(&mut self, end_ns: u64, rows: &mut Vec<NativeCallRow<P>>) {
        self.cut_all(end_ns, rows);
    }

    /// Calls and returns of unknown processes. Nothing is told of them.
    #[must_use]
    pub fn unplaced(&self) -> u64 {
        self.unplaced
    }

    fn watches_returns(&self, function: u32) -> bool {
        let returns = self.returns.get(function as usize);
        returns.copied().unwrap_or(false)
    }

    fn call(&mut self, call: NativeCallRow<P>, rows: &mut Vec<NativeCallRow<P>>) {
        if !self.watches_returns(call.function) {
            rows.push(call);
            return;
        }
        if self.open.len() >= OPEN_MAX && !self.open.contains_key(&call.who) {
            self.cut_all(self.now_ns, rows);
        }
        let open = self.open.entry(call.who).or_default();
        if open.len() >= DEPTH_MAX {
            rows.push(cut(open.remove(0), self.now_ns));
        }
        open.push(call);
    }

    fn returned(&mut self, back: NativeCallRow<P>, rows: &mut Vec<NativeCallRow<P>>) {
        let end_ns = self.now_ns;
        let open = self.open.get_mut(&back.who);
        let at = open.as_ref().and_then(|open| {
            let same = |call: &NativeCallRow<P>| call.function == back.function;
            open.iter().rposition(same)
        });
        match (open, at) {
            (Some(open), Some(at)) => {
                for lost in open.drain(at + 1..).rev() {
                    rows.push(cut(lost, end_ns));
                }
                rows.extend(open.pop().map(|call| NativeCallRow {
                    end_ns: Some(end_ns),
                    ..call
                }));
                if open.is_empty() {
                    self.open.remove(&back.who);
                }
            }
            _ => rows.push(NativeCallRow {
                start_ns: self.since.start(back.scheduler, back.who).min(end_ns),
                end_ns: Some(end_ns),
                cut: Some(Cut::Start),
                ..back
            }),
        }
        self.since.ended(back.who, end_ns);
    }

    fn cut_all(&mut self, end_ns: u64, rows: &mut Vec<NativeCallRow<P>>) {
        let first = rows.len();
        let open = self.open.drain().flat_map(|(_, open)| open);
        rows.extend(open.map(|call| cut(call, end_ns)));
        if let Some(new) = rows.get_mut(first..) {
            new.sort_by_key(|row| row.start_ns);
        }
    }
}

/// It goes on as far as anybody knows.
fn cut<P>(call: NativeCallRow<P>, end_ns: u64) -> NativeCallRow<P> {
    NativeCallRow {
        end_ns: Some(end_ns.max(call.start_ns)),
        cut: Some(Cut::End),
        ..call
    }
}

#[cfg(test)]
mod tests {
    use escope_model::{Cut, VmEventKind};
    use proptest::prelude::*;

    use super::{DEPTH_MAX, NativeCallRow, NativeCalls};
    use crate::kit::{event, normal};

    /// What there is to tell, in letters and numbers: function, start, end, cut.
    type Told = (u32, u64, Option<u64>, Option<Cut>);

    fn told(row: &NativeCallRow<char>) -> Told {
        (row.function, row.start_ns, row.end_ns, row.cut)
    }

    struct Machine(NativeCalls<char>, Vec<NativeCallRow<char>>);

    impl Machine {
        /// Returns of functions below 10 are watched.
        fn new() -> Machine {
            Machine(NativeCalls::new(vec![true; 10], 5), Vec::new())
        }

        fn call(&mut self, ns: u64, who: char, function: u32) {
            let what = VmEventKind::NativeCall {
                function,
                code: 1,
                caller: 0x40,
            };
            let event = event(ns, normal(1), what);
            self.0.on(&event, Some(who), &mut self.1);
        }

        fn back(&mut self, ns: u64, who: char, function: u32) {
            let event = event(ns, normal(1), VmEventKind::NativeReturn { function });
            self.0.on(&event, Some(who), &mut self.1);
        }

        fn told(&self) -> Vec<Told> {
            self.1.iter().map(told).collect()
        }
    }

    #[test]
    fn a_call_lasts_until_its_return() {
        let mut machine = Machine::new();
        machine.call(10, 'a', 1);
        machine.call(12, 'b', 1);
        machine.back(15, 'a', 1);
        machine.back(20, 'b', 1);
        machine.call(30, 'a', 99);
        assert_eq!(
            machine.told(),
            [
                (1, 10, Some(15), None),
                (1, 12, Some(20), None),
                (99, 30, None, None),
            ]
        );
        assert_eq!(machine.1[0].caller, 0x40);
    }

    #[test]
    fn calls_nest_and_a_return_that_was_missed_shows_in_the_next() {
        let mut machine = Machine::new();
        machine.call(10, 'a', 1);
        machine.call(11, 'a', 2);
        machine.back(12, 'a', 2);
        machine.call(13, 'a', 3);
        machine.back(20, 'a', 1);
        machine.back(25, 'a', 4);
        assert_eq!(
            machine.told(),
            [
                (2, 11, Some(12), None),
                (3, 13, Some(20), Some(Cut::End)),
                (1, 10, Some(20), None),
                (4, 20, Some(25), Some(Cut::Start)),
            ]
        );
    }

    #[test]
    fn a_gap_cuts_what_is_open_and_nothing_reaches_into_it() {
        let mut machine = Machine::new();
        machine.call(10, 'b', 2);
        machine.call(11, 'a', 1);
        machine.0.gap(20, 20, &mut machine.1);
        machine.0.gap(20, 40, &mut machine.1);
        machine.back(45, 'a', 1);
        machine.call(50, 'a', 1);
        machine.0.finish(60, &mut machine.1);
        assert_eq!(
            machine.told(),
            [
                (2, 10, Some(20), Some(Cut::End)),
                (1, 11, Some(20), Some(Cut::End)),
                (1, 40, Some(45), Some(Cut::Start)),
                (1, 50, Some(60), Some(Cut::End)),
            ]
        );
    }

    #[test]
    fn what_is_of_nobody_is_counted() {
        let mut calls: NativeCalls<char> = NativeCalls::new(Vec::new(), 0);
        let mut rows = Vec::new();
        let what = VmEventKind::NativeReturn { function: 0 };
        calls.on(&event(1, normal(1), what), None, &mut rows);
        assert_eq!((calls.unplaced(), rows.len()), (1, 0));
    }

    proptest! {
        /// Whatever comes, each call is told once, spans are forward, and little is held.
        #[test]
        fn every_call_is_told_once(
            events in prop::collection::vec((0..3u8, 0..3u32, 0..4u8), 0..200)
        ) {
            let mut machine = Machine::new();
            let mut calls = 0;
            for (at, (who, function, what)) in events.into_iter().enumerate() {
                let (ns, who) = (10 + at as u64, char::from(b'a' + who));
                match what {
                    0 | 1 => {
                        calls += 1;
                        machine.call(ns, who, function);
                    }
                    2 => machine.back(ns, who, function),
                    _ => machine.0.gap(ns, ns, &mut machine.1),
                }
                prop_assert!(machine.0.open.values().all(|open| open.len() <= DEPTH_MAX));
            }
            machine.0.finish(1000, &mut machine.1);
            let begun = machine.1.iter().filter(|row| row.cut != Some(Cut::Start));
            prop_assert_eq!(begun.count(), calls);
            for row in &machine.1 {
                prop_assert!(row.end_ns.is_some_and(|end_ns| row.start_ns <= end_ns));
            }
        }
    }
}
