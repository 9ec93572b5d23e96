//! Processes that are asked for and were not there.

use std::collections::BTreeSet;

use escope_model::{Dictionary, LifeEvent, ProcId};
use escope_recording::{Recording, TimeRange};
use escope_timeline::frame::ExecutionFrame;
use serde_json::{Value, json};

use crate::time;

/// One that was not there, or is not known to have been.
#[derive(Debug, Clone, Copy)]
pub(super) struct Absent {
    pub(super) proc: ProcId,
    spawned_ns: Option<i64>,
    ended_ns: Option<i64>,
}

/// Those that are not in the frame.
pub(super) fn of(
    recording: &Recording,
    frame: &ExecutionFrame,
    wanted: &BTreeSet<ProcId>,
) -> anyhow::Result<Vec<Absent>> {
    let is_there = |proc: ProcId| {
        let place = frame
            .processes
            .binary_search_by_key(&proc, |process| process.proc);
        place.is_ok()
    };
    let absent = wanted.iter().filter(|proc| !is_there(**proc));
    let mut absent: Vec<Absent> = absent
        .map(|&proc| Absent {
            proc,
            spawned_ns: None,
            ended_ns: None,
        })
        .collect();
    for life in recording.lifecycle(TimeRange::ALL)? {
        let life = life?;
        let Ok(place) = absent.binary_search_by_key(&life.proc, |absent| absent.proc) else {
            continue;
        };
        let Some(absent) = absent.get_mut(place) else {
            continue;
        };
        match life.event {
            LifeEvent::Spawn if life.ts_ns > frame.as_of_ns => absent.spawned_ns = Some(life.ts_ns),
            LifeEvent::Exit if life.ts_ns <= frame.as_of_ns => absent.ended_ns = Some(life.ts_ns),
            _ => {}
        }
    }
    Ok(absent)
}

impl Absent {
    /// For people.
    pub(super) fn why(&self) -> String {
        let at = time::point;
        match (self.ended_ns, self.spawned_ns) {
            (Some(ns), _) => format!("it ended at {}", at(ns)),
            (None, Some(ns)) => format!("it first ran at {}", at(ns)),
            (None, None) => "nothing was recorded of it until then".to_owned(),
        }
    }

    /// For programs.
    pub(super) fn json(&self, dictionary: &Dictionary) -> Value {
        json!({
            "proc": self.proc.0,
            "pid": dictionary.process(self.proc).map(|process| &process.pid),
            "spawned_ns": self.spawned_ns,
            "ended_ns": self.ended_ns,
        })
    }
}
