//! Calls of BIFs and NIFs: each is there once, with who called it and from where, as the program
//! counts them itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use escope_model::{Dictionary, FrameKind, NativeCall};
use escope_recording::{Recording, TimeRange};

use crate::support::{Facts, Folder, Workload, escope, start, temp_dir};

const PATIENCE: Duration = Duration::from_secs(60);
/// How long one call of the NIFs that take long takes at least.
const SPIN_NS: i64 = 2_000_000;

/// What is asked for, with the function that calls it and what the program calls that.
const CALLED: [(&str, &str, &str); 7] = [
    ("ets:insert/2", "natives:insert/2", "insert"),
    ("ets:insert/2", "natives:applied/3", "applied"),
    ("ets:lookup/2", "natives:lookup/2", "lookup"),
    ("erlang:md5/1", "natives:digest/1", "digest"),
    ("crypto:hash_nif/2", "crypto:hash/4", "hash"),
    ("wl_nif:spin/1", "natives:spin/1", "spin"),
    ("wl_nif:dirty_spin/1", "natives:dirty/1", "dirty"),
];

/// Calls by process, function and caller.
type Counts = BTreeMap<(String, String, String), i64>;

struct Recorded {
    recording: Recording,
    dictionary: Dictionary,
    lines: Vec<Facts>,
    stderr: String,
    path: String,
    _folder: Folder,
}

fn record(options: &[&str]) -> Recorded {
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let mut vm = Workload::start("natives", &["+S", "2:2"], &[]);
    let pid = vm.pid().to_string();
    let mut args = vec![
        "record",
        "-p",
        &pid,
        "--calls",
        "ets:insert/2,ets:lookup/2",
        "--calls",
        "erlang:md5",
        "--calls",
        "crypto:hash_nif/2,wl_nif:spin/1,wl_nif:dirty_spin/1",
        "--max-overhead",
        "off",
        "-o",
        &path,
    ];
    args.extend(options);
    let mut recorder = start(&args);
    recorder.wait_for("recording", PATIENCE);
    vm.go();
    let (lines, _) = vm.stop();
    recorder.signal("INT");
    let output = recorder.finish(PATIENCE).success();
    assert!(vm.quit().success());
    assert!(!output.stderr.contains("event_ring_full"), "{output:#?}");
    let unseen = output
        .stderr
        .lines()
        .filter(|line| line.contains("could not be seen"));
    let only_times = unseen
        .clone()
        .all(|line| line.contains("how long calls of"));
    let asked = options.contains(&"--call-times");
    assert!(only_times && (asked || unseen.count() == 0), "{output:#?}");
    let recording = Recording::open(Path::new(&path)).unwrap();
    let (dictionary, problems) = recording.dictionary().unwrap();
    assert_eq!(problems, []);
    Recorded {
        recording,
        dictionary,
        lines,
        stderr: output.stderr,
        path,
        _folder: folder,
    }
}

impl Recorded {
    fn calls(&self) -> Vec<NativeCall> {
        let calls = self.recording.native_calls(TimeRange::ALL).unwrap();
        calls.map(Result::unwrap).collect()
    }

    fn counts(&self, calls: &[NativeCall]) -> Counts {
        let mut counts = Counts::new();
        for call in calls {
            let frame = |id| self.dictionary.frame(id).unwrap().name();
            let key = (
                self.dictionary.process(call.proc).unwrap().pid.clone(),
                frame(call.function),
                call.caller.map(frame).unwrap_or_default(),
            );
            *counts.entry(key).or_default() += 1;
        }
        counts
    }

    /// What the program says of these workers is all that they called.
    fn check(&self, counts: &Counts, workers: &[Facts]) {
        for worker in workers {
            let pid = worker.text("worker");
            let told: Counts = CALLED
                .iter()
                .map(|(called, caller, fact)| {
                    let key = (pid.to_owned(), (*called).to_owned(), (*caller).to_owned());
                    (key, worker.number(fact))
                })
                .collect();
            let seen = counts.iter().filter(|(key, _)| key.0 == pid);
            let seen: Counts = seen.map(|(key, count)| (key.clone(), *count)).collect();
            assert_eq!(seen, told);
        }
    }
}

