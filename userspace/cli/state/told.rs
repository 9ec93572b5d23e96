//! What is told of a state at an instant of a recording, by `state` and by `frame` alike.

use escope_model::{StateRow, StateSeen};
use escope_timeline::states::{Certainty, Had, Unknown};
use serde_json::{Map, Value, json};

use crate::time;

/// How sure it is that this was its state, and why not.
pub(crate) fn sure(had: Option<&Had>, certainty: Certainty, received: Option<usize>) -> String {
    match certainty {
        Certainty::Exact => match had.map(|had| had.seen) {
            Some(StateSeen::Cut) => "exact, as far as it was read: it has not run since".to_owned(),
            _ => "exact: it has not run since".to_owned(),
        },
        Certainty::Bounded { runs } => format!(
            "bounded: this is what it had before; it has begun to run {} since{}",
            times(runs),
            messages(received)
        ),
        Certainty::Unknown(why) => format!("unknown: {}{}", why_unknown(why), messages(received)),
    }
}

fn times(runs: u64) -> String {
    match runs {
        1 => "once".to_owned(),
        many => format!("{many} times"),
    }
}

fn messages(received: Option<usize>) -> String {
    match received {
        None => String::new(),
        Some(0) => ", and received no message".to_owned(),
        Some(1) => ", and received 1 message".to_owned(),
        Some(many) => format!(", and received {many} messages"),
    }
}

/// What it is, and how it rested.
pub(crate) fn what(row: &StateRow) -> String {
    let behaviour = row.behaviour.as_deref().unwrap_or("none");
    let is = match (behaviour, row.module.as_deref()) {
        ("none", _) => "no behaviour that is known".to_owned(),
        (behaviour, Some(module)) if module != behaviour => format!("{behaviour} of {module}"),
        (behaviour, _) => behaviour.to_owned(),
    };
    match row.rests.as_deref() {
        Some("hibernating") => format!("{is}, hibernating"),
        Some("suspended") => format!("{is}, suspended by sys:suspend"),
        Some("in_callback") => format!("{is}, waiting within a callback: as of before it"),
        _ => is,
    }
}

/// Since when it had this, and how that is known.
pub(crate) fn since(had: &Had) -> String {
    let first = had.parts.first();
    let (since, seen) = (time::point(had.since_ns), time::point(had.seen_ns));
    let masked = match first.map_or(0, |row| row.masked) {
        0 => String::new(),
        1 => ", 1 value masked (***)".to_owned(),
        many => format!(", {many} values masked (***)"),
    };
    let is_last = had.seen_ns == had.since_ns;
    let when = match (first.is_some_and(StateRow::is_by_checkpoint), is_last) {
        (true, true) => format!("it rested with this when it was read at {since}"),
        (true, false) => {
            format!(
                "it rested with this when it was read at {since}, and came to rest with it last at {seen}"
            )
        }
        (false, true) => format!("it came to rest with this at {since}"),
        (false, false) => format!("it came to rest with this at {since}, and last at {seen}"),
    };
    format!("{when}, at {} reductions{masked}", had.reductions)
}

/// What a part is called, and whether it is all there.
pub(crate) fn part(row: &StateRow) -> String {
    let cut = match row.seen {
        StateSeen::Cut => " (not all of it)",
        _ => "",
    };
    format!("{}{cut}", row.name.as_deref().unwrap_or("state"))
}

