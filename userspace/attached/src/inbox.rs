//! Messages that came while an answer was waited for.
//!
//! They are kept as they came, since a term takes many times the memory of its bytes. What is beyond
//! the limit is dropped and counted: a peer may send as much as it likes.

use std::collections::VecDeque;

/// Bytes that may wait.
pub(crate) const BYTES_MAX: usize = 16 << 20;
/// What keeping a message takes besides its bytes.
const MESSAGE_COST: usize = 64;

/// Messages that wait, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
    dropped: u64,
}

impl Inbox {
    /// Keeps a message, or counts it as dropped.
    pub(crate) fn push(&mut self, message: Vec<u8>) {
        let cost = message.len().saturating_add(MESSAGE_COST);
        if self.bytes.saturating_add(cost) > BYTES_MAX {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.bytes += cost;
        self.messages.push_back(message);
    }

    /// The oldest.
    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        let message = self.messages.pop_front()?;
        self.bytes = self
            .bytes
            .saturating_sub(message.len().saturating_add(MESSAGE_COST));
        Some(message)
    }

    /// How many were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MAX, Inbox};

    #[test]
    fn bytes_are_bounded_and_what_is_dropped_is_counted() {
        let mut inbox = Inbox::default();
        for _ in 0..5 {
            inbox.push(vec![0; BYTES_MAX / 4]);
        }
        assert_eq!((inbox.messages.len(), inbox.dropped()), (3, 2));
        while inbox.pop().is_some() {}
        assert_eq!(inbox.bytes, 0);
        // Empty ones are not for nothing either.
        for _ in 0..BYTES_MAX {
            inbox.push(Vec::new());
        }
        assert!(inbox.messages.len() <= BYTES_MAX / 64);
        assert_eq!(
            inbox.dropped() as usize,
            2 + BYTES_MAX - inbox.messages.len()
        );
    }
}
