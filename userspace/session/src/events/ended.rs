//! Processes that have ended, for as long as events of them may still come.

use std::collections::VecDeque;

use escope_model::ProcId;
use rustc_hash::{FxHashMap, FxHashSet};

/// For how long after it was last met events of a process that has ended are waited for: signals
/// that it sends while it ends, and its last run. Only where there are many is any forgotten.
const LATE_NS: u64 = 1_000_000_000;
/// How many are remembered whenever they ended.
const KEPT: usize = 1 << 14;
/// How many are remembered at most.
const KEPT_MAX: usize = 1 << 17;
/// For how long it is remembered that the end of a forgotten one was told: one with much to give
/// back, as tables, comes back to end for seconds. A pid takes minutes to come back.
const TOLD_NS: u64 = 60_000_000_000;
/// Of how many of those.
const TOLD_MAX: usize = 1 << 18;

/// Who has ended lately.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// When each was last met as one that ends.
    known: FxHashMap<ProcId, u64>,
    /// By when they were met, or before.
    queue: VecDeque<(u64, ProcId, u64)>,
    /// Pids of those that were forgotten, and when that was.
    told: FxHashSet<u64>,
    told_queue: VecDeque<(u64, u64)>,
}

impl Ended {
    /// A process, with its pid as a term, has ended. Returns whether that is new.
    pub(super) fn note(&mut self, who: ProcId, pid: u64, at_ns: u64) -> bool {
        let is_new = self.known.insert(who, at_ns).is_none();
        if is_new {
            self.queue.push_back((at_ns, who, pid));
        }
        is_new
    }

    /// Whether the end of this one was told before it was forgotten.
    pub(super) fn has_told(&self, pid: u64) -> bool {
        self.told.contains(&pid)
    }

    pub(super) fn knows(&self, who: ProcId) -> bool {
        self.known.contains_key(&who)
    }

    /// Pids, as terms, that nobody will hear of again; each once.
    pub(super) fn forgettable(&mut self, now_ns: u64) -> impl Iterator<Item = u64> + '_ {
        while let Some(&(at_ns, pid)) = self.told_queue.front()
            && now_ns.saturating_sub(at_ns) > TOLD_NS
        {
            self.told_queue.pop_front();
            self.told.remove(&pid);
        }
        std::iter::from_fn(move || {
            loop {
                let &(at_ns, who, pid) = self.queue.front()?;
                let is_late = now_ns.saturating_sub(at_ns) > LATE_NS && self.queue.len() > KEPT;
                if !is_late && self.queue.len() <= KEPT_MAX {
                    return None;
                }
                self.queue.pop_front();
                match self.known.get(&who) {
                    // It came back meanwhile.
                    Some(&met_ns) if met_ns > at_ns => self.queue.push_back((met_ns, who, pid)),
                    _ => {
                        self.known.remove(&who);
                        self.forgot(pid, now_ns);
                        return Some(pid);
                    }
                }
            }
        })
    }

    fn forgot(&mut self, pid: u64, now_ns: u64) {
        if !self.told.insert(pid) {
            return;
        }
        self.told_queue.push_back((now_ns, pid));
        if self.told_queue.len() > TOLD_MAX
            && let Some((_, oldest)) = self.told_queue.pop_front()
        {
            self.told.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use escope_model::ProcId;

    use super::{Ended, KEPT, KEPT_MAX, LATE_NS, TOLD_MAX, TOLD_NS};

    /// So many others end.
    fn others(ended: &mut Ended, from: u32, count: usize, at_ns: u64) {
        for n in from..from + count as u32 {
            assert!(ended.note(ProcId(n), u64::from(n) << 4 | 3, at_ns));
        }
    }

    #[test]
    fn a_process_ends_once_and_is_forgotten_when_it_is_late_or_there_are_too_many() {
        let mut ended = Ended::default();
        assert!(ended.note(ProcId(0), 0x13, 1));
        assert!(!ended.note(ProcId(0), 0x13, 1));
        // Alone it stays for good.
        assert_eq!(ended.forgettable(u64::MAX).next(), None);
        for n in 1..=KEPT as u32 {
            ended.note(ProcId(n), u64::from(n) << 4 | 3, 10);
        }
        assert_eq!(ended.forgettable(20).next(), None);
        let late = 2_000_000_000;
        assert_eq!(ended.forgettable(late).collect::<Vec<_>>(), [0x13]);
        assert!(!ended.knows(ProcId(0)) && ended.knows(ProcId(1)));
        for n in 0..KEPT_MAX as u32 {
            ended.note(ProcId(1_000_000 + n), 0x23, 20);
        }
        assert_eq!(ended.forgettable(20).count(), KEPT);
    }

    #[test]
    fn who_takes_long_to_end_ends_once_however_many_others_do() {
        let (slow, pid) = (ProcId(0), 3);
        let mut ended = Ended::default();
        assert!(ended.note(slow, pid, 0));
        // It comes back now and then, and is as young as it was when it last did.
        others(&mut ended, 1, 2 * KEPT, 10);
        assert!(!ended.note(slow, pid, LATE_NS));
        let late = LATE_NS + 11;
        assert_eq!(ended.forgettable(late).find(|it| *it == pid), None);
        assert!(ended.knows(slow) && !ended.note(slow, pid, late));
        // After a long silence it is forgotten, and yet not told twice.
        others(&mut ended, 1_000_000, 2 * KEPT, late);
        let later = 3 * LATE_NS;
        assert_eq!(ended.forgettable(later).find(|it| *it == pid), None);
        others(&mut ended, 2_000_000, 2 * KEPT, later);
        assert!(ended.forgettable(2 * later).any(|it| it == pid));
        assert!(!ended.knows(slow) && ended.has_told(pid));
        // Somebody else may have that pid in the end.
        ended.forgettable(2 * later + TOLD_NS + 1).for_each(drop);
        assert!(!ended.has_told(pid));
    }

    #[test]
    fn what_was_told_takes_no_more_room_than_it_may() {
        let mut ended = Ended::default();
        for round in 0..4 {
            others(&mut ended, round << 20, KEPT_MAX, 1);
            ended.forgettable(1).for_each(drop);
        }
        assert_eq!((ended.queue.len(), ended.known.len()), (KEPT_MAX, KEPT_MAX));
        assert_eq!(
            (ended.told.len(), ended.told_queue.len()),
            (TOLD_MAX, TOLD_MAX)
        );
        assert!(!ended.has_told(3) && ended.has_told(2 << 24 | 3));
    }
}
