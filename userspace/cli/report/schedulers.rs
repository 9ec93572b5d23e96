//! How schedulers were used, and who waited for one.

use std::cmp::Reverse;

use escope_model::{ProcId, SchedulerId, SchedulerKind};
use escope_timeline::report::{ProcessWork, SchedulerWork};
use escope_timeline::{AtLeast, Spread};
use serde_json::json;

use super::events::{Source, spread, spread_json};
use crate::section::{Row, Section, at_least_json};
use crate::tables::percent;
use crate::time;

pub(super) fn sections(source: &Source<'_>) -> Vec<Section> {
    if source.report.rows.runs == 0 {
        return Vec::new();
    }
    vec![schedulers(source), queue(source)]
}

fn schedulers(source: &Source<'_>) -> Section {
    let work = &source.report.work;
    let items: Vec<(SchedulerId, &SchedulerWork)> = work.schedulers().collect();
    let seen_ns = source.coverage.seen_ns();
    let columns = &["runs", "running", "of time", "other", "reductions"];
    let title = source.title("scheduler that ran processes");
    let all = items.len();
    let mut section = Section::new("schedulers", title, columns, &items, all, |(id, of)| {
        let other_ns = seen_ns.saturating_sub(of.running_ns);
        Row {
            name: id.to_string(),
            cells: vec![
                of.runs.to_string(),
                time::show(of.running_ns),
                percent(source.share(of.running_ns)),
                time::show(other_ns),
                of.reductions.to_string(),
            ],
            value: json!({
                "scheduler": id.to_string(),
                "runs": of.runs,
                "running_ns": of.running_ns,
                "running_share": source.share(of.running_ns),
                "other_ns": other_ns,
                "reductions": of.reductions,
                "cut": of.cut,
            }),
        }
    });
    balance(source, &items, &mut section);
    let cut = "runs have an end that was not seen";
    section.count("cut", items.iter().map(|(_, of)| of.cut).sum(), cut);
    section
}

/// Whether normal schedulers had the same to do.
fn balance(source: &Source<'_>, items: &[(SchedulerId, &SchedulerWork)], section: &mut Section) {
    let normal = items
        .iter()
        .filter(|(id, _)| id.kind == SchedulerKind::Normal);
    let shares: Vec<f64> = normal.map(|(_, of)| source.share(of.running_ns)).collect();
    let moved: u64 = source.report.work.processes().map(|(_, of)| of.moved).sum();
    if let (Some(least), Some(most)) = (
        shares.iter().copied().reduce(f64::min),
        shares.iter().copied().reduce(f64::max),
    ) {
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        section.notes.push(format!(
            "balance: normal schedulers that ran any ran processes for {} to {} of the time, {} on \
             average; {moved} times a process ran on another one than before",
            percent(least),
            percent(most),
            percent(mean),
        ));
        let balance = json!({
            "schedulers": shares.len(),
            "least_share": least,
            "most_share": most,
            "mean_share": mean,
            "moved": moved,
        });
        section.more.insert("balance".to_owned(), balance);
    }
}

fn queue(source: &Source<'_>) -> Section {
    let mut items: Vec<(ProcId, &ProcessWork)> = source.report.work.processes().collect();
    let (mut woken, mut unknown) = (Spread::default(), Spread::default());
    let mut cut = AtLeast::default();
    for (_, of) in &items {
        woken.merge(&of.woken_ns);
        unknown.merge(&of.unknown_ns);
        cut.merge(&of.queued_at_least);
    }
    items.retain(|(_, of)| of.queued_ns.count() + of.queued_at_least.count > 0);
    let ready_ns = |of: &ProcessWork| of.queued_ns.sum() + of.queued_at_least.sum_ns;
    items.sort_by_key(|(proc, of)| (Reverse(ready_ns(of)), *proc));
    let columns = &["times", "p50", "p99", "longest", "in all", "moved"];
    let title = source.title("ready to run, and no scheduler ran it");
    let mut section = Section::new("run_queue", title, columns, &items, source.limit, |item| {
        let (proc, of) = item;
        let mut cells = vec![of.queued_ns.count().to_string()];
        cells.extend(spread(&of.queued_ns));
        cells.push(time::show(of.queued_ns.sum()));
        cells.push(of.moved.to_string());
        let value = json!({
            "queued": spread_json(&of.queued_ns),
            "queued_at_least": at_least_json(&of.queued_at_least),
            "woken_unseen": spread_json(&of.woken_ns),
            "unknown": spread_json(&of.unknown_ns),
            "runs": of.runs,
            "running_ns": of.running_ns,
            "moved": of.moved,
        });
        Row {
            name: source.name(*proc),
            cells,
            value: source.process(*proc, value),
        }
    });
    section.at_least(
        "queued_at_least",
        &cut,
        "times a process was still ready when events went missing, or at the end",
    );
    section.count(
        "woken_unseen",
        woken.count(),
        "times a timeout or something else that was not seen ended a wait: for how long the process \
         was ready then is not known",
    );
    let unknown_what = "times it is not known what a process waited for between two runs";
    section.count("unknown", unknown.count(), unknown_what);
    section
}
