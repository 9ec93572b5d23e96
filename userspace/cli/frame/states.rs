//! What processes had at an instant, where that was recorded.

use std::collections::{BTreeMap, BTreeSet};

use escope_model::{ProcId, StateSeen};
use escope_recording::{EndedHow, Recording, TimeRange};
use escope_session::{Holes, Term};
use escope_timeline::states::{Certainty, Had, Instant, Rests, Unknown};
use serde_json::{Value, json};

use crate::state::{rested_as, why_unknown};

/// Processes whose states are told.
const PROCESSES_MAX: usize = 10_000;
/// Characters of a term's text.
const TEXT_MAX: usize = 4096;

/// What a process had last, and how sure it is that it still had that.
#[derive(Debug)]
pub(super) struct Stated {
    had: Option<Had>,
    certainty: Certainty,
    /// The text of each part, with its name.
    parts: Vec<(String, String)>,
}

/// Of all, or of those that are asked for.
pub(super) fn of(
    recording: &Recording,
    at_ns: i64,
    wanted: Option<&BTreeSet<ProcId>>,
) -> anyhow::Result<BTreeMap<ProcId, Stated>> {
    let mut open: BTreeMap<ProcId, (Rests, Instant)> = BTreeMap::new();
    for row in recording.states(TimeRange::ALL)? {
        let row = row?;
        let is_wanted = wanted.is_none_or(|wanted| wanted.contains(&row.proc));
        let is_known = open.contains_key(&row.proc);
        if !is_wanted || !is_known && open.len() >= PROCESSES_MAX {
            continue;
        }
        let fresh = || (Rests::default(), Instant::new(at_ns));
        let (rests, instant) = open.entry(row.proc).or_insert_with(fresh);
        if !instant.is_done()
            && let Some(rest) = rests.row(row)
        {
            instant.rest(rest);
        }
    }
    let ended = recording.manifest().ended.as_ref();
    let is_whole = ended.is_some_and(|ended| ended.how != EndedHow::Failed);
    let own = recording.manifest().target.node.as_deref();
    let told = open.into_iter().map(|(proc, (mut rests, mut instant))| {
        if let Some(rest) = rests.finish() {
            instant.rest(rest);
        }
        let (had, certainty) = instant.told(is_whole);
        let parts = had.as_ref().map_or_else(Vec::new, |had| parts(had, own));
        let stated = Stated {
            had,
            certainty,
            parts,
        };
        (proc, stated)
    });
    Ok(told.filter(|(_, stated)| stated.is_told()).collect())
}

fn parts(had: &Had, own: Option<&str>) -> Vec<(String, String)> {
    let parts = had.parts.iter().map(|row| {
        let holes = Holes {
            cut: row.seen == StateSeen::Cut,
            masked: row.masked > 0,
        };
        let bytes = row.term.as_deref().unwrap_or_default();
        let term = Term::from_recorded(bytes, own, holes).ok();
        let text = term.map_or_else(|| "not told".to_owned(), |term| term.text(TEXT_MAX));
        (row.name.clone().unwrap_or_else(|| "state".to_owned()), text)
    });
    parts.collect()
}

impl Stated {
    /// Whether there is anything to tell: one that was first seen later has nothing.
    fn is_told(&self) -> bool {
        self.had.is_some() || !matches!(self.certainty, Certainty::Unknown(Unknown::Before(_)))
    }

    fn certainty(&self) -> &'static str {
        match self.certainty {
            Certainty::Exact => "exact",
            Certainty::Bounded { .. } => "bounded",
            Certainty::Unknown(_) => "unknown",
        }
    }

    /// For people, a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let sure = match self.certainty {
            Certainty::Exact => "exact".to_owned(),
            Certainty::Bounded { runs } => {
                format!("as it was before; it has begun to run {runs} times since")
            }
            Certainty::Unknown(why) => format!("unknown: {}", why_unknown(why)),
        };
        let first = self.had.as_ref().and_then(|had| had.parts.first());
        let what = first.map_or_else(|| "a state".to_owned(), rested_as);
        let mut lines = vec![format!("{what}, {sure}")];
        let parts = self.parts.iter();
        lines.extend(parts.map(|(name, text)| format!("  {name}: {text}")));
        lines
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let had = self.had.as_ref();
        let first = had.and_then(|had| had.parts.first());
        let (runs, why) = match self.certainty {
            Certainty::Exact => (Some(0), None),
            Certainty::Bounded { runs } => (Some(runs), None),
            Certainty::Unknown(why) => (None, Some(why_unknown(why))),
        };
        let parts = self.parts.iter();
        let parts = parts.map(|(name, text)| json!({ "name": name, "term": text }));
        json!({
            "certainty": self.certainty(),
            "runs_since": runs,
            "why": why,
            "since_ns": had.map(|had| had.since_ns),
            "behaviour": first.and_then(|row| row.behaviour.as_ref()),
            "module": first.and_then(|row| row.module.as_ref()),
            "masked": first.map(|row| row.masked),
            "parts": parts.collect::<Vec<_>>(),
        })
    }
}
