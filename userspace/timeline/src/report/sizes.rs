//! How large messages were, as far as that is known.

use escope_model::{Message, ProcId};
use rustc_hash::FxHashMap;

use super::ReportScope;
use crate::worst::Worst;

/// Sizes of some messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// How many of them have a known size.
    pub known: u64,
    /// How many have none.
    pub unknown: u64,
    /// Words of those that have one, together.
    pub words: u64,
    /// Words of the largest.
    pub largest_words: u32,
}

impl Sizes {
    fn add(&mut self, size_words: Option<u32>) {
        match size_words {
            Some(words) => {
                self.known += 1;
                self.words = self.words.saturating_add(words.into());
                self.largest_words = self.largest_words.max(words);
            }
            None => self.unknown += 1,
        }
    }
}

/// Sizes by sender, and the largest messages.
#[derive(Debug)]
pub struct Weights {
    by_sender: FxHashMap<ProcId, Sizes>,
    /// Of all messages.
    pub all: Sizes,
    /// The largest messages, by words; none that is a word itself.
    pub largest: Worst<Message>,
}

impl Weights {
    pub(super) fn new(scope: &ReportScope<'_>) -> Weights {
        Weights {
            by_sender: FxHashMap::default(),
            all: Sizes::default(),
            largest: Worst::new(scope.worst),
        }
    }

    /// What each process sent, in no order.
    pub fn senders(&self) -> impl Iterator<Item = (ProcId, &Sizes)> {
        self.by_sender.iter().map(|(&proc, of)| (proc, of))
    }

    /// A message that was sent within the part, by or to somebody who is asked for.
    pub(super) fn add(&mut self, message: &Message, scope: &ReportScope<'_>) {
        self.all.add(message.size_words);
        if let Some(from) = message.from.filter(|&from| scope.wants(from)) {
            let sizes = self.by_sender.entry(from).or_default();
            sizes.add(message.size_words);
        }
        if let Some(words) = message.size_words.filter(|&words| words > 0) {
            self.largest.add(words.into(), || message.clone());
        }
    }
}
