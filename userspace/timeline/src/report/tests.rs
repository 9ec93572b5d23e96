//! Reports against what a brute-force look at all rows says.

mod calls;
mod kit;

use std::collections::BTreeMap;

use escope_model::{
    Cut, DistAction, DistEvent, Fate, LeftAs, LifeEvent, MessageKind, ModuleAction, ModuleEvent,
    PortAction, PortEvent, PortId, ProcId, WokenBy,
};
use proptest::prelude::*;

use self::kit::{ALL, collection, life, message, report, run, scope};
use super::{ReportScope, Sizes};
use crate::at_least::AtLeast;
use crate::delays::{DelayKind, ProcessRuns};
use crate::gaps::Gaps;
use crate::merged::Happening;
use crate::rests::became_message;
use crate::runs::RunRow;
use crate::spread::Spread;

const A: ProcId = ProcId(1);
const B: ProcId = ProcId(2);

#[test]
fn messages_are_counted_by_who_and_by_kind() {
    let rows = [
        message(A, B, MessageKind::Call, 10, Some(15)),
        message(B, A, MessageKind::Reply, 20, Some(21)),
        message(A, B, MessageKind::Cast, 30, None),
        Happening::Message(escope_model::Message {
            from: None,
            fate: Fate::Dropped,
            size_words: None,
            ..kit::row(A, B, MessageKind::Timeout, 40, None)
        }),
    ];
    let report = report(&rows, &scope(100));
    let of = |proc| {
        *report
            .mail
            .senders()
            .find(|(it, _)| *it == proc)
            .expect("it is there")
            .1
    };
    assert_eq!((of(A).sum(), of(A).of(MessageKind::Call)), (2, 1));
    assert_eq!(of(B).of(MessageKind::Reply), 1);
    let mut receivers = report.mail.receivers();
    let got = receivers.find(|(it, _)| *it == B).expect("it is there").1;
    assert_eq!((got.sent.sum(), got.dropped), (3, 1));
    let waiting = AtLeast {
        count: 1,
        sum_ns: 70,
        max_ns: 70,
    };
    assert_eq!(got.waiting, waiting);
    assert_eq!((got.lain_ns.count(), got.lain_ns.max()), (1, 5));
    assert_eq!((report.mail.kinds.sum(), report.mail.from_outside), (4, 1));
    let longest: Vec<_> = report.mail.longest.iter().collect();
    let told: Vec<_> = longest.iter().map(|(ns, it)| (*ns, it.is_there)).collect();
    assert_eq!(told, [(70, true), (5, false), (1, false)]);
}

#[test]
fn a_signal_that_never_became_a_message_is_none() {
    let unknown = |kind| {
        Happening::Message(escope_model::Message {
            fate: Fate::Unknown,
            size_words: None,
            ..kit::row(A, B, kind, 10, None)
        })
    };
    let rows = [unknown(MessageKind::Down), unknown(MessageKind::Cast)];
    let report = report(&rows, &scope(100));
    assert_eq!(report.mail.kinds.sum(), 1);
    let (_, letters) = report.mail.receivers().next().expect("it is there");
    assert_eq!((letters.sent.sum(), letters.unknown), (1, 2));
    assert_eq!(report.mail.mailboxes().count(), 0);
}

#[test]
fn sizes_add_up_by_sender_and_the_largest_are_kept() {
    let sized = |from, size_words| {
        Happening::Message(escope_model::Message {
            size_words,
            ..kit::row(from, B, MessageKind::Message, 10, Some(20))
        })
    };
    let rows = [
        sized(A, Some(7)),
        sized(A, None),
        sized(B, Some(0)),
        sized(A, Some(40)),
        sized(B, None),
    ];
    let weights = report(&rows, &scope(100)).mail.weights;
    let mut senders: Vec<_> = weights.senders().map(|(proc, of)| (proc, *of)).collect();
    senders.sort_by_key(|(proc, _)| *proc);
    let sizes = |known, unknown, words, largest_words| Sizes {
        known,
        unknown,
        words,
        largest_words,
    };
    assert_eq!(senders, [(A, sizes(2, 1, 47, 40)), (B, sizes(1, 1, 0, 0))]);
    assert_eq!(weights.all, sizes(3, 2, 47, 40));
    let largest: Vec<u64> = weights.largest.iter().map(|(words, _)| words).collect();
    assert_eq!(largest, [40, 7]);
}

