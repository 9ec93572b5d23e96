use std::collections::BTreeMap;

use escope_model::{Cut, LeftAs, MessageKind, ProcId, Run};
use proptest::prelude::*;

use super::kit::{self, message, report, run, scope};
use crate::gaps::Gaps;
use crate::merged::Happening;
use crate::report::{CallTimes, CallsTo, EventReport, ReportScope};

const A: ProcId = ProcId(1);
const B: ProcId = ProcId(2);
const C: ProcId = ProcId(3);

fn call(sent_ns: i64, received_ns: i64) -> Happening {
    message(A, B, MessageKind::Call, sent_ns, Some(received_ns))
}

fn reply(sent_ns: i64, received_ns: i64) -> Happening {
    message(B, A, MessageKind::Reply, sent_ns, Some(received_ns))
}

fn to(report: &EventReport, proc: ProcId) -> CallsTo {
    let mut servers = report.calls.servers();
    servers
        .find(|(it, _)| *it == proc)
        .expect("it is there")
        .1
        .clone()
}

fn slowest(report: &EventReport) -> CallTimes {
    report
        .calls
        .slowest
        .iter()
        .next()
        .expect("it is there")
        .1
        .clone()
}

#[test]
fn a_call_lies_is_worked_on_and_its_reply_lies() {
    let rows = [
        call(10, 30),
        run(B, 25, 40, LeftAs::Waiting),
        run(B, 60, 90, LeftAs::Waiting),
        reply(80, 85),
    ];
    let report = report(&rows, &scope(100));
    let times = slowest(&report);
    let parts = (times.queued_ns, times.service_ns, times.returning_ns);
    assert_eq!(parts, (20, 50, Some(5)));
    assert_eq!(times.running_ns, Some(10 + 20));
    assert_eq!((times.total_ns(), times.msg, times.reply), (75, 10, 80));
    let to = to(&report, B);
    assert_eq!((to.calls, to.total_ns.count(), to.running_ns), (1, 1, 30));
}

#[test]
fn of_a_run_that_was_not_seen_whole_nothing_is_told() {
    let cut = Happening::Run(Run {
        cut: Some(Cut::End),
        ..kit::run_row(B, 50, 55)
    });
    let rows = [
        call(10, 30),
        run(B, 25, 40, LeftAs::Waiting),
        cut,
        run(B, 60, 90, LeftAs::Waiting),
        reply(80, 85),
    ];
    let report = report(&rows, &scope(100));
    assert_eq!(slowest(&report).running_ns, None);
    assert_eq!(to(&report, B).running_known, 0);
}

#[test]
fn a_late_reply_belongs_to_the_call_that_was_taken() {
    // The first call times out at 50; the second lies in the mailbox while the first is answered.
    let rows = [call(10, 20), call(50, 65), reply(60, 61), reply(70, 71)];
    let report = report(&rows, &scope(100));
    let of = to(&report, B);
    assert_eq!((of.total_ns.count(), of.ambiguous), (2, 0));
    assert_eq!(slowest(&report).service_ns, 40);
}

#[test]
fn where_a_reply_may_belong_to_two_calls_it_belongs_to_none() {
    let rows = [
        call(10, 20),
        call(11, 21),
        reply(60, 61),
        call(62, 63),
        reply(64, 65),
        reply(66, 67),
        call(70, 71),
        reply(72, 73),
    ];
    let report = report(&rows, &scope(100));
    let of = to(&report, B);
    assert_eq!((of.calls, of.ambiguous, of.unanswered), (4, 3, 0));
    assert_eq!((of.total_ns.count(), slowest(&report).msg), (1, 70));
}

#[test]
fn what_is_no_pair_is_counted() {
    let rows = [
        reply(5, 6),
        message(A, B, MessageKind::Call, 10, Some(20)),
        // Somebody else answers.
        message(C, A, MessageKind::Reply, 30, Some(31)),
        message(A, B, MessageKind::Call, 40, None),
        // Not taken yet, so it is not what is answered.
        message(A, C, MessageKind::Call, 50, Some(70)),
        message(C, A, MessageKind::Reply, 60, Some(61)),
    ];
    let report = report(&rows, &scope(100));
    assert_eq!(report.calls.unasked, 3);
    assert_eq!(
        (to(&report, B).unanswered, to(&report, C).unanswered),
        (2, 1)
    );
    assert_eq!(report.calls.slowest.came(), 0);
}