/// For programs: all but whose it is, and its parts.
pub(crate) fn fields(had: Option<&Had>, certainty: Certainty) -> Map<String, Value> {
    let (word, runs, why) = match certainty {
        Certainty::Exact => ("exact", Some(0), None),
        Certainty::Bounded { runs } => ("bounded", Some(runs), None),
        Certainty::Unknown(why @ Unknown::Ended { runs, .. }) => {
            ("unknown", Some(runs), Some(why_unknown(why)))
        }
        Certainty::Unknown(why) => ("unknown", None, Some(why_unknown(why))),
    };
    let first = had.and_then(|had| had.parts.first());
    let fields = json!({
        "certainty": word,
        "runs_since": runs,
        "why": why,
        "since_ns": had.map(|had| had.since_ns),
        "seen_ns": had.map(|had| had.seen_ns),
        "reductions": had.map(|had| had.reductions),
        "behaviour": first.and_then(|row| row.behaviour.as_ref()),
        "module": first.and_then(|row| row.module.as_ref()),
        "rests": first.and_then(|row| row.rests.as_ref()),
        "as_of": first.map(|row| match row.rests.as_deref() {
            Some("in_callback") => "before_callback",
            _ => "rest",
        }),
        "source": first.and_then(|row| row.source.map(|source| source.as_str())),
        "is_by_checkpoint": first.map(StateRow::is_by_checkpoint),
        "masked": first.map(|row| row.masked),
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// A part for programs, given its text.
pub(crate) fn part_json(row: &StateRow, text: &str) -> Value {
    json!({
        "name": row.name,
        "term": text,
        "whole": row.seen == StateSeen::Exact,
        "hash": row.hash.map(|hash| format!("{hash:016x}")),
    })
}

fn why_unknown(why: Unknown) -> String {
    let at = time::point;
    match why {
        Unknown::Before(Some(ns)) => format!("it was first seen to rest at {}", at(ns)),
        Unknown::Before(None) => "it was not seen to rest".to_owned(),
        Unknown::Unseen(ns) => format!(
            "since {} nobody looked; this is what it had until then",
            at(ns)
        ),
        Unknown::Ended { at_ns, runs: 0 } => {
            format!("it ended at {}; it had this until then", at(at_ns))
        }
        Unknown::Ended { at_ns, runs } => format!(
            "it ended at {}; this is what it had when it last rested, and what it made of it then is not told: \
             it has run {} since",
            at(at_ns),
            times(runs)
        ),
        Unknown::End(ns) => format!(
            "the recording was cut short, and it was last seen at {}; this is what it had then",
            at(ns)
        ),
        Unknown::NotTold(seen) => match seen {
            StateSeen::Sensitive => "it has asked not to be looked at".to_owned(),
            StateSeen::NoRoom => "there was no room for it".to_owned(),
            StateSeen::Ran => {
                "it had more than is copied, and ran before it could be read".to_owned()
            }
            _ => "it could not be read".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use escope_model::{ProcId, StateRow, StateSeen, StateSource};
    use escope_timeline::states::{Certainty, Had};

    use super::{fields, part, part_json, since, sure};

    fn had(seen: StateSeen, runs: u32) -> Had {
        let row = StateRow {
            seen,
            source: Some(StateSource::Live),
            name: Some("state".to_owned()),
            rests: Some("in_callback".to_owned()),
            runs,
            ..StateRow::mark(1_000, ProcId(0), seen)
        };
        Had {
            parts: vec![row],
            since_ns: 1_000,
            seen_ns: 1_000,
            seen,
            reductions: 7,
        }
    }

    #[test]
    fn what_was_cut_is_told_as_cut() {
        let cut = had(StateSeen::Cut, 1);
        assert!(sure(Some(&cut), Certainty::Exact, None).starts_with("exact, as far as"));
        let row = &cut.parts[0];
        assert_eq!(part(row), "state (not all of it)");
        assert_eq!(part_json(row, "x")["whole"], false);
        let told = fields(Some(&cut), Certainty::Exact);
        assert_eq!(told["as_of"], "before_callback");
        assert_eq!(told["source"], "live");
        assert_eq!(told["is_by_checkpoint"], false);
    }

    #[test]
    fn what_a_checkpoint_tells_is_told_as_that() {
        let read = had(StateSeen::Exact, 0);
        assert_eq!(
            since(&read),
            "it rested with this when it was read at 0.000001000s, at 7 reductions"
        );
        let told = fields(Some(&read), Certainty::Exact);
        assert_eq!(told["is_by_checkpoint"], true);
        assert!(fields(None, Certainty::Exact)["as_of"].is_null());
    }
}
