use escope_model::{
    Collection, Fate, FrameId, LeftAs, Life, LifeEvent, Message, MessageKind, OffCpu, OffCpuWhy,
    ProcId, Run, SchedulerId, SchedulerKind, WokenBy,
};
use proptest::prelude::*;

use super::{Spending, Spent, Stretch};
use crate::gaps::Gaps;
use crate::merged::Happening;

const ME: ProcId = ProcId(1);
const OTHER: ProcId = ProcId(2);

fn run(kind: SchedulerKind, start_ns: i64, end_ns: i64, left_as: Option<LeftAs>) -> Happening {
    Happening::Run(Run {
        proc: ME,
        scheduler: SchedulerId { kind, number: 1 },
        start_ns,
        end_ns,
        woken_by: None,
        reductions: Some(10),
        left_as,
        at: Some(FrameId(7)),
        cut: None,
    })
}

fn normal(start_ns: i64, end_ns: i64, left_as: LeftAs) -> Happening {
    run(SchedulerKind::Normal, start_ns, end_ns, Some(left_as))
}

fn message(sent_ns: i64) -> Happening {
    Happening::Message(Message {
        msg: 0,
        from: Some(OTHER),
        to: ME,
        kind: MessageKind::Cast,
        tag: None,
        sent_ns,
        received_ns: None,
        fate: Fate::Waiting,
        size_words: None,
    })
}

fn collection(start_ns: i64, end_ns: i64) -> Happening {
    Happening::Collection(Collection {
        proc: ME,
        start_ns,
        end_ns,
        before_words: None,
        after_words: None,
        kind: None,
        cut: None,
    })
}

fn off_cpu(start_ns: i64, end_ns: i64, why: OffCpuWhy, ready_ns: u64) -> Happening {
    Happening::OffCpu(OffCpu {
        proc: Some(ME),
        scheduler: SchedulerId {
            kind: SchedulerKind::Normal,
            number: 1,
        },
        start_ns,
        end_ns,
        why: Some(why),
        ready_ns: Some(ready_ns),
        cut: None,
    })
}

fn life(ts_ns: i64, event: LifeEvent) -> Happening {
    Happening::Life(Life {
        ts_ns,
        proc: ME,
        event,
        other: Some(OTHER),
        name: None,
        reason: None,
    })
}

/// Stretches as (start, end, on what).
fn told(rows: &[Happening], range: (u64, u64), gaps: &Gaps) -> Vec<(u64, u64, Spent)> {
    let mut told = Vec::new();
    let mut spending = Spending::new(ME, range, gaps);
    let mut tell = |it: Stretch| told.push((it.start_ns, it.end_ns, it.spent));
    rows.iter().for_each(|row| spending.on(row, &mut tell));
    spending.finish(&mut tell);
    let sum: u64 = Spent::ALL.iter().map(|&on| spending.spent_ns(on)).sum();
    let (from_ns, to_ns) = spending.observed_ns();
    assert_eq!(sum, to_ns - from_ns);
    told
}

#[test]
fn a_life_is_told_from_spawn_to_exit() {
    let rows = [
        life(5, LifeEvent::Spawn),
        normal(8, 20, LeftAs::Waiting),
        collection(10, 12),
        message(30),
        normal(33, 40, LeftAs::Dirty),
        run(SchedulerKind::DirtyCpu, 45, 60, Some(LeftAs::Dirty)),
        collection(50, 55),
        normal(62, 70, LeftAs::Exiting),
        life(66, LifeEvent::Exit),
    ];
    let expected = [
        (5, 8, Spent::RunQueue),
        (8, 10, Spent::Running),
        (10, 12, Spent::Collecting),
        (12, 20, Spent::Running),
        (20, 30, Spent::Waiting),
        (30, 33, Spent::RunQueue),
        (33, 40, Spent::Running),
        (40, 45, Spent::DirtyQueue),
        (45, 50, Spent::Dirty),
        (50, 55, Spent::Collecting),
        (55, 60, Spent::Dirty),
        (60, 62, Spent::DirtyQueue),
        (62, 70, Spent::Running),
    ];
    assert_eq!(told(&rows, (0, 100), &Gaps::default()), expected);
    // Only a part of it, and the end comes before its exit.
    let part: Vec<_> = told(&rows, (11, 47), &Gaps::default());
    let ends = (part.first().map(|it| it.0), part.last().map(|it| it.1));
    assert_eq!((ends, part.len()), ((Some(11), Some(47)), 7));
}

