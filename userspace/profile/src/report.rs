//! Who spent the time: the tables that `report` prints.
//!
//! Two wholes appear: `total` is everything that passed the filter, `work` leaves out
//! busy wait and idle. Times are CPU time in nanoseconds, shares fractions of 1.

mod functions;
mod processes;
mod rows;
mod threads;

use escope_model::{Dictionary, FrameKind, Truncation};
use serde::Serialize;

use crate::tally::{Key, Tally};
use crate::weight::Weight;

pub use rows::{
    ActivityRow, FunctionRow, GroupRow, Limits, ModuleRow, NativeRow, ProcessRow, SchedulerRow,
    Share, ThreadRow, Top, TruncationRow,
};

/// What a report needs to know besides the samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportOptions {
    /// How many rows each table may have.
    pub limits: Limits,
    /// How long was recorded, nanoseconds; without it the time from the first to the
    /// last sample counts. Utilisation is relative to it.
    pub duration_ns: Option<u64>,
}

/// Who spent the time. Build it with [`Filter::include_idle`](crate::Filter) set, or
/// busy wait and idle are not seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Wall time, nanoseconds.
    pub duration_ns: u64,
    /// All samples that passed the filter.
    pub total: Weight,
    /// Those that are neither busy wait nor idle.
    pub work: Weight,
    /// By kind of process, most CPU time first. Only work.
    pub groups: Top<GroupRow>,
    /// By process, most CPU time first. Only work.
    pub processes: Top<ProcessRow>,
    /// Functions that Erlang code can call, largest `erlang_self_ns` first. Only work.
    pub functions: Top<FunctionRow>,
    /// Modules, largest `erlang_self_ns` first. Only work.
    pub modules: Top<ModuleRow>,
    /// C, kernel and runtime functions, largest `self_ns` first. Only work.
    pub native: Top<NativeRow>,
    /// What threads were doing, in the vocabulary's order; only what occurred.
    pub activities: Vec<ActivityRow>,
    /// Schedulers by kind and number.
    pub schedulers: Vec<SchedulerRow>,
    /// Threads that are no schedulers, most CPU time first.
    pub threads: Top<ThreadRow>,
    /// Samples whose stack is incomplete, by reason; only what occurred.
    pub truncated: Vec<TruncationRow>,
    /// Work whose stack has no frame, or none but markers: nobody can be charged.
    pub unattributed: Share,
}

impl Report {
    /// Tabulates what was counted. Ids that the dictionary lacks are shown as unknown.
    #[must_use]
    pub fn build(tally: &Tally, dictionary: &Dictionary, options: ReportOptions) -> Report {
        let rows = tally.rows(dictionary);
        let duration_ns = options.duration_ns.unwrap_or_else(|| span_ns(tally));
        let wholes = Wholes {
            total: sum(&rows, |_| true),
            work: sum(&rows, |key| key.activity.is_work()),
            duration_ns,
        };
        let limits = options.limits;
        let code = functions::Code::walk(&rows, dictionary);
        let (groups, processes) = processes::tables(&rows, dictionary, &wholes, limits);
        Report {
            duration_ns,
            total: wholes.total,
            work: wholes.work,
            groups,
            processes,
            functions: code.functions(&wholes, limits),
            modules: code.modules(&wholes, limits),
            native: code.native(&wholes, limits),
            activities: threads::activities(&rows, &wholes),
            schedulers: threads::schedulers(&rows, &wholes),
            threads: threads::threads(&rows, dictionary, &wholes, limits),
            truncated: truncated(&rows, &wholes),
            unattributed: unattributed(&rows, dictionary, &wholes),
        }
    }
}

/// What shares are shares of.
struct Wholes {
    total: Weight,
    work: Weight,
    duration_ns: u64,
}

fn span_ns(tally: &Tally) -> u64 {
    tally
        .span_ns()
        .map_or(0, |(first, last)| last.abs_diff(first))
}

fn sum(rows: &[(Key, Weight)], wanted: impl Fn(&Key) -> bool) -> Weight {
    rows.iter()
        .filter(|(key, _)| wanted(key))
        .map(|row| row.1)
        .sum()
}

fn truncated(rows: &[(Key, Weight)], wholes: &Wholes) -> Vec<TruncationRow> {
    Truncation::ALL
        .iter()
        .map(|&reason| (reason, sum(rows, |key| key.truncated == Some(reason))))
        .filter(|(_, weight)| weight.samples > 0)
        .map(|(reason, weight)| TruncationRow {
            reason,
            samples: weight.samples,
            cpu_ns: weight.cpu_ns,
            share: weight.share_of(wholes.total),
        })
        .collect()
}

fn unattributed(rows: &[(Key, Weight)], dictionary: &Dictionary, wholes: &Wholes) -> Share {
    let weight = sum(rows, |key| {
        key.activity.is_work()
            && dictionary
                .stack(key.stack)
                .iter()
                .filter_map(|&id| dictionary.frame(id))
                .all(|frame| frame.kind == FrameKind::Marker)
    });
    Share {
        samples: weight.samples,
        cpu_ns: weight.cpu_ns,
        share: weight.share_of(wholes.work),
    }
}