#[test]
fn a_mailbox_that_begins_with_something_and_ends_with_more_has_grown() {
    let rows = [
        message(A, B, MessageKind::Cast, 10, Some(60)),
        message(A, B, MessageKind::Cast, 20, Some(30)),
        message(A, B, MessageKind::Cast, 52, None),
        message(A, B, MessageKind::Cast, 54, None),
        message(A, A, MessageKind::Cast, 55, None),
        life(A, LifeEvent::Exit, 58, None),
        message(A, A, MessageKind::Cast, 59, None),
    ];
    let scope = ReportScope {
        since_ns: 50,
        ..scope(100)
    };
    let report = report(&rows, &scope);
    let of = |proc| {
        *report
            .mail
            .mailboxes()
            .find(|(it, _)| *it == proc)
            .expect("it is there")
            .1
    };
    let told = |proc| (of(proc).at_begin, of(proc).peak, of(proc).at_end);
    assert_eq!(told(B), (1, 3, 2));
    assert_eq!(told(A), (0, 1, 0));
}

#[test]
fn collections_count_where_they_began_and_as_long_as_they_lay_within() {
    let rows = [
        collection(A, 10, 60),
        collection(A, 70, 75),
        collection(B, 90, 150),
    ];
    let scope = ReportScope {
        since_ns: 50,
        ..scope(100)
    };
    let report = report(&rows, &scope);
    let of = |proc| {
        report
            .pauses
            .processes()
            .find(|(it, _)| *it == proc)
            .expect("it is there")
            .1
            .clone()
    };
    assert_eq!((of(A).collecting_ns, of(A).took_ns.count()), (15, 1));
    assert_eq!((of(B).collecting_ns, of(B).took_ns.max()), (10, 60));
    assert_eq!(report.pauses.all.took_ns.count(), 2);
    assert_eq!(
        report
            .pauses
            .longest
            .iter()
            .next()
            .expect("it is there")
            .1
            .proc,
        B
    );
}

#[test]
fn a_collection_that_was_not_seen_whole_is_in_no_percentile() {
    let Happening::Collection(cut) = collection(A, 40, 90) else {
        unreachable!("it is one")
    };
    let cut = escope_model::Collection {
        cut: Some(Cut::End),
        ..cut
    };
    let rows = [collection(A, 10, 15), Happening::Collection(cut)];
    let all = report(&rows, &scope(100)).pauses.all;
    assert_eq!((all.count, all.cut, all.collecting_ns), (2, 1, 55));
    assert_eq!((all.took_ns.count(), all.took_ns.max()), (1, 5));
}

#[test]
fn who_was_ready_when_events_went_missing_was_so_at_least_until_then() {
    let rows = [
        run(A, 0, 10, LeftAs::Runnable),
        run(B, 0, 12, LeftAs::Waiting),
        message(A, B, MessageKind::Cast, 20, Some(61)),
        run(A, 25, 30, LeftAs::Runnable),
        run(B, 60, 70, LeftAs::Waiting),
        message(A, B, MessageKind::Cast, 75, None),
        run(ProcId(3), 71, 72, LeftAs::Runnable),
        life(ProcId(3), LifeEvent::Exit, 80, None),
    ];
    let scope = ReportScope {
        gaps: Gaps::of(vec![(40, 50)]),
        ..scope(100)
    };
    let report = report(&rows, &scope);
    let told = |proc| {
        let work = report.work.process(proc).expect("it ran");
        let cut = work.queued_at_least;
        (
            work.queued_ns.count(),
            work.queued_ns.max(),
            cut.count,
            cut.sum_ns,
            cut.max_ns,
        )
    };
    // Once whole; then until the gap.
    assert_eq!(told(A), (1, 15, 1, 10, 10));
    // From the first message until the gap, and from the second one until the end.
    assert_eq!(told(B), (0, 0, 2, 20 + 25, 25));
    // It has ended.
    assert_eq!(told(ProcId(3)), (0, 0, 0, 0, 0));
}

