//! Which reply belongs to which call.
//!
//! A message does not say to which other one it replies: the reference that pairs them
//! (`gen:do_call/4`, `gen:reply/2`) is not recorded. So a reply belongs to a call if nothing else
//! can be meant: it goes from whom was called to the caller, and of all calls between these two
//! that were taken out of the mailbox before the reply was sent and have no reply yet,
//! there is only one. Who calls one after the other, as `gen:call` does, gives this always, also
//! when a call has timed out and its reply comes late: the next call is then not taken out yet.
//!
//! Where there are several, as with `gen_server:send_request` or when a call was never answered,
//! the reply is [`Answer::Ambiguous`], and none of these calls has a partner: which of them it
//! was for stays open until all were answered. Nothing is paired over a gap, where replies and
//! calls were not seen.

use std::collections::VecDeque;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::gaps::Gaps;

/// How many calls may be open. Beyond that new ones are given up.
const OPEN_MAX: usize = 1 << 20;

/// Caller and called.
pub type Pair<K> = (K, K);

/// Open calls between processes `K`, with what is to be remembered of each.
#[derive(Debug)]
pub struct Pairing<K, T> {
    room: usize,
    open: FxHashMap<Pair<K>, VecDeque<Open<T>>>,
    count: usize,
    /// The gaps that were not passed yet, the next one last.
    gaps: Vec<(u64, u64)>,
}

#[derive(Debug)]
struct Open<T> {
    taken_ns: Option<u64>,
    /// A reply may have been its.
    is_doubtful: bool,
    call: T,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It waits for its reply.
    Open,
    /// It lies in a gap, and is not followed.
    InGap,
    /// It is not followed for want of room.
    NoRoom,
}

/// What a reply answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    /// This call.
    To(T),
    /// One of several calls, of which this is the oldest.
    Ambiguous(T),
    /// Nothing that was seen asked and is still open.
    Unasked,
}

impl<K: Copy + Eq + Hash, T> Pairing<K, T> {
    /// Nothing was asked yet.
    #[must_use]
    pub fn new(gaps: &Gaps) -> Pairing<K, T> {
        Pairing {
            room: OPEN_MAX,
            open: FxHashMap::default(),
            count: 0,
            gaps: gaps.spans().iter().rev().copied().collect(),
        }
    }

    /// All that comes is from this time on. Returns how many calls were open when events went
    /// missing: they are given up.
    pub fn advance(&mut self, to_ns: u64) -> u64 {
        let mut lost = 0;
        if self.is_gap(to_ns) {
            lost = self.count as u64;
            self.open.clear();
            self.count = 0;
        }
        while self.gaps.last().is_some_and(|gap| gap.1 <= to_ns) {
            self.gaps.pop();
        }
        lost
    }

    fn is_gap(&self, ns: u64) -> bool {
        self.gaps.last().is_some_and(|gap| gap.0 <= ns)
    }

    /// A call is sent now, and taken out of the mailbox then, if that was seen. In the order of
    /// sending.
    pub fn ask(&mut self, pair: Pair<K>, now_ns: u64, taken_ns: Option<u64>, call: T) -> Asked {
        if self.is_gap(now_ns) {
            return Asked::InGap;
        }
        if self.count >= self.room {
            return Asked::NoRoom;
        }
        self.count += 1;
        self.open.entry(pair).or_default().push_back(Open {
            taken_ns,
            is_doubtful: false,
            call,
        });
        Asked::Open
    }

    /// A reply is sent now by whom was called. In the order of sending, among the calls.
    pub fn answer(&mut self, pair: Pair<K>, now_ns: u64) -> Answer<T> {
        let Some(calls) = self.open.get_mut(&pair) else {
            return Answer::Unasked;
        };
        let is_taken = |call: &Open<T>| call.taken_ns.is_some_and(|ns| ns <= now_ns);
        let taken = calls.iter().filter(|call| is_taken(call)).count();
        let first = calls.iter().position(is_taken);
        let Some(call) = first.and_then(|first| calls.remove(first)) else {
            return Answer::Unasked;
        };
        self.count = self.count.saturating_sub(1);
        if taken > 1 {
            let rest = calls.iter_mut().filter(|call| is_taken(call));
            rest.for_each(|call| call.is_doubtful = true);
        }
        if calls.is_empty() {
            self.open.remove(&pair);
        }
        match taken == 1 && !call.is_doubtful {
            true => Answer::To(call.call),
            false => Answer::Ambiguous(call.call),
        }
    }

