//! What a process had at an instant, and how sure that is.
//!
//! Each time a process comes to rest it is told what it had, and when it had begun to run before. So at
//! an instant it either rested with what was told last, or it ran, or nobody knows:
//!
//! ```text
//!   rest  a |------|  run  |=====|  rest  b |---------|  run ...   gap
//!           ^ts            ^began          ^ts                      ^ts of the mark
//!           a, exact       a, bounded      b, exact                 b, unknown
//! ```
//!
//! One that waits in the midst of a callback has not come to rest with a state: what is told is as of
//! before the callback.
//!
//! While it runs it makes something new of what it had, and handles any number of messages: what it had
//! before is then a bound, not the state.

use escope_model::{StateRow, StateSeen};

/// A rest, or the mark that from then on nobody looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// Since when.
    pub ts_ns: i64,
    /// What is known of it.
    pub seen: StateSeen,
    /// Its parts, where they are not the same as before.
    pub parts: Vec<StateRow>,
    /// Whether something was told of what it had, new or the same.
    pub is_told: bool,
    /// How it rested, as [`StateRow::rests`].
    pub rests: Option<String>,
    /// How often it had run since its last rest.
    pub runs: u32,
    /// When it had begun to, if that was seen.
    pub began_ns: Option<i64>,
    /// What it had used by then.
    pub reductions: u64,
}

impl Rest {
    /// Whether it rests in a callback: what is told it had before that, and what it makes of it is a
    /// variable somewhere.
    #[must_use]
    pub fn is_in_callback(&self) -> bool {
        self.rests.as_deref() == Some("in_callback")
    }

    /// What an instant needs of it besides what the process had.
    fn without_parts(self) -> Rest {
        Rest {
            parts: Vec::new(),
            ..self
        }
    }
}

/// Puts the rows of a process together, which come in the order of time.
#[derive(Debug, Default)]
pub struct Rests {
    open: Vec<StateRow>,
}

impl Rests {
    /// The next row; the rest that ends with it, if one does.
    pub fn row(&mut self, row: StateRow) -> Option<Rest> {
        let goes_on = self.open.last().is_some_and(|last| {
            last.ts_ns == row.ts_ns && row.part > last.part && row.seen.rests()
        });
        if goes_on {
            self.open.push(row);
            return None;
        }
        let done = self.finish();
        self.open.push(row);
        done
    }

    /// The last one.
    pub fn finish(&mut self) -> Option<Rest> {
        let rows = std::mem::take(&mut self.open);
        let first = rows.first()?;
        let cut = rows.iter().any(|row| row.seen == StateSeen::Cut);
        Some(Rest {
            ts_ns: first.ts_ns,
            seen: if cut { StateSeen::Cut } else { first.seen },
            is_told: first.seen.has_term(),
            rests: first.rests.clone(),
            runs: first.runs,
            began_ns: first.began_ns,
            reductions: first.reductions,
            parts: match first.term {
                Some(_) => rows,
                None => Vec::new(),
            },
        })
    }
}

/// What a process had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Had {
    /// Its parts.
    pub parts: Vec<StateRow>,
    /// Since when it had this.
    pub since_ns: i64,
    /// When it came to rest with it for the last time.
    pub seen_ns: i64,
    /// What is known of that: [`StateSeen::Exact`] or [`StateSeen::Cut`].
    pub seen: StateSeen,
    /// What it had used by then.
    pub reductions: u64,
}

/// How sure it is that a process had at an instant what it had last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// It rested.
    Exact,
    /// It has run since, so often at most.
    Bounded {
        /// How often.
        runs: u64,
    },
    /// Nobody knows.
    Unknown(Unknown),
}

/// Why nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// It had not been seen to rest; when it first was, if it was.
    Before(Option<i64>),
    /// From then on nobody looked.
    Unseen(i64),
    /// It had ended.
    Ended {
        /// When.
        at_ns: i64,
        /// How often at most it had run since it rested with what is told.
        runs: u64,
    },
    /// It rested, and what it had could not be told.
    NotTold(StateSeen),
    /// The recording was cut short, and it was last seen then.
    End(i64),
}

