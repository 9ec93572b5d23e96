//! Single rules by name, then streams of events against what brute force makes of them.

use escope_model::{Cut, LeftAs, SchedulerId, VmEvent, WokenBy};
use proptest::prelude::*;

use super::{RunRow, Runs};
use crate::kit::{self, ACTIVE, BITS, DIRTY, dirty, enter, leave, normal};

type Told = (char, SchedulerId, u64, u64, Option<Cut>);

const BEGAN: u64 = 10;

fn told(rows: &[RunRow<char>]) -> Vec<Told> {
    rows.iter()
        .map(|row| (row.who, row.scheduler, row.start_ns, row.end_ns, row.cut))
        .collect()
}

/// What comes of the events, and of the end of the observation at 1000.
fn runs(events: &[(VmEvent, char)]) -> Vec<Told> {
    let mut runs = Runs::new(BITS, BEGAN);
    let mut rows = Vec::new();
    for (event, who) in events {
        runs.on(event, Some(*who), &mut rows);
    }
    runs.finish(1000, &mut rows);
    told(&rows)
}

#[test]
fn in_and_out_are_a_run() {
    let mut runs = Runs::new(BITS, BEGAN);
    let mut rows = Vec::new();
    runs.on(&enter(20, normal(1)), Some('a'), &mut rows);
    assert_eq!(rows, []);
    runs.on(&leave(30, normal(1), ACTIVE | DIRTY), Some('a'), &mut rows);
    let row = RunRow {
        who: 'a',
        scheduler: normal(1),
        start_ns: 20,
        end_ns: 30,
        at: Some(0x50),
        woken_by: None,
        reductions: Some(7),
        left_as: Some(LeftAs::Dirty),
        cut: None,
    };
    assert_eq!(rows, [row]);
    runs.on(&enter(40, dirty(1)), Some('a'), &mut rows);
    runs.on(&leave(50, dirty(1), 0), Some('a'), &mut rows);
    assert_eq!(rows[1].left_as, Some(LeftAs::Waiting));
    runs.finish(60, &mut rows);
    assert_eq!(rows.len(), 2);
}

#[test]
fn what_ends_waiting_is_told_of_the_run_after_it() {
    let mut runs = Runs::new(BITS, BEGAN);
    let mut rows = Vec::new();
    let one = normal(1);
    // It goes on elsewhere than it left, every time; it waited before the third, and before a gap.
    for (ns, state) in [(20, ACTIVE), (40, 0), (60, 0), (80, ACTIVE)] {
        runs.on(&enter(ns, one), Some('a'), &mut rows);
        runs.on(&leave(ns + 10, one, state), Some('a'), &mut rows);
        if ns == 60 {
            runs.gap(72, 75, &mut rows);
        }
    }
    let told: Vec<_> = rows.iter().map(|row| row.woken_by).collect();
    assert_eq!(told, [None, None, Some(WokenBy::Timeout), None]);
}

#[test]
fn an_out_without_an_in_is_cut_at_its_start() {
    let (one, two) = (normal(1), normal(2));
    let events = [
        (leave(20, one, 0), 'a'),
        (leave(30, one, 0), 'b'),
        (leave(40, two, 0), 'c'),
        (leave(50, two, 0), 'a'),
        (leave(60, dirty(2), 0), 'a'),
    ];
    let start = Some(Cut::Start);
    assert_eq!(
        runs(&events),
        [
            ('a', one, BEGAN, 20, start),
            ('b', one, 20, 30, start),
            ('c', two, BEGAN, 40, start),
            ('a', two, 40, 50, start),
            ('a', dirty(2), 50, 60, start),
        ]
    );
}

#[test]
fn an_in_ends_what_is_open_there_and_what_the_process_has_open_elsewhere() {
    let (one, two) = (normal(1), normal(2));
    let events = [
        (enter(20, one), 'a'),
        (enter(30, two), 'b'),
        (enter(40, one), 'b'),
        (leave(50, one, 0), 'b'),
    ];
    let end = Some(Cut::End);
    assert_eq!(
        runs(&events),
        [
            ('a', one, 20, 40, end),
            ('b', two, 30, 40, end),
            ('b', one, 40, 50, None),
        ]
    );
}

