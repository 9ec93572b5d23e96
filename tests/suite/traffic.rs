//! Every message once, with its sender, receiver, kind and fate, and every process that came and
//! went: counted by the program itself.

use std::collections::BTreeMap;
use std::path::Path;

use escope_model::{Dictionary, Fate, LifeEvent, MessageKind};
use escope_recording::{Recording, TimeRange};

use crate::support::{Facts, Workload, start, temp_dir};

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

/// Messages by who sent them, who got them, kind and tag.
type Counts = BTreeMap<(String, String, MessageKind, String), i64>;

#[test]
fn every_message_is_there_once() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let mut vm = Workload::start("traffic", &["+S", "2:2"], &[]);
    let pid = vm.pid().to_string();
    let mut recorder = start(&["record", "-p", &pid, "--events", "full", "-o", &path]);
    recorder.wait_for("recording", PATIENCE);
    vm.go();
    let (lines, done) = vm.stop();
    recorder.signal("INT");
    let output = recorder.finish(PATIENCE).success();
    assert!(vm.quit().success());
    assert!(!output.stderr.contains("event_ring_full"), "{output:#?}");

    let recording = Recording::open(Path::new(&path)).unwrap();
    let (dictionary, problems) = recording.dictionary().unwrap();
    assert_eq!(problems, []);
    messages(&recording, &dictionary, &lines);
    lives(&recording, &dictionary, &lines);
    runs(&recording, &dictionary, &lines);
    collections(&recording, &done);
}

/// As many as `statistics(garbage_collection)` counts.
fn collections(recording: &Recording, done: &Facts) {
    let start_ns = recording.manifest().clocks.start_monotonic_ns as i64;
    let (from_ns, to_ns) = (done.number("gc_from_ns"), done.number("gc_to_ns"));
    let all = recording
        .gc(TimeRange::default())
        .unwrap()
        .map(Result::unwrap);
    let within: Vec<_> = all
        .filter(|it| (from_ns..to_ns).contains(&(start_ns + it.end_ns)))
        .collect();
    let whole = within.iter().filter(|it| it.cut.is_none()).count();
    assert_eq!(whole, within.len(), "some were cut");
    let told = done.number("collections");
    assert!(told > 100, "{done:?}");
    // The two that ask and count collect too, before and after they look at the clock.
    assert!(
        (whole as i64 - told).abs() <= 2,
        "{whole}, the VM says {told}"
    );
}

fn name(dictionary: &Dictionary, proc: escope_model::ProcId) -> String {
    dictionary.process(proc).unwrap().pid.clone()
}

fn messages(recording: &Recording, dictionary: &Dictionary, lines: &[Facts]) {
    let mut received = Counts::new();
    let mut unknown = 0;
    for message in recording.messages(TimeRange::default()).unwrap() {
        let message = message.unwrap();
        if let Some(received_ns) = message.received_ns {
            assert!(received_ns >= message.sent_ns, "{message:?}");
        }
        let from = message.from.map(|from| name(dictionary, from));
        let key = (
            from.unwrap_or_default(),
            name(dictionary, message.to),
            message.kind,
            message.tag.unwrap_or_default(),
        );
        match message.fate {
            Fate::Received => *received.entry(key).or_default() += 1,
            Fate::Unknown if lines.iter().any(|line| key.1 == line.text("worker")) => unknown += 1,
            Fate::Unknown | Fate::Waiting | Fate::Dropped => {}
        }
    }
    assert_eq!(unknown, 0, "unknown");
    for line in lines {
        let (worker, server) = (line.text("worker"), line.text("server"));
        let mut expect = |from: &str, to: &str, kind: MessageKind, tag: &str, fact: &str| {
            let key = (from.to_owned(), to.to_owned(), kind, tag.to_owned());
            let seen = received.remove(&key).unwrap_or(0);
            assert_eq!(seen, line.number(fact), "{fact}: {key:?}");
        };
        expect(worker, server, MessageKind::Message, "note", "notes");
        expect(worker, server, MessageKind::Cast, "$gen_cast", "casts");
        expect(worker, server, MessageKind::Call, "$gen_call", "calls");
        expect(server, worker, MessageKind::Reply, "", "calls");
    }
    let sum = |fact: &str| lines.iter().map(|line| line.number(fact)).sum::<i64>();
    let by_kind = |kind: MessageKind, tag: &str| {
        // The VM's own processes watch each other too.
        let ours = |to: &str| {
            let mut pids = lines
                .iter()
                .flat_map(|line| [line.text("worker"), line.text("server")]);
            pids.any(|pid| pid == to)
        };
        let these = received
            .iter()
            .filter(|((_, to, k, t), _)| *k == kind && t == tag && ours(to));
        these.map(|(_, count)| *count).sum::<i64>()
    };
    assert_eq!(by_kind(MessageKind::Message, "late"), sum("lates"));
    assert_eq!(by_kind(MessageKind::Timeout, "timeout"), sum("timeouts"));
    assert_eq!(by_kind(MessageKind::Down, ""), sum("downs"));
    assert_eq!(by_kind(MessageKind::Exit, ""), sum("exits"));
}

/// Each worker spawns two processes a round, which end normally.
fn lives(recording: &Recording, dictionary: &Dictionary, lines: &[Facts]) {
    let (mut spawned, mut ended) = (BTreeMap::<String, i64>::new(), BTreeMap::new());
    for life in recording.lifecycle(TimeRange::default()).unwrap() {
        let life = life.unwrap();
        let process = dictionary.process(life.proc).unwrap();
        let call = process.initial_call.as_ref().map(ToString::to_string);
        if call.as_deref() != Some("traffic:end_at_once/0") {
            continue;
        }
        match life.event {
            LifeEvent::Spawn => {
                let parent = name(dictionary, life.other.unwrap());
                *spawned.entry(parent).or_default() += 1;
            }
            LifeEvent::Exit => {
                *ended.entry(life.reason.unwrap()).or_default() += 1;
            }
            _ => {}
        }
    }
    let mut sum = 0;
    for line in lines {
        let count = line.number("downs") + line.number("exits");
        assert_eq!(spawned.remove(line.text("worker")), Some(count));
        sum += count;
    }
    assert_eq!(ended, BTreeMap::from([("normal".to_owned(), sum)]));
}

/// The reductions of all runs, and no two runs at once on a scheduler or of a process.
fn runs(recording: &Recording, dictionary: &Dictionary, lines: &[Facts]) {
    let mut reductions = BTreeMap::<String, i64>::new();
    let (mut on, mut of) = (BTreeMap::new(), BTreeMap::new());
    for run in recording.runs(TimeRange::default()).unwrap() {
        let run = run.unwrap();
        assert!(run.end_ns >= run.start_ns, "{run:?}");
        for last in [
            on.insert(run.scheduler, run.end_ns),
            of.insert(run.proc, run.end_ns),
        ] {
            assert!(last.is_none_or(|last| last <= run.start_ns), "{run:?}");
        }
        let used = i64::from(run.reductions.unwrap_or(0));
        *reductions.entry(name(dictionary, run.proc)).or_default() += used;
    }
    for line in lines {
        for (pid, fact) in [
            ("worker", "worker_reductions"),
            ("server", "server_reductions"),
        ] {
            let (seen, told) = (reductions[line.text(pid)], line.number(fact));
            let off = (seen - told).abs() as f64 / told as f64;
            assert!(off < 0.01, "{pid}: {seen}, the VM says {told}");
        }
    }
}