/// Looks for what a process had at an instant.
#[derive(Debug)]
pub struct Instant {
    at_ns: i64,
    had: Option<Had>,
    /// The last one until then.
    last: Option<Rest>,
    /// The first one after it.
    next: Option<Rest>,
    /// Runs since the rest that is told in `had`.
    runs: u64,
}

impl Instant {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(at_ns: i64) -> Instant {
        Instant {
            at_ns,
            had: None,
            last: None,
            next: None,
            runs: 0,
        }
    }

    /// The next rest; returns whether more are needed.
    pub fn rest(&mut self, rest: Rest) -> bool {
        if self.next.is_some() {
            return false;
        }
        if rest.ts_ns > self.at_ns {
            self.next = Some(rest.without_parts());
            return false;
        }
        self.runs = self.runs.saturating_add(u64::from(rest.runs));
        if rest.is_told {
            // It has begun to make something new of it.
            self.runs = match rest.is_in_callback() {
                true => u64::from(rest.runs.max(1)),
                false => 0,
            };
            take(&mut self.had, &rest);
        }
        self.last = Some(rest.without_parts());
        true
    }

    /// Whether what comes later does not matter any more.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.next.is_some()
    }

    /// Whether nothing that comes after the instant matters, when all until then has come: it had ended, or
    /// nobody looked.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let seen = self.last.as_ref().map(|last| last.seen);
        self.is_done() || matches!(seen, Some(StateSeen::Ended | StateSeen::Unseen))
    }

    /// What it had last, and how sure it is that it still had that. `whole` says whether the recording
    /// has its end.
    #[must_use]
    pub fn told(self, whole: bool) -> (Option<Had>, Certainty) {
        let certainty = self.certainty(whole);
        (self.had, certainty)
    }

    fn certainty(&self, whole: bool) -> Certainty {
        let Some(last) = &self.last else {
            let first = self.next.as_ref().map(|rest| rest.ts_ns);
            return Certainty::Unknown(Unknown::Before(first));
        };
        match last.seen {
            StateSeen::Ended => {
                return Certainty::Unknown(Unknown::Ended {
                    at_ns: last.ts_ns,
                    runs: self.runs,
                });
            }
            StateSeen::Unseen => return Certainty::Unknown(Unknown::Unseen(last.ts_ns)),
            _ => {}
        }
        let runs = match &self.next {
            // A recording that ends as it should says when nobody looked any more.
            None if !whole => return Certainty::Unknown(Unknown::End(last.ts_ns)),
            None => 0,
            Some(next) => match next.began_ns {
                Some(began_ns) if self.at_ns < began_ns => 0,
                Some(_) => u64::from(next.runs),
                // It was not seen to run: then what is told of the other end did not need it to.
                None if !next.seen.rests() && next.runs == 0 => 0,
                None => u64::from(next.runs.max(1)),
            },
        };
        match (self.had.is_some(), self.runs + runs) {
            (true, 0) if last.is_told => Certainty::Exact,
            (true, runs) if runs > 0 => Certainty::Bounded { runs },
            _ => Certainty::Unknown(Unknown::NotTold(last.seen)),
        }
    }
}

/// Takes over what a rest tells; whether that is something new.
pub fn take(had: &mut Option<Had>, rest: &Rest) -> bool {
    let is_new = !rest.parts.is_empty();
    if is_new {
        *had = Some(Had {
            parts: rest.parts.clone(),
            since_ns: rest.ts_ns,
            seen_ns: rest.ts_ns,
            seen: rest.seen,
            reductions: rest.reductions,
        });
    } else if let Some(had) = had.as_mut().filter(|_| rest.is_told) {
        had.seen_ns = rest.ts_ns;
        had.seen = rest.seen;
        had.reductions = rest.reductions;
        for part in &mut had.parts {
            part.rests.clone_from(&rest.rests);
        }
    }
    is_new
}

