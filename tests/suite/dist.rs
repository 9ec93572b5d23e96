//! Signals between two nodes: each once, of whom and for whom it is, and every byte that came, as the
//! program and the VM itself count them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use escope_model::{Dictionary, DistAction, DistEvent, DistOp};
use escope_recording::{Recording, TimeRange};

use crate::support::{Facts, Folder, Workload, escope, free_port, start, temp_dir};

const PATIENCE: Duration = Duration::from_secs(120);
const PEER: &str = "escope-peer@localhost";

/// A node that others of these tests find at a port, or one that finds it there. No epmd takes part,
/// and nothing is sent but what is told to be.
fn node(folder: &Folder, name: &str, port: u16, more: &[&str], env: &[(&str, &str)]) -> Workload {
    let port = port.to_string();
    // Nobody answers there.
    let epmd = free_port().to_string();
    let home = folder.path("");
    let mut args = vec![
        "+S",
        "2:2",
        "-sname",
        name,
        "-setcookie",
        "escopetestcookie",
        "-start_epmd",
        "false",
        "-erl_epmd_port",
        &port,
        "-connect_all",
        "false",
        "-hidden",
        "-kernel",
        "inet_dist_use_interface",
        "{127,0,0,1}",
        "-kernel",
        "net_ticktime",
        "3600",
    ];
    args.extend(more);
    let mut all = vec![
        ("HOME", home.as_str()),
        ("ERL_EPMD_PORT", &epmd),
        ("ERL_EPMD_ADDRESS", "127.0.0.1"),
    ];
    all.extend(env);
    Workload::start("dist", &args, &all)
}

/// A recording of the first node from before its rounds until after them.
fn record(path: &str, env: &[(&str, &str)], erl: &[&str], more: &[&str]) -> Facts {
    let folder = temp_dir();
    let port = free_port();
    let mut vm = node(&folder, "escope-dist@localhost", port, erl, env);
    let main = [("PEER", vm.ready().text("node"))];
    let peer = node(&folder, PEER, port, &["-dist_listen", "false"], &main);
    let pid = vm.pid().to_string();
    let mut args = vec![
        "record",
        "-p",
        &pid,
        "--events",
        "dist",
        "--max-overhead",
        "off",
        "-o",
        path,
    ];
    args.extend(more);
    let mut recorder = start(&args);
    recorder.wait_for("recording", PATIENCE);
    vm.go();
    let (_, done) = vm.stop();
    recorder.signal("INT");
    let output = recorder.finish(PATIENCE).success();
    assert!(vm.quit().success());
    drop(peer);
    assert!(!output.stderr.contains("could not be seen"), "{output:#?}");
    assert!(!output.stderr.contains("event_ring_full"), "{output:#?}");
    done
}

fn events(path: &str) -> (Dictionary, Vec<DistEvent>) {
    let recording = Recording::open(Path::new(path)).unwrap();
    let (dictionary, problems) = recording.dictionary().unwrap();
    assert_eq!(problems, []);
    let events = recording.dist(TimeRange::default()).unwrap();
    (dictionary, events.map(Result::unwrap).collect())
}

type Counts = BTreeMap<(DistAction, DistOp), u64>;

/// What a process sent and got, by its pid.
fn counts(dictionary: &Dictionary, events: &[DistEvent], pid: &str) -> Counts {
    let mut counts = Counts::new();
    for event in events {
        let process = event.proc.and_then(|proc| dictionary.process(proc));
        if let (Some(op), true) = (event.op, process.is_some_and(|it| it.pid == pid)) {
            *counts.entry((event.event, op)).or_default() += 1;
        }
    }
    counts
}

fn all_of(events: &[DistEvent], action: DistAction, op: DistOp) -> u64 {
    let is_it = |it: &&DistEvent| it.event == action && it.op == Some(op);
    events.iter().filter(is_it).count() as u64
}

