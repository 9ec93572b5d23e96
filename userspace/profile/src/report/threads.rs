//! Activities, schedulers and the other threads.

use std::collections::BTreeMap;

use escope_model::{Activity, Dictionary, SchedulerId};
use rustc_hash::FxHashMap;

use super::{ActivityRow, Limits, SchedulerRow, ThreadRow, Top, Wholes, sum};
use crate::group::{thread_kind, thread_name};
use crate::tally::Key;
use crate::weight::{Weight, ratio};

/// One row for each activity that occurred.
pub(super) fn activities(rows: &[(Key, Weight)], wholes: &Wholes) -> Vec<ActivityRow> {
    Activity::ALL
        .iter()
        .map(|&activity| (activity, sum(rows, |key| key.activity == activity)))
        .filter(|(_, weight)| weight.samples > 0)
        .map(|(activity, weight)| ActivityRow {
            activity,
            samples: weight.samples,
            cpu_ns: weight.cpu_ns,
            share: weight.share_of(wholes.total),
            work_share: activity.is_work().then(|| weight.share_of(wholes.work)),
        })
        .collect()
}

#[derive(Default)]
struct Scheduled {
    all: Weight,
    busy_wait: Weight,
    idle: Weight,
}

/// One row for each scheduler that was sampled.
pub(super) fn schedulers(rows: &[(Key, Weight)], wholes: &Wholes) -> Vec<SchedulerRow> {
    let mut schedulers: BTreeMap<SchedulerId, Scheduled> = BTreeMap::new();
    for (key, weight) in rows {
        let Some(scheduler) = key.scheduler else {
            continue;
        };
        let scheduled = schedulers.entry(scheduler).or_default();
        scheduled.all += *weight;
        match key.activity {
            Activity::BusyWait => scheduled.busy_wait += *weight,
            Activity::Idle => scheduled.idle += *weight,
            _ => {}
        }
    }
    schedulers
        .into_iter()
        .map(|(scheduler, scheduled)| {
            let cpu_ns = scheduled.all.cpu_ns;
            let (busy_wait_ns, idle_ns) = (scheduled.busy_wait.cpu_ns, scheduled.idle.cpu_ns);
            let work_ns = cpu_ns.saturating_sub(busy_wait_ns.saturating_add(idle_ns));
            SchedulerRow {
                scheduler: scheduler.to_string(),
                samples: scheduled.all.samples,
                cpu_ns,
                work_ns,
                busy_wait_ns,
                idle_ns,
                utilisation: (wholes.duration_ns > 0).then(|| ratio(work_ns, wholes.duration_ns)),
            }
        })
        .collect()
}

/// Threads that are no schedulers.
pub(super) fn threads(
    rows: &[(Key, Weight)],
    dictionary: &Dictionary,
    wholes: &Wholes,
    limits: Limits,
) -> Top<ThreadRow> {
    let mut threads: FxHashMap<u32, Weight> = FxHashMap::default();
    for (key, weight) in rows.iter().filter(|row| row.0.scheduler.is_none()) {
        *threads.entry(key.tid).or_default() += *weight;
    }
    let rows = threads
        .into_iter()
        .map(|(tid, weight)| ThreadRow {
            tid,
            name: thread_name(dictionary, tid),
            kind: thread_kind(dictionary, tid).as_str().to_owned(),
            samples: weight.samples,
            cpu_ns: weight.cpu_ns,
            share: weight.share_of(wholes.total),
        })
        .collect();
    Top::of(rows, limits, |row| (row.cpu_ns, row.samples), |row| row.tid)
}
