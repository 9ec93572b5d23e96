//! Every message once, with its sender, receiver, kind and fate, and every process that came and
//! went: counted by the program itself. `ESCOPE_ROUNDS=2200` makes ten million events of it.

use std::collections::BTreeMap;
use std::path::Path;

use escope_model::{Collection, CollectionKind, Dictionary, Fate, LifeEvent, MessageKind};
use escope_recording::{Recording, TimeRange};

use crate::support::{Facts, Workload, number, start, temp_dir};

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

/// Messages by who sent them, who got them, kind and tag.
type Counts = BTreeMap<(String, String, MessageKind, String), i64>;

#[test]
fn every_message_is_there_once() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let rounds = number("ESCOPE_ROUNDS", 1250).to_string();
    let env = [("PAIRS", "100"), ("ROUNDS", rounds.as_str())];
    let mut vm = Workload::start("traffic", &["+S", "2:2"], &env);
    let pid = vm.pid().to_string();
    let mut recorder = start(&[
        "record",
        "-p",
        &pid,
        "--events",
        "full",
        "--max-overhead",
        "off",
        // Some six million events, and a machine that others use too.
        "--event-ring-kib",
        "262144",
        "--max-memory",
        "4096",
        "-o",
        &path,
    ]);
    recorder.wait_for("recording", PATIENCE);
    vm.go();
    let (lines, done) = vm.stop();
    recorder.signal("INT");
    let output = recorder.finish(PATIENCE).success();
    assert!(vm.quit().success());
    assert!(!output.stderr.contains("event_ring_full"), "{output:#?}");
    println!("{}", output.stderr);

    let recording = Recording::open(Path::new(&path)).unwrap();
    let (dictionary, problems) = recording.dictionary().unwrap();
    assert_eq!(problems, []);
    messages(&recording, &dictionary, &lines);
    lives(&recording, &dictionary, &lines);
    runs(&recording, &dictionary, &lines);
    collections(&recording, &done);
    // Each probe that was placed was hit, but for what this program does not do.
    let events = recording.manifest().events.as_ref().unwrap();
    assert_eq!(events.unseen, Vec::<String>::new());
    let silent = events.hits.iter().filter(|(_, hits)| **hits == 0);
    let mut silent = silent.map(|(name, _)| name.as_str());
    let others = ["unregister", "hibernate_start", "hibernate_end", "nothing"];
    assert_eq!(
        silent.find(|name| !others.contains(name)
            && !name.starts_with("port_")
            && !name.starts_with("code_")
            && !name.starts_with("dist_")),
        None
    );
    assert!(events.hits["enqueue"] > 1_000_000, "{events:?}");
}

/// As many as `statistics(garbage_collection)` counts. It was asked between two looks at the clock,
/// before and after: its count is between those of the shorter and of the longer time.
fn collections(recording: &Recording, done: &Facts) {
    let start_ns = recording.manifest().clocks.start_monotonic_ns as i64;
    let all = recording.gc(TimeRange::default()).unwrap();
    let all: Vec<_> = all.map(Result::unwrap).collect();
    let count = |from: &str, to: &str| {
        let (from_ns, to_ns) = (done.number(from), done.number(to));
        let within = all
            .iter()
            .filter(|it| (from_ns..to_ns).contains(&(start_ns + it.end_ns)));
        let (cut, whole): (Vec<&Collection>, Vec<&Collection>) =
            within.partition(|it| it.cut.is_some());
        assert!(cut.is_empty(), "{cut:?}");
        // The VM does not count those.
        let counted = whole
            .iter()
            .filter(|it| it.kind != Some(CollectionKind::Hibernation));
        counted.count() as i64
    };
    let (least, most) = (
        count("gc_from_ns", "gc_to_ns"),
        count("gc_before_ns", "gc_after_ns"),
    );
    let told = done.number("collections");
    assert!(told > 100, "{done:?}");
    assert!(
        (least..=most).contains(&told),
        "{least} to {most}, the VM says {told}"
    );
    let kinds = |kind| all.iter().filter(|it| it.kind == Some(kind)).count();
    assert!(kinds(CollectionKind::Minor) > 0 && kinds(CollectionKind::Major) > 0);
}

