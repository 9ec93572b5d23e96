//! Single rules by name, then what holds for any stream, and true collections.

use escope_model::{Cut, ExitReason, Heaps, SchedulerId, VmEvent, VmEventKind};
use proptest::prelude::*;

use super::{AWAY, CollectionRow, Collections};
use crate::kit::{self, dirty, enter, leave, normal};

type Told = (char, Option<SchedulerId>, u64, u64, Option<Cut>);

const BEGAN: u64 = 10;

fn start(ns: u64, scheduler: SchedulerId) -> VmEvent {
    kit::event(
        ns,
        scheduler,
        VmEventKind::CollectionStart(Heaps::default()),
    )
}

fn end(ns: u64, scheduler: SchedulerId) -> VmEvent {
    kit::event(ns, scheduler, VmEventKind::CollectionEnd(Heaps::default()))
}

fn exit(ns: u64, scheduler: SchedulerId) -> VmEvent {
    kit::event(
        ns,
        scheduler,
        VmEventKind::Exit {
            reason: ExitReason::default(),
        },
    )
}

fn told(rows: &[CollectionRow<char>]) -> Vec<Told> {
    rows.iter()
        .map(|row| (row.who, row.scheduler, row.start_ns, row.end_ns, row.cut))
        .collect()
}

/// What comes of the events, and of the end of the observation at 1000.
fn collections(events: &[(VmEvent, char)]) -> Vec<Told> {
    let mut collections = Collections::new(BEGAN);
    let mut rows = Vec::new();
    for (event, who) in events {
        collections.on(event, Some(*who), &mut rows);
    }
    collections.finish(1000, &mut rows);
    told(&rows)
}

#[test]
fn start_and_end_are_a_collection() {
    let one = normal(1);
    let events = [
        (enter(20, one), 'a'),
        (start(30, one), 'a'),
        (end(35, one), 'a'),
        (start(40, one), 'a'),
        (kit::dequeue(41, 1), 'a'),
        (end(45, one), 'a'),
        (leave(50, one, 0), 'a'),
    ];
    let expected = [
        ('a', Some(one), 30, 35, None),
        ('a', Some(one), 40, 45, None),
    ];
    assert_eq!(collections(&events), expected);
}

#[test]
fn a_long_one_goes_on_on_a_dirty_scheduler() {
    let one = normal(1);
    let events = [
        (start(20, one), 'a'),
        (leave(25, one, 0), 'a'),
        (enter(26, one), 'b'),
        (start(30, dirty(1)), 'a'),
        (start(31, one), 'b'),
        (end(32, one), 'b'),
        (end(90, dirty(1)), 'a'),
        (leave(91, dirty(1), 0), 'a'),
    ];
    let expected = [
        ('b', Some(one), 31, 32, None),
        ('a', Some(dirty(1)), 20, 90, None),
    ];
    assert_eq!(collections(&events), expected);
}

#[test]
fn one_that_ends_when_the_process_is_back_took_all_the_time() {
    let events = [
        (start(20, normal(1)), 'a'),
        (leave(25, normal(1), 0), 'a'),
        (enter(30, dirty(1)), 'a'),
        (leave(80, dirty(1), 0), 'a'),
        (enter(90, normal(2)), 'a'),
        (end(91, normal(2)), 'a'),
    ];
    let expected = [('a', Some(normal(2)), 20, 91, None)];
    assert_eq!(collections(&events), expected);
}

#[test]
fn one_without_an_end_is_told_until_its_process_left() {
    let (one, two) = (normal(1), normal(2));
    let events = [
        (start(20, one), 'a'),
        (start(30, one), 'a'),
        (leave(35, one, 0), 'a'),
        (start(90, two), 'a'),
        (start(95, two), 'b'),
        (exit(98, two), 'b'),
    ];
    let cut = Some(Cut::End);
    let expected = [
        ('a', Some(one), 20, 30, cut),
        ('a', Some(one), 30, 35, cut),
        ('b', Some(two), 95, 98, cut),
        ('a', Some(two), 90, 95, cut),
    ];
    assert_eq!(collections(&events), expected);
}