#[test]
fn an_out_of_another_process_cuts_both() {
    let (one, two) = (normal(1), normal(2));
    let events = [
        (enter(20, one), 'a'),
        (enter(30, two), 'b'),
        (leave(40, one, 0), 'b'),
        (leave(50, one, 0), 'a'),
    ];
    assert_eq!(
        runs(&events),
        [
            ('a', one, 20, 40, Some(Cut::End)),
            ('b', two, 30, 40, Some(Cut::End)),
            ('b', one, 40, 40, Some(Cut::Start)),
            ('a', one, 40, 50, Some(Cut::Start)),
        ]
    );
}

#[test]
fn a_scheduler_that_had_nothing_to_run_ends_nothing() {
    let mut runs = Runs::new(BITS, BEGAN);
    let mut rows = Vec::new();
    let idle = VmEvent {
        process: 0,
        pid: 0,
        ..leave(25, normal(1), 0)
    };
    runs.on(&enter(20, normal(1)), Some('a'), &mut rows);
    runs.on(&idle, None, &mut rows);
    assert_eq!((rows.len(), runs.unplaced()), (0, 0));
    runs.on(&leave(30, normal(1), 0), Some('a'), &mut rows);
    assert_eq!(told(&rows), [('a', normal(1), 20, 30, None)]);
}

#[test]
fn what_nobody_knows_is_counted_and_ends_what_it_contradicts() {
    let mut runs = Runs::new(BITS, BEGAN);
    let mut rows = Vec::new();
    runs.on(&enter(20, normal(1)), Some('a'), &mut rows);
    runs.on(&enter(30, normal(1)), None, &mut rows);
    let nowhere = VmEvent {
        scheduler: None,
        ..enter(40, normal(1))
    };
    runs.on(&nowhere, Some('a'), &mut rows);
    runs.on(&kit::dequeue(50, 1), Some('a'), &mut rows);
    runs.finish(60, &mut rows);
    assert_eq!(told(&rows), [('a', normal(1), 20, 30, Some(Cut::End))]);
    assert_eq!(runs.unplaced(), 2);
}

#[test]
fn in_a_gap_nothing_is_invented() {
    let (one, two) = (normal(1), normal(2));
    let mut runs = Runs::new(BITS, BEGAN);
    let mut rows = Vec::new();
    runs.on(&enter(20, one), Some('a'), &mut rows);
    runs.on(&enter(30, two), Some('b'), &mut rows);
    runs.gap(35, 100, &mut rows);
    runs.on(&leave(110, one, 0), Some('a'), &mut rows);
    runs.on(&enter(120, two), Some('b'), &mut rows);
    runs.on(&enter(130, one), Some('c'), &mut rows);
    // Told too late: what began after it is not touched, what went on in it is.
    runs.gap(90, 130, &mut rows);
    runs.on(&leave(140, two, 0), Some('b'), &mut rows);
    runs.on(&leave(150, one, 0), Some('c'), &mut rows);
    assert_eq!(
        told(&rows),
        [
            ('a', one, 20, 35, Some(Cut::End)),
            ('b', two, 30, 35, Some(Cut::End)),
            ('a', one, 100, 110, Some(Cut::Start)),
            ('b', two, 120, 120, Some(Cut::End)),
            ('b', two, 130, 140, Some(Cut::Start)),
            ('c', one, 130, 150, None),
        ]
    );
}

#[test]
fn an_event_that_came_too_late_counts_as_of_now() {
    let events = [
        (enter(20, normal(1)), 'a'),
        (leave(30, normal(1), 0), 'a'),
        (enter(u64::MAX, normal(1)), 'a'),
        (leave(0, normal(1), 0), 'a'),
    ];
    let told = runs(&events);
    assert_eq!(told[1], ('a', normal(1), u64::MAX, u64::MAX, None));
}

/// One random event: whether it is an In, on which scheduler, of whom if known.
type Step = (bool, u16, Option<char>, u64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = prop::option::weighted(0.9, prop::char::range('a', 'd'));
    prop::collection::vec((any::<bool>(), 1..4u16, who, 0..5u64), 0..60)
}

