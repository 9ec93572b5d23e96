//! The length of each mailbox over time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use escope_model::{Fate, Message, ProcId};
use rustc_hash::FxHashMap;

/// Mailboxes, of the messages that were seen sent. Holds a few bytes for each that lies in one.
///
/// A message that was received leaves when it was; one that was dropped leaves when its process
/// ended, if that was seen. One of unknown fate never counts: whether it became a message is
/// not known. (So `timeline` counts, too.)
#[derive(Default)]
pub(super) struct Mail {
    leaves: BinaryHeap<Reverse<(i64, ProcId)>>,
    lengths: FxHashMap<ProcId, u64>,
}

/// A mailbox that has changed.
pub(super) struct Change {
    pub(super) ts_ns: i64,
    pub(super) proc: ProcId,
    pub(super) length: u64,
}

impl Mail {
    /// The next message to leave a mailbox until a time, or at all.
    pub(super) fn leave(&mut self, until_ns: Option<i64>) -> Option<Change> {
        let &Reverse((ts_ns, proc)) = self.leaves.peek()?;
        if until_ns.is_some_and(|until_ns| ts_ns > until_ns) {
            return None;
        }
        self.leaves.pop();
        let length = self.lengths.entry(proc).or_default();
        *length = length.saturating_sub(1);
        Some(Change {
            ts_ns,
            proc,
            length: *length,
        })
    }

    /// Puts in what was sent, if it counts. Whatever left until then must have left.
    pub(super) fn put(&mut self, message: &Message, exited_ns: Option<i64>) -> Option<Change> {
        let leaves_ns = match (message.received_ns, message.fate) {
            (Some(received_ns), _) => Some(received_ns),
            (None, Fate::Dropped) => exited_ns,
            (None, Fate::Unknown) => return None,
            (None, _) => None,
        };
        let length = self.lengths.entry(message.to).or_default();
        *length += 1;
        if let Some(leaves_ns) = leaves_ns {
            let leaves_ns = leaves_ns.max(message.sent_ns);
            self.leaves.push(Reverse((leaves_ns, message.to)));
        }
        Some(Change {
            ts_ns: message.sent_ns,
            proc: message.to,
            length: *length,
        })
    }
}
