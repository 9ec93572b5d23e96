use std::collections::BTreeMap;

use escope_model::{
    Cut, Dictionary, Fate, FrameId, Message, NativeCall, OffCpu, OffCpuWhy, ProcId, SchedulerKind,
};
use proptest::prelude::*;

use super::kit::{Rows, dictionary, message, run, scheduler, shop};
use super::{Flow, FlowEnd, Instant, Sink, Slice, Teller, Track, TrackId};
use crate::ExportError;

/// Keeps what it is told.
#[derive(Debug, Default)]
struct Kept {
    tracks: Vec<(TrackId, String, i32)>,
    slices: Vec<(TrackId, String, i64, i64)>,
    instants: Vec<(TrackId, String, i64, Option<Flow>)>,
    counters: BTreeMap<TrackId, Vec<(i64, f64)>>,
}

impl Kept {
    fn declared(&self, track: TrackId) {
        assert!(self.tracks.iter().any(|(id, ..)| *id == track), "{track:?}");
    }
}

impl Sink for Kept {
    fn track(&mut self, track: &Track<'_>) -> Result<(), ExportError> {
        track.parent.into_iter().for_each(|it| self.declared(it));
        self.tracks
            .push((track.id, track.name.to_owned(), track.rank));
        Ok(())
    }

    fn slice(&mut self, slice: &Slice<'_>) -> Result<(), ExportError> {
        self.declared(slice.track);
        let name = slice.name.to_owned();
        self.slices
            .push((slice.track, name, slice.start_ns, slice.end_ns));
        Ok(())
    }

    fn instant(&mut self, instant: &Instant<'_>) -> Result<(), ExportError> {
        self.declared(instant.track);
        let name = instant.name.to_owned();
        self.instants
            .push((instant.track, name, instant.ts_ns, instant.flow));
        Ok(())
    }

