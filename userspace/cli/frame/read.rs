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

impl Recorded {
    fn of(recording: &Recording, coverage: &Coverage) -> Result<Recorded, RecordingError> {
        let has_probe = |names: &[&str]| {
            let mut names = names.iter();
            names.any(|name| coverage.has_probe(name) == Some(true))
        };
        let messages = has_probe(&["enqueue", "enqueue_payload"]);
        let collections = has_probe(&["gc_start"]);
        Ok(Recorded {
            runs: has_rows(recording.runs(TimeRange::ALL)?)?,
            messages: messages || has_rows(recording.messages(TimeRange::ALL)?)?,
            collections: collections || has_rows(recording.gc(TimeRange::ALL)?)?,
        })
    }
}

/// The frame of an instant, or of the last one before it that was watched; and what its messages said.
pub(super) fn frame(
    recording: &Recording,
    coverage: &Coverage,
    at_ns: i64,
) -> anyhow::Result<(ExecutionFrame, BTreeMap<u64, Payload>, Recorded)> {
    let recorded = Recorded::of(recording, coverage)?;
    if !recorded.runs && !recorded.messages && !has_rows(recording.lifecycle(TimeRange::ALL)?)? {
        return Err(Failure::failed(
            "there are no runs, messages or lives of processes in it: record them with `record --events \
             full`",
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
    let until = before(Some(as_of_ns.saturating_add(1)));
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
    Ok((builder.finish(), said, recorded))
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
