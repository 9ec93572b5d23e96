//! What is told of a recording's rows, in a line or in a picture.

use escope_export::gantt::{Gap, GapKind};
use escope_model::{Cut, Dictionary, FrameId, ProcId, Run, SchedulerId, SchedulerKind};
use escope_recording::{EndedHow, Recording, TimeRange};
use std::collections::HashSet;

use super::name;
use crate::coverage;
use crate::failure::Failure;
use crate::say::say;
use crate::time;

/// All processes that are called so.
pub(super) fn called(dictionary: &Dictionary, wanted: &str) -> anyhow::Result<HashSet<ProcId>> {
    let all = dictionary.processes.iter();
    let these: HashSet<ProcId> = all
        .filter(|process| process.is_called(wanted))
        .map(|process| process.proc)
        .collect();
    if these.is_empty() {
        return Err(Failure::failed(format!(
            "there is no process {wanted} in it: give a registered name, a label, a pid <0.N.S> or \
             an initial call; `timeline` without --process lists them"
        ))
        .into());
    }
    Ok(these)
}

/// Where in the code.
pub(super) fn place(dictionary: &Dictionary, at: Option<FrameId>) -> Option<String> {
    let frame = dictionary.frame(at?)?;
    Some(match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!("{} {file}:{line}", frame.name()),
        _ => frame.name(),
    })
}

/// Who a process is, a line each.
pub(super) fn identity(dictionary: &Dictionary, proc: ProcId) -> Vec<String> {
    let Some(process) = dictionary.process(proc) else {
        return Vec::new();
    };
    let mut lines = vec![process.pid.clone()];
    let call = process.initial_call.as_ref();
    lines.extend(call.map(|call| format!("spawned as {call}")));
    let parent = process.parent.as_ref();
    lines.extend(parent.map(|parent| format!("by {parent}")));
    lines
}

/// A run, a line each.
pub(super) fn run(dictionary: &Dictionary, run: &Run) -> Vec<String> {
    let pid = dictionary.process(run.proc).map(|it| it.pid.as_str());
    let name = name(dictionary, run.proc);
    let who = match pid {
        Some(pid) if !name.contains(pid) => format!("{name} {pid}"),
        _ => name,
    };
    let ran_ns = run.end_ns.saturating_sub(run.start_ns).max(0);
    let mut lines = vec![
        who,
        format!("ran on {} for {}", run.scheduler, time::show(ran_ns as u64)),
        format!("from {:.9} s", run.start_ns as f64 / 1e9),
    ];
    lines.extend(run.reductions.map(|used| format!("{used} reductions")));
    let place = place(dictionary, run.at);
    match (run.left_as, place) {
        (Some(left), Some(place)) => lines.push(format!("left {} in {place}", left.as_str())),
        (Some(left), None) => lines.push(format!("left {}", left.as_str())),
        (None, _) => {}
    }
    lines.extend(run.cut.map(|cut| unseen(cut).to_owned()));
    lines
}

/// The sentence for ends that were not seen.
pub(super) fn unseen(cut: Cut) -> &'static str {
    match cut {
        Cut::Start => "its start was not seen: at most so long",
        Cut::End => "its end was not seen: at most so long",
        Cut::Both => "neither its start nor its end was seen: at most so long",
    }
}

/// From when to when a picture is: what was asked for, as far as it was recorded.
pub(super) fn span(recording: &Recording, range: TimeRange) -> anyhow::Result<(i64, i64)> {
    let ended = recording.manifest().ended.as_ref();
    let whole = ended.filter(|ended| ended.how != EndedHow::Failed);
    let end_ns = match whole {
        Some(ended) => ended.at_ns,
        // Cut short: to the last of what there is.
        None => recording
            .runs(TimeRange::ALL)?
            .try_fold(0, |last, run| run.map(|run| run.end_ns.max(last)))?,
    };
    let from_ns = range.since_ns.unwrap_or(0).max(0);
    let to_ns = range.until_ns.unwrap_or(end_ns).min(end_ns);
    if from_ns >= to_ns {
        return Err(Failure::failed(format!(
            "nothing was recorded then: the recording lasts {}",
            time::show(u64::try_from(end_ns).unwrap_or(0))
        ))
        .into());
    }
    Ok((from_ns, to_ns))
}

/// Where events are missing.
pub(super) fn gaps(recording: &Recording) -> anyhow::Result<Vec<Gap>> {
    let mut gaps = Vec::new();
    let ended = recording.manifest().ended.as_ref();
    let end_ns = ended.map_or(i64::MAX, |ended| ended.at_ns);
    let mut losses = recording.losses()?;
    for loss in &mut losses {
        let loss = loss?;
        if loss.place == coverage::GAPS {
            gaps.push(Gap {
                from_ns: loss.from_ns,
                to_ns: loss.to_ns,
                kind: GapKind::Lost,
                details: vec![format!("{}: {}", loss.count, loss.meaning)],
            });
        }
    }
    for problem in losses.problems() {
        say!("escope-bpf: warning: {problem}");
    }
    for (from_ns, to_ns) in coverage::Windows::of(recording)?.outside() {
        gaps.push(Gap {
            from_ns: i64::try_from(from_ns).unwrap_or(i64::MAX),
            to_ns: i64::try_from(to_ns).unwrap_or(i64::MAX).min(end_ns),
            kind: GapKind::NotRecorded,
            details: vec!["no window was open".to_owned()],
        });
    }
    gaps.sort_by_key(|gap| gap.from_ns);
    Ok(gaps)
}

/// The node, or the OS process.
pub(super) fn node(recording: &Recording) -> String {
    let target = &recording.manifest().target;
    match target.node.as_deref() {
        Some(node) if node != "nonode@nohost" => node.to_owned(),
        _ => format!("beam.smp {}", target.pid),
    }
}

/// What a picture says of its recording, in a line.
pub(super) fn subtitle(recording: &Recording, (from_ns, to_ns): (i64, i64)) -> String {
    let manifest = recording.manifest();
    let mut parts = Vec::new();
    let release = manifest.target.otp_release.as_deref();
    parts.extend(release.map(|release| format!("OTP {release}")));
    let start = manifest.clocks.start_realtime.as_str();
    let start = start.split_once('.').map_or(start, |(start, _)| start);
    if !start.is_empty() {
        parts.push(format!("recorded from {start} UTC"));
    }
    let shown = time::show(to_ns.abs_diff(from_ns));
    let whole_ns = manifest.ended.as_ref().map_or(to_ns, |ended| ended.at_ns);
    parts.push(match (from_ns, whole_ns) {
        (0, whole_ns) if whole_ns <= to_ns => shown,
        _ => format!("{shown} of {}", time::show(whole_ns.unsigned_abs())),
    });
    let counter = |name: &str| manifest.totals.counters.get(name).copied().unwrap_or(0);
    let recorded = counter("events_recorded");
    parts.push(match counter("events_lost") {
        0 => format!("{recorded} events, none lost"),
        lost => format!("{recorded} events, {lost} LOST"),
    });
    if counter("event_windows") > 1 {
        parts.push(format!("in {} windows", counter("event_windows")));
    }
    parts.join(" · ")
}

/// A scheduler in few letters: `1`, `cpu 2`, `io 3`.
pub(super) fn short(scheduler: SchedulerId) -> String {
    let number = scheduler.number;
    match scheduler.kind {
        SchedulerKind::Normal => number.to_string(),
        SchedulerKind::DirtyCpu => format!("cpu {number}"),
        SchedulerKind::DirtyIo => format!("io {number}"),
    }
}
