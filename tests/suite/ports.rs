//! Ports: each once, with its owner, and every byte that they and processes gave each other, as the
//! program and the VM itself count them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use escope_model::{Dictionary, PortAction, PortEvent, PortInfo};
use escope_recording::{Recording, TimeRange};

use crate::support::{Facts, Workload, escope, start, temp_dir};

const PATIENCE: Duration = Duration::from_secs(120);

/// A recording of `ports` from before its rounds until after them.
fn record(path: &str, rounds: &str, more: &[&str]) -> Facts {
    let mut vm = Workload::start("ports", &["+S", "2:2"], &[("ROUNDS", rounds)]);
    let pid = vm.pid().to_string();
    let mut args = vec![
        "record",
        "-p",
        &pid,
        "--events",
        "port,proc",
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
    assert!(!output.stderr.contains("could not be seen"), "{output:#?}");
    assert!(!output.stderr.contains("event_ring_full"), "{output:#?}");
    done
}

fn events(path: &str) -> (Dictionary, Vec<PortEvent>) {
    let recording = Recording::open(Path::new(path)).unwrap();
    let (dictionary, problems) = recording.dictionary().unwrap();
    assert_eq!(problems, []);
    let events = recording.port_events(TimeRange::default()).unwrap();
    (dictionary, events.map(Result::unwrap).collect())
}

/// What happened to one port: times, bytes that are known, how often they are not.
type Sums = BTreeMap<PortAction, (u64, u64, u64)>;

fn sums<'a>(events: impl Iterator<Item = &'a PortEvent>) -> Sums {
    let mut sums = Sums::new();
    for event in events {
        let of = sums.entry(event.event).or_default();
        of.0 += 1;
        of.1 += event.bytes.unwrap_or(0);
        of.2 += u64::from(event.bytes.is_none());
    }
    sums
}

#[test]
fn every_port_and_every_byte_is_there_once() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let done = record(&path, "40", &[]);
    let number = |key: &str| done.number(key) as u64;
    let (rounds, long) = (number("rounds"), number("long"));
    let (dictionary, events) = events(&path);
    let pid_of = |port: &PortInfo| {
        let owner = dictionary.process(port.owner.unwrap()).unwrap();
        owner.pid.as_str()
    };
    let of_port = |port: &PortInfo| -> Vec<&PortEvent> {
        events.iter().filter(|it| it.port == port.port).collect()
    };
    let opened = |driver: &str| -> Vec<&PortInfo> {
        let ports = dictionary.ports.iter();
        let of_driver = ports.filter(|it| it.driver.as_deref() == Some(driver));
        of_driver.filter(|it| it.opened_ns.is_some()).collect()
    };
    // Each number of the VM is of one port.
    let mut ids: Vec<&String> = dictionary
        .ports
        .iter()
        .map(|it| it.id.as_ref().unwrap())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), dictionary.ports.len());

    let cats = opened("spawn");
    assert_eq!(cats.len() as u64, rounds, "{cats:?}");
    let (mut bytes, mut echoed) = (0, 0);
    for cat in &cats {
        assert_eq!(pid_of(cat), done.text("worker"));
        assert!(cat.name.as_ref().unwrap().ends_with("cat"), "{cat:?}");
        assert!(cat.opened_ns < cat.closed_ns, "{cat:?}");
        let of_port = of_port(cat);
        let sums = sums(of_port.iter().copied());
        assert_eq!(
            (sums[&PortAction::Open].0, sums[&PortAction::Close].0),
            (1, 1)
        );
        // One of five has too many parts to be looked at.
        let (outputs, known, unknown) = sums[&PortAction::Output];
        assert_eq!((outputs, unknown), (5, 1));
        assert_eq!(cat.bytes_out, Some(known + long), "{cat:?}");
        let (_, from_cat, unknown) = sums[&PortAction::Input];
        assert_eq!((cat.bytes_in, unknown), (Some(from_cat), 0), "{cat:?}");
        bytes += known + long;
        echoed += from_cat;
        for event in of_port {
            let process = dictionary.process(event.proc.unwrap()).unwrap();
            assert_eq!(process.pid, done.text("worker"), "{event:?}");
        }
    }
    assert_eq!((bytes, echoed), (number("cat_bytes"), number("cat_bytes")));

    let sockets = opened("tcp_inet");
    assert_eq!(sockets.len() as u64, 2 * rounds, "{sockets:?}");
    let (sent, received): (Vec<&PortInfo>, Vec<&PortInfo>) = sockets
        .iter()
        .partition(|it| pid_of(it) == done.text("worker"));
    assert_eq!(sent.len(), received.len());
    let sum = |ports: &[&PortInfo]| sums(ports.iter().flat_map(|it| of_port(it)));
    let (to, answers) = (sum(&sent), sum(&received));
    let (outputs, known, unknown) = to[&PortAction::Output];
    assert_eq!((outputs, unknown), (3 * rounds, rounds));
    // Later releases put some bytes for the driver before what is sent (`prim_inet:send/3`).
    let all: u64 = sent.iter().map(|it| it.bytes_out.unwrap()).sum();
    let before = (all - number("tcp_bytes")) / (3 * rounds);
    assert!(before <= 64, "{before}");
    assert_eq!(all, number("tcp_bytes") + 3 * rounds * before);
    assert_eq!(known + rounds * long + rounds * before, all);
    assert_eq!(to[&PortAction::Input].1, number("answer_bytes"));
    assert_eq!(
        answers[&PortAction::Output],
        (rounds, number("answer_bytes") + rounds * before, 0)
    );
    let data = received.iter().flat_map(|it| of_port(it));
    let data = data.filter(|it| it.event == PortAction::Input && it.bytes != Some(0));
    let (messages, bytes) = data.fold((0, 0), |(messages, bytes), it| {
        (messages + 1, bytes + it.bytes.unwrap())
    });
    assert_eq!(
        (messages, bytes),
        (number("tcp_messages"), number("tcp_bytes"))
    );
    for socket in &sockets {
        assert!(socket.closed_ns.is_some(), "{socket:?}");
        let owners = [done.text("worker"), done.text("receiver")];
        assert!(owners.contains(&pid_of(socket)), "{socket:?}");
    }
    told(&path, &done);
}

