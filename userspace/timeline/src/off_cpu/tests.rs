use escope_model::{Cut, OffCpuWhy, SchedulerId, VmEvent, VmEventKind};
use proptest::prelude::*;

use super::{OffCpuRow, OffCpus};
use crate::kit::{ACTIVE, enter, event, leave, normal};

fn out(ns: u64, scheduler: SchedulerId, is_ready: bool, delayed_ns: u64) -> VmEvent {
    let delayed_ns = Some(delayed_ns);
    let what = VmEventKind::SwitchedOut {
        is_ready,
        delayed_ns,
    };
    event(ns, scheduler, what)
}

fn back(ns: u64, scheduler: SchedulerId, delayed_ns: u64, queued_ns: u64) -> VmEvent {
    let what = VmEventKind::SwitchedIn {
        delayed_ns: Some(delayed_ns),
        queued_ns: Some(queued_ns),
    };
    event(ns, scheduler, what)
}

/// From when to when, why, ready for how long, cut.
type Told = (u64, u64, Option<OffCpuWhy>, Option<u64>, Option<Cut>);

fn told(row: &OffCpuRow<char>) -> Told {
    (row.start_ns, row.end_ns, row.why, row.ready_ns, row.cut)
}

fn all(events: &[VmEvent]) -> Vec<Told> {
    let (mut machine, mut rows) = (OffCpus::new(5), Vec::new());
    for event in events {
        machine.on(event, Some('a'), &mut rows);
    }
    machine.finish(1000, &mut rows);
    rows.iter().map(told).collect()
}

const PREEMPTED: Option<OffCpuWhy> = Some(OffCpuWhy::Preempted);
const BLOCKED: Option<OffCpuWhy> = Some(OffCpuWhy::Blocked);

#[test]
fn who_is_preempted_is_ready_and_who_is_blocked_once_it_is_woken() {
    let one = normal(1);
    let events = [
        enter(10, one),
        out(20, one, true, 500),
        back(50, one, 529, 29),
        out(60, one, false, 529),
        back(100, one, 536, 7),
        leave(110, one, ACTIVE),
    ];
    let expected = [
        (20, 50, PREEMPTED, Some(30), None),
        (60, 100, BLOCKED, Some(7), None),
    ];
    assert_eq!(all(&events), expected);
}

#[test]
fn schedulers_are_apart_and_rows_say_whom_they_ran() {
    let (mut machine, mut rows) = (OffCpus::new(0), Vec::new());
    let (one, two) = (normal(1), normal(2));
    machine.on(&out(10, one, true, 0), Some('a'), &mut rows);
    machine.on(&out(11, two, false, 0), None, &mut rows);
    machine.on(&back(12, one, 2, 2), Some('a'), &mut rows);
    machine.on(&back(20, two, 0, 0), None, &mut rows);
    let who: Vec<_> = rows.iter().map(|row| (row.scheduler, row.who)).collect();
    assert_eq!(who, [(one, Some('a')), (two, None)]);
    assert_eq!(told(&rows[1]), (11, 20, BLOCKED, Some(0), None));
}

#[test]
fn what_was_not_seen_to_begin_did_so_after_the_last_event() {
    let one = normal(1);
    // Before there is any event, when the observation began.
    assert_eq!(
        all(&[back(30, one, 90, 10)]),
        [(5, 30, None, Some(10), Some(Cut::Start))]
    );
    let events = [leave(20, one, ACTIVE), back(30, one, 90, 60)];
    assert_eq!(all(&events), [(20, 30, None, Some(10), Some(Cut::Start))]);
}

#[test]
fn a_thread_that_does_something_has_a_cpu() {
    let one = normal(1);
    let events = [
        out(10, one, false, 0),
        enter(40, one),
        out(50, one, true, 100),
        out(90, one, true, 107),
        // The kernel counts by another clock.
        out(95, one, true, 114),
    ];
    let expected = [
        (10, 40, BLOCKED, None, Some(Cut::End)),
        (50, 57, PREEMPTED, Some(7), Some(Cut::End)),
        (90, 95, PREEMPTED, Some(5), Some(Cut::End)),
        (95, 1000, PREEMPTED, Some(905), Some(Cut::End)),
    ];
    assert_eq!(all(&events), expected);
}