#[cfg(test)]
mod tests {
    use escope_model::{ProcId, StateRow, StateSeen, StateSource};

    use super::{Certainty, Instant, Rests, Unknown};

    fn rest(ts_ns: i64, value: Option<u8>, began_ns: Option<i64>, runs: u32) -> StateRow {
        StateRow {
            term: value.map(|value| vec![value]),
            began_ns,
            runs,
            ..StateRow::mark(ts_ns, ProcId(0), StateSeen::Exact)
        }
    }

    fn mark(ts_ns: i64, seen: StateSeen, runs: u32, began_ns: Option<i64>) -> StateRow {
        StateRow {
            runs,
            began_ns,
            ..StateRow::mark(ts_ns, ProcId(0), seen)
        }
    }

    fn at(rows: &[StateRow], at_ns: i64) -> (Option<u8>, Certainty) {
        let (mut rests, mut instant) = (Rests::default(), Instant::new(at_ns));
        for row in rows {
            if let Some(rest) = rests.row(row.clone()) {
                instant.rest(rest);
            }
        }
        if let Some(rest) = rests.finish() {
            instant.rest(rest);
        }
        let (had, certainty) = instant.told(true);
        let value = had.and_then(|had| had.parts[0].term.as_ref().map(|term| term[0]));
        (value, certainty)
    }

    #[test]
    fn between_rests_it_ran() {
        let rows = [
            rest(100, Some(1), None, 1),
            rest(200, None, Some(150), 1),
            rest(300, Some(2), Some(250), 3),
            mark(400, StateSeen::Unseen, 0, None),
        ];
        let exact = |value| (Some(value), Certainty::Exact);
        let bounded = |value, runs| (Some(value), Certainty::Bounded { runs });
        assert_eq!(
            at(&rows, 99),
            (None, Certainty::Unknown(Unknown::Before(Some(100))))
        );
        assert_eq!(at(&rows, 100), exact(1));
        assert_eq!(at(&rows, 149), exact(1));
        assert_eq!(at(&rows, 150), bounded(1, 1));
        assert_eq!(at(&rows, 200), exact(1));
        assert_eq!(at(&rows, 260), bounded(1, 3));
        assert_eq!(at(&rows, 399), exact(2));
        assert_eq!(
            at(&rows, 400),
            (Some(2), Certainty::Unknown(Unknown::Unseen(400)))
        );
    }

    #[test]
    fn an_end_needs_no_run_and_a_gap_may_lie_in_one() {
        let ended = [
            rest(100, Some(1), None, 1),
            mark(200, StateSeen::Ended, 0, None),
        ];
        assert_eq!(at(&ended, 199), (Some(1), Certainty::Exact));
        let gone = |runs| Certainty::Unknown(Unknown::Ended { at_ns: 200, runs });
        assert_eq!(at(&ended, 200), (Some(1), gone(0)));
        let ran = [
            rest(100, Some(1), None, 1),
            mark(150, StateSeen::Ran, 2, None),
            mark(200, StateSeen::Ended, 3, None),
        ];
        assert_eq!(at(&ran, 200), (Some(1), gone(5)));
        let running = [
            rest(100, Some(1), None, 1),
            mark(200, StateSeen::Unseen, 1, Some(150)),
            rest(300, Some(2), None, 1),
        ];
        assert_eq!(at(&running, 149), (Some(1), Certainty::Exact));
        assert_eq!(at(&running, 160), (Some(1), Certainty::Bounded { runs: 1 }));
        assert_eq!(
            at(&running, 250),
            (Some(1), Certainty::Unknown(Unknown::Unseen(200)))
        );
        assert_eq!(at(&running, 300), (Some(2), Certainty::Exact));
    }

