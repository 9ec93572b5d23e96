//! Processes that have ended, for as long as events of them may still come.

use std::collections::VecDeque;

use escope_model::ProcId;
use rustc_hash::FxHashSet;

/// For how long after its end events of a process are waited for: signals that it sends while it
/// ends, and its last run. Only where there are many is any forgotten.
const LATE_NS: u64 = 1_000_000_000;
/// How many are remembered whenever they ended.
const KEPT: usize = 1 << 14;
/// How many are remembered at most.
const KEPT_MAX: usize = 1 << 17;

/// Who has ended lately.
#[derive(Debug, Default)]
pub(super) struct Ended {
    known: FxHashSet<ProcId>,
    queue: VecDeque<(u64, ProcId, u64)>,
}

impl Ended {
    /// A process, with its pid as a term, has ended. Returns whether that is new.
    pub(super) fn note(&mut self, who: ProcId, pid: u64, at_ns: u64) -> bool {
        let is_new = self.known.insert(who);
        if is_new {
            self.queue.push_back((at_ns, who, pid));
        }
        is_new
    }

    pub(super) fn knows(&self, who: ProcId) -> bool {
        self.known.contains(&who)
    }

    /// Pids, as terms, that nobody will hear of again; each once.
    pub(super) fn forgettable(&mut self, now_ns: u64) -> impl Iterator<Item = u64> + '_ {
        std::iter::from_fn(move || {
            let &(at_ns, who, pid) = self.queue.front()?;
            let is_late = now_ns.saturating_sub(at_ns) > LATE_NS && self.queue.len() > KEPT;
            if !is_late && self.queue.len() <= KEPT_MAX {
                return None;
            }
            self.queue.pop_front();
            self.known.remove(&who);
            Some(pid)
        })
    }
}

#[cfg(test)]
mod tests {
    use escope_model::ProcId;

    use super::{Ended, KEPT, KEPT_MAX};

    #[test]
    fn a_process_ends_once_and_is_forgotten_when_it_is_late_or_there_are_too_many() {
        let mut ended = Ended::default();
        assert!(ended.note(ProcId(0), 0x13, 1));
        assert!(!ended.note(ProcId(0), 0x13, 2));
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
}