#[test]
fn every_call_is_there_once() {
    live!();
    let recorded = record(&[]);
    let calls = recorded.calls();
    let counts = recorded.counts(&calls);
    assert_eq!(recorded.lines.len(), 3);
    recorded.check(&counts, &recorded.lines);
    for call in &calls {
        assert_eq!((call.end_ns, call.cut), (None, None), "{call:?}");
        let frame = recorded.dictionary.frame(call.function).unwrap();
        let is_nif = !matches!(frame.module.as_deref(), Some("ets" | "erlang"));
        let kind = if is_nif {
            FrameKind::Nif
        } else {
            FrameKind::Bif
        };
        assert_eq!(frame.kind, kind, "{frame:?}");
        // The line behind which the call is.
        let caller = call.caller.and_then(|id| recorded.dictionary.frame(id));
        if let Some(caller) = caller.filter(|it| it.module.as_deref() == Some("natives")) {
            assert!(caller.line.is_some(), "{caller:?}");
        }
        let dirty = frame.function.as_ref() == "dirty_spin";
        let on = call.scheduler.unwrap().to_string();
        assert_eq!(on.starts_with("dirty"), dirty, "{on}");
    }
    // The report says the same, and that no times were asked for.
    let report = escope(&["report", &recorded.path, "-n", "100"])
        .success()
        .stdout;
    let line = report
        .lines()
        .find(|line| line.starts_with("ets:lookup/2 by natives_3"));
    assert!(line.is_some_and(|line| line.contains("600")), "{report}");
    assert!(report.contains("--call-times"), "{report}");
}

#[test]
fn calls_last_until_they_return() {
    live!();
    let recorded = record(&["--call-times", "--events", "sched"]);
    let calls = recorded.calls();
    recorded.check(&recorded.counts(&calls), &recorded.lines);
    // What begins so that returns of it cannot be watched is said.
    let untimed = |function: &str| {
        let said = format!("how long calls of {function} took");
        recorded.stderr.contains(&said)
    };
    assert!(!untimed("erlang:md5/1") && !untimed("ets:lookup/2"));
    let workers: Vec<&str> = recorded.lines.iter().map(|it| it.text("worker")).collect();
    for call in &calls {
        let pid = &recorded.dictionary.process(call.proc).unwrap().pid;
        if !workers.contains(&pid.as_str()) {
            continue;
        }
        assert_eq!(call.cut, None, "{call:?}");
        let function = recorded.dictionary.frame(call.function).unwrap().name();
        assert_eq!(
            call.end_ns.is_none(),
            untimed(&function),
            "{function} {call:?}"
        );
        if untimed(&function) {
            continue;
        }
        let took_ns = call.end_ns.unwrap() - call.start_ns;
        assert!(took_ns > 0, "{call:?}");
        if function.contains("spin") {
            assert!(took_ns >= SPIN_NS, "{function} took {took_ns} ns");
        }
    }
    // One after the other, and each but those on dirty schedulers within a run.
    let runs = recorded.recording.runs(TimeRange::ALL).unwrap();
    let runs: Vec<_> = runs.map(Result::unwrap).collect();
    let whole = |call: &&NativeCall| call.cut.is_none() && call.end_ns.is_some();
    for call in calls.iter().filter(whole) {
        let is_within = |run: &&escope_model::Run| {
            run.proc == call.proc
                && run.start_ns <= call.start_ns
                && call.end_ns.unwrap() <= run.end_ns
                && Some(run.scheduler) == call.scheduler
        };
        assert!(runs.iter().any(|run| is_within(&run)), "{call:?}");
    }
    let timeline = escope(&["timeline", &recorded.path, "--process", "natives_2"]);
    let timeline = timeline.success().stdout;
    assert!(
        timeline.contains("wl_nif:spin/1 from natives:spin/1"),
        "{timeline}"
    );
}

#[test]
fn only_those_who_are_asked_for() {
    live!();
    let recorded = record(&["--processes", "natives_2"]);
    let counts = recorded.counts(&recorded.calls());
    let asked: Vec<Facts> = recorded.lines[1..2].to_vec();
    recorded.check(&counts, &asked);
    let pid = asked[0].text("worker");
    assert!(counts.keys().all(|key| key.0 == pid), "{counts:?}");
    assert!(
        recorded.stderr.contains("that were not asked for"),
        "{}",
        recorded.stderr
    );
}

#[test]
fn what_cannot_be_seen_is_refused_or_said() {
    live!();
    let vm = Workload::start("natives", &[], &[]);
    let pid = vm.pid().to_string();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let asked = |calls: &str| {
        let args = ["record", "-p", &pid, "-d", "200ms", "-o", &path, "--calls"];
        escope(&[&args[..], &[calls]].concat())
    };
    for (calls, why) in [
        ("lists:map/2", "is written in Erlang"),
        ("lists:nothing/7", "there is no function"),
        ("nowhere:f/1", "is not loaded"),
        ("ets:nothing", "is no BIF"),
    ] {
        let output = asked(calls);
        assert_eq!(output.code, Some(1), "{output:#?}");
        assert!(output.stderr.contains(why), "{output:#?}");
        assert!(!Path::new(&path).exists());
    }
    assert_eq!(asked("what").code, Some(2));
    let output = asked("erlang:element/2").success();
    assert!(
        output.stderr.contains("instructions of its own"),
        "{output:#?}"
    );
    assert!(vm.quit().success());
}