fn event_of(&(is_in, scheduler, _, _): &Step, ns: u64) -> VmEvent {
    if is_in {
        enter(ns, normal(scheduler))
    } else {
        leave(ns, normal(scheduler), 0)
    }
}

/// What the table in the module's documentation says, by looking from each event at all others.
fn brute_force(steps: &[Step]) -> Vec<Told> {
    let mut ns = BEGAN;
    let timed = steps.iter().map(|&(is_in, scheduler, who, step)| {
        ns += step;
        (is_in, scheduler, who, ns)
    });
    let timed: Vec<Step> = timed.collect();
    let concerns = |it: &Step, scheduler, who| it.1 == scheduler || it.2 == Some(who);
    let mut told: Vec<Told> = Vec::new();
    for (i, &(is_in, scheduler, who, ns)) in timed.iter().enumerate() {
        let Some(who) = who else { continue };
        if is_in {
            let next = timed[i + 1..]
                .iter()
                .find(|it| concerns(it, scheduler, who));
            let whole = next.is_some_and(|it| !it.0 && it.1 == scheduler && it.2 == Some(who));
            let cut = (!whole).then_some(Cut::End);
            told.push((
                who,
                normal(scheduler),
                ns,
                next.map_or(1000, |it| it.3),
                cut,
            ));
            continue;
        }
        // What this Out may end: the latest In there, and the latest of this process.
        let is_open = |j: usize| {
            let (was_in, there, whose, _) = timed[j];
            let mut between = timed[j + 1..i].iter();
            was_in && whose.is_some_and(|whose| !between.any(|it| concerns(it, there, whose)))
        };
        let open: Vec<usize> = (0..i).filter(|&j| is_open(j)).collect();
        let mut open = open
            .iter()
            .map(|&j| &timed[j])
            .filter(|it| concerns(it, scheduler, who));
        match open.next() {
            Some(it) if it.1 == scheduler && it.2 == Some(who) => {}
            Some(_) => told.push((who, normal(scheduler), ns, ns, Some(Cut::Start))),
            None => {
                // The last event there or of the process, and the ends of runs that were there.
                let seen = timed[..i].iter().filter(|it| concerns(it, scheduler, who));
                let ended = (0..i).filter(|&j| timed[j].0 && timed[j].1 == scheduler);
                let ended = ended.filter_map(|j| {
                    let whose = timed[j].2?;
                    timed[j + 1..i]
                        .iter()
                        .find(|it| concerns(it, scheduler, whose))
                });
                let of_who = (0..i).filter(|&j| timed[j].0 && timed[j].2 == Some(who));
                let of_who = of_who.filter_map(|j| {
                    let there = timed[j].1;
                    timed[j + 1..i].iter().find(|it| concerns(it, there, who))
                });
                let start = seen.chain(ended).chain(of_who).map(|it| it.3).max();
                told.push((
                    who,
                    normal(scheduler),
                    start.unwrap_or(BEGAN),
                    ns,
                    Some(Cut::Start),
                ));
            }
        }
    }
    told.sort_unstable();
    told
}

fn overlaps(a: &Told, b: &Told) -> bool {
    (a.0 == b.0 || a.1 == b.1) && a.2 < b.3 && b.2 < a.3
}

