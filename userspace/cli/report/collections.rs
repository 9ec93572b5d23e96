//! Garbage collections.

use std::cmp::Reverse;

use escope_model::{Collection, ProcId};
use escope_timeline::report::PausesOf;
use serde_json::json;

use super::events::{Source, rate, spread, spread_json};
use crate::section::{Row, Section};
use crate::tables::percent;
use crate::time;

pub(super) fn sections(source: &Source<'_>) -> Vec<Section> {
    if source.report.rows.collections == 0 {
        return Vec::new();
    }
    vec![collectors(source), longest(source)]
}

fn collectors(source: &Source<'_>) -> Section {
    let report = source.report;
    let mut items: Vec<(ProcId, &PausesOf)> = report.pauses.processes().collect();
    items.sort_by_key(|(proc, of)| (Reverse(of.collecting_ns), *proc));
    let columns = &[
        "GCs",
        "per s",
        "p50",
        "p99",
        "longest",
        "in all",
        "of running",
    ];
    let title = source.title("garbage collector");
    let mut section = Section::new("collectors", title, columns, &items, source.limit, |item| {
        let (proc, of) = item;
        // Its collections are in its runs, but for what it waits for a dirty scheduler.
        let running_ns = report
            .work
            .process(*proc)
            .map(|it| it.running_ns)
            .filter(|&ns| ns > 0);
        let share = running_ns.map(|ns| of.collecting_ns as f64 / ns as f64);
        let count = of.count;
        let mut cells = vec![count.to_string(), rate(source.rate(count))];
        cells.extend(spread(&of.took_ns));
        cells.push(time::show(of.collecting_ns));
        cells.push(share.map_or_else(|| "?".to_owned(), percent));
        let value = json!({
            "collections": count,
            "per_s": source.rate(count),
            "took": spread_json(&of.took_ns),
            "collecting_ns": of.collecting_ns,
            "running_ns": running_ns,
            "share_of_running": share,
            "cut": of.cut,
            "largest_before_words": of.largest_words,
        });
        Row {
            name: source.name(*proc),
            cells,
            value: source.process(*proc, value),
        }
    });
    let all = &report.pauses.all;
    let count = all.count;
    section.notes.push(format!(
        "{count} in all, {} per s, {} together",
        rate(source.rate(count)),
        time::show(all.collecting_ns),
    ));
    section.more.insert("collections".to_owned(), count.into());
    section
        .more
        .insert("per_s".to_owned(), source.rate(count).into());
    section
        .more
        .insert("collecting_ns".to_owned(), all.collecting_ns.into());
    let cut =
        "have an end that was not seen: they are in no percentile, and in the sums as far as seen";
    section.count("cut", all.cut, cut);
    section
}

fn longest(source: &Source<'_>) -> Section {
    let items: Vec<(u64, &Collection)> = source.report.pauses.longest.iter().collect();
    let title = source.title("longest garbage collection");
    let columns = &["took", "kind", "words", "after", "seen"];
    let words = |words: Option<u64>| words.map_or_else(|| "?".to_owned(), |it| it.to_string());
    Section::new(
        "longest_gc",
        title,
        columns,
        &items,
        source.limit,
        |(ns, it)| {
            let at = it.start_ns as f64 / 1e9;
            let seen = if it.cut.is_some() { "a part" } else { "whole" };
            let value = json!({
                "start_ns": it.start_ns,
                "took_ns": ns,
                "before_words": it.before_words,
                "after_words": it.after_words,
                "kind": it.kind.map(|kind| kind.as_str()),
                "cut": it.cut.map(|cut| cut.as_str()),
            });
            Row {
                name: format!("{at:.6} s  {}", source.name(it.proc)),
                cells: vec![
                    time::show(*ns),
                    it.kind.map_or("?", |kind| kind.as_str()).to_owned(),
                    words(it.before_words),
                    words(it.after_words),
                    seen.to_owned(),
                ],
                value: source.process(it.proc, value),
            }
        },
    )
}