#[test]
fn one_that_was_dirty_already_does_not_move_again() {
    let events = [
        (start(20, dirty(1)), 'a'),
        (leave(25, dirty(1), 0), 'a'),
        (start(30, dirty(2)), 'a'),
        (end(35, dirty(2)), 'a'),
    ];
    let expected = [
        ('a', Some(dirty(1)), 20, 25, Some(Cut::End)),
        ('a', Some(dirty(2)), 30, 35, None),
    ];
    assert_eq!(collections(&events), expected);
}

#[test]
fn who_was_collected_somewhere_before_does_not_leave_from_there() {
    let (one, two) = (normal(1), normal(2));
    let events = [
        (start(20, one), 'a'),
        (end(25, one), 'a'),
        (start(30, two), 'a'),
        (enter(40, one), 'b'),
        (exit(50, two), 'a'),
    ];
    let expected = [
        ('a', Some(one), 20, 25, None),
        ('a', Some(two), 30, 50, Some(Cut::End)),
    ];
    assert_eq!(collections(&events), expected);
}

#[test]
fn one_without_a_start_is_told_since_its_process_came() {
    let (one, two) = (normal(1), normal(2));
    let events = [
        (end(15, one), 'a'),
        (enter(20, two), 'b'),
        (end(30, two), 'b'),
        (end(40, two), 'b'),
        (end(50, one), 'b'),
    ];
    let cut = Some(Cut::Start);
    let expected = [
        ('a', Some(one), BEGAN, 15, cut),
        ('b', Some(two), 20, 30, cut),
        ('b', Some(two), 30, 40, cut),
        ('b', Some(one), 40, 50, cut),
    ];
    assert_eq!(collections(&events), expected);
}

#[test]
fn an_end_where_the_process_cannot_be_cuts_both() {
    let events = [(start(20, normal(1)), 'a'), (end(30, normal(2)), 'a')];
    let expected = [
        ('a', Some(normal(1)), 20, 30, Some(Cut::End)),
        ('a', Some(normal(2)), 30, 30, Some(Cut::Start)),
    ];
    assert_eq!(collections(&events), expected);
}

#[test]
fn a_gap_cuts_and_hides() {
    let mut collections = Collections::new(BEGAN);
    let mut rows = Vec::new();
    let (one, two) = (normal(1), normal(2));
    collections.on(&start(20, one), Some('a'), &mut rows);
    collections.on(&start(21, two), Some('b'), &mut rows);
    collections.on(&leave(25, two, 0), Some('b'), &mut rows);
    collections.gap(30, 50, &mut rows);
    collections.on(&end(60, one), Some('a'), &mut rows);
    collections.on(&start(70, one), None, &mut rows);
    let expected = [
        ('a', Some(one), 20, 30, Some(Cut::End)),
        ('b', Some(two), 21, 25, Some(Cut::End)),
        ('a', Some(one), 50, 60, Some(Cut::Start)),
    ];
    assert_eq!(told(&rows), expected);
    assert_eq!(collections.unplaced(), 1);
}

#[test]
fn lost_ends_do_not_pile_up() {
    let mut collections = Collections::new(BEGAN);
    let mut rows = Vec::new();
    let many = 2 * AWAY as u64 + 2;
    for who in 0..many {
        collections.on(&start(20, normal(1)), Some(who), &mut rows);
        collections.on(&leave(30, normal(1), 0), Some(who), &mut rows);
        assert!(collections.open.len() <= AWAY);
    }
    collections.finish(1000, &mut rows);
    assert_eq!(rows.len() as u64, many);
    assert!(rows.iter().all(|row| row.cut == Some(Cut::End)));
}

/// What happens, where, to whom, how much later.
type Step = (u8, bool, u16, char, u64);

fn event_of(&(what, is_dirty, number, _, _): &Step, ns: u64) -> VmEvent {
    let scheduler = if is_dirty {
        dirty(number)
    } else {
        normal(number)
    };
    match what {
        0..3 => start(ns, scheduler),
        3..6 => end(ns, scheduler),
        6 => enter(ns, scheduler),
        7 => leave(ns, scheduler, 0),
        _ => exit(ns, scheduler),
    }
}

