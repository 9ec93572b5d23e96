//! Frames against small VMs of which everything is known, and against all rows at each instant.

use std::collections::BTreeMap;

use escope_model::{
    CheckpointRow, CheckpointSeen, Cut, Fate, LeftAs, Life, LifeEvent, Message, MessageKind,
    ProcId, ProcessStatus, Run, WokenBy,
};
use proptest::prelude::*;

use super::{
    Alive, Doing, ExecutionFrame, FrameBuilder, FrameScope, Known, ProcessFrame, WhyUnknown, as_of,
};
use crate::gaps::Gaps;
use crate::kit::normal;

fn run(proc: u32, start_ns: i64, end_ns: i64, left_as: LeftAs) -> Run {
    Run {
        proc: ProcId(proc),
        scheduler: normal(proc as u16 + 1),
        start_ns,
        end_ns,
        woken_by: None,
        reductions: Some(1),
        left_as: Some(left_as),
        at: None,
        cut: None,
    }
}

fn life(proc: u32, ts_ns: i64, event: LifeEvent) -> Life {
    Life {
        ts_ns,
        proc: ProcId(proc),
        event,
        other: None,
        name: None,
        reason: None,
    }
}

fn message(msg: u64, to: u32, sent_ns: i64, received_ns: Option<i64>, fate: Fate) -> Message {
    Message {
        msg,
        from: None,
        to: ProcId(to),
        kind: MessageKind::Message,
        tag: None,
        sent_ns,
        received_ns,
        fate,
        size_words: None,
    }
}

#[derive(Debug, Clone, Default)]
struct Rows {
    lives: Vec<Life>,
    runs: Vec<Run>,
    messages: Vec<Message>,
    checkpoints: Vec<CheckpointRow>,
    all_read_ns: Option<i64>,
    gaps: Gaps,
    is_filtered: bool,
}

impl Rows {
    fn frame(&self, at_ns: i64) -> ExecutionFrame {
        let mut builder = FrameBuilder::new(FrameScope {
            at_ns,
            gaps: &self.gaps,
            has_runs: true,
            has_births: true,
            has_ends: true,
            is_filtered: self.is_filtered,
            mailbox_max: 3,
            messages_max: 8,
        });
        self.lives.iter().for_each(|life| builder.life(life));
        let until = builder.runs_until_ns().unwrap_or(i64::MAX);
        let runs = self.runs.iter().filter(|run| run.start_ns < until);
        runs.for_each(|run| builder.run(run));
        for row in &self.checkpoints {
            builder.checkpoint(row);
        }
        for message in &self.messages {
            builder.message(message);
        }
        if let Some(since_ns) = self.all_read_ns.filter(|_| at_ns >= 99) {
            builder.all_read(since_ns);
        }
        builder.finish()
    }

    fn only(&self, at_ns: i64) -> Option<ProcessFrame> {
        let processes = self.frame(at_ns).processes;
        assert!(processes.len() <= 1);
        processes.into_iter().next()
    }

    fn doing(&self, at_ns: i64) -> Doing {
        self.only(at_ns).expect("it is alive").doing
    }
}

#[test]
fn a_process_is_what_it_left_as_until_a_message_comes() {
    let rows = Rows {
        lives: vec![life(0, 5, LifeEvent::Spawn), life(0, 95, LifeEvent::Exit)],
        runs: vec![
            run(0, 10, 20, LeftAs::Waiting),
            run(0, 40, 50, LeftAs::Runnable),
            run(0, 60, 70, LeftAs::Suspended),
            run(0, 80, 100, LeftAs::Exiting),
        ],
        messages: vec![message(0, 0, 30, Some(45), Fate::Received)],
        ..Rows::default()
    };
    let scheduler = normal(1);
    for (at_ns, doing) in [
        (5, Doing::Runnable { since_ns: 5 }),
        (
            10,
            Doing::Running {
                since_ns: 10,
                scheduler,
            },
        ),
        (20, Doing::Waiting { since_ns: 20 }),
        (30, Doing::Runnable { since_ns: 30 }),
        (
            49,
            Doing::Running {
                since_ns: 40,
                scheduler,
            },
        ),
        (50, Doing::Runnable { since_ns: 50 }),
        (79, Doing::Suspended { since_ns: 70 }),
        (
            99,
            Doing::Running {
                since_ns: 80,
                scheduler,
            },
        ),
    ] {
        assert_eq!(rows.doing(at_ns), doing, "at {at_ns}");
    }
    assert_eq!(rows.only(4), None, "it is not born");
    assert_eq!(rows.only(100), None, "it has ended");
    assert_eq!(rows.only(99).map(|it| it.alive), Some(Alive::Ending(95)));
    assert_eq!(rows.only(29).map(|it| it.mailbox.sure), Some(0));
    assert_eq!(rows.only(44).map(|it| it.mailbox.sure), Some(1));
    assert_eq!(rows.only(45).map(|it| it.mailbox.sure), Some(0));
}