fn name(dictionary: &Dictionary, proc: escope_model::ProcId) -> String {
    dictionary.process(proc).unwrap().pid.clone()
}

fn messages(recording: &Recording, dictionary: &Dictionary, lines: &[Facts]) {
    let mut received = Counts::new();
    let mut unknown = Vec::new();
    let mut races = BTreeMap::<String, i64>::new();
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
            message.tag.clone().unwrap_or_default(),
        );
        match message.fate {
            Fate::Received => *received.entry(key).or_default() += 1,
            // Nobody receives those; many come when there is no process to send to any more.
            _ if key.3 == "race" || key.3 == "lost" => {
                assert_eq!(message.fate, Fate::Dropped, "{message:?}");
                *races.entry(key.0).or_default() += 1;
            }
            Fate::Unknown if lines.iter().any(|line| key.1 == line.text("worker")) => {
                unknown.push(message.clone())
            }
            Fate::Unknown | Fate::Waiting | Fate::Dropped => {}
        }
    }
    assert!(
        unknown.is_empty(),
        "{} are unknown, as {:#?}",
        unknown.len(),
        unknown.iter().take(5).collect::<Vec<_>>()
    );
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
    assert!(!races.is_empty());
    for (worker, count) in races {
        let line = lines.iter().find(|line| line.text("worker") == worker);
        assert!(count <= line.unwrap().number("races"), "{worker}: {count}");
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

/// What each worker has done to others, and how those ended.
fn lives(recording: &Recording, dictionary: &Dictionary, lines: &[Facts]) {
    let mut ended = BTreeMap::<String, i64>::new();
    // By who did it, what, and to whom: `new` are those that were spawned.
    let mut done = BTreeMap::<(String, LifeEvent, String), i64>::new();
    for life in recording.lifecycle(TimeRange::default()).unwrap() {
        let life = life.unwrap();
        let process = dictionary.process(life.proc).unwrap();
        let is_new = |proc| {
            let process = dictionary.process(proc).unwrap();
            let call = process.initial_call.as_ref().map(ToString::to_string);
            call.is_some_and(|call| call.starts_with("traffic:end_"))
        };
        let called = |proc| match is_new(proc) {
            true => "new".to_owned(),
            false => name(dictionary, proc),
        };
        match (life.event, life.other) {
            (LifeEvent::Exit, _) if is_new(life.proc) => {
                *ended.entry(life.reason.unwrap()).or_default() += 1;
            }
            (LifeEvent::Spawn, Some(by)) if is_new(life.proc) => {
                let key = (name(dictionary, by), LifeEvent::Spawn, "new".to_owned());
                *done.entry(key).or_default() += 1;
            }
            (LifeEvent::Register | LifeEvent::Unregister, _) => {
                // Whoever gets a name is called by it.
                assert!(process.name.is_some(), "{process:?}");
                let key = (process.pid.clone(), life.event, life.name.unwrap());
                *done.entry(key).or_default() += 1;
            }
            (event, Some(other)) => {
                let key = (process.pid.clone(), event, called(other));
                *done.entry(key).or_default() += 1;
            }
            _ => {}
        }
    }
    let mut wanted = BTreeMap::<String, i64>::new();
    for (number, line) in lines.iter().enumerate() {
        let (worker, server) = (line.text("worker"), line.text("server"));
        let rounds = line.number("notes");
        let expect = |event, other: &str, count: i64| {
            let seen = done.get(&(worker.to_owned(), event, other.to_owned()));
            let seen = seen.copied().unwrap_or(0);
            assert_eq!(seen, count, "{worker}: {event:?} {other}");
        };
        let spawned = line.number("downs") + line.number("exits") + line.number("races");
        expect(LifeEvent::Spawn, "new", spawned);
        expect(LifeEvent::Link, "new", line.number("exits"));
        expect(LifeEvent::Monitor, "new", line.number("downs"));
        expect(LifeEvent::Link, server, rounds);
        expect(LifeEvent::Unlink, server, rounds);
        // Once by itself and once by each call of `gen`.
        expect(LifeEvent::Monitor, server, rounds + line.number("calls"));
        expect(LifeEvent::Demonitor, server, rounds + line.number("calls"));
        let registered = format!("worker_{}", number + 1);
        expect(LifeEvent::Register, &registered, rounds);
        expect(LifeEvent::Unregister, &registered, rounds);
        let mut ends = |reason: &str, count| *wanted.entry(reason.to_owned()).or_default() += count;
        ends("boom", line.number("downs"));
        ends("normal", line.number("races"));
        // One for each round, with its number, of which small ones are told.
        let exits = line.number("exits");
        (1..=exits.min(255)).for_each(|round| ends(&format!("{{shutdown, {round}}}"), 1));
        ends("{shutdown, _}", (exits - 255).max(0));
    }
    wanted.retain(|_, count| *count > 0);
    assert_eq!(ended, wanted);
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

/// Of some processes only: all that concerns them, nothing else, and nothing of it is lost.
#[test]
fn of_those_that_are_asked_for_everything_is_there() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let env = [("PAIRS", "5"), ("ROUNDS", "200")];
    let mut vm = Workload::start("traffic", &["+S", "2:2"], &env);
    let pid = vm.pid().to_string();
    // A name that comes later, and those that are spawned to call something.
    let mut recorder = start(&[
        "record",
        "-p",
        &pid,
        "--events",
        "full",
        "--max-overhead",
        "off",
        "--processes",
        "worker_1,traffic:end_with/1",
        "-o",
        &path,
    ]);
    recorder.wait_for("recording", PATIENCE);
    vm.go();
    let (lines, _) = vm.stop();
    recorder.signal("INT");
    let output = recorder.finish(PATIENCE).success();
    assert!(vm.quit().success());

    let recording = Recording::open(Path::new(&path)).unwrap();
    let counters = &recording.manifest().totals.counters;
    let (recorded, filtered) = (counters["events_recorded"], counters["events_filtered"]);
    assert_eq!(counters["events_lost"], 0, "{output:#?}");
    assert_eq!(counters["event_attempts"], recorded + filtered);
    assert!(filtered > recorded, "{output:#?}");
    let (dictionary, _) = recording.dictionary().unwrap();
    let worker = lines[0].text("worker");
    let rounds = lines[0].number("notes");
    let is_asked_for = |proc| {
        let process = dictionary.process(proc).unwrap();
        let call = process.initial_call.as_ref().map(ToString::to_string);
        process.pid == worker || call.as_deref() == Some("traffic:end_with/1")
    };
    let mut calls = 0;
    for message in recording.messages(TimeRange::default()).unwrap() {
        let message = message.unwrap();
        let of = [message.from, Some(message.to)];
        assert!(of.into_iter().flatten().any(is_asked_for), "{message:?}");
        let is_ours = message
            .from
            .is_some_and(|from| name(&dictionary, from) == worker);
        calls += i64::from(is_ours && message.kind == MessageKind::Call);
    }
    // The first round of it is over when it gets its name.
    assert!(
        (rounds - 1..=rounds).contains(&calls),
        "{calls} of {rounds}"
    );
    for run in recording.runs(TimeRange::default()).unwrap() {
        let run = run.unwrap();
        assert!(is_asked_for(run.proc), "{run:?}");
    }
    let spawned = recording
        .lifecycle(TimeRange::default())
        .unwrap()
        .map(Result::unwrap)
        .filter(|life| life.event == LifeEvent::Spawn && is_asked_for(life.proc));
    let ours: i64 = lines
        .iter()
        .map(|line| line.number("downs") + line.number("exits"))
        .sum();
    assert_eq!(spawned.count() as i64, ours);
}
