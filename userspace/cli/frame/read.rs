//! The rows of a recording that a frame is made of, a table at a time.

use std::collections::BTreeMap;

use escope_model::Payload;
use escope_recording::{Recording, RecordingError, Rows, TimeRange};
use escope_timeline::frame::{ExecutionFrame, FrameBuilder, FrameScope, as_of};

use crate::coverage::Coverage;
use crate::failure::Failure;
use crate::payloads::Payloads;
use crate::say::say;
use crate::time;

/// Messages that are told of one mailbox, and in all.
const MAILBOX_MAX: usize = 10_000;
const MESSAGES_MAX: usize = 200_000;

/// What was recorded at all: of the rest, that there is none says nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recorded {
    pub(super) runs: bool,
    pub(super) messages: bool,
    pub(super) collections: bool,
}

/// The last checkpoint before an instant of which all was read by then.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastCheckpoint {
    /// Between when it was read.
    pub(super) from_ns: i64,
    pub(super) to_ns: i64,
    pub(super) processes: u64,
}

/// All that was found of an instant, or of the last one before it that was watched.
pub(super) struct Found {
    pub(super) frame: ExecutionFrame,
    /// What its messages said.
    pub(super) said: BTreeMap<u64, Payload>,
    pub(super) recorded: Recorded,
    pub(super) checkpoint: Option<LastCheckpoint>,
}

impl Recorded {
    fn of(recording: &Recording, coverage: &Coverage) -> Result<Recorded, RecordingError> {
        let has_probe = |names: &[&str]| {
            let mut names = names.iter();
            names.any(|name| coverage.has_probe(name) == Some(true))
        };
        let messages = has_probe(&["enqueue", "enqueue_payload"]);
        let collections = has_probe(&["gc_start"]);
        // In a VM that does nothing there are none to be seen. For `--state` they are watched, and not told.
        let runs = has_probe(&["schedule_in"])
            && has_probe(&["schedule_out"])
            && !has_probe(&["state_uncopied", "state_1k"]);
        Ok(Recorded {
            runs: runs || has_rows(recording.runs(TimeRange::ALL)?)?,
            messages: messages || has_rows(recording.messages(TimeRange::ALL)?)?,
            collections: collections || has_rows(recording.gc(TimeRange::ALL)?)?,
        })
    }
}

/// The frame of an instant, or of the last one before it that was watched.
pub(super) fn frame(
    recording: &Recording,
    coverage: &Coverage,
    at_ns: i64,
) -> anyhow::Result<Found> {
    let recorded = Recorded::of(recording, coverage)?;
    if !recorded.runs
        && !recorded.messages
        && !has_rows(recording.lifecycle(TimeRange::ALL)?)?
        && !has_rows(recording.checkpoints(TimeRange::ALL)?)?
    {
        return Err(Failure::failed(
            "there are no runs, messages or lives of processes in it, and no checkpoints: record them with \
             `record --events full`",
        )
        .into());
    }
    let Some(as_of_ns) = as_of(&coverage.gaps, at_ns) else {
        let first_ns = coverage.gaps.spans().first().map_or(0, |gap| gap.1);
        return Err(Failure::failed(format!(
            "nothing is known until then: events were first watched, and not lost, at {}",
            time::show(first_ns)
        ))
        .into());
    };
    let mut builder = FrameBuilder::new(FrameScope {
        at_ns: as_of_ns,
        gaps: &coverage.gaps,
        has_runs: recorded.runs,
        has_births: coverage.has_births(),
        has_ends: coverage.has_ends(),
        is_filtered: coverage.filtered().is_some(),
        mailbox_max: MAILBOX_MAX,
        messages_max: MESSAGES_MAX,
    });
    each(recording.lifecycle(TimeRange::ALL)?, |life| {
        builder.life(&life)
    })?;
    let before = |until_ns: Option<i64>| TimeRange {
        since_ns: None,
        until_ns,
    };
    let runs = recording.runs(before(builder.runs_until_ns()))?;
    each(runs, |run| builder.run(&run))?;
    let mut began: BTreeMap<u32, i64> = BTreeMap::new();
    let checkpoints = recording.checkpoints(before(builder.runs_until_ns()))?;
    each(checkpoints, |row| {
        began.entry(row.checkpoint).or_insert(row.from_ns);
        builder.checkpoint(&row);
    })?;
    let until = before(Some(as_of_ns.saturating_add(1)));
    let checkpoint = last_checkpoint(recording, &began, until)?;
    if let Some(checkpoint) = &checkpoint {
        builder.all_read(checkpoint.from_ns);
    }
    let mut said = BTreeMap::new();
    let mut payloads = Payloads::of(recording, until)?;
    let messages = recording.messages(until)?;
    problems(&messages);
    for message in messages {
        let message = message?;
        if builder.message(&message) {
            let payload = payloads.said(&message)?;
            said.extend(payload.map(|payload| (message.msg, payload)));
        }
    }
    each(recording.gc(until)?, |row| builder.collection(&row))?;
    each(recording.off_cpu(until)?, |row| builder.off_cpu(&row))?;
    each(recording.native_calls(until)?, |row| builder.call(&row))?;
    Ok(Found {
        frame: builder.finish(),
        said,
        recorded,
        checkpoint,
    })
}

/// The last one that was read to its end. When that was, and how many processes it had, a series tells.
fn last_checkpoint(
    recording: &Recording,
    began: &BTreeMap<u32, i64>,
    until: TimeRange,
) -> Result<Option<LastCheckpoint>, RecordingError> {
    if began.is_empty() {
        return Ok(None);
    }
    let mut last = None;
    for point in recording.series(until)? {
        let point = point?;
        if point.metric == "checkpoint_processes" {
            last = Some((point.ts_ns, point.value));
        }
    }
    let checkpoint = last.and_then(|(to_ns, processes)| {
        let before = began.values().rev().find(|from_ns| **from_ns <= to_ns);
        before.map(|from_ns| LastCheckpoint {
            from_ns: *from_ns,
            to_ns,
            processes: processes as u64,
        })
    });
    Ok(checkpoint)
}

fn has_rows<R>(mut rows: Rows<R>) -> Result<bool, RecordingError> {
    Ok(rows.next().transpose()?.is_some())
}

fn problems<R>(rows: &Rows<R>) {
    for problem in rows.problems() {
        say!("escope-bpf: warning: {problem}");
    }
}

fn each<R>(rows: Rows<R>, mut take: impl FnMut(R)) -> Result<(), RecordingError> {
    problems(&rows);
    for row in rows {
        take(row?);
    }
    Ok(())
}
