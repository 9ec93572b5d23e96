//! Processes that came and went.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use escope_model::ProcId;
use escope_timeline::Spread;
use escope_timeline::report::{Life, Reason};
use serde_json::json;

use super::events::{Source, rate, spread, spread_json};
use crate::section::{Row, Section};
use crate::tables::percent;

pub(super) fn sections(source: &Source<'_>) -> Vec<Section> {
    if source.report.rows.lives == 0 {
        return Vec::new();
    }
    let mut sections = vec![parents(source), kinds(source), reasons(source)];
    // Of those that are asked for, not all tables may have anything.
    sections.retain(|section| !source.is_of_some || !section.rows.is_empty());
    sections
}

fn parents(source: &Source<'_>) -> Section {
    let lives = &source.report.lives;
    let mut items: Vec<(ProcId, &Life)> = lives.processes().collect();
    items.retain(|(_, of)| of.children > 0);
    items.sort_by_key(|(proc, of)| (Reverse(of.children), *proc));
    let title = source.title("spawned others");
    let columns = &["spawned", "per s"];
    let mut section = Section::new("spawners", title, columns, &items, source.limit, |item| {
        let (proc, of) = item;
        let per_s = source.rate(of.children);
        let value = json!({ "spawned": of.children, "per_s": per_s });
        Row {
            name: source.name(*proc),
            cells: vec![of.children.to_string(), rate(per_s)],
            value: source.process(*proc, value),
        }
    });
    let (spawned, ended) = (lives.spawned, lives.ended);
    section.notes.push(format!(
        "{spawned} spawned in all, {} per s; {ended} ended, {} per s",
        rate(source.rate(spawned)),
        rate(source.rate(ended)),
    ));
    section.more.insert("spawned".to_owned(), spawned.into());
    section
        .more
        .insert("spawned_per_s".to_owned(), source.rate(spawned).into());
    section.more.insert("ended".to_owned(), ended.into());
    section
        .more
        .insert("ended_per_s".to_owned(), source.rate(ended).into());
    section
}

/// Processes of one kind.
#[derive(Default)]
struct Kind {
    spawned: u64,
    ended: u64,
    /// Ended, and spawned before that could be seen.
    older: u64,
    lived_ns: Spread,
}

fn kinds(source: &Source<'_>) -> Section {
    let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
    for (proc, life) in source.report.lives.processes() {
        let process = source.dictionary.process(proc);
        let name = process.map_or_else(|| "unknown".to_owned(), |it| it.group_name());
        let kind = kinds.entry(name).or_default();
        let in_part = life
            .spawned_ns
            .is_some_and(|ns| ns >= source.coverage.since_ns);
        kind.spawned += u64::from(in_part);
        kind.ended += u64::from(life.ended_ns.is_some());
        kind.older += u64::from(life.ended_ns.is_some() && life.spawned_ns.is_none());
        if let Some(lived_ns) = life.lived_ns() {
            kind.lived_ns.add(lived_ns);
        }
    }
    let mut items: Vec<(String, Kind)> = kinds.into_iter().collect();
    items.retain(|(_, of)| of.spawned > 0 || of.ended > 0);
    items.sort_by_key(|(_, of)| Reverse(of.spawned.max(of.ended)));
    let columns = &["spawned", "ended", "p50", "p99", "longest"];
    let title = source.title("came and went; how long those lived that did both");
    let mut section = Section::new("lifetimes", title, columns, &items, source.limit, |item| {
        let (name, of) = item;
        let mut cells = vec![of.spawned.to_string(), of.ended.to_string()];
        cells.extend(match of.lived_ns.count() {
            0 => ["?", "?", "?"].map(str::to_owned),
            _ => spread(&of.lived_ns),
        });
        Row {
            name: name.clone(),
            cells,
            value: json!({
                "kind": name,
                "spawned": of.spawned,
                "ended": of.ended,
                "spawned_unseen": of.older,
                "lived": spread_json(&of.lived_ns),
            }),
        }
    });
    let older =
        "ended that were spawned before that could be seen: how long they lived is not known";
    section.count(
        "spawned_unseen",
        items.iter().map(|(_, of)| of.older).sum(),
        older,
    );
    section
}

fn reasons(source: &Source<'_>) -> Section {
    let lives = &source.report.lives;
    let mut items: Vec<(&Reason, u64)> = lives.reasons().collect();
    items.sort_by(|one, other| (other.1, one.0).cmp(&(one.1, other.0)));
    let title = source.title("reason of exit");
    let columns = &["exits", "of all"];
    let ended = lives.ended.max(1) as f64;
    let mut section = Section::new("exits", title, columns, &items, source.limit, |item| {
        let (reason, count) = item;
        let known = (!reason.0.is_empty()).then_some(reason.0.as_str());
        let share = *count as f64 / ended;
        Row {
            name: known.unwrap_or("unknown").to_owned(),
            cells: vec![count.to_string(), percent(share)],
            value: json!({ "reason": known, "exits": count, "share": share }),
        }
    });
    let others = "ended for reasons that are too many to be told apart";
    section.count("other_reasons", lives.other_reasons, others);
    section
}