#[test]
fn every_signal_is_there_once() {
    use DistAction::{Fragment, Received, Sent, Suspended};
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let done = record(&path, &[("ROUNDS", "40")], &[], &[]);
    let number = |key: &str| done.number(key) as u64;
    let (rounds, large) = (number("rounds"), number("large"));
    let (dictionary, events) = events(&path);
    assert!(
        events.iter().all(|it| it.node.as_deref() == Some(PEER)),
        "{events:?}"
    );
    assert!(
        events
            .iter()
            .all(|it| it.bytes.is_some() || it.event == Suspended)
    );
    let of = |key: &str| counts(&dictionary, &events, done.text(key));

    // All has arrived.
    assert_eq!(number("sink"), 6 * rounds * 2 + 1);
    assert_eq!(number("got"), 2 * rounds + 1);
    for n in 1..=3 {
        let large = u64::from(n == 1);
        assert_eq!(
            of(&format!("sender_{n}")),
            Counts::from([
                ((Sent, DistOp::Send), n * rounds + large + 1),
                ((Sent, DistOp::RegSend), n * rounds),
                ((Received, DistOp::Send), 1),
            ])
        );
    }
    assert_eq!(
        of("ops"),
        Counts::from([
            ((Sent, DistOp::Send), rounds),
            ((Sent, DistOp::Monitor), rounds),
            ((Sent, DistOp::Demonitor), rounds),
            ((Sent, DistOp::Link), rounds),
            ((Sent, DistOp::Unlink), rounds),
            ((Sent, DistOp::SpawnRequest), rounds),
            ((Sent, DistOp::ExitSignal), rounds),
            ((Received, DistOp::UnlinkAck), rounds),
            ((Received, DistOp::SpawnReply), rounds),
        ])
    );
    // By name as well.
    assert_eq!(
        of("receiver"),
        Counts::from([
            ((Received, DistOp::Send), rounds + 1),
            ((Received, DistOp::RegSend), rounds),
        ])
    );
    assert_eq!(all_of(&events, Received, DistOp::AliasSend), rounds);
    // Local processes that were linked have ended.
    assert_eq!(all_of(&events, Sent, DistOp::Link), 2 * rounds);
    assert_eq!(all_of(&events, Sent, DistOp::Exit), rounds);

    // Everything that came: what the socket got, less 4 bytes before each.
    let came: Vec<&DistEvent> = events
        .iter()
        .filter(|it| matches!(it.event, Received | Fragment))
        .collect();
    assert_eq!(came.len() as u64, number("packets_in"));
    let bytes: u64 = came.iter().filter_map(|it| it.bytes).sum();
    assert_eq!(bytes, number("bytes_in") - 4 * number("packets_in"));
    let parts = came.iter().filter(|it| it.event == Fragment);
    assert_eq!(parts.count() as u64, large / 65536);
    // In the queue an atom has 6 bytes, on the connection one or, the first time, its name. Signals
    // here have up to 6.
    let sent = events.iter().filter(|it| it.event == Sent);
    let (signals, bytes) = sent.fold((0, 0), |(signals, bytes), it| {
        (signals + 1, bytes + it.bytes.unwrap())
    });
    let socket = number("bytes_out") - 4 * number("packets_out");
    assert_eq!(signals, number("packets_out") - large / 65536);
    let more = bytes.checked_sub(socket);
    assert!(
        more <= Some(5 * 6 * signals) && more.is_some(),
        "{bytes} {socket} {signals}"
    );
    // The same is as long each time.
    let mut lengths: Vec<Option<u64>> = events
        .iter()
        .filter(|it| it.event == Sent && it.op == Some(DistOp::RegSend))
        .map(|it| it.bytes)
        .collect();
    assert_eq!(lengths.len() as u64, 6 * rounds);
    lengths.dedup();
    assert_eq!(lengths.len(), 1, "{lengths:?}");
    let words = events
        .iter()
        .filter(|it| it.event == Sent && it.bytes > Some(large));
    assert_eq!(words.count(), 1);
    told(&path, &done, &events);
}