#[test]
fn all_that_is_told_of_a_process_stands_side_by_side() {
    let rows = [
        run(A, 0, 10, LeftAs::Waiting),
        message(A, B, MessageKind::Cast, 5, Some(20)),
        collection(ProcId(3), 30, 40),
    ];
    let report = report(&rows, &scope(100));
    let each = report.each();
    let told: Vec<_> = each.iter().map(|(proc, _)| *proc).collect();
    assert_eq!(told, [A, B, ProcId(3)]);
    let [a, b, c] = [each[0].1, each[1].1, each[2].1];
    assert_eq!(a.work.map(|it| it.runs), Some(1));
    assert_eq!(a.sent.map(|it| it.sum()), Some(1));
    assert_eq!(b.got.map(|it| it.lain_ns.max()), Some(15));
    assert_eq!(b.mailbox.map(|it| it.peak), Some(1));
    assert_eq!(c.pauses.map(|it| it.count), Some(1));
    assert!(a.got.is_none() && b.work.is_none() && c.mailbox.is_none());
}

#[test]
fn lives_are_told_by_parent_reason_and_length() {
    let rows = [
        life(B, LifeEvent::Spawn, 10, Some(A)),
        life(B, LifeEvent::Exit, 30, None),
        life(A, LifeEvent::Exit, 40, None),
    ];
    let report = report(&rows, &scope(100));
    let of = |proc| {
        *report
            .lives
            .processes()
            .find(|(it, _)| *it == proc)
            .expect("it is there")
            .1
    };
    assert_eq!((of(B).lived_ns(), of(B).parent), (Some(20), Some(A)));
    assert_eq!((of(A).lived_ns(), of(A).children), (None, 1));
    assert_eq!((report.lives.spawned, report.lives.ended), (1, 2));
    assert_eq!(report.lives.reasons().next().expect("it is there").1, 2);
}

#[test]
fn only_what_is_wanted_counts() {
    let rows = [
        message(A, B, MessageKind::Cast, 10, Some(15)),
        message(A, ProcId(3), MessageKind::Cast, 11, Some(15)),
        run(A, 0, 20, LeftAs::Waiting),
        run(B, 30, 40, LeftAs::Waiting),
    ];
    let wanted = |proc| proc == Some(B);
    let scope = ReportScope {
        wanted: &wanted,
        ..scope(100)
    };
    let report = report(&rows, &scope);
    assert_eq!(report.mail.kinds.sum(), 1);
    assert_eq!(report.mail.senders().count(), 0);
    assert_eq!(report.work.processes().count(), 1);
}

#[test]
fn what_is_of_no_process_is_not_of_the_one_that_is_asked_for() {
    let rows = |proc| {
        [
            Happening::Dist(DistEvent {
                ts_ns: 10,
                proc,
                node: Some("other@host".to_owned()),
                event: DistAction::Received,
                op: None,
                bytes: Some(7),
            }),
            Happening::Port(PortEvent {
                ts_ns: 11,
                port: PortId(0),
                event: PortAction::Input,
                proc,
                bytes: Some(7),
            }),
            Happening::Module(ModuleEvent {
                ts_ns: 12,
                proc,
                event: ModuleAction::Purge,
                module: "lists".to_owned(),
            }),
        ]
    };
    let of_b = ReportScope {
        wanted: &|proc| proc == Some(B),
        ..scope(100)
    };
    for (scope, proc, expected) in [
        (&scope(100), None, 1),
        (&of_b, None, 0),
        (&of_b, Some(A), 0),
        (&of_b, Some(B), 1),
    ] {
        let report = report(&rows(proc), scope);
        let counts = [
            report.dist.all.received.signals,
            report.ports.all.into.times,
            report.modules.all.purges,
        ];
        assert_eq!(counts, [expected; 3], "{proc:?}");
        let told = (report.dist.nodes().count(), report.ports.each().count());
        assert_eq!(told, (expected as usize, expected as usize));
    }
}

