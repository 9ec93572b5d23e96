//! How many messages lie in each mailbox, over time.
//!
//! Of the messages that were seen sent: one lies there from when it was sent until it is taken
//! out, or its receiver ends. One of unknown fate never counts, since nobody knows when it
//! left, or whether it became a message at all ([`lies_in_mailbox`]).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::Hash;

use escope_model::{Fate, Message};
use rustc_hash::FxHashMap;

/// How many messages whose end is known may lie in mailboxes at a time: some 100 MB.
const UNDER_WAY_MAX: usize = 1 << 22;

/// Whether a message counts in its receiver's mailbox.
#[must_use]
pub fn lies_in_mailbox(message: &Message) -> bool {
    message.received_ns.is_some() || message.fate != Fate::Unknown
}

/// The lengths of mailboxes, by receiver. `N` is a time.
///
/// Holds a few bytes for each receiver, and for each message that lies there and is known to
/// leave. Beyond a bound of those the mailboxes of who is sent more are given up.
#[derive(Debug, Clone)]
pub struct Mailboxes<K, N> {
    room: usize,
    leaves: BinaryHeap<Reverse<(N, K)>>,
    lengths: FxHashMap<K, Length>,
}

#[derive(Debug, Clone, Copy)]
enum Length {
    Known(u64),
    /// Its process has ended: nothing lies in it any more.
    Ended,
    GivenUp,
}

/// A mailbox that has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<K, N> {
    /// When.
    pub at_ns: N,
    /// Whose.
    pub who: K,
    /// How long it is from then on.
    pub length: u64,
}

impl<K: Copy + Ord + Hash, N: Copy + Ord> Default for Mailboxes<K, N> {
    fn default() -> Mailboxes<K, N> {
        Mailboxes::with_room(UNDER_WAY_MAX)
    }
}

impl<K: Copy + Ord + Hash, N: Copy + Ord> Mailboxes<K, N> {
    fn with_room(room: usize) -> Mailboxes<K, N> {
        Mailboxes {
            room,
            leaves: BinaryHeap::new(),
            lengths: FxHashMap::default(),
        }
    }

    /// The next message to leave a mailbox until a time, that included, or at all. To be asked
    /// until there is none before a message of that time is put in.
    pub fn leave(&mut self, until_ns: Option<N>) -> Option<Change<K, N>> {
        while let Some(&Reverse((at_ns, who))) = self.leaves.peek()
            && until_ns.is_none_or(|until_ns| at_ns <= until_ns)
        {
            self.leaves.pop();
            if let Some(Length::Known(length)) = self.lengths.get_mut(&who) {
                *length = length.saturating_sub(1);
                let length = *length;
                return Some(Change { at_ns, who, length });
            }
        }
        None
    }

    /// A message is sent, in the order of sending, and leaves then, if that is known. Nothing
    /// changes for who has ended or was given up.
    pub fn put(&mut self, who: K, sent_ns: N, leaves_ns: Option<N>) -> Option<Change<K, N>> {
        let of = self.lengths.entry(who).or_insert(Length::Known(0));
        if leaves_ns.is_some() && self.leaves.len() >= self.room {
            *of = Length::GivenUp;
        }
        let Length::Known(length) = of else {
            return None;
        };
        *length += 1;
        let change = Change {
            at_ns: sent_ns,
            who,
            length: *length,
        };
        let leaves_ns = leaves_ns.map(|ns| Reverse((ns.max(sent_ns), who)));
        self.leaves.extend(leaves_ns);
        Some(change)
    }

    /// A process ends, and with it all that lies in its mailbox.
    pub fn end(&mut self, who: K) {
        self.lengths.insert(who, Length::Ended);
    }

    /// Whether the length of a mailbox is not known, for want of room.
    #[must_use]
    pub fn is_given_up(&self, who: K) -> bool {
        matches!(self.lengths.get(&who), Some(Length::GivenUp))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Change, Mailboxes};

    #[test]
    fn who_has_ended_has_no_mailbox() {
        let mut boxes = Mailboxes::default();
        boxes.put('a', 10, Some(50));
        boxes.put('b', 20, None);
        boxes.end('a');
        assert_eq!(boxes.put('a', 30, None), None);
        let change = Change {
            at_ns: 40,
            who: 'b',
            length: 2,
        };
        assert_eq!(boxes.put('b', 40, Some(60)), Some(change));
        let left = boxes.leave(None).map(|it| (it.at_ns, it.who, it.length));
        assert_eq!((left, boxes.leave(None)), (Some((60, 'b', 1)), None));
    }

    #[test]
    fn without_room_a_mailbox_is_given_up() {
        let mut boxes = Mailboxes::with_room(2);
        boxes.put('a', 1, Some(9));
        boxes.put('a', 2, Some(8));
        boxes.put('b', 3, None);
        assert!(boxes.put('b', 4, None).is_some() && !boxes.is_given_up('b'));
        assert_eq!(boxes.put('b', 5, Some(7)), None);
        assert!(boxes.is_given_up('b') && !boxes.is_given_up('a'));
        assert_eq!(boxes.leave(None).map(|it| it.length), Some(1));
    }

    proptest! {
        #[test]
        fn a_mailbox_is_as_long_as_what_lies_in_it(
            mut sent in prop::collection::vec((0..40u64, 0..3u8, prop::option::of(0..20u64)), 0..40),
        ) {
            sent.sort_by_key(|it| it.0);
            let mut boxes = Mailboxes::default();
            let mut changes: Vec<Change<u8, u64>> = Vec::new();
            for &(at, who, lay) in &sent {
                while let Some(change) = boxes.leave(Some(at)) {
                    changes.push(change);
                }
                changes.extend(boxes.put(who, at, lay.map(|lay| at + lay)));
            }
            while let Some(change) = boxes.leave(None) {
                changes.push(change);
            }
            prop_assert!(changes.is_sorted_by_key(|it| it.at_ns));
            for who in 0..3 {
                for at in 0..80 {
                    let lies = |&&(sent, to, lay): &&(u64, u8, Option<u64>)| {
                        to == who && sent <= at && lay.is_none_or(|lay| at < sent + lay)
                    };
                    let expected = sent.iter().filter(lies).count() as u64;
                    let told = changes.iter().rfind(|it| it.who == who && it.at_ns <= at);
                    prop_assert_eq!(told.map_or(0, |it| it.length), expected, "{} at {}", who, at);
                }
            }
        }
    }
}
