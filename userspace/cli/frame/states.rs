//! What processes had at an instant, where that was recorded.

use std::collections::{BTreeMap, BTreeSet};

use escope_model::{ProcId, StateRow, StateSeen};
use escope_recording::{EndedHow, Recording, TimeRange};
use escope_session::{Holes, Term};
use escope_timeline::states::{Certainty, Had, Instant, Rests, Unknown};
use serde_json::{Value, json};

use crate::state::told;

/// Processes whose states are told.
const PROCESSES_MAX: usize = 10_000;
/// Characters of a term's text.
const TEXT_MAX: usize = 4096;

/// What processes had.
#[derive(Debug, Default)]
pub(super) struct States {
    pub(super) told: BTreeMap<ProcId, Stated>,
    /// How many more are not looked at.
    pub(super) omitted: usize,
}

/// What a process had last, and how sure it is that it still had that.
#[derive(Debug)]
pub(super) struct Stated {
    had: Option<Had>,
    certainty: Certainty,
    /// The text of each of its parts.
    texts: Vec<String>,
}

/// Of all, or of those that are asked for.
pub(super) fn of(
    recording: &Recording,
    at_ns: i64,
    wanted: Option<&BTreeSet<ProcId>>,
) -> anyhow::Result<States> {
    let mut reading = Reading::new(at_ns, PROCESSES_MAX);
    for row in recording.states(TimeRange::ALL)? {
        let row = row?;
        let is_wanted = wanted.is_none_or(|wanted| wanted.contains(&row.proc));
        if !reading.row(row, is_wanted) {
            break;
        }
    }
    let ended = recording.manifest().ended.as_ref();
    let is_whole = ended.is_some_and(|ended| ended.how != EndedHow::Failed);
    let own = recording.manifest().target.node.as_deref();
    Ok(reading.finish(is_whole, own))
}

/// The rows of all processes, as they come: in the order of time.
struct Reading {
    at_ns: i64,
    processes_max: usize,
    open: BTreeMap<ProcId, (Rests, Instant)>,
    omitted: BTreeSet<ProcId>,
    /// Whether a row of a later time has come; then, of whom one still matters.
    waiting: Option<BTreeSet<ProcId>>,
}

impl Reading {
    fn new(at_ns: i64, processes_max: usize) -> Reading {
        Reading {
            at_ns,
            processes_max,
            open: BTreeMap::new(),
            omitted: BTreeSet::new(),
            waiting: None,
        }
    }

    /// Takes a row; returns whether more are needed.
    fn row(&mut self, row: StateRow, is_wanted: bool) -> bool {
        if row.ts_ns > self.at_ns {
            return self.later(row);
        }
        if !is_wanted {
            return true;
        }
        if !self.open.contains_key(&row.proc) && self.open.len() >= self.processes_max {
            self.omitted.insert(row.proc);
            return true;
        }
        let fresh = || (Rests::default(), Instant::new(self.at_ns));
        let (rests, instant) = self.open.entry(row.proc).or_insert_with(fresh);
        if let Some(rest) = rests.row(row) {
            instant.rest(rest);
        }
        true
    }

    /// One after the instant: of each process the first tells whether it had run until then.
    fn later(&mut self, row: StateRow) -> bool {
        if self.waiting.is_none() {
            let mut waiting = BTreeSet::new();
            for (proc, (rests, instant)) in &mut self.open {
                if let Some(rest) = rests.finish() {
                    instant.rest(rest);
                }
                if !instant.is_settled() {
                    waiting.insert(*proc);
                }
            }
            self.waiting = Some(waiting);
        }
        let Some(waiting) = &mut self.waiting else {
            return true;
        };
        if waiting.remove(&row.proc)
            && let Some((rests, instant)) = self.open.get_mut(&row.proc)
        {
            rests.row(row);
            if let Some(rest) = rests.finish() {
                instant.rest(rest);
            }
        }
        !waiting.is_empty()
    }

    fn finish(self, is_whole: bool, own: Option<&str>) -> States {
        let told = self
            .open
            .into_iter()
            .map(|(proc, (mut rests, mut instant))| {
                if let Some(rest) = rests.finish() {
                    instant.rest(rest);
                }
                let (had, certainty) = instant.told(is_whole);
                let parts = had.iter().flat_map(|had| &had.parts);
                let stated = Stated {
                    texts: parts.map(|row| text(row, own)).collect(),
                    had,
                    certainty,
                };
                (proc, stated)
            });
        States {
            told: told.filter(|(_, stated)| stated.is_told()).collect(),
            omitted: self.omitted.len(),
        }
    }
}