/// Everything that shows them.
fn told(path: &str, done: &Facts) {
    let rounds = done.number("rounds") as u64;
    let report = escope(&["report", path, "--format", "json", "-n", "500"]).success();
    let report: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    let drivers = report["events"]["drivers"]["rows"].as_array().unwrap();
    let spawn = drivers.iter().find(|it| it["driver"] == "spawn").unwrap();
    assert_eq!(spawn["opened"], rounds, "{spawn}");
    assert_eq!(spawn["outputs"]["times"], 5 * rounds, "{spawn}");
    assert_eq!(spawn["outputs"]["unknown"], rounds, "{spawn}");
    assert_eq!(
        spawn["inputs"]["bytes"],
        done.number("cat_bytes"),
        "{spawn}"
    );
    let table = escope(&["report", path]).success().stdout;
    assert!(table.contains("driver of ports"), "{table}");
    let summary = escope(&["timeline", path]).success().stdout;
    assert!(summary.contains("\nports: "), "{summary}");
    let worker = [
        "timeline",
        path,
        "--process",
        "ports_worker",
        "-n",
        "100000",
    ];
    let story = escope(&worker).success().stdout;
    let banged = story
        .matches("ports_worker gave 4 bytes to the port spawn")
        .count();
    assert_eq!(banged as u64, rounds, "{story}");
    let trace = escope(&["export", path, "--format", "chrome-trace"]).success();
    let trace: serde_json::Value = serde_json::from_str(&trace.stdout).unwrap();
    let trace = trace["traceEvents"].as_array().unwrap().iter();
    let outputs = trace.filter(|it| it["cat"] == "port" && it["args"]["event"] == "output");
    let banged = outputs.filter(|it| {
        it["args"]["bytes"] == 4 && it["name"].as_str().unwrap().starts_with("output to spawn")
    });
    assert_eq!(banged.count() as u64, rounds);
}

/// Of processes that nobody asked for nothing is told.
#[test]
fn only_ports_of_those_asked_for_are_told() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let done = record(&path, "10", &["--processes", "ports_receiver"]);
    let (dictionary, events) = events(&path);
    let receiver = |event: &PortEvent| {
        let process = event.proc.and_then(|proc| dictionary.process(proc));
        process.is_some_and(|it| it.pid == done.text("receiver"))
    };
    assert!(events.iter().all(receiver), "{events:?}");
    let outputs = events.iter().filter(|it| it.event == PortAction::Output);
    assert_eq!(outputs.count() as i64, done.number("rounds"));
}