    fn counter(&mut self, track: TrackId, ts_ns: i64, value: f64) -> Result<(), ExportError> {
        self.declared(track);
        self.counters.entry(track).or_default().push((ts_ns, value));
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ExportError> {
        Ok(())
    }
}

fn told(rows: &Rows, dictionary: &Dictionary) -> Kept {
    let plan = rows.plan();
    let mut teller = Teller::new(&plan, dictionary, Kept::default());
    rows.all()
        .for_each(|row| teller.tell(&row).expect("it keeps all"));
    teller.finish().expect("it keeps all")
}

#[test]
fn a_run_is_on_its_scheduler_and_on_its_process() {
    let kept = told(&shop(), &dictionary());
    let on = |track: fn(&TrackId) -> bool| {
        let these = kept.slices.iter().filter(|(id, ..)| track(id));
        let times = these.map(|(_, _, start_ns, end_ns)| (*start_ns, *end_ns));
        times.collect::<Vec<_>>()
    };
    let times: Vec<(i64, i64)> = shop()
        .runs
        .iter()
        .map(|run| (run.start_ns, run.end_ns))
        .collect();
    assert_eq!(on(|id| matches!(id, TrackId::Scheduler(_))), times);
    assert_eq!(on(|id| matches!(id, TrackId::Process(_))), times);
}

#[test]
fn an_end_that_was_not_seen_is_in_the_name() {
    let kept = told(&shop(), &dictionary());
    let names = |track: TrackId| {
        let these = kept.slices.iter().filter(|(id, ..)| *id == track);
        these.map(|(_, name, ..)| name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(
        names(TrackId::Process(ProcId(2))),
        [
            "scheduler_1 (end not seen)",
            "scheduler_1 (neither end seen)"
        ]
    );
    assert_eq!(
        names(TrackId::Collections(ProcId(0))),
        ["garbage collection (start not seen)"]
    );
}

#[test]
fn a_time_without_a_cpu_is_below_its_scheduler_in_its_parts() {
    let scheduler = scheduler(SchedulerKind::Normal, 1);
    let off = |proc, start_ns, why, ready_ns| OffCpu {
        proc: Option::map(proc, ProcId),
        scheduler,
        start_ns,
        end_ns: start_ns + 100,
        why: Some(why),
        ready_ns: Some(ready_ns),
        cut: None,
    };
    let rows = Rows {
        runs: vec![run(0, 0, 1000)],
        off_cpu: vec![
            off(Some(0), 100, OffCpuWhy::Preempted, 100),
            off(Some(0), 300, OffCpuWhy::Blocked, 30),
            off(None, 1100, OffCpuWhy::Blocked, 0),
        ],
        ..Rows::default()
    };
    let kept = told(&rows, &dictionary());
    let track = TrackId::OffCpu(scheduler);
    let here = kept.slices.iter().filter(|(id, ..)| *id == track);
    let here: Vec<_> = here
        .map(|(_, name, start_ns, end_ns)| (name.as_str(), *start_ns, *end_ns))
        .collect();
    let expected = [
        ("preempted", 100, 200),
        ("blocked", 300, 370),
        ("preempted", 370, 400),
        ("asleep", 1100, 1200),
    ];
    assert_eq!(here, expected);
    assert_eq!(track.parent(), Some(TrackId::Scheduler(scheduler)));
}

#[test]
fn a_call_is_as_long_as_is_known() {
    let call = |start_ns, end_ns, cut| NativeCall {
        proc: ProcId(1),
        scheduler: None,
        start_ns,
        end_ns,
        function: FrameId(9_999),
        caller: None,
        cut,
    };
    let rows = Rows {
        native_calls: vec![
            call(5, Some(9), None),
            call(10, None, None),
            call(20, Some(30), Some(Cut::End)),
        ],
        ..Rows::default()
    };
    let kept = told(&rows, &dictionary());
    let track = TrackId::NativeCalls(ProcId(1));
    let name = "unknown function".to_owned();
    assert_eq!(
        kept.slices,
        [
            (track, name.clone(), 5, 9),
            (track, format!("{name} (end not seen)"), 20, 30)
        ]
    );
    assert_eq!(kept.instants, [(track, name, 10, None)]);
}

#[test]
fn a_flow_has_both_ends_and_only_what_was_received_has_one() {
    let kept = told(&shop(), &dictionary());
    let mut flows: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
    for (_, name, _, flow) in &kept.instants {
        match flow {
            Some(flow) if flow.end == FlowEnd::Out => flows.entry(flow.id).or_default().0 += 1,
            Some(flow) => flows.entry(flow.id).or_default().1 += 1,
            None => assert!(!name.starts_with("receive"), "{name}"),
        }
    }
    // Of messages 0, 1 and 5, and of a process that was spawned.
    let both = [1, 2, 6, 1 << 52].map(|id| (id, (1, 1)));
    assert_eq!(flows, BTreeMap::from(both));
    let sent = kept
        .instants
        .iter()
        .filter(|(_, name, ..)| name.starts_with("send"));
    assert_eq!(sent.count(), 6);
}

#[test]
fn processes_that_ran_longest_come_first() {
    let rows = Rows {
        runs: vec![run(0, 0, 10), run(1, 10, 40), run(2, 50, 55)],
        // Of which there is more to tell, but which ran no longer.
        messages: vec![message(0, 2, 3, Err(Fate::Waiting))],
        ..Rows::default()
    };
    let kept = told(&rows, &dictionary());
    let rank = |proc| {
        let mut tracks = kept.tracks.iter();
        let found = tracks.find(|(id, ..)| *id == TrackId::Process(ProcId(proc)));
        found.map(|(.., rank)| *rank)
    };
    assert_eq!([rank(1), rank(0), rank(2)], [Some(0), Some(1), Some(2)]);
}

/// A recording that was cut short refers to processes and frames that it lacks.
#[test]
fn what_the_dictionary_lacks_is_told_all_the_same() {
    let kept = told(&shop(), &Dictionary::default());
    let whole = told(&shop(), &dictionary());
    assert_eq!(kept.slices.len(), whole.slices.len());
    assert_eq!(kept.instants.len(), whole.instants.len());
    assert!(kept.tracks.iter().any(|(_, name, _)| name == "process 2"));
}

/// What a recording got between two readings comes last.
#[test]
fn what_the_plan_has_not_seen_is_told_all_the_same() {
    let (rows, dictionary) = (shop(), dictionary());
    let plan = Rows::default().plan();
    let mut teller = Teller::new(&plan, &dictionary, Kept::default());
    rows.all()
        .for_each(|row| teller.tell(&row).expect("it keeps all"));
    let kept = teller.finish().expect("it keeps all");
    assert_eq!(kept.slices.len(), told(&rows, &dictionary).slices.len());
}

#[test]
fn a_dropped_message_leaves_with_its_process() {
    let kept = told(&shop(), &dictionary());
    let mailbox = TrackId::Mailbox(ProcId(2));
    assert_eq!(kept.counters[&mailbox], [(1_350, 1.0), (8_500, 0.0)]);
    // One of unknown fate does not count, one that waits stays.
    let mailbox = TrackId::Mailbox(ProcId(1));
    let changes = [(1_000, 1.0), (1_200, 2.0), (1_600, 1.0), (3_500, 0.0)];
    assert_eq!(kept.counters[&mailbox], changes);
    let mailbox = TrackId::Mailbox(ProcId(0));
    assert_eq!(
        kept.counters[&mailbox],
        [(1_300, 1.0), (1_450, 2.0), (2_100, 1.0)]
    );
}

proptest! {
    /// At every instant as many lie in it as were sent before and leave after.
    #[test]
    fn a_mailbox_is_as_long_as_what_lies_in_it(
        lots in prop::collection::vec((0..9_i64, 0..40_i64, 0..5_u8), 0..40),
    ) {
        let mut now = 0;
        let messages: Vec<Message> = (0..).zip(&lots).map(|(msg, &(pause, lain, fate))| {
            now += pause;
            let end = match fate {
                0 => Err(Fate::Waiting),
                1 => Err(Fate::Unknown),
                _ => Ok(now + lain),
            };
            message(msg, 1, now, end)
        }).collect();
        let lies_at = |ns: i64| messages.iter().filter(|it| {
            it.fate != Fate::Unknown
                && it.sent_ns <= ns
                && it.received_ns.is_none_or(|received_ns| received_ns > ns)
        }).count();
        let rows = Rows { messages: messages.clone(), ..Rows::default() };
        let kept = told(&rows, &dictionary());
        let changes = kept.counters.get(&TrackId::Mailbox(ProcId(1)));
        let changes = changes.map_or(&[][..], |changes| changes);
        prop_assert!(changes.is_sorted_by_key(|(ns, _)| *ns));
        for ns in 0..now + 50 {
            let last = changes.iter().rev().find(|(at, _)| *at <= ns);
            prop_assert_eq!(last.map_or(0.0, |it| it.1), lies_at(ns) as f64, "at {}", ns);
        }
    }
}