fn text(row: &StateRow, own: Option<&str>) -> String {
    let holes = Holes {
        cut: row.seen == StateSeen::Cut,
        masked: row.masked > 0,
    };
    let bytes = row.term.as_deref().unwrap_or_default();
    let term = Term::from_recorded(bytes, own, holes).ok();
    term.map_or_else(|| "not told".to_owned(), |term| term.text(TEXT_MAX))
}

impl Stated {
    /// Whether there is anything to tell: one that was first seen later has nothing.
    fn is_told(&self) -> bool {
        self.had.is_some() || !matches!(self.certainty, Certainty::Unknown(Unknown::Before(_)))
    }

    fn parts(&self) -> impl Iterator<Item = (&StateRow, &String)> {
        let rows = self.had.iter().flat_map(|had| &had.parts);
        rows.zip(&self.texts)
    }

    /// For people, a line each; as `state --at` has them.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![told::sure(self.had.as_ref(), self.certainty, None)];
        if let Some(had) = &self.had {
            lines.extend(had.parts.first().map(told::what));
            lines.push(told::since(had));
        }
        let parts = self.parts();
        lines.extend(parts.map(|(row, text)| format!("  {}: {text}", told::part(row))));
        lines
    }

    /// For programs: the fields of `state --at`.
    pub(super) fn json(&self) -> Value {
        let mut fields = told::fields(self.had.as_ref(), self.certainty);
        let parts = self.parts();
        let parts: Vec<Value> = parts
            .map(|(row, text)| told::part_json(row, text))
            .collect();
        fields.insert("parts".to_owned(), json!(parts));
        Value::Object(fields)
    }
}

#[cfg(test)]
mod tests {
    use escope_model::{ProcId, StateRow, StateSeen};

    use super::{Reading, States};

    fn row(ts_ns: i64, proc: u32, seen: StateSeen, value: Option<u8>) -> StateRow {
        StateRow {
            term: value.map(|value| vec![131, 97, value]),
            runs: 1,
            began_ns: value.map(|_| ts_ns - 5),
            ..StateRow::mark(ts_ns, ProcId(proc), seen)
        }
    }

    /// How many rows were taken, and what they told at an instant.
    fn read(rows: Vec<StateRow>, at_ns: i64, processes_max: usize) -> (usize, States) {
        let mut reading = Reading::new(at_ns, processes_max);
        let mut taken = 0;
        for row in rows {
            taken += 1;
            if !reading.row(row, true) {
                break;
            }
        }
        (taken, reading.finish(true, None))
    }

    #[test]
    fn no_more_is_read_than_matters() {
        let exact = StateSeen::Exact;
        let rows = vec![
            row(10, 1, exact, Some(1)),
            row(20, 2, StateSeen::Cut, Some(2)),
            row(30, 3, exact, Some(3)),
            row(40, 3, StateSeen::Ended, None),
            // After the instant.
            row(110, 1, exact, Some(4)),
            row(120, 4, exact, Some(5)),
            row(130, 2, exact, Some(6)),
            row(140, 1, exact, Some(7)),
        ];
        let (taken, states) = read(rows, 100, 10);
        assert_eq!((taken, states.omitted, states.told.len()), (7, 0, 3));
        let told = |proc| states.told[&ProcId(proc)].json();
        let one = told(1);
        assert_eq!(
            (&one["certainty"], &one["since_ns"]),
            (&"exact".into(), &10.into())
        );
        assert_eq!(one["parts"][0]["term"], "1");
        assert_eq!(one["parts"][0]["whole"], true);
        let two = told(2);
        assert_eq!(
            (&two["certainty"], &two["parts"][0]["whole"]),
            (&"exact".into(), &false.into())
        );
        assert!(states.told[&ProcId(2)].lines()[0].contains("as far as it was read"));
        assert_eq!(told(3)["certainty"], "unknown");
    }

    #[test]
    fn those_beyond_the_limit_are_counted() {
        let rows = (0..25).map(|proc| row(10, proc % 5, StateSeen::Exact, Some(1)));
        let (_, states) = read(rows.collect(), 100, 3);
        assert_eq!((states.told.len(), states.omitted), (3, 2));
    }
}