/// Runs of few processes that do not overlap, and messages.
fn rows() -> impl Strategy<Value = Vec<Happening>> {
    let runs = prop::collection::vec((0..3u32, 0..12i64, 0..12i64, 0..6usize, 0..3usize), 0..20);
    let messages = prop::collection::vec(
        (0..4u32, 0..3u32, 0..6usize, 0..150i64, 0..80i64, 0..4usize),
        0..30,
    );
    (runs, messages).prop_map(|(runs, messages)| {
        let mut rows = Vec::new();
        let mut now = [0; 3];
        for (proc, idle, busy, left, woken_by) in runs {
            let now = &mut now[proc as usize];
            let start = *now + idle;
            *now = start + busy;
            let mut row = kit::run_row(ProcId(proc), start, *now);
            row.left_as = LeftAs::ALL.get(left).copied();
            row.woken_by = WokenBy::ALL.get(woken_by).copied();
            rows.push(Happening::Run(row));
        }
        for (from, to, kind, sent, lay, fate) in messages {
            let kind = MessageKind::ALL[kind];
            let fate = Fate::ALL[fate];
            let received = (fate == Fate::Received).then_some(sent + lay);
            let mut row = kit::row(ProcId(from), ProcId(to), kind, sent, received);
            row.from = (from < 3).then_some(ProcId(from));
            row.fate = fate;
            rows.push(Happening::Message(row));
        }
        rows.sort_by_key(|row| (row.begin_ns(), matches!(row, Happening::Message(_))));
        rows
    })
}

fn gaps() -> impl Strategy<Value = Gaps> {
    let spans = prop::collection::vec((0..150u64, 1..20u64), 0..3);
    spans.prop_map(|spans| Gaps::of(spans.iter().map(|&(at, took)| (at, at + took)).collect()))
}

/// Time in run queues and the like by looking at all runs of a process at once.
fn delays(rows: &[Happening], proc: ProcId, gaps: &Gaps) -> BTreeMap<(DelayKind, bool), Spread> {
    let runs: Vec<RunRow<ProcId>> = rows
        .iter()
        .filter_map(|row| match row {
            Happening::Run(run) if run.proc == proc => Some(RunRow {
                who: proc,
                scheduler: run.scheduler,
                start_ns: run.start_ns as u64,
                end_ns: run.end_ns as u64,
                at: None,
                woken_by: run.woken_by,
                reductions: run.reductions,
                left_as: run.left_as,
                cut: run.cut,
            }),
            _ => None,
        })
        .collect();
    let enqueued_ns: Vec<u64> = rows
        .iter()
        .filter_map(|row| match row {
            Happening::Message(it) if it.to == proc && became_message(it) => {
                Some(it.sent_ns as u64)
            }
            _ => None,
        })
        .collect();
    let mut all: BTreeMap<(DelayKind, bool), Spread> = BTreeMap::new();
    let seen = ProcessRuns {
        runs: &runs,
        enqueued_ns: &enqueued_ns,
        gaps_ns: gaps.spans(),
    };
    for delay in seen.delays() {
        let kind = (delay.kind, delay.is_cut);
        all.entry(kind).or_default().add(delay.took_ns());
    }
    all
}