#[test]
fn who_timed_out_may_have_been_ready_before() {
    let mut rows = Rows {
        runs: vec![
            run(0, 10, 20, LeftAs::Waiting),
            run(0, 40, 50, LeftAs::Waiting),
        ],
        ..Rows::default()
    };
    rows.runs[1].woken_by = Some(WokenBy::Timeout);
    assert_eq!(rows.doing(30), Doing::Woken { since_ns: 20 });
    rows.runs[1].woken_by = Some(WokenBy::Signal);
    assert_eq!(rows.doing(30), Doing::Waiting { since_ns: 20 });
    rows.runs[1].cut = Some(Cut::Start);
    assert_eq!(rows.doing(30), Doing::Unknown(WhyUnknown::Cut));
    // Met first when it runs: it was there, and did not run.
    assert_eq!(rows.doing(5), Doing::Away { until_ns: 10 });
    assert_eq!(rows.only(5).map(|it| it.known), Some(Known::Later(10)));
}

#[test]
fn who_is_sent_something_before_it_first_runs_is_there() {
    let rows = Rows {
        lives: vec![life(0, 40, LifeEvent::Spawn)],
        runs: vec![run(0, 40, 50, LeftAs::Waiting)],
        messages: vec![message(0, 0, 30, Some(45), Fate::Received)],
        ..Rows::default()
    };
    assert_eq!(rows.only(29), None);
    let early = rows.only(30).expect("it was sent something");
    assert_eq!((early.known, early.mailbox.sure), (Known::Before(30), 1));
    assert_eq!(early.doing, Doing::Runnable { since_ns: 30 });
    assert_eq!(rows.only(40).map(|it| it.known), Some(Known::Spawned(40)));
}

fn at_checkpoint(proc: u32, from_ns: i64, status: ProcessStatus, mailbox: u64) -> CheckpointRow {
    CheckpointRow {
        checkpoint: 0,
        from_ns,
        to_ns: from_ns.saturating_add(2),
        proc: ProcId(proc),
        seen: CheckpointSeen::Exact,
        status,
        at: None,
        mailbox: Some(mailbox),
        mailbox_min: None,
        heap_words: 233,
        reductions: 1,
    }
}

#[test]
fn who_never_runs_is_as_a_checkpoint_has_told() {
    let mut rows = Rows {
        messages: vec![
            message(0, 0, 5, None, Fate::Waiting),
            message(1, 0, 30, None, Fate::Waiting),
        ],
        checkpoints: vec![at_checkpoint(0, 10, ProcessStatus::Waiting, 4)],
        ..Rows::default()
    };
    let told = |rows: &Rows, at_ns| {
        let it = rows.only(at_ns).expect("it is there");
        (
            it.doing,
            it.is_by_checkpoint,
            it.mailbox.sure,
            it.mailbox.unseen,
        )
    };
    // While it is read nothing is known but that it is there.
    assert_eq!(told(&rows, 11).0, Doing::Unknown(WhyUnknown::NotSeen));
    let waits = Doing::Waiting { since_ns: 10 };
    assert_eq!(told(&rows, 12), (waits, true, 1, 3));
    let ready = Doing::Runnable { since_ns: 30 };
    assert_eq!(told(&rows, 40), (ready, true, 2, 3));
    // Once it has run events tell, and how many messages it took of those from before is not known.
    rows.runs = vec![run(0, 50, 60, LeftAs::Suspended)];
    let suspended = Doing::Suspended { since_ns: 60 };
    assert_eq!(told(&rows, 70), (suspended, false, 2, 0));
    assert_eq!(told(&rows, 40), (ready, true, 2, 3));
    // What is sent while it is read may have been counted, and is not told twice.
    rows.messages
        .insert(1, message(2, 0, 11, None, Fate::Waiting));
    let since_then = Doing::Runnable { since_ns: 11 };
    assert_eq!(told(&rows, 40), (since_then, true, 3, 2));
    rows.messages.remove(1);
    // One that ran or changed while it was read tells nothing but that it was there.
    rows.checkpoints[0].seen = CheckpointSeen::Changing;
    assert_eq!(told(&rows, 20).0, Doing::Away { until_ns: 50 });
}