/// Everything that shows them.
fn told(path: &str, done: &Facts, events: &[DistEvent]) {
    let rounds = done.number("rounds") as u64;
    let count = |action| events.iter().filter(|it| it.event == action).count() as u64;
    let report = escope(&["report", path, "--format", "json", "-n", "500"]).success();
    let report: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    let nodes = report["events"]["nodes"]["rows"].as_array().unwrap();
    assert_eq!(nodes.len(), 1);
    assert_eq!(nodes[0]["node"], PEER);
    assert_eq!(nodes[0]["sent"]["signals"], count(DistAction::Sent));
    assert_eq!(nodes[0]["received"]["signals"], count(DistAction::Received));
    let bytes = done.number("bytes_in") - 4 * done.number("packets_in");
    assert_eq!(nodes[0]["received"]["bytes"], bytes);
    let processes = report["events"]["dist_processes"]["rows"]
        .as_array()
        .unwrap();
    let is_it = |row: &&serde_json::Value| row["process"]["pid"] == done.text("sender_3");
    let sender = processes.iter().find(is_it).unwrap();
    assert_eq!(sender["sent"]["messages"], 6 * rounds + 1, "{sender}");
    let table = escope(&["report", path]).success().stdout;
    assert!(table.contains("other node"), "{table}");
    let summary = escope(&["timeline", path]).success().stdout;
    assert!(summary.contains("\nother nodes: "), "{summary}");
    let sender = [
        "timeline",
        path,
        "--process",
        "dist_sender_2",
        "-n",
        "100000",
    ];
    let story = escope(&sender).success().stdout;
    let sent = story
        .matches("dist_sender_2 sent a signal (reg_send) of ")
        .count();
    assert_eq!(sent as u64, 2 * rounds, "{story}");
    let trace = escope(&["export", path, "--format", "chrome-trace"]).success();
    let trace: serde_json::Value = serde_json::from_str(&trace.stdout).unwrap();
    let trace = trace["traceEvents"].as_array().unwrap().iter();
    let name = format!("reg_send to {PEER}");
    let sent = trace.filter(|it| it["cat"] == "dist" && it["name"] == name);
    assert_eq!(sent.count() as u64, 6 * rounds);
}

/// With no room for what is to be sent, senders are suspended: the VM's own monitor says how often. It
/// does not say it of one that could go on at once.
#[test]
fn who_is_suspended_is_told() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let env = [("ROUNDS", "5"), ("BUSY", "1")];
    let done = record(&path, &env, &["+zdbbl", "1"], &[]);
    let (dictionary, events) = events(&path);
    for n in 1..=3 {
        let pid = done.text(&format!("sender_{n}"));
        let of_it = |it: &&DistEvent| {
            let process = it.proc.and_then(|proc| dictionary.process(proc));
            it.event == DistAction::Suspended && process.is_some_and(|it| it.pid == pid)
        };
        let suspended = events.iter().filter(of_it).count() as i64;
        let said = done.number(&format!("busy_{n}"));
        assert!(said > 0 && suspended >= said, "{suspended} {said}");
        assert!(suspended <= said + said / 4 + 1, "{suspended} {said}");
        // Each is a signal once, however often it had to wait.
        let sent = counts(&dictionary, &events, pid);
        let sent = |op| sent[&(DistAction::Sent, op)];
        assert_eq!(sent(DistOp::RegSend), 5 * n);
        assert_eq!(sent(DistOp::Send), 5 * n + 1 + u64::from(n == 1));
    }
}

/// Of processes that nobody asked for nothing is told.
#[test]
fn only_signals_of_those_asked_for_are_told() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let more = ["--processes", "dist_receiver"];
    let done = record(&path, &[("ROUNDS", "10")], &[], &more);
    let (dictionary, events) = events(&path);
    let receiver = |event: &DistEvent| {
        let process = event.proc.and_then(|proc| dictionary.process(proc));
        process.is_some_and(|it| it.pid == done.text("receiver"))
    };
    assert!(events.iter().all(receiver), "{events:?}");
    assert_eq!(events.len() as i64, 2 * done.number("rounds") + 1);
}