proptest! {
    #[test]
    fn any_stream_gives_what_the_table_says_and_no_overlap(steps in steps()) {
        let mut runs = Runs::new(BITS, BEGAN);
        let (mut rows, mut ns) = (Vec::new(), BEGAN);
        for step in &steps {
            ns += step.3;
            runs.on(&event_of(step, ns), step.2, &mut rows);
        }
        runs.finish(1000, &mut rows);
        let mut told = told(&rows);
        told.sort_unstable();
        for (n, a) in told.iter().enumerate() {
            prop_assert!(a.2 <= a.3);
            prop_assert!(!told[n + 1..].iter().any(|b| overlaps(a, b)), "{:?}", told);
        }
        prop_assert_eq!(told, brute_force(&steps));
        let nobody = steps.iter().filter(|step| step.2.is_none()).count() as u64;
        prop_assert_eq!(runs.unplaced(), nobody);
    }

    #[test]
    fn events_and_gaps_in_any_order_never_overlap(
        steps in prop::collection::vec(
            (any::<bool>(), 1..4u16, prop::char::range('a', 'd'), 0..200u64, 0..9u8), 0..60
        ),
    ) {
        let mut runs = Runs::new(BITS, BEGAN);
        let mut rows = Vec::new();
        for (is_in, scheduler, who, ns, what) in steps {
            if what == 0 {
                runs.gap(ns, ns + u64::from(scheduler) * 10, &mut rows);
            } else {
                runs.on(&event_of(&(is_in, scheduler, None, 0), ns), Some(who), &mut rows);
            }
        }
        runs.finish(100, &mut rows);
        let told = told(&rows);
        for (n, a) in told.iter().enumerate() {
            prop_assert!(a.2 <= a.3);
            prop_assert!(!told[n + 1..].iter().any(|b| overlaps(a, b)), "{:?}", told);
        }
    }

    #[test]
    fn what_is_seen_of_true_runs_is_told_as_it_was(
        program in prop::collection::vec((1..4u16, 1..9u64, 1..9u64), 0..40),
        gaps in prop::collection::vec((1..60u64, 1..40u64), 0..4),
    ) {
        let truth = true_runs(&program);
        let mut end = 0;
        let gaps = gaps.into_iter().map(|(pause, length)| {
            end += pause + length;
            (end - length, end)
        });
        let gaps: Vec<(u64, u64)> = gaps.collect();
        let mut told = told(&seen_of(&truth, &gaps));
        told.sort_unstable();
        prop_assert_eq!(told, expected(&truth, &gaps));
    }
}

type TrueRun = (char, SchedulerId, u64, u64);

/// Each scheduler has three processes of its own, which run one after the other.
fn true_runs(program: &[(u16, u64, u64)]) -> Vec<TrueRun> {
    let mut free = [BEGAN; 4];
    let runs = program.iter().zip((0..3).cycle());
    let runs = runs.map(|(&(scheduler, idle, busy), nth)| {
        let now = &mut free[usize::from(scheduler)];
        let start = *now + idle;
        *now = start + busy;
        let who = char::from_digit(u32::from(scheduler) * 3 + nth, 36).unwrap_or('?');
        (who, normal(scheduler), start, *now)
    });
    runs.collect()
}

fn is_lost(gaps: &[(u64, u64)], ns: u64) -> bool {
    gaps.iter().any(|&(from, to)| from <= ns && ns < to)
}

/// What the machine tells if it sees what happens outside of gaps, and each gap at its end.
fn seen_of(truth: &[TrueRun], gaps: &[(u64, u64)]) -> Vec<RunRow<char>> {
    let mut times: Vec<u64> = truth.iter().flat_map(|run| [run.2, run.3]).collect();
    times.extend(gaps.iter().map(|gap| gap.1));
    times.sort_unstable();
    times.dedup();
    let mut runs = Runs::new(BITS, 0);
    let mut rows = Vec::new();
    for ns in times {
        for &(from, to) in gaps.iter().filter(|gap| gap.1 == ns) {
            runs.gap(from, to, &mut rows);
        }
        for &(who, scheduler, start, end) in truth.iter().filter(|_| !is_lost(gaps, ns)) {
            if ns == start {
                runs.on(&enter(ns, scheduler), Some(who), &mut rows);
            } else if ns == end {
                runs.on(&leave(ns, scheduler, 0), Some(who), &mut rows);
            }
        }
    }
    runs.finish(1000, &mut rows);
    rows
}

/// Each true run by itself, with the gaps that it meets.
fn expected(truth: &[TrueRun], gaps: &[(u64, u64)]) -> Vec<Told> {
    let mut told = Vec::new();
    for &(who, scheduler, start, end) in truth {
        let mut inside = gaps.iter().filter(|gap| start < gap.1 && gap.0 <= end);
        let Some(first) = inside.next() else {
            told.push((who, scheduler, start, end, None));
            continue;
        };
        let last = inside.next_back().unwrap_or(first);
        if !is_lost(gaps, start) {
            told.push((who, scheduler, start, first.0, Some(Cut::End)));
        }
        if !is_lost(gaps, end) {
            told.push((who, scheduler, last.1, end, Some(Cut::Start)));
        }
    }
    told.sort_unstable();
    told
}