#[test]
fn a_collection_that_moves_to_a_dirty_scheduler_waits_for_it() {
    let rows = [
        normal(10, 20, LeftAs::Dirty),
        collection(18, 50),
        run(SchedulerKind::DirtyCpu, 30, 55, Some(LeftAs::Dirty)),
        normal(60, 65, LeftAs::Waiting),
    ];
    let expected = [
        (0, 10, Spent::Before),
        (10, 18, Spent::Running),
        (18, 20, Spent::Collecting),
        (20, 30, Spent::DirtyQueue),
        (30, 50, Spent::Collecting),
        (50, 55, Spent::Dirty),
        (55, 60, Spent::DirtyQueue),
        (60, 65, Spent::Running),
        (65, 80, Spent::Waiting),
    ];
    assert_eq!(told(&rows, (0, 80), &Gaps::default()), expected);
}

#[test]
fn what_has_no_cpu_neither_runs_nor_collects() {
    let rows = [
        normal(10, 100, LeftAs::Waiting),
        off_cpu(20, 30, OffCpuWhy::Preempted, 10),
        collection(40, 80),
        off_cpu(45, 60, OffCpuWhy::Blocked, 5),
        off_cpu(70, 85, OffCpuWhy::Blocked, 0),
        // Not in any run of its: somebody else's, or nobody's.
        off_cpu(110, 120, OffCpuWhy::Preempted, 10),
        normal(130, 140, LeftAs::Waiting),
        // Longer than its run: what is told of the run counts.
        off_cpu(135, 150, OffCpuWhy::Preempted, 15),
    ];
    let expected = [
        (0, 10, Spent::Before),
        (10, 20, Spent::Running),
        (20, 30, Spent::Preempted),
        (30, 40, Spent::Running),
        (40, 45, Spent::Collecting),
        (45, 55, Spent::Blocked),
        (55, 60, Spent::Preempted),
        (60, 70, Spent::Collecting),
        (70, 85, Spent::Blocked),
        (85, 100, Spent::Running),
        (100, 130, Spent::Woken),
        (130, 135, Spent::Running),
        (135, 140, Spent::Preempted),
        (140, 160, Spent::Waiting),
    ];
    assert_eq!(told(&rows, (0, 160), &Gaps::default()), expected);
    // Only a part of it.
    let part = told(&rows, (22, 57), &Gaps::default());
    assert_eq!(part.first(), Some(&(22, 30, Spent::Preempted)));
    assert_eq!(part.last(), Some(&(55, 57, Spent::Preempted)));
}

#[test]
fn what_is_missing_is_a_gap_and_what_follows_it_unknown() {
    let rows = [
        normal(0, 10, LeftAs::Waiting),
        normal(50, 60, LeftAs::Waiting),
    ];
    let gaps = Gaps::of(vec![(20, 30), (90, 95)]);
    let expected = [
        (0, 10, Spent::Running),
        (10, 20, Spent::Woken),
        (20, 30, Spent::Gap),
        (30, 50, Spent::Unknown),
        (50, 60, Spent::Running),
        (60, 90, Spent::Waiting),
        (90, 95, Spent::Gap),
        (95, 100, Spent::Unknown),
    ];
    assert_eq!(told(&rows, (0, 100), &gaps), expected);
}

#[test]
fn places_and_who_ended_waits_are_counted() {
    let gaps = Gaps::default();
    let mut spending = Spending::new(ME, (0, 100), &gaps);
    let rows = [
        normal(0, 10, LeftAs::Waiting),
        message(40),
        normal(45, 50, LeftAs::Runnable),
        normal(52, 60, LeftAs::Waiting),
    ];
    rows.iter().for_each(|row| spending.on(row, &mut |_| {}));
    spending.finish(&mut |_| {});
    let (at, left) = spending.departures().next().expect("there is one");
    assert_eq!((at, left.count), (Some(FrameId(7)), 3));
    assert_eq!((left.away_ns, left.away_max_ns), (35 + 2 + 40, 35));
    let at_least = left.away_at_least;
    assert_eq!((at_least.count, at_least.max_ns), (1, 40));
    assert_eq!(left.away[&Spent::Waiting], 30 + 40);
    assert_eq!(left.left_as[&LeftAs::Waiting], 2);
    let ((from, kind), waits) = spending.waits().next().expect("there is one");
    assert_eq!((from, kind), (Some(OTHER), MessageKind::Cast));
    assert_eq!((waits.count, waits.waited_ns), (1, 30));
    assert_eq!((spending.runs, spending.reductions), (3, 30));
}

