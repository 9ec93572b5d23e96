//! More events than anybody can watch, a ring that is too small for them, recorders that come and
//! go while they happen. `ESCOPE_STORM_S=60` makes the storm longer than in a usual run,
//! `ESCOPE_CYCLES=100` lets more recorders come.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use escope_recording::{Recording, TimeRange};

use super::kill::loaded;
use crate::support::{Workload, escope, number, start, temp_dir};

const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_storm_is_counted_to_the_last_event_in_little_memory() {
    live!();
    let peak = storm(number("ESCOPE_STORM_S", 6), &["--event-ring-kib", "1024"]);
    assert!(peak < 256 << 20, "{peak} bytes");
}

#[test]
fn what_is_in_the_ring_at_the_end_is_counted_too() {
    live!();
    // The ring is a large part of that, and full when time is up.
    storm(3, &["--max-memory", "32"]);
}

/// Watches a storm without a budget for so many seconds. All that happened is recorded or counted,
/// and fits together. Returns how much memory the recorder had, in bytes.
fn storm(seconds: u64, options: &[&str]) -> u64 {
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let mut vm = Workload::start("storm", &["+S", "2:2"], &[]);
    let pid = vm.pid().to_string();
    vm.go();
    let lasts = format!("{seconds}s");
    let mut record = vec![
        "record",
        "-p",
        &pid,
        "--events",
        "full",
        "--max-overhead",
        "off",
        "-d",
        &lasts,
        "-o",
        &path,
    ];
    record.extend(options);
    let output = start(&record).finish(PATIENCE).success();
    let (_, done) = vm.stop();
    assert!(done.number("spawns") > 10_000 && done.number("messages") > 10_000);
    assert!(vm.quit().success());

    let recording = Recording::open(Path::new(&path)).unwrap();
    let manifest = recording.manifest();
    let counters = &manifest.totals.counters;
    let (recorded, lost) = (counters["events_recorded"], counters["events_lost"]);
    assert_eq!(counters["event_attempts"], recorded + lost, "{output:#?}");
    assert!(recorded > 100_000 && lost > 0, "{output:#?}");
    let told: u64 = recording
        .losses()
        .unwrap()
        .map(Result::unwrap)
        .filter(|loss| loss.place == "event_ring_full")
        .map(|loss| loss.count)
        .sum();
    assert_eq!(told, lost);
    let windows: Vec<_> = recording.windows().unwrap().map(Result::unwrap).collect();
    // All was watched until the end: what the VM did while probes were removed is not of it.
    let watched: u64 = windows.iter().map(|it| it.reductions.unwrap()).sum();
    assert_eq!(counters["vm_reductions"], watched);
    // For as long as was asked for, however long it took to come so far.
    let watched_ns: i64 = windows.iter().map(|it| it.to_ns - it.from_ns).sum();
    assert!(watched_ns >= seconds as i64 * 1_000_000_000, "{windows:?}");
    let peak = manifest.recorder.peak_rss_bytes;
    println!("{recorded} recorded, {lost} lost, {peak} bytes of memory");
    consistent(&recording);
    escope(&["check", &path]).success();
    escope(&["timeline", &path]).success();
    peak
}

/// No two runs at once, no message taken before it was sent.
fn consistent(recording: &Recording) {
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
    }
    for message in recording.messages(TimeRange::default()).unwrap() {
        let message = message.unwrap();
        let received_ns = message.received_ns.unwrap_or(message.sent_ns);
        assert!(received_ns >= message.sent_ns, "{message:?}");
    }
}

#[test]
fn recorders_come_and_go_while_it_storms() {
    live!();
    let before = loaded();
    let mut vm = Workload::start("storm", &["+S", "2:2"], &[("CHAINS", "4"), ("FLOODS", "2")]);
    let pid = vm.pid().to_string();
    vm.go();
    for cycle in 0..number("ESCOPE_CYCLES", 6) {
        let folder = temp_dir();
        let path = folder.path("test.escope");
        let record = [
            "record", "-p", &pid, "--events", "full", "-d", "300ms", "-o", &path,
        ];
        let mut recorder = start(&record);
        // Every third one is killed, in its first window.
        if cycle % 3 == 2 {
            recorder.wait_for("recording", PATIENCE);
            recorder.runs_on(Duration::from_millis(10 * cycle));
            recorder.kill();
        } else {
            recorder.finish(PATIENCE).success();
        }
        assert!(Recording::open(Path::new(&path)).is_ok());
    }
    let (_, done) = vm.stop();
    assert!(done.number("spawns") > 1000 && done.number("messages") > 1000);
    assert!(vm.quit().success());
    super::kill::all_gone(&before);
}
