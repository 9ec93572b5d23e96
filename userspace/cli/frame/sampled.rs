//! Where samples saw processes and schedulers last before an instant.

use std::collections::BTreeMap;

use escope_model::{ProcId, Sample, SchedulerId};
use escope_recording::{Recording, TimeRange};
use escope_timeline::frame::{Doing, ExecutionFrame};

/// How long before the instant a sample of a scheduler still tells something.
const SCHEDULERS_NS: i64 = 1_000_000_000;

/// The last samples before an instant.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    /// Of those that run, in the run that goes on.
    pub(super) processes: BTreeMap<ProcId, Sample>,
    /// Of schedulers, within the last second.
    pub(super) schedulers: BTreeMap<SchedulerId, Sample>,
}

impl Sampled {
    /// Those of a frame, and of schedulers until an instant that may come after the frame's.
    pub(super) fn of(
        recording: &Recording,
        frame: &ExecutionFrame,
        at_ns: i64,
    ) -> anyhow::Result<Sampled> {
        let running = frame
            .processes
            .iter()
            .filter_map(|process| match process.doing {
                Doing::Running { since_ns, .. } => Some((process.proc, since_ns)),
                _ => None,
            });
        let running: BTreeMap<ProcId, i64> = running.collect();
        let schedulers_ns = at_ns.saturating_sub(SCHEDULERS_NS);
        let first_ns = running.values().copied().min().unwrap_or(schedulers_ns);
        let mut sampled = Sampled::default();
        let rows = recording.samples_within(TimeRange {
            since_ns: Some(first_ns.min(schedulers_ns)),
            until_ns: Some(at_ns.saturating_add(1)),
        })?;
        for sample in rows {
            let sample = sample?;
            if let Some(proc) = sample.proc
                && let Some(&since_ns) = running.get(&proc)
                && (since_ns..=frame.as_of_ns).contains(&sample.ts_ns)
            {
                sampled.processes.insert(proc, sample);
            }
            if let Some(scheduler) = sample.scheduler
                && sample.ts_ns >= schedulers_ns
            {
                sampled.schedulers.insert(scheduler, sample);
            }
        }
        Ok(sampled)
    }
}
