//! The event before an instant, or the one after it.

use std::collections::BTreeSet;

use escope_model::{LifeEvent, ProcId};
use escope_recording::Recording;
use escope_timeline::Happening;
use serde_json::{Value, json};

use crate::args::StepArg;
use crate::coverage;
use crate::failure::Failure;

/// An event that was stepped to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stepped {
    pub(super) at_ns: i64,
    /// What it is, in a word.
    pub(super) what: &'static str,
    /// Whose.
    pub(super) proc: Option<ProcId>,
}

impl Stepped {
    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({ "at_ns": self.at_ns, "event": self.what, "proc": self.proc.map(|proc| proc.0) })
    }
}

/// The nearest event, of these processes if some are asked for.
pub(super) fn step(
    recording: &Recording,
    from_ns: i64,
    step: StepArg,
    wanted: Option<&BTreeSet<ProcId>>,
) -> anyhow::Result<Stepped> {
    let is_wanted = |proc: Option<ProcId>| {
        wanted.is_none_or(|wanted| proc.is_some_and(|proc| wanted.contains(&proc)))
    };
    let until_ns = match step {
        StepArg::Back => Some(u64::try_from(from_ns).unwrap_or(0)),
        StepArg::Forward => None,
    };
    let mut best: Option<Stepped> = None;
    for row in coverage::rows(recording, until_ns)? {
        let row = row?;
        let begin_ns = i64::try_from(row.begin_ns()).unwrap_or(i64::MAX);
        // What begins later has no event before that.
        if step == StepArg::Forward && best.is_some_and(|best| best.at_ns < begin_ns) {
            break;
        }
        for event in events(&row).into_iter().flatten() {
            let is_nearer = match step {
                StepArg::Back => {
                    event.at_ns < from_ns && best.is_none_or(|best| best.at_ns < event.at_ns)
                }
                StepArg::Forward => {
                    event.at_ns > from_ns && best.is_none_or(|best| event.at_ns < best.at_ns)
                }
            };
            if is_nearer && is_wanted(event.proc) {
                best = Some(event);
            }
        }
    }
    let side = match step {
        StepArg::Back => "before",
        StepArg::Forward => "after",
    };
    best.ok_or_else(|| Failure::failed(format!("no event comes {side} that time")).into())
}

/// What a row says that happened: at most three events.
fn events(row: &Happening) -> [Option<Stepped>; 3] {
    let event = |at_ns: i64, what, proc| Some(Stepped { at_ns, what, proc });
    match row {
        Happening::Run(run) => [
            event(run.start_ns, "run_begins", Some(run.proc)),
            event(run.end_ns, "run_ends", Some(run.proc)),
            None,
        ],
        Happening::Message(message) => {
            let to = Some(message.to);
            let received = message.received_ns;
            [
                event(message.sent_ns, "sent", message.from),
                event(message.sent_ns, "arrives", to),
                received.and_then(|ns| event(ns, "received", to)),
            ]
        }
        Happening::Collection(it) => [
            event(it.start_ns, "gc_begins", Some(it.proc)),
            event(it.end_ns, "gc_ends", Some(it.proc)),
            None,
        ],
        Happening::OffCpu(it) => [
            event(it.start_ns, "off_cpu", it.proc),
            event(it.end_ns, "on_cpu", it.proc),
            None,
        ],
        Happening::Life(life) => {
            let what = match life.event {
                LifeEvent::Spawn => "spawned",
                LifeEvent::Exit => "ended",
                other => other.as_str(),
            };
            [event(life.ts_ns, what, Some(life.proc)), None, None]
        }
        Happening::Module(it) => [event(it.ts_ns, it.event.as_str(), it.proc), None, None],
        Happening::Port(it) => [event(it.ts_ns, it.event.as_str(), it.proc), None, None],
        Happening::Dist(it) => [event(it.ts_ns, it.event.as_str(), it.proc), None, None],
    }
}