#[test]
fn in_a_gap_nothing_is_told() {
    let (mut machine, mut rows) = (OffCpus::new(0), Vec::new());
    let one = normal(1);
    machine.on(&out(10, one, false, 0), Some('a'), &mut rows);
    machine.gap(20, 40, &mut rows);
    machine.on(&back(50, one, 3, 3), Some('a'), &mut rows);
    let expected = [
        (10, 20, BLOCKED, None, Some(Cut::End)),
        (40, 50, None, Some(3), Some(Cut::Start)),
    ];
    assert_eq!(rows.iter().map(told).collect::<Vec<_>>(), expected);
}

#[test]
fn a_kernel_that_does_not_count_leaves_it_unknown() {
    let one = normal(1);
    let switched = |ns, is_out| {
        let (delayed_ns, queued_ns) = (None, None);
        let what = match is_out {
            true => VmEventKind::SwitchedOut {
                is_ready: false,
                delayed_ns,
            },
            false => VmEventKind::SwitchedIn {
                delayed_ns,
                queued_ns,
            },
        };
        event(ns, one, what)
    };
    let events = [switched(10, false), switched(20, true), switched(30, false)];
    let expected = [
        (5, 10, None, None, Some(Cut::Start)),
        (20, 30, BLOCKED, None, None),
    ];
    assert_eq!(all(&events), expected);
}

proptest! {
    #[test]
    fn whatever_comes_rows_of_a_scheduler_lie_apart(
        steps in prop::collection::vec((0..100u64, 1..3u16, 0..6u8, 0..50u64), 0..60),
    ) {
        let (mut machine, mut rows) = (OffCpus::new(10), Vec::new());
        for (ns, number, what, count) in steps {
            let scheduler = normal(number);
            let event = match what {
                0 => out(ns, scheduler, true, count),
                1 => out(ns, scheduler, false, count),
                2 | 3 => back(ns, scheduler, count, count),
                4 => enter(ns, scheduler),
                _ => {
                    machine.gap(ns, ns + count, &mut rows);
                    continue;
                }
            };
            machine.on(&event, Some('a'), &mut rows);
        }
        machine.finish(200, &mut rows);
        for number in 1..3 {
            let of_one: Vec<_> = rows.iter().filter(|row| row.scheduler == normal(number)).collect();
            for row in &of_one {
                prop_assert!(row.start_ns <= row.end_ns);
                prop_assert!(row.ready_ns.is_none_or(|ns| ns <= row.end_ns - row.start_ns));
                prop_assert!(row.why.is_some() || row.cut == Some(Cut::Start));
            }
        }
    }

    #[test]
    fn in_order_without_gaps_they_do_not_overlap(
        steps in prop::collection::vec((0..20u64, 1..3u16, 0..5u8), 0..60),
    ) {
        let (mut machine, mut rows) = (OffCpus::<char>::new(0), Vec::new());
        let mut now_ns = 0;
        for (step, number, what) in steps {
            now_ns += step;
            let scheduler = normal(number);
            let event = match what {
                0 | 1 => out(now_ns, scheduler, what == 0, 0),
                2 | 3 => back(now_ns, scheduler, 0, 3),
                _ => enter(now_ns, scheduler),
            };
            machine.on(&event, None, &mut rows);
        }
        machine.finish(now_ns, &mut rows);
        for number in 1..3 {
            let of_one: Vec<_> = rows.iter().filter(|row| row.scheduler == normal(number)).collect();
            for pair in of_one.windows(2) {
                prop_assert!(pair[0].end_ns <= pair[1].start_ns);
            }
        }
    }
}