#[test]
fn a_checkpoint_tells_who_is_there_before_it_and_since() {
    let mut rows = Rows {
        checkpoints: vec![at_checkpoint(0, 50, ProcessStatus::Suspended, 0)],
        ..Rows::default()
    };
    let known = |rows: &Rows, at_ns| rows.only(at_ns).map(|it| (it.known, it.alive));
    assert_eq!(known(&rows, 20), Some((Known::Later(50), Alive::Sure)));
    assert_eq!(known(&rows, 90), Some((Known::Before(50), Alive::Sure)));
    rows.lives = vec![life(0, 51, LifeEvent::Spawn), life(0, 80, LifeEvent::Exit)];
    assert_eq!(known(&rows, 20), None, "it was spawned as others were read");
    assert_eq!(known(&rows, 50), None);
    assert_eq!(known(&rows, 70), Some((Known::Spawned(51), Alive::Sure)));
    assert_eq!(known(&rows, 80), None);
    // What was so before events were missing need not be so any more.
    rows.lives.clear();
    rows.gaps = Gaps::of(vec![(60, 70)]);
    let after = rows.only(75).expect("it was there");
    assert_eq!(after.alive, Alive::LastSeen(50));
    assert_eq!(after.doing, Doing::Unknown(WhyUnknown::NotSeen));
    assert!(!after.is_by_checkpoint && after.checkpoint.is_some());
    // If it were still there it would have been read again.
    rows.all_read_ns = Some(90);
    assert_eq!(rows.only(99), None);
    // Nor is what was not asked for known to have stayed so.
    rows.gaps = Gaps::default();
    rows.is_filtered = true;
    let other = rows.only(75).expect("it was there");
    assert_eq!(
        (other.alive, other.is_by_checkpoint),
        (Alive::LastSeen(50), false)
    );
}

#[test]
fn across_a_gap_nothing_is_as_it_was() {
    let rows = Rows {
        runs: vec![
            run(0, 10, 20, LeftAs::Waiting),
            run(0, 90, 95, LeftAs::Waiting),
        ],
        messages: vec![message(0, 0, 25, None, Fate::Unknown)],
        gaps: Gaps::of(vec![(30, 60), (97, 200)]),
        ..Rows::default()
    };
    assert_eq!(as_of(&rows.gaps, 29), Some(29));
    assert_eq!(as_of(&rows.gaps, 30), Some(29));
    assert_eq!(as_of(&rows.gaps, 59), Some(29));
    assert_eq!(as_of(&rows.gaps, 60), Some(60));
    assert_eq!(as_of(&Gaps::of(vec![(0, 5)]), 4), None);
    assert_eq!(rows.doing(29), Doing::Runnable { since_ns: 25 });
    assert_eq!(rows.doing(70), Doing::Away { until_ns: 90 });
    assert_eq!(rows.doing(96), Doing::Waiting { since_ns: 95 });
    let mailbox = |at_ns| {
        rows.only(at_ns)
            .map(|it| (it.mailbox.sure, it.mailbox.unsure))
    };
    assert_eq!(mailbox(29), Some((0, 1)), "what became of it was not seen");
    assert_eq!(
        mailbox(70),
        Some((0, 0)),
        "of what was sent before a gap nobody knows"
    );
    let mut lost = rows.clone();
    lost.runs.truncate(1);
    let last = lost.only(70).expect("it was there");
    assert_eq!(last.alive, Alive::LastSeen(25));
    assert_eq!(last.doing, Doing::Unknown(WhyUnknown::Gap));
    // Who is met beyond a gap may have been spawned in it.
    lost.runs = vec![run(0, 90, 95, LeftAs::Waiting)];
    lost.messages.clear();
    assert_eq!(lost.only(29), None);
}

#[test]
fn of_processes_that_were_not_asked_for_nobody_knows() {
    let mut rows = Rows {
        messages: vec![message(0, 0, 10, None, Fate::Waiting)],
        is_filtered: true,
        ..Rows::default()
    };
    let other = rows.only(20).expect("it was sent something");
    assert_eq!((other.mailbox.sure, other.mailbox.unsure), (0, 1));
    assert_eq!(other.alive, Alive::LastSeen(10));
    rows.runs.push(run(0, 12, 15, LeftAs::Waiting));
    let asked = rows.only(20).expect("it has run");
    assert_eq!((asked.mailbox.sure, asked.alive), (1, Alive::Sure));
}

