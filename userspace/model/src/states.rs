//! What processes had when they came to rest, as rows of the recording.

use serde::{Deserialize, Serialize};

use crate::happening::words;
use crate::ids::ProcId;

words! {
    /// What is known of a state, or why nothing more is.
    StateSeen {
        /// All of it: the process had this from then on, until it ran again.
        Exact = "exact",
        /// It had this, and more than was read.
        Cut = "cut",
        /// Nothing: it has asked not to be looked at.
        Sensitive = "sensitive",
        /// Nothing: it had more than is copied, and ran before it could be read.
        Ran = "ran",
        /// Nothing: what was copied could not be read.
        Unreadable = "unreadable",
        /// Nothing: there was no room for it.
        NoRoom = "no_room",
        /// From then on nobody looked, or what was seen was lost.
        Unseen = "unseen",
        /// The process has ended.
        Ended = "ended",
    }
}

impl StateSeen {
    /// Whether the process rested then.
    #[must_use]
    pub fn rests(self) -> bool {
        !matches!(self, StateSeen::Unseen | StateSeen::Ended)
    }

    /// Whether there is a term.
    #[must_use]
    pub fn has_term(self) -> bool {
        matches!(self, StateSeen::Exact | StateSeen::Cut)
    }
}

words! {
    /// Where a state was read.
    StateSource {
        /// In a copy that the kernel made as the process came to rest.
        Copy = "copy",
        /// In the VM's memory, before the process ran again.
        Live = "live",
    }
}

/// A part of what a process had when it came to rest: a row of `states`. Most have one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRow {
    /// When it came to rest, in nanoseconds since the recording's start.
    pub ts_ns: i64,
    /// Whose.
    pub proc: ProcId,
    /// Which part, from 0.
    pub part: u32,
    /// What is known of it.
    pub seen: StateSeen,
    /// Where it was read.
    pub source: Option<StateSource>,
    /// What the process is, as its module is called.
    pub behaviour: Option<String>,
    /// The module of its callbacks.
    pub module: Option<String>,
    /// How it rests: `waiting`, `hibernating`, `suspended`, `in_callback`.
    pub rests: Option<String>,
    /// What the part is: `state`, `data`, a handler, a slot of the stack.
    pub name: Option<String>,
    /// The term in the external term format; none where it is the same as before.
    pub term: Option<Vec<u8>>,
    /// Its hash: the same wherever the term is the same.
    pub hash: Option<u64>,
    /// How many values in all its parts were masked.
    pub masked: u32,
    /// What the process had used by then.
    pub reductions: u64,
    /// How often it has run since it last rested.
    pub runs: u32,
    /// When it began to, if that was seen.
    pub began_ns: Option<i64>,
}

impl StateRow {
    /// A row that tells that a process was not seen from a time on, or has ended.
    #[must_use]
    pub fn mark(ts_ns: i64, proc: ProcId, seen: StateSeen) -> StateRow {
        StateRow {
            ts_ns,
            proc,
            part: 0,
            seen,
            source: None,
            behaviour: None,
            module: None,
            rests: None,
            name: None,
            term: None,
            hash: None,
            masked: 0,
            reductions: 0,
            runs: 0,
            began_ns: None,
        }
    }

    /// Whether it was read of a process that rested already: at a checkpoint, not when it came to rest.
    #[must_use]
    pub fn is_by_checkpoint(&self) -> bool {
        // Whoever comes to rest has run.
        self.source == Some(StateSource::Live) && self.runs == 0
    }
}

/// The hash of a term's bytes: FNV-1a of 64 bits.
#[must_use]
pub fn state_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::{StateSeen, state_hash};

    #[test]
    fn the_hash_is_the_one_that_others_compute() {
        // Test vectors of the draft of FNV (draft-eastlake-fnv, appendix C).
        assert_eq!(state_hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(state_hash(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(state_hash(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for seen in StateSeen::ALL {
            assert_eq!(StateSeen::parse(seen.as_str()), Some(*seen));
        }
    }
}
