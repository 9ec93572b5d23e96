//! Processes, by themselves and by kind.

use escope_model::{Activity, Dictionary, ProcId};
use rustc_hash::FxHashMap;

use super::{GroupRow, Limits, ProcessRow, Top, Wholes};
use crate::group::{group_name, unknown_process};
use crate::tally::Key;
use crate::weight::Weight;

#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    all: Weight,
    gc_ns: u64,
    processes: u64,
}

impl Spent {
    fn add(&mut self, other: &Spent) {
        self.all += other.all;
        self.gc_ns = self.gc_ns.saturating_add(other.gc_ns);
        self.processes += other.processes;
    }
}

/// The tables by kind of process and by process.
pub(super) fn tables(
    rows: &[(Key, Weight)],
    dictionary: &Dictionary,
    wholes: &Wholes,
    limits: Limits,
) -> (Top<GroupRow>, Top<ProcessRow>) {
    let by_process = spent(rows);
    let mut by_group: FxHashMap<String, Spent> = FxHashMap::default();
    for (&proc, spent) in &by_process {
        by_group
            .entry(group_name(dictionary, proc))
            .or_default()
            .add(spent);
    }
    let groups = by_group
        .into_iter()
        .map(|(name, spent)| GroupRow {
            name,
            processes: spent.processes,
            samples: spent.all.samples,
            cpu_ns: spent.all.cpu_ns,
            gc_ns: spent.gc_ns,
            share: spent.all.share_of(wholes.total),
            work_share: spent.all.share_of(wholes.work),
        })
        .collect();
    let groups = Top::of(
        groups,
        limits,
        |row| (row.cpu_ns, row.samples),
        |row| row.name.clone(),
    );
    (groups, processes(by_process, dictionary, wholes, limits))
}

/// What each process spent, in one go over the rows.
fn spent(rows: &[(Key, Weight)]) -> FxHashMap<ProcId, Spent> {
    let mut by_process: FxHashMap<ProcId, Spent> = FxHashMap::default();
    for (key, weight) in rows {
        let Some(proc) = key.proc.filter(|_| key.activity.is_work()) else {
            continue;
        };
        let gc_ns = match key.activity {
            Activity::Gc => weight.cpu_ns,
            _ => 0,
        };
        let spent = by_process.entry(proc).or_default();
        spent.all += *weight;
        spent.gc_ns = spent.gc_ns.saturating_add(gc_ns);
        spent.processes = 1;
    }
    by_process
}

/// Cuts by what was spent before any name is made: there may be a million processes.
fn processes(
    by_process: FxHashMap<ProcId, Spent>,
    dictionary: &Dictionary,
    wholes: &Wholes,
    limits: Limits,
) -> Top<ProcessRow> {
    let cut = Top::of(
        by_process.into_iter().collect(),
        limits,
        |(_, spent)| (spent.all.cpu_ns, spent.all.samples),
        |(proc, _)| *proc,
    );
    Top {
        omitted: cut.omitted,
        rows: cut
            .rows
            .into_iter()
            .map(|(proc, spent)| row(proc, &spent, dictionary, wholes))
            .collect(),
    }
}

fn row(proc: ProcId, spent: &Spent, dictionary: &Dictionary, wholes: &Wholes) -> ProcessRow {
    let process = dictionary.process(proc);
    let unknown = || unknown_process(proc);
    ProcessRow {
        pid: process.map_or_else(unknown, |process| process.pid.clone()),
        name: process.map_or_else(unknown, |process| process.display_name()),
        initial_call: process.and_then(|p| Some(p.initial_call.as_ref()?.to_string())),
        samples: spent.all.samples,
        cpu_ns: spent.all.cpu_ns,
        gc_ns: spent.gc_ns,
        share: spent.all.share_of(wholes.total),
        work_share: spent.all.share_of(wholes.work),
    }
}