#[test]
fn of_ten_thousand_each_is_told_what_it_does() {
    // A third rests and never runs, a third runs at times of its own, a third is born, runs once and ends.
    let many = 10_002;
    let mut rows = Rows::default();
    for proc in 0..many {
        let begin_ns = 1_000 + i64::from(proc);
        match proc % 3 {
            0 => {
                let row = at_checkpoint(proc, 10, ProcessStatus::Waiting, 0);
                rows.checkpoints.push(row);
            }
            1 => rows.runs.extend([
                run(proc, 20, 30, LeftAs::Waiting),
                run(proc, begin_ns, begin_ns + 500, LeftAs::Runnable),
            ]),
            _ => {
                let (born_ns, end_ns) = (begin_ns, begin_ns + 700);
                rows.lives.push(life(proc, born_ns, LifeEvent::Spawn));
                rows.lives.push(life(proc, end_ns, LifeEvent::Exit));
                rows.runs.push(run(proc, born_ns, end_ns, LeftAs::Exiting));
            }
        }
    }
    rows.runs.sort_by_key(|run| run.start_ns);
    for at_ns in [100, 1_000, 4_321, 8_765, 11_111, 20_000] {
        let frame = rows.frame(at_ns);
        let mut told = frame.processes.iter().map(|it| (it.proc.0, it));
        for proc in 0..many {
            let begin_ns = 1_000 + i64::from(proc);
            let has_begun = begin_ns <= at_ns;
            let is_in = |long_ns: i64| has_begun && at_ns < begin_ns + long_ns;
            let expected = match proc % 3 {
                0 => "waiting",
                1 if is_in(500) => "running",
                1 if has_begun => "runnable",
                1 => "waiting",
                _ if is_in(700) => "running",
                _ => continue,
            };
            let (next, it) = told.next().expect("one more");
            assert_eq!((next, it.doing.as_str()), (proc, expected), "at {at_ns}");
            assert_eq!(it.is_by_checkpoint, proc % 3 == 0);
        }
        assert_eq!(told.next(), None);
    }
}

#[test]
fn what_is_kept_of_mailboxes_is_bounded() {
    let mut rows = Rows::default();
    for msg in 0..40 {
        rows.messages.push(message(
            msg,
            msg as u32 % 4,
            msg as i64,
            None,
            Fate::Waiting,
        ));
    }
    let frame = rows.frame(100);
    let kept: usize = frame
        .processes
        .iter()
        .map(|it| it.mailbox.first.len())
        .sum();
    let sure: u64 = frame.processes.iter().map(|it| it.mailbox.sure).sum();
    assert_eq!((kept, sure, frame.messages_omitted), (8, 40, 32));
    assert_eq!(frame.processes[0].mailbox.first.len(), 2);
    assert_eq!(frame.processes[1].mailbox.oldest_ns, Some(1));
}

/// A life: spawned then, if that is seen, runs and pauses, and whether its end is seen.
type Program = (bool, Vec<(i64, i64, usize)>, bool);

const END: i64 = 120;

fn lives(programs: &[Program]) -> (Rows, BTreeMap<u32, (i64, i64)>) {
    let (mut rows, mut true_lives) = (Rows::default(), BTreeMap::new());
    for (proc, (is_spawned, steps, ends)) in programs.iter().enumerate() {
        let proc = proc as u32;
        let mut now = i64::from(proc) * 3;
        let born = if *is_spawned { now } else { 0 };
        if *is_spawned {
            rows.lives.push(life(proc, now, LifeEvent::Spawn));
        }
        for (idle, busy, left_as) in steps {
            now += idle;
            rows.runs
                .push(run(proc, now, now + busy, LeftAs::ALL[*left_as]));
            now += busy;
        }
        if *ends {
            rows.lives.push(life(proc, now, LifeEvent::Exit));
        }
        true_lives.insert(proc, (born, if *ends { now } else { END }));
    }
    rows.lives.sort_by_key(|life| life.ts_ns);
    rows.runs.sort_by_key(|run| run.start_ns);
    (rows, true_lives)
}

