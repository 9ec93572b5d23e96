//! How often a process has run between two rests, and since when. Pure.

/// One process whose rests are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rests {
    /// Whether its last rest was seen, and nothing was missed since.
    is_known: bool,
    runs: u32,
    began_ns: Option<u64>,
}

/// What a process has done since its last rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Since {
    /// How often it has run.
    pub(super) runs: u32,
    /// When it began to, if that was seen.
    pub(super) began_ns: Option<u64>,
}

impl Rests {
    /// It begins to run.
    pub(super) fn runs(&mut self, at_ns: u64) {
        // One that stopped and could go on is not told to rest in between.
        if self.runs == 0 {
            self.began_ns = Some(at_ns);
        }
        self.runs = self.runs.saturating_add(1);
    }

    /// It comes to rest.
    pub(super) fn rests(&mut self) -> Since {
        let since = self.ends();
        self.is_known = true;
        Since {
            // At least once, seen or not.
            runs: since.runs.max(1),
            ..since
        }
    }

    /// It ends, for which it need not run.
    pub(super) fn ends(&mut self) -> Since {
        let since = Since {
            runs: self.runs,
            began_ns: self.began_ns,
        };
        *self = Rests::default();
        since
    }

    /// Whether its last rest was seen.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Whether nothing was seen of it.
    pub(super) fn is_new(&self) -> bool {
        !self.is_known && self.runs == 0
    }

    /// It was seen to rest, since whenever.
    pub(super) fn rested(&mut self) {
        self.is_known = true;
    }

    /// From now on events are missing. What it has done until then, if its last rest was seen: then its
    /// end may be.
    pub(super) fn gap(&mut self) -> Option<Since> {
        let was_known = self.is_known;
        let since = self.ends();
        was_known.then_some(since)
    }
}

#[cfg(test)]
mod tests {
    use super::{Rests, Since};

    #[test]
    fn runs_are_counted_from_rest_to_rest() {
        let mut rests = Rests::default();
        // It ran when it was first seen.
        let unseen = Since {
            runs: 1,
            began_ns: None,
        };
        assert_eq!(rests.rests(), unseen);
        rests.runs(10);
        rests.runs(20);
        let twice = Since {
            runs: 2,
            began_ns: Some(10),
        };
        assert_eq!(rests.rests(), twice);
    }

    #[test]
    fn one_that_rested_before_it_was_seen_runs_from_there() {
        let mut rests = Rests::default();
        assert!(rests.is_new());
        rests.rested();
        assert!(rests.is_known() && !rests.is_new());
        rests.runs(10);
        let once = Since {
            runs: 1,
            began_ns: Some(10),
        };
        assert_eq!(rests.rests(), once);
        // Who was seen to begin is no longer as it was read.
        let mut running = Rests::default();
        running.runs(10);
        assert!(!running.is_new());
    }

    #[test]
    fn a_gap_ends_what_is_known_once() {
        let mut rests = Rests::default();
        assert_eq!(rests.gap(), None);
        rests.rests();
        rests.runs(10);
        let running = Since {
            runs: 1,
            began_ns: Some(10),
        };
        assert_eq!(rests.gap(), Some(running));
        assert_eq!(rests.gap(), None);
        // What began before it was not seen to.
        assert_eq!(rests.rests().began_ns, None);
        assert_eq!(rests.ends().runs, 0);
    }
}