    /// What is remembered of the open calls of a pair, the oldest first.
    pub fn of(&mut self, pair: Pair<K>) -> impl Iterator<Item = &mut T> {
        let calls = self.open.get_mut(&pair);
        calls.into_iter().flatten().map(|open| &mut open.call)
    }

    /// The calls that no reply came for, in no order, and whether one may have been theirs.
    pub fn unanswered(&mut self) -> impl Iterator<Item = (Pair<K>, T, bool)> {
        self.count = 0;
        let open = std::mem::take(&mut self.open).into_iter();
        open.flat_map(|(pair, calls)| {
            calls
                .into_iter()
                .map(move |open| (pair, open.call, open.is_doubtful))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Asked, Pairing};
    use crate::gaps::Gaps;

    const AB: (char, char) = ('a', 'b');

    fn pairing(gaps: &[(u64, u64)]) -> Pairing<char, u32> {
        Pairing::new(&Gaps::of(gaps.to_vec()))
    }

    #[test]
    fn one_after_the_other_is_sure() {
        let mut pairing = pairing(&[]);
        pairing.ask(AB, 0, Some(5), 1);
        pairing.ask(('c', 'b'), 1, Some(6), 2);
        assert_eq!(pairing.answer(AB, 10), Answer::To(1));
        assert_eq!(pairing.answer(AB, 11), Answer::Unasked);
        // It timed out; the late reply comes before the next call is taken.
        pairing.ask(AB, 20, Some(25), 3);
        pairing.ask(AB, 28, Some(31), 4);
        assert_eq!(pairing.answer(AB, 30), Answer::To(3));
        assert_eq!(pairing.answer(AB, 40), Answer::To(4));
        let left: Vec<_> = pairing.unanswered().collect();
        assert_eq!(left, [(('c', 'b'), 2, false)]);
    }

    #[test]
    fn of_several_none_is_sure_until_all_were_answered() {
        let mut pairing = pairing(&[]);
        pairing.ask(AB, 0, Some(5), 1);
        pairing.ask(AB, 1, Some(6), 2);
        assert_eq!(pairing.answer(AB, 10), Answer::Ambiguous(1));
        pairing.ask(AB, 11, Some(12), 3);
        assert_eq!(pairing.answer(AB, 13), Answer::Ambiguous(2));
        assert_eq!(pairing.answer(AB, 14), Answer::Ambiguous(3));
        pairing.ask(AB, 15, Some(16), 4);
        assert_eq!(pairing.answer(AB, 17), Answer::To(4));
    }

    #[test]
    fn over_a_gap_nothing_is_paired() {
        let mut pairing = pairing(&[(20, 30)]);
        assert_eq!(pairing.advance(10), 0);
        pairing.ask(AB, 10, Some(11), 1);
        assert_eq!(pairing.advance(22), 1);
        assert_eq!(pairing.ask(AB, 22, Some(23), 2), Asked::InGap);
        assert_eq!(pairing.answer(AB, 31), Answer::Unasked);
        assert_eq!(pairing.advance(40), 0);
        assert_eq!(pairing.ask(AB, 40, Some(41), 3), Asked::Open);
        assert_eq!(pairing.answer(AB, 42), Answer::To(3));
    }

    #[test]
    fn without_room_a_call_is_not_followed() {
        let mut pairing = Pairing {
            room: 1,
            ..pairing(&[])
        };
        assert_eq!(pairing.ask(AB, 1, Some(2), 1), Asked::Open);
        assert_eq!(pairing.ask(AB, 3, Some(4), 2), Asked::NoRoom);
    }
}
