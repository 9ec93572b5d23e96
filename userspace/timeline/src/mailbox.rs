//! What was sent to a process and is not known to be gone.

use std::collections::BTreeSet;

/// One process's open messages, by number.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    open: BTreeSet<u64>,
    signals: u64,
    longest: u64,
}

impl Mailbox {
    /// Puts a message in, or a signal that does not count as one.
    pub(crate) fn put(&mut self, msg: u64, counts: bool) {
        self.open.insert(msg);
        self.signals += u64::from(!counts);
        self.longest = self.longest.max(self.length());
    }

    /// Takes out what was put in.
    pub(crate) fn take(&mut self, msg: u64, counts: bool) {
        if self.open.remove(&msg) {
            self.signals = self.signals.saturating_sub(u64::from(!counts));
        }
    }

    /// How many messages are in it.
    pub(crate) fn length(&self) -> u64 {
        (self.open.len() as u64).saturating_sub(self.signals)
    }

    /// How many there were at most at a time.
    pub(crate) fn longest(&self) -> u64 {
        self.longest
    }

    /// All that is in it, oldest first.
    pub(crate) fn open(&self) -> Vec<u64> {
        self.open.iter().copied().collect()
    }
}