    #[test]
    fn what_was_not_told_is_bounded_by_what_was_before() {
        let not = |ts_ns, seen| StateRow {
            began_ns: Some(ts_ns - 10),
            runs: 2,
            ..StateRow::mark(ts_ns, ProcId(0), seen)
        };
        let rows = [
            not(50, StateSeen::Sensitive),
            rest(100, Some(1), Some(90), 1),
        ];
        let withheld = Certainty::Unknown(Unknown::NotTold(StateSeen::Sensitive));
        assert_eq!(at(&rows, 60), (None, withheld));
        let rows = [
            rest(100, Some(1), None, 1),
            not(200, StateSeen::Ran),
            not(300, StateSeen::NoRoom),
        ];
        assert_eq!(at(&rows, 250), (Some(1), Certainty::Bounded { runs: 2 }));
        assert_eq!(at(&rows, 350), (Some(1), Certainty::Bounded { runs: 4 }));
        // The same again is told.
        let rows = [
            rest(100, Some(1), None, 1),
            not(200, StateSeen::Ran),
            rest(300, None, Some(290), 1),
        ];
        assert_eq!(at(&rows, 300), (Some(1), Certainty::Exact));
    }

    #[test]
    fn what_it_had_before_a_callback_is_a_bound_within() {
        let within = StateRow {
            rests: Some("in_callback".to_owned()),
            ..rest(200, None, Some(190), 1)
        };
        let rows = [
            rest(100, Some(1), None, 1),
            within.clone(),
            rest(300, Some(2), Some(290), 1),
        ];
        let bounded = |value, runs| (Some(value), Certainty::Bounded { runs });
        assert_eq!(at(&rows, 150), (Some(1), Certainty::Exact));
        assert_eq!(at(&rows, 250), bounded(1, 1));
        assert_eq!(at(&rows, 300), (Some(2), Certainty::Exact));
        // Seen there first.
        let first = StateRow {
            term: Some(vec![1]),
            ..within
        };
        assert_eq!(at(&[first], 250), bounded(1, 1));
    }

    #[test]
    fn what_was_read_at_rest_holds_until_it_runs() {
        // Nobody saw it come to rest: so it has not run since a row before.
        let read = StateRow {
            source: Some(StateSource::Live),
            ..rest(100, Some(1), None, 0)
        };
        let rows = [read.clone(), rest(300, Some(2), Some(250), 1)];
        assert!(read.is_by_checkpoint() && !rows[1].is_by_checkpoint());
        let before = Certainty::Unknown(Unknown::Before(Some(100)));
        assert_eq!(at(&rows, 99), (None, before));
        assert_eq!(at(&rows, 249), (Some(1), Certainty::Exact));
        assert_eq!(at(&rows, 260), (Some(1), Certainty::Bounded { runs: 1 }));
        // Read outside of a window.
        let rows = [read, mark(110, StateSeen::Unseen, 0, None)];
        assert_eq!(at(&rows, 109), (Some(1), Certainty::Exact));
        let unseen = Certainty::Unknown(Unknown::Unseen(110));
        assert_eq!(at(&rows, 200), (Some(1), unseen));
    }

    #[test]
    fn without_an_end_nothing_is_exact_after_the_last_rest() {
        let mut instant = Instant::new(150);
        let mut rests = Rests::default();
        rests.row(rest(100, Some(1), None, 1));
        instant.rest(rests.finish().expect("one"));
        let (_, certainty) = instant.told(false);
        assert_eq!(certainty, Certainty::Unknown(Unknown::End(100)));
    }

    #[test]
    fn parts_of_one_rest_belong_together() {
        let part = |part, value| StateRow {
            part,
            ..rest(100, Some(value), None, 1)
        };
        let mut rests = Rests::default();
        assert_eq!(rests.row(part(0, 1)), None);
        assert_eq!(rests.row(part(1, 2)), None);
        let both = rests.row(rest(200, None, Some(150), 1)).expect("a rest");
        assert_eq!((both.parts.len(), both.ts_ns), (2, 100));
        // Two rests at one time, as clocks may have it.
        let same = rests.row(rest(200, None, Some(200), 1)).expect("a rest");
        assert_eq!((same.parts.len(), same.is_told), (0, true));
    }
}
