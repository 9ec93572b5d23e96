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
    let mut sections = vec![schedulers(source), queue(source)];
    if source.report.rows.off_cpu > 0 {
        sections.insert(1, without_cpu(source));
    }
    sections
}

fn schedulers(source: &Source<'_>) -> Section {
    let work = &source.report.work;
    let idle = SchedulerWork::default();
    let mut items: Vec<(SchedulerId, &SchedulerWork)> = work.schedulers().collect();
    if source.is_of_some {
        items.retain(|(_, of)| of.runs > 0);
    }
    // Those that ran nothing are a part of the picture too.
    let normal = source.normal_schedulers.filter(|_| !source.is_of_some);
    for number in 1..=normal.unwrap_or(0) {
        let kind = SchedulerKind::Normal;
        let id = SchedulerId { kind, number };
        if items.iter().all(|(seen, _)| *seen != id) {
            items.push((id, &idle));
        }
    }
    items.sort_by_key(|(id, _)| *id);
    let has_switches = source.report.rows.off_cpu > 0;
    // Of time beside the runs of some processes nothing is told: it may be that of others.
    let columns: &[&str] = match (has_switches, source.is_of_some) {
        (true, false) => &[
            "runs",
            "on CPU",
            "of time",
            "preempted",
            "blocked",
            "asleep",
            "other",
            "reductions",
        ],
        (true, true) => &[
            "runs",
            "on CPU",
            "of time",
            "preempted",
            "blocked",
            "reductions",
        ],
        (false, false) => &["runs", "running", "of time", "other", "reductions"],
        (false, true) => &["runs", "running", "of time", "reductions"],
    };
    let title = source.title("scheduler");
    let all = items.len();
    let mut section = Section::new("schedulers", title, columns, &items, all, |(id, of)| {
        // Of a thread that no switch was seen of nobody knows what it did.
        let is_known = *of != &idle;
        scheduler(source, *id, of, (has_switches, is_known))
    });
    if !source.is_of_some {
        balance(source, &items, &mut section);
    }
    let cut = "runs have an end that was not seen";
    section.count("cut", items.iter().map(|(_, of)| of.cut).sum(), cut);
    section
}

/// What one did. `is_known` is whether anything was seen of its thread.
fn scheduler(
    source: &Source<'_>,
    id: SchedulerId,
    of: &SchedulerWork,
    (has_switches, is_known): (bool, bool),
) -> Row {
    // Times without a CPU are part of runs, or of what is beside them.
    let on_cpu_ns = of
        .running_ns
        .saturating_sub(of.preempted_ns + of.blocked_ns);
    let is_of_all = !source.is_of_some;
    let idle_preempted_ns = if is_of_all { of.idle_preempted_ns } else { 0 };
    let preempted_ns = of.preempted_ns + idle_preempted_ns;
    let other_ns = source.coverage.seen_ns().saturating_sub(of.running_ns);
    let awake_ns = other_ns.saturating_sub(of.asleep_ns + of.idle_preempted_ns);
    let told = |ns: u64| (has_switches && is_known).then_some(ns);
    let shown = |ns: u64| match is_known {
        true => time::show(ns),
        false => "?".to_owned(),
    };
    let mut cells = vec![
        of.runs.to_string(),
        time::show(on_cpu_ns),
        percent(source.share(on_cpu_ns)),
    ];
    if has_switches {
        cells.extend([preempted_ns, of.blocked_ns].map(shown));
    }
    match (is_of_all, has_switches) {
        (true, true) => cells.extend([of.asleep_ns, awake_ns].map(shown)),
        (true, false) => cells.push(time::show(other_ns)),
        (false, _) => {}
    }
    cells.push(of.reductions.to_string());
    Row {
        name: id.to_string(),
        cells,
        value: json!({
            "scheduler": id.to_string(),
            "runs": of.runs,
            "running_ns": of.running_ns,
            "running_share": source.share(of.running_ns),
            "other_ns": is_of_all.then_some(other_ns),
            "on_cpu_ns": told(on_cpu_ns),
            "preempted_ns": told(preempted_ns),
            "preempted_in_runs_ns": told(of.preempted_ns),
            "blocked_ns": told(of.blocked_ns),
            "asleep_ns": told(of.asleep_ns).filter(|_| is_of_all),
            "awake_ns": told(awake_ns).filter(|_| is_of_all),
            "reductions": of.reductions,
            "cut": of.cut,
        }),
    }
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
            "balance: normal schedulers ran processes for {} to {} of the time, {} on \
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

/// Who ran on a scheduler that had no CPU.
fn without_cpu(source: &Source<'_>) -> Section {
    let sum = |of: &ProcessWork| of.preempted_ns.sum() + of.blocked_ns.sum();
    let mut items: Vec<(ProcId, &ProcessWork)> = source.report.work.processes().collect();
    items.retain(|(_, of)| sum(of) > 0);
    items.sort_by_key(|(proc, of)| (Reverse(sum(of)), *proc));
    let columns = &[
        "preempted",
        "of its runs",
        "times",
        "longest",
        "blocked",
        "of its runs",
        "times",
        "longest",
    ];
    let title = source.title("ran, and its scheduler's thread had no CPU");
    Section::new("off_cpu", title, columns, &items, source.limit, |item| {
        let (proc, of) = item;
        let share = |ns: u64| ns as f64 / of.running_ns.max(1) as f64;
        let cells = [&of.preempted_ns, &of.blocked_ns].map(|times| {
            [
                time::show(times.sum()),
                percent(share(times.sum())),
                times.count().to_string(),
                time::show(times.max()),
            ]
        });
        let value = json!({
            "preempted": spread_json(&of.preempted_ns),
            "blocked": spread_json(&of.blocked_ns),
            "running_ns": of.running_ns,
        });
        Row {
            name: source.name(*proc),
            cells: cells.into_iter().flatten().collect(),
            value: source.process(*proc, value),
        }
    })
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
