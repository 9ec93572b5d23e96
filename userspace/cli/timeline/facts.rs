//! What is told of a recording's rows, in a line or in a picture.

use escope_export::gantt::{Gap, GapKind};
use escope_model::{Cut, Dictionary, ProcId, Run, SchedulerId, SchedulerKind, WokenBy};
use escope_recording::{Recording, TimeRange};

use super::name;
use crate::coverage::{self, place};
use crate::failure::Failure;
use crate::time;

/// All processes that are called so, in the order of their numbers.
pub(super) fn called(dictionary: &Dictionary, wanted: &str) -> anyhow::Result<Vec<ProcId>> {
    let all = dictionary.processes.iter();
    let these: Vec<ProcId> = all
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
    lines.extend(match run.woken_by {
        Some(WokenBy::Timeout) => Some("its receive had timed out".to_owned()),
        _ => None,
    });
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
        Cut::Start => "its start was not seen: at most so long of what was watched",
        Cut::End => "its end was not seen: at most so long of what was watched",
        Cut::Both => "neither its start nor its end was seen: at most so long of what was watched",
    }
}

/// From when to when a picture is: what was asked for, as far as it was recorded.
pub(super) fn span(recording: &Recording, range: TimeRange) -> anyhow::Result<(i64, i64)> {
    let end_ns = i64::try_from(coverage::end_ns(recording)?).unwrap_or(i64::MAX);
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
    let ended = recording.manifest().ended.as_ref();
    let end_ns = ended.map_or(i64::MAX, |ended| ended.at_ns);
    let missing = coverage::missing(recording, &recording.watched()?)?.into_iter();
    let gaps = missing.map(|missing| {
        let [from_ns, to_ns] =
            [missing.span.0, missing.span.1].map(|ns| i64::try_from(ns).unwrap_or(i64::MAX));
        let (kind, details) = match missing.lost {
            Some((count, meaning)) => (GapKind::Lost, format!("{count}: {meaning}")),
            None => (GapKind::NotRecorded, "no window was open".to_owned()),
        };
        Gap {
            from_ns,
            to_ns: to_ns.min(end_ns),
            kind,
            details: vec![details],
        }
    });
    Ok(gaps.collect())
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