#[test]
fn no_call_is_paired_across_a_gap() {
    let rows = [
        call(10, 20),
        call(40, 41),
        reply(60, 61),
        call(70, 71),
        reply(72, 73),
    ];
    let scope = ReportScope {
        gaps: Gaps::of(vec![(30, 50)]),
        ..scope(100)
    };
    let report = report(&rows, &scope);
    assert_eq!((report.calls.lost_in_gaps, report.calls.unasked), (2, 1));
    assert_eq!(slowest(&report).msg, 70);
}

/// One client calls servers, each of which answers in some order after some time, or never. Rows, and
/// which reply answers which call.
fn program() -> impl Strategy<Value = (Vec<Happening>, BTreeMap<u64, u64>)> {
    let asked = (0..2u32, 1..40i64, 0..30i64, 0..60i64, 0..8u8);
    prop::collection::vec(asked, 0..12).prop_map(|calls| {
        let (mut rows, mut answers) = (Vec::new(), BTreeMap::new());
        let mut now = 0;
        for (server, pause, lay, took, fate) in calls {
            now += pause * 1000;
            let server = ProcId(10 + server);
            // Odd digits, so that no two things happen at once.
            let taken = now + lay * 1000 + 1 + now / 1000 % 7;
            let answered = taken + took * 1000 + 10 + now / 1000 % 11;
            rows.push(message(A, server, MessageKind::Call, now, Some(taken)));
            if fate > 0 {
                let took = Some(answered + 3);
                rows.push(message(server, A, MessageKind::Reply, answered, took));
                answers.insert(now as u64, answered as u64);
            }
        }
        rows.sort_by_key(Happening::begin_ns);
        (rows, answers)
    })
}

proptest! {
    #[test]
    fn no_reply_is_given_to_another_call((rows, answers) in program()) {
        let scope = ReportScope { worst: 1000, ..scope(10_000_000) };
        let report = report(&rows, &scope);
        let mut paired = 0;
        for (_, call) in report.calls.slowest.iter() {
            // Two replies of one time have one number here.
            prop_assert_eq!(answers.get(&call.msg), Some(&call.reply));
            prop_assert_eq!(call.sent_ns + call.queued_ns + call.service_ns, call.reply);
            paired += 1;
        }
        let mut all = CallsTo::default();
        for (_, of) in report.calls.servers() {
            all.calls += of.calls;
            all.ambiguous += of.ambiguous;
            all.unanswered += of.unanswered;
        }
        let calls = rows.len() - answers.len();
        prop_assert_eq!(all.calls, calls as u64);
        prop_assert_eq!(paired + all.ambiguous + all.unanswered, all.calls);
        prop_assert_eq!(report.calls.unasked, 0);
    }

    #[test]
    fn who_calls_one_after_the_other_is_answered_for_sure(
        calls in prop::collection::vec((1..9i64, 1..9i64, 1..9i64, 1..9i64), 1..30),
        runs in prop::collection::vec((1..9i64, 0..9i64), 0..60),
    ) {
        let (mut rows, mut now, mut expected) = (Vec::new(), 0, Vec::new());
        for (pause, lay, took, back) in calls {
            let sent = now + pause;
            let (taken, answered) = (sent + lay, sent + lay + took);
            now = answered + back;
            rows.push(call(sent, taken));
            rows.push(reply(answered, now));
            expected.push((sent, taken, answered));
        }
        let mut end = 0;
        let mut ran = Vec::new();
        for (pause, took) in runs {
            let start = end + pause;
            end = start + took;
            ran.push((start, end));
            rows.push(run(B, start, end, LeftAs::Waiting));
        }
        rows.sort_by_key(|row| (row.begin_ns(), matches!(row, Happening::Message(_))));
        let scope = ReportScope { worst: 1000, ..scope(10_000) };
        let report = report(&rows, &scope);
        let mut told: Vec<CallTimes> =
            report.calls.slowest.iter().map(|(_, it)| it.clone()).collect();
        told.sort_by_key(|it| it.sent_ns);
        prop_assert_eq!(told.len(), expected.len());
        for (times, (sent, taken, answered)) in told.iter().zip(expected) {
            let running = (taken..answered)
                .filter(|&ns| ran.iter().any(|&(from, to)| from <= ns && ns < to))
                .count() as u64;
            prop_assert_eq!(times.queued_ns as i64, taken - sent);
            prop_assert_eq!(times.service_ns as i64, answered - taken);
            let seen = ran.iter().any(|run| run.0 <= answered);
            prop_assert_eq!(times.running_ns, seen.then_some(running));
        }
    }
}