proptest! {
    #[test]
    fn every_instant_is_as_it_was(
        programs in prop::collection::vec(
            (any::<bool>(), prop::collection::vec((0..9i64, 1..9i64, 0..3usize), 1..5), any::<bool>()),
            1..5,
        ),
        posts in prop::collection::vec((0..100i64, 0..4u32, prop::option::of(0..30i64)), 0..25),
    ) {
        let (mut rows, lives) = lives(&programs);
        let mut posts = posts;
        posts.sort_by_key(|post| post.0);
        for (sent_ns, to, lain) in posts {
            let Some(&(born, ended)) = lives.get(&to) else { continue };
            if sent_ns < born || sent_ns >= ended {
                continue;
            }
            let received = lain.map(|lain| sent_ns + lain).filter(|&ns| ns < ended);
            let fate = match received {
                Some(_) => Fate::Received,
                None if ended < END => Fate::Dropped,
                None => Fate::Waiting,
            };
            rows.messages.push(message(rows.messages.len() as u64, to, sent_ns, received, fate));
        }
        for at_ns in 0..END {
            let frame = rows.frame(at_ns);
            let told: Vec<u32> = frame.processes.iter().map(|it| it.proc.0).collect();
            let alive = lives.iter().filter(|(_, (born, ended))| (*born..*ended).contains(&at_ns));
            // One that was not seen to be spawned is known as soon as, or because, anything is seen of it.
            let expected: Vec<u32> = alive.map(|(proc, _)| *proc).collect();
            prop_assert_eq!(&told, &expected, "alive at {}", at_ns);
            for process in &frame.processes {
                let proc = process.proc;
                let mut runs = rows.runs.iter().filter(|run| run.proc == proc);
                let now = runs.clone().find(|run| (run.start_ns..run.end_ns).contains(&at_ns));
                let is_running = matches!(process.doing, Doing::Running { .. });
                prop_assert_eq!(is_running, now.is_some());
                prop_assert_eq!(frame.runs.values().any(|run| run.proc == proc), now.is_some());
                let last = runs.rfind(|run| run.end_ns <= at_ns);
                if let (None, Some(last)) = (now, last) {
                    let came = rows.messages.iter().find(|it| {
                        it.to == proc && (last.end_ns..=at_ns).contains(&it.sent_ns)
                    });
                    let since_ns = last.end_ns;
                    let expected = match (last.left_as, came) {
                        (Some(LeftAs::Waiting), Some(came)) => Doing::Runnable { since_ns: came.sent_ns },
                        (Some(LeftAs::Waiting), None) => Doing::Waiting { since_ns },
                        (Some(LeftAs::Runnable), _) => Doing::Runnable { since_ns },
                        _ => Doing::Suspended { since_ns },
                    };
                    prop_assert_eq!(process.doing, expected, "at {}", at_ns);
                }
                let lies = |it: &&Message| {
                    it.to == proc && it.sent_ns <= at_ns && it.received_ns.is_none_or(|ns| at_ns < ns)
                };
                let lying: Vec<u64> = rows.messages.iter().filter(lies).map(|it| it.msg).collect();
                prop_assert_eq!(process.mailbox.sure, lying.len() as u64);
                prop_assert_eq!(process.mailbox.unsure, 0);
                for (kept, msg) in process.mailbox.first.iter().zip(&lying) {
                    prop_assert_eq!(kept.message.msg, *msg);
                }
            }
        }
    }

    #[test]
    fn no_rows_whatever_make_it_fail(
        runs in prop::collection::vec((0..3u32, any::<i64>(), any::<i64>(), 0..5usize, 0..4usize), 0..12),
        posts in prop::collection::vec((0..3u32, any::<i64>(), prop::option::of(any::<i64>()), 0..4usize), 0..12),
        ends in prop::collection::vec((0..3u32, any::<i64>(), 0..8usize), 0..6),
        reads in prop::collection::vec((0..3u32, any::<i64>(), 0..7usize, any::<u64>()), 0..6),
        gaps in prop::collection::vec((any::<u64>(), any::<u64>()), 0..4),
        at_ns in any::<i64>(),
    ) {
        let mut rows = Rows { gaps: Gaps::of(gaps), ..Rows::default() };
        for (proc, to_ns, status, mailbox) in reads {
            rows.checkpoints.push(CheckpointRow {
                to_ns,
                ..at_checkpoint(proc, to_ns.wrapping_mul(3) >> 2, ProcessStatus::ALL[status], mailbox)
            });
        }
        for (proc, start_ns, end_ns, left_as, cut) in runs {
            rows.runs.push(Run {
                cut: Cut::ALL.get(cut).copied(),
                ..run(proc, start_ns, end_ns, LeftAs::ALL[left_as])
            });
        }
        for (to, sent_ns, received_ns, fate) in posts {
            rows.messages.push(message(0, to, sent_ns, received_ns, Fate::ALL[fate]));
        }
        for (proc, ts_ns, event) in ends {
            rows.lives.push(life(proc, ts_ns, LifeEvent::ALL[event]));
        }
        let _ = as_of(&rows.gaps, at_ns);
        let frame = rows.frame(at_ns);
        prop_assert!(frame.runs.values().all(|run| run.start_ns <= at_ns && at_ns < run.end_ns));
    }
}