proptest! {
    #[test]
    fn rows_that_come_by_tell_the_delays_of_all_rows(rows in rows(), gaps in gaps()) {
        let scope = ReportScope { gaps, ..scope(10_000) };
        let report = report(&rows, &scope);
        for (proc, work) in report.work.processes() {
            let delays = delays(&rows, proc, &scope.gaps);
            let of = |kind, is_cut| delays.get(&(kind, is_cut)).cloned().unwrap_or_default();
            prop_assert_eq!(&work.queued_ns, &of(DelayKind::RunQueue, false));
            prop_assert_eq!(&work.woken_ns, &of(DelayKind::Woken, false));
            prop_assert_eq!(&work.unknown_ns, &of(DelayKind::Unknown, false));
            // One more may be open at the end.
            let cut = of(DelayKind::RunQueue, true).count();
            prop_assert!((cut..=cut + 1).contains(&work.queued_at_least.count));
        }
        let running: u64 = report.work.schedulers().map(|(_, it)| it.running_ns).sum();
        let of_all: u64 = report.work.processes().map(|(_, it)| it.running_ns).sum();
        prop_assert_eq!(running, of_all);
    }

    #[test]
    fn mailboxes_are_as_long_as_what_lies_in_them(
        rows in rows(),
        since_ns in 0..100u64,
        length_ns in 1..200u64,
    ) {
        let until_ns = since_ns + length_ns;
        let scope = ReportScope { since_ns, ..scope(until_ns) };
        let report = report(&rows, &scope);
        for proc in ALL {
            // Who lies there at an instant, after all that happens at it.
            let length = |ns: u64| rows.iter().filter(|row| matches!(row, Happening::Message(it)
                if it.to == proc && it.fate != Fate::Unknown
                    && it.sent_ns as u64 <= ns && it.sent_ns < until_ns as i64
                    && it.received_ns.is_none_or(|at| at as u64 > ns))).count() as u64;
            let mailbox = report.mail.mailboxes().find(|(it, _)| *it == proc);
            let mailbox = mailbox.map(|(_, it)| *it).unwrap_or_default();
            prop_assert_eq!(mailbox.at_end, length(until_ns - 1));
            let begin = if since_ns == 0 { 0 } else { length(since_ns - 1) };
            prop_assert_eq!(mailbox.at_begin, begin);
            let peak = (since_ns..until_ns).map(length).max().unwrap_or(0).max(begin);
            prop_assert!(mailbox.peak >= peak, "{} {}", mailbox.peak, peak);
            // Within an instant there may be more than at its end, if they came and went in it.
            let sent = |ns: u64| rows.iter().filter(|row| matches!(row, Happening::Message(it)
                if it.to == proc && it.sent_ns as u64 == ns && it.received_ns == Some(it.sent_ns)))
                .count() as u64;
            let most = (since_ns..until_ns).map(|ns| length(ns) + sent(ns)).max().unwrap_or(0);
            prop_assert!(mailbox.peak <= most.max(begin));
        }
    }
}

#[test]
fn schedulers_without_a_cpu_do_not_work() {
    use escope_model::OffCpuWhy::{Blocked, Preempted};
    let rows = [
        run(A, 0, 100, LeftAs::Waiting),
        kit::off_cpu(Some(A), Preempted, (10, 30), 20),
        kit::off_cpu(Some(A), Blocked, (40, 60), 4),
        kit::off_cpu(None, Blocked, (100, 180), 10),
        kit::off_cpu(None, Preempted, (190, 230), 40),
    ];
    let report = report(&rows, &scope(200));
    let (_, work) = report.work.schedulers().next().expect("it ran");
    assert_eq!((work.running_ns, work.runs), (100, 1));
    assert_eq!((work.preempted_ns, work.blocked_ns), (20 + 4, 16));
    // What is after the end does not count.
    assert_eq!((work.asleep_ns, work.idle_preempted_ns), (70, 10 + 10));
    let process = report.work.process(A).expect("it ran");
    assert_eq!(
        (process.preempted_ns.count(), process.preempted_ns.sum()),
        (2, 24)
    );
    assert_eq!(
        (process.blocked_ns.sum(), process.blocked_ns.max()),
        (16, 16)
    );
    assert_eq!((report.rows.off_cpu, report.rows.runs), (4, 1));
    let nobody = ReportScope {
        wanted: &|proc| proc == Some(B),
        ..scope(200)
    };
    assert!(kit::report(&rows, &nobody).work.process(A).is_none());
}