proptest! {
    #[test]
    fn any_stream_gives_each_start_and_end_once_and_no_overlap(
        steps in prop::collection::vec(
            (0..10u8, any::<bool>(), 1..3u16, prop::char::range('a', 'c'), 0..5u64), 0..60
        ),
        gaps in prop::collection::vec((0..60usize, 0..5u64), 0..3),
    ) {
        let mut collections = Collections::new(BEGAN);
        let (mut rows, mut ns) = (Vec::new(), BEGAN);
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        for (nth, step) in steps.iter().enumerate() {
            for (_, length) in gaps.iter().filter(|gap| gap.0 == nth) {
                collections.gap(ns, ns + length, &mut rows);
                ns += length;
            }
            ns += step.4;
            collections.on(&event_of(step, ns), Some(step.3), &mut rows);
            match step.0 {
                0..3 => starts.push((step.3, ns)),
                3..6 => ends.push((step.3, ns)),
                _ => {}
            }
        }
        collections.finish(ns, &mut rows);
        for (n, a) in rows.iter().enumerate() {
            prop_assert!(a.start_ns <= a.end_ns);
            prop_assert!(!rows[n + 1..].iter().any(|b| {
                a.who == b.who && a.start_ns < b.end_ns && b.start_ns < a.end_ns
            }), "{:?}", rows);
        }
        let mut told: Vec<(char, u64)> = rows.iter().filter(|row| row.cut != Some(Cut::End))
            .map(|row| (row.who, row.end_ns)).collect();
        told.sort_unstable();
        ends.sort_unstable();
        prop_assert_eq!(told, ends);
        // All Starts begin a row but those on dirty schedulers that may go on with one.
        let told: Vec<(char, u64)> = rows.iter().filter(|row| row.cut != Some(Cut::Start))
            .map(|row| (row.who, row.start_ns)).collect();
        prop_assert!(told.iter().all(|row| starts.contains(row)));
        let on_dirty = steps.iter().filter(|step| step.0 < 3 && step.1).count();
        prop_assert!(told.len() <= starts.len() && told.len() + on_dirty >= starts.len());
    }

    #[test]
    fn true_collections_are_told_as_they_were(
        program in prop::collection::vec((0..3usize, 1..9u64, any::<bool>()), 0..30),
    ) {
        // A process is collected once a run; a long one leaves for a dirty scheduler, while
        // the other one may run on the first, which two of three share.
        let mut events: Vec<(u64, VmEvent, char)> = Vec::new();
        let mut expected = Vec::new();
        let (mut free, mut at_rest) = ([BEGAN; 2], [BEGAN; 3]);
        for (nth, length, is_long) in program {
            let (home, away) = (normal([1, 1, 2][nth]), dirty([1, 2, 3][nth]));
            let (who, free) = (['a', 'b', 'c'][nth], &mut free[[0, 0, 1][nth]]);
            let mut push = |ns: u64, event: VmEvent| events.push((ns, event, who));
            let at = 1 + at_rest[nth].max(*free);
            push(at, enter(at, home));
            push(at + 1, start(at + 1, home));
            let (end_ns, place) = if is_long {
                push(at + 2, leave(at + 2, home, 0));
                push(at + 3, start(at + 3, away));
                (at + 3 + length, away)
            } else {
                (at + 1 + length, home)
            };
            push(end_ns, end(end_ns, place));
            push(end_ns + 1, leave(end_ns + 1, place, 0));
            expected.push((who, Some(place), at + 1, end_ns, None));
            at_rest[nth] = end_ns + 1;
            *free = if is_long { at + 2 } else { end_ns + 1 };
        }
        events.sort_by_key(|event| event.0);
        let mut collections = Collections::new(BEGAN);
        let mut rows = Vec::new();
        for (_, event, who) in &events {
            collections.on(event, Some(*who), &mut rows);
        }
        collections.finish(10_000, &mut rows);
        let mut told = told(&rows);
        told.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(told, expected);
    }
}
