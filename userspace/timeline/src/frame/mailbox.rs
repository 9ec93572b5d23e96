//! What lies in a mailbox at an instant.

use escope_model::{Fate, Message};

/// A message that lies in a mailbox, or may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lying {
    /// The message.
    pub message: Message,
    /// Whether it does for sure; if not, what became of it was not seen.
    pub is_sure: bool,
}

/// A mailbox: what was sent since events were watched without a gap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// How many lie there.
    pub sure: u64,
    /// How many more may.
    pub unsure: u64,
    /// How many more lie there at least that came before events were watched, as a checkpoint has counted.
    pub unseen: u64,
    /// When the oldest of `sure` was sent.
    pub oldest_ns: Option<i64>,
    /// The first ones, in the order of sending.
    pub first: Vec<Lying>,
}

impl Mailbox {
    /// Whether nothing lies there, nor may.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sure == 0 && self.unsure == 0 && self.unseen == 0
    }

    /// How many messages there are beside the first ones.
    #[must_use]
    pub fn omitted(&self) -> u64 {
        (self.sure + self.unsure).saturating_sub(self.first.len() as u64)
    }
}

/// Whether a message lies in the mailbox of its receiver, which ended then, at an instant: for sure, perhaps,
/// or not.
pub(super) fn lies(message: &Message, ended_ns: Option<i64>, at_ns: i64) -> Option<bool> {
    let is_over = |end_ns: Option<i64>| end_ns.is_some_and(|end_ns| end_ns <= at_ns);
    if message.sent_ns > at_ns || is_over(message.received_ns) || is_over(ended_ns) {
        return None;
    }
    match (message.received_ns, message.fate) {
        (Some(_), _) | (None, Fate::Waiting) => Some(true),
        // Dropped when its receiver ended; where that was not seen, before or after.
        (None, Fate::Dropped) => Some(ended_ns.is_some()),
        (None, _) => Some(false),
    }
}