#[test]
fn whose_receive_timed_out_is_not_told_to_have_waited_for_a_message() {
    let gaps = Gaps::default();
    let mut waits = Vec::new();
    for woken_by in [None, Some(WokenBy::Signal), Some(WokenBy::Timeout)] {
        let Happening::Run(next) = normal(45, 50, LeftAs::Waiting) else {
            unreachable!("it is a run");
        };
        let rows = [
            normal(0, 10, LeftAs::Waiting),
            message(40),
            Happening::Run(Run { woken_by, ..next }),
            message(70),
        ];
        let mut spending = Spending::new(ME, (0, 100), &gaps);
        rows.iter().for_each(|row| spending.on(row, &mut |_| {}));
        spending.finish(&mut |_| {});
        let spent = |on| spending.spent_ns(on);
        // Nothing ran it since the last run, so that no timeout is told of that.
        waits.push((
            spent(Spent::Waiting) - 20,
            spent(Spent::RunQueue) - 30,
            spent(Spent::Woken),
            spending.waits().map(|(_, of)| of.count).sum::<u64>(),
        ));
    }
    assert_eq!(waits, [(30, 5, 0, 2), (30, 5, 0, 2), (0, 0, 35, 1)]);
}

/// Rows that may contradict each other in any way.
fn rows() -> impl Strategy<Value = Vec<Happening>> {
    let row = (0..8u8, 0..100i64, 0..30i64, 0..6usize).prop_map(|(what, at, took, left)| {
        let left_as = LeftAs::ALL.get(left).copied();
        match what {
            0 | 1 => run(SchedulerKind::Normal, at, at + took, left_as),
            2 => run(SchedulerKind::DirtyIo, at, at + took, left_as),
            3 => message(at),
            4 => collection(at, at + took),
            6 => off_cpu(at, at + took, OffCpuWhy::Preempted, 0),
            7 => off_cpu(at, at + took, OffCpuWhy::Blocked, took as u64 / 3),
            _ if took < 15 => life(at, LifeEvent::Spawn),
            _ => life(at, LifeEvent::Exit),
        }
    });
    prop::collection::vec(row, 0..40).prop_map(|mut rows| {
        rows.sort_by_key(Happening::begin_ns);
        rows
    })
}

proptest! {
    #[test]
    fn sums_equal_the_observed_time(
        rows in rows(),
        since_ns in 0..60u64,
        length_ns in 0..120u64,
        gaps in prop::collection::vec((0..100u64, 0..20u64), 0..3),
    ) {
        let gaps = Gaps::of(gaps.iter().map(|&(from, took)| (from, from + took)).collect());
        let until_ns = since_ns + length_ns;
        let mut stretches = Vec::new();
        let mut spending = Spending::new(ME, (since_ns, until_ns), &gaps);
        let mut tell = |it: Stretch| stretches.push(it);
        rows.iter().for_each(|row| spending.on(row, &mut tell));
        spending.finish(&mut tell);
        let (mut now_ns, end_ns) = spending.observed_ns();
        prop_assert!(since_ns <= now_ns && end_ns <= until_ns);
        for stretch in &stretches {
            prop_assert_eq!(stretch.start_ns, now_ns);
            prop_assert!(stretch.end_ns > now_ns);
            now_ns = stretch.end_ns;
        }
        prop_assert_eq!(now_ns, end_ns);
        let sum: u64 = Spent::ALL.iter().map(|&on| spending.spent_ns(on)).sum();
        prop_assert_eq!(sum, end_ns - spending.observed_ns().0);
        // What is told of an instant in a run is that it ran.
        let ran = |ns: u64| rows.iter().any(|row| matches!(row, Happening::Run(run)
            if (run.start_ns as u64..run.end_ns as u64).contains(&ns)));
        for stretch in &stretches {
            let runs = matches!(
                stretch.spent,
                Spent::Running
                    | Spent::Dirty
                    | Spent::Collecting
                    | Spent::Preempted
                    | Spent::Blocked
            );
            for ns in stretch.start_ns..stretch.end_ns {
                prop_assert!(!runs || ran(ns), "{:?}", stretch);
                let lost = stretch.spent != Spent::Gap || gaps.lost_ns(ns, ns + 1) == 1;
                prop_assert!(lost, "{:?}", stretch);
            }
        }
    }
}
