//! Since when something may have been going on whose begin was not seen.
//!
//! Not before the observation began or was taken up again, not before the last event
//! of that scheduler, and not before the same process was last seen to do the same:
//! the latest of these. So spans never overlap, neither on a scheduler nor of a process.

use std::hash::Hash;
use std::mem;

use escope_model::SchedulerId;
use rustc_hash::FxHashMap;

/// How many processes are remembered one by one; up to twice as many at times.
const REMEMBERED: usize = 1 << 16;

/// The bounds. Times that are told must not go back.
#[derive(Debug)]
pub(crate) struct Since<P> {
    floor_ns: u64,
    on: FxHashMap<SchedulerId, u64>,
    of: Recent<P>,
}

impl<P: Copy + Eq + Hash> Since<P> {
    pub(crate) fn new(began_ns: u64) -> Since<P> {
        Since {
            floor_ns: began_ns,
            on: FxHashMap::default(),
            of: Recent::new(REMEMBERED),
        }
    }

    /// Nothing that was not seen to begin is told to be older than this.
    pub(crate) fn nothing_before(&mut self, ns: u64) {
        self.floor_ns = self.floor_ns.max(ns);
    }

    /// An event of a scheduler.
    pub(crate) fn saw(&mut self, scheduler: SchedulerId, ns: u64) {
        self.on.insert(scheduler, ns);
    }

    /// The end of a span of a process.
    pub(crate) fn ended(&mut self, who: P, ns: u64) {
        self.of.note(who, ns);
    }

    /// The earliest begin of what the process does on a scheduler, if known on which.
    pub(crate) fn start(&self, scheduler: Option<SchedulerId>, who: P) -> u64 {
        let on = scheduler.and_then(|scheduler| self.on.get(&scheduler));
        let on = on.copied().unwrap_or(0);
        self.floor_ns.max(on).max(self.of.last(who))
    }
}

/// The last time of each key, for a bounded number of keys. Of a key that was
/// forgotten it answers a time that is not too early.
#[derive(Debug)]
pub(crate) struct Recent<K> {
    room: usize,
    young: FxHashMap<K, u64>,
    old: FxHashMap<K, u64>,
    /// No forgotten key has a later time.
    forgotten_ns: u64,
}

impl<K: Copy + Eq + Hash> Recent<K> {
    /// Remembers at least the last `room` keys.
    pub(crate) fn new(room: usize) -> Recent<K> {
        Recent {
            room,
            young: FxHashMap::default(),
            old: FxHashMap::default(),
            forgotten_ns: 0,
        }
    }

    pub(crate) fn note(&mut self, key: K, ns: u64) {
        self.young.insert(key, ns);
        if self.young.len() > self.room {
            let forgotten = mem::replace(&mut self.old, mem::take(&mut self.young));
            let latest = forgotten.into_values().max().unwrap_or(0);
            self.forgotten_ns = self.forgotten_ns.max(latest);
        }
    }

    pub(crate) fn knows(&self, key: K) -> bool {
        self.young.contains_key(&key) || self.old.contains_key(&key)
    }

    fn last(&self, key: K) -> u64 {
        let known = self.young.get(&key).or_else(|| self.old.get(&key));
        known.copied().unwrap_or(self.forgotten_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::{Recent, Since};
    use crate::kit;

    #[test]
    fn the_latest_bound_counts() {
        let mut since = Since::new(10);
        assert_eq!(since.start(Some(kit::normal(1)), 'a'), 10);
        since.saw(kit::normal(1), 20);
        assert_eq!(since.start(Some(kit::normal(1)), 'a'), 20);
        assert_eq!(since.start(Some(kit::normal(2)), 'a'), 10);
        since.ended('a', 30);
        assert_eq!(since.start(Some(kit::normal(2)), 'a'), 30);
        assert_eq!(since.start(Some(kit::normal(2)), 'b'), 10);
        since.nothing_before(40);
        since.nothing_before(35);
        assert_eq!(since.start(None, 'a'), 40);
    }

    #[test]
    fn what_was_forgotten_is_not_told_too_early() {
        let mut recent = Recent::new(2);
        for (key, ns) in [(1, 10), (2, 20), (3, 30), (1, 40), (4, 50)] {
            recent.note(key, ns);
        }
        assert_eq!(
            (recent.last(1), recent.last(2), recent.last(9)),
            (40, 20, 0)
        );
        recent.note(5, 60);
        assert_eq!((recent.last(1), recent.last(4)), (40, 50));
        assert!(!recent.knows(2));
        assert_eq!(recent.last(2), 30);
    }
}
