//! Processes to which nothing happens are told too, as the program itself knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use escope_model::{CheckpointRow, CheckpointSeen, ProcessStatus, StateRow, StateSource};
use escope_recording::{Recording, TimeRange};
use serde_json::Value;

use super::formats::run;
use crate::support::{Facts, Workload, escope, start, temp_dir};

const PATIENCE: Duration = Duration::from_secs(180);
const COUNTS: usize = 12;

/// Records the workload with these arguments; what it said at the start, when it went on, and each time that
/// it was asked.
fn record(path: &str, more: &[&str]) -> (Facts, Facts, Vec<Facts>, String) {
    let mut vm = Workload::start("checkpoints", &["+S", "2:2"], &[]);
    let pid = vm.pid().to_string();
    let args = [&["record", "-p", &pid, "-o", path][..], more];
    let mut recorder = start(&args.concat());
    recorder.wait_for("recording", PATIENCE);
    let ready = vm.ready().clone();
    // One that ends at `go` is to be read before.
    let has = |word: &str| more.contains(&word);
    match () {
        () if has("off") && has("--checkpoint") || has("--processes") => {}
        () if has("--state") => is_read(Path::new(path), |recording| {
            recording.states(TimeRange::ALL).ok()?.flatten().next()
        }),
        () => is_read(Path::new(path), |recording| {
            let mut points = recording.series(TimeRange::ALL).ok()?.flatten();
            points.find(|point| point.metric == "checkpoint_processes")
        }),
    }
    let running = vm.go();
    let counts: Vec<Facts> = (0..COUNTS).map(|_| vm.count()).collect();
    recorder.signal("INT");
    let summary = recorder.finish(PATIENCE).success().stderr;
    vm.stop();
    assert!(vm.quit().success());
    println!("{summary}");
    (ready, running, counts, summary)
}

/// Waits until what is looked for was read and is on the disk.
fn is_read<T>(path: &Path, find: impl Fn(&Recording) -> Option<T>) {
    let until = Instant::now() + PATIENCE;
    let is_done = || find(&Recording::open(path).ok()?);
    while is_done().is_none() {
        assert!(Instant::now() < until, "no checkpoint");
        sleep(Duration::from_millis(50));
    }
}

fn frame(path: &str, at_ns: i64) -> Value {
    let at = format!("{at_ns}ns");
    escope(&["frame", path, "--at", &at, "--json"])
        .success()
        .json()
}

fn rows(recording: &Recording) -> Vec<CheckpointRow> {
    let rows = recording.checkpoints(TimeRange::ALL).unwrap();
    rows.map(Result::unwrap).collect()
}

/// By pid and by name.
fn all(frame: &Value) -> BTreeMap<&str, &Value> {
    let processes = frame["processes"].as_array().unwrap().iter();
    processes
        .flat_map(|it| {
            let names = [it["pid"].as_str(), it["name"].as_str()];
            names.into_iter().flatten().map(move |name| (name, it))
        })
        .collect()
}

#[test]
fn those_to_which_nothing_happens_are_in_a_frame() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let more = ["--events", "full", "--max-overhead", "off"];
    let (ready, running, counts, summary) = record(&path, &more);
    let recording = Recording::open(Path::new(&path)).unwrap();
    let manifest = recording.manifest();
    assert_eq!(manifest.totals.counters["events_lost"], 0, "{summary}");
    assert_eq!(manifest.totals.counters["checkpoints"], 1, "{summary}");
    let cost_ns = manifest.totals.counters["checkpoint_cpu_ns"];
    assert!(cost_ns > 0, "{summary}");
    let rows = rows(&recording);
    let procs: BTreeSet<u32> = rows.iter().map(|row| row.proc.0).collect();
    assert_eq!(procs.len(), rows.len(), "each is told once");
    assert!(rows.len() as i64 > ready.number("resting"));
    println!("{} processes in {cost_ns} ns", rows.len());
    let origin_ns = manifest.clocks.start_monotonic_ns as i64;
    for facts in &counts {
        let to_ns = facts.number("to_ns") - origin_ns;
        let at_ns = to_ns - (facts.number("to_ns") - facts.number("from_ns")) / 10;
        let frame = frame(&path, at_ns);
        assert_eq!(frame["is_watched"], true, "{summary}");
        assert_eq!(frame["checkpoint"]["is_complete"], true, "{summary}");
        let count = frame["counts"]["processes"].as_i64();
        assert_eq!(count, Some(facts.number("processes")), "{summary}");
        let all = all(&frame);
        resting(&all, &ready, at_ns);
        let woken = all["checkpoints_woken"];
        assert_eq!(woken["doing"], "waiting", "{woken}");
        assert_eq!(woken["is_by_checkpoint"], false, "{woken}");
        let late = all["checkpoints_late"];
        assert_eq!(late["pid"], running.text("late"));
        assert_eq!(late["known"], "spawned", "{late}");
        assert!(late["checkpoint"].is_null(), "{late}");
        assert!(!all.contains_key(ready.text("gone")), "it has ended");
    }
    // Before `go` it was there.
    let before_ns = rows.iter().map(|row| row.to_ns).max().unwrap() + 1_000_000;
    let early = frame(&path, before_ns);
    let early = all(&early);
    assert_eq!(early[ready.text("gone")]["doing"], "waiting");
    assert!(!early.contains_key(running.text("late")));
    in_text(&path, &ready);
    escope(&["check", &path]).success();
}

/// All that rest are told to, by nothing but the checkpoint.
fn resting(all: &BTreeMap<&str, &Value>, ready: &Facts, at_ns: i64) {
    let is_resting = |it: &&&Value| {
        let place = it["checkpoint"]["place"].as_str();
        it["is_by_checkpoint"] == true
            && it["doing"] == "waiting"
            && place.is_some_and(|place| place.starts_with("checkpoints:rest/0"))
    };
    let by_pid = all.iter().filter(|(name, _)| name.starts_with('<'));
    let many = by_pid.map(|(_, it)| it).filter(is_resting).count() as i64;
    // And the box.
    assert_eq!(many, ready.number("resting") + 1);
    let named = all.keys().filter(|name| {
        let number = name.strip_prefix("checkpoints_");
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    });
    assert_eq!(named.count() as i64, ready.number("named"));
    for key in ["first", "last"] {
        let it = all[ready.text(key)];
        assert_eq!(it["alive"], "sure", "{it}");
        let checkpoint = &it["checkpoint"];
        let age_ns = checkpoint["age_ns"].as_i64().unwrap();
        assert_eq!(age_ns, at_ns - checkpoint["from_ns"].as_i64().unwrap());
        assert_eq!(checkpoint["mailbox"], 0, "{it}");
        assert!(checkpoint["heap_words"].as_u64().unwrap() >= 233, "{it}");
        assert!(checkpoint["reductions"].as_u64().unwrap() > 0, "{it}");
    }
    let mailbox = &all["checkpoints_box"]["mailbox"];
    assert_eq!(mailbox["unseen"].as_i64(), Some(ready.number("box")));
    assert_eq!(mailbox["messages"], 0, "{mailbox}");
}

/// The page for people says so too.
fn in_text(path: &str, ready: &Facts) {
    let text = escope(&["frame", path]).success().stdout;
    assert!(text.contains("whoever was alive is among them"), "{text}");
    assert!(text.lines().count() < 200, "it is no page: {text}");
    let more = format!(
        "\n{} more came before events were watched",
        ready.number("box")
    );
    assert!(text.contains(&more), "{text}");
    let one = escope(&["frame", path, "--process", "checkpoints_box"]);
    let text = one.success().stdout;
    assert!(text.contains("; at rest since it was read "), "{text}");
}

#[test]
fn there_are_as_many_as_were_asked_for_and_one_at_the_end() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    // Of samples alone there is nothing that tells what happened since.
    let (ready, running, _, summary) = record(&path, &["--checkpoint", "300ms"]);
    let recording = Recording::open(Path::new(&path)).unwrap();
    let manifest = recording.manifest();
    let checkpoints = manifest.totals.counters["checkpoints"] as u32;
    assert!(checkpoints >= 2, "{summary}");
    let end_ns = manifest.ended.as_ref().unwrap().at_ns;
    let rows = rows(&recording);
    let numbers: BTreeSet<u32> = rows.iter().map(|row| row.checkpoint).collect();
    let mut complete = 0;
    // One may have been cut short by the last one.
    for checkpoint in numbers {
        let these = rows.iter().filter(|row| row.checkpoint == checkpoint);
        let procs: BTreeSet<u32> = these.clone().map(|row| row.proc.0).collect();
        assert_eq!(procs.len(), these.clone().count(), "each is told once");
        let rest = |row: &&CheckpointRow| {
            (row.seen, row.status) == (CheckpointSeen::Exact, ProcessStatus::Waiting)
        };
        let many = these.clone().filter(rest).count() as i64;
        complete += u32::from(many > ready.number("resting"));
        let from_ns = these.clone().map(|row| row.from_ns).min().unwrap();
        let to_ns = these.map(|row| row.to_ns).max().unwrap();
        assert!(from_ns < to_ns && to_ns <= end_ns);
    }
    assert!(complete >= checkpoints, "{complete}: {summary}");
    let last = escope(&["frame", &path, "--json"]).success().json();
    let age_ns = last["checkpoint"]["age_ns"].as_i64().unwrap();
    assert!(age_ns < 1_000_000_000, "{last}");
    let all = all(&last);
    let late = all["checkpoints_late"];
    assert_eq!(late["pid"], running.text("late"));
    assert_eq!(late["doing"], "unknown", "runs were not recorded");
    assert_eq!(late["checkpoint"]["status"], "waiting");
    // Its end was not watched, but it is not there any more.
    assert!(!all.contains_key(ready.text("gone")));
    assert_eq!(all[ready.text("first")]["alive"], "last_seen");
    escope(&["check", &path]).success();
}

#[test]
fn a_snapshot_that_is_saved_is_a_recording_of_one() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let vm = Workload::start("checkpoints", &["+S", "2:2"], &[("RESTING", "2000")]);
    let pid = vm.pid().to_string();
    let args = ["snapshot", "-p", &pid, "-o", &path, "--all-states"];
    let said = escope(&args).success().stderr;
    println!("{said}");
    escope(&args).refused(1);
    let ready = vm.ready().clone();
    assert!(vm.quit().success());
    escope(&["check", &path]).success();
    let frame = escope(&["frame", &path, "--json"]).success().json();
    let all = all(&frame);
    let rests = all
        .iter()
        .filter(|(name, it)| name.starts_with('<') && it["checkpoint"]["status"] == "waiting");
    assert!(rests.count() as i64 > ready.number("resting"), "{said}");
    let mailbox = &all["checkpoints_box"]["checkpoint"]["mailbox"];
    assert_eq!(mailbox.as_i64(), Some(ready.number("box")));
    let server = all["checkpoints_server"];
    let term = server["state"]["parts"][0]["term"].as_str().unwrap();
    assert!(term.contains("4711") && term.contains("***"), "{term}");
    let state = escope(&["state", &path, "--process", "checkpoints_server"]);
    let text = state.success().stdout;
    assert!(text.contains("4711") && text.contains("***"), "{text}");
    // The table says that it is masked, and nothing else of it.
    let script = format!(
        "import duckdb\n\
         print(duckdb.sql(\"select * from read_parquet('{path}/states.parquet')\").fetchall())"
    );
    let told = run("python3", &["-c", &script]);
    assert!(told.contains("gen_server"), "{told}");
    assert!(!told.contains("sekrit"), "the secret is on the disk");
}

#[test]
fn what_a_server_has_that_rests_is_known_before_it_runs() {
    live!();
    let folder = temp_dir();
    let events = ["--events", "full"];
    for (name, more) in [("all", &events[..]), ("states", &[])] {
        let path = folder.path(&format!("{name}.escope"));
        let state = ["--max-overhead", "off", "--state", "checkpoints_server"];
        let (_, _, counts, summary) = record(&path, &[more, &state].concat());
        let recording = Recording::open(Path::new(&path)).unwrap();
        let manifest = recording.manifest();
        assert_eq!(manifest.totals.counters["events_lost"], 0, "{summary}");
        assert_eq!(manifest.totals.counters["states_at_checkpoints"], 1);
        let states = recording.states(TimeRange::ALL).unwrap();
        let states: Vec<StateRow> = states.map(Result::unwrap).collect();
        let first = &states[0];
        assert!(first.is_by_checkpoint(), "{first:?}");
        let by_checkpoint = |row: &&StateRow| row.is_by_checkpoint();
        assert_eq!(states.iter().filter(by_checkpoint).count(), 1, "{summary}");
        let is_copy = |row: &StateRow| row.source == Some(StateSource::Copy);
        assert!(states.iter().any(is_copy), "{states:?}");
        // The kernel has not seen it come to rest until the first count.
        let known = a_state(&path, first.ts_ns, 4711, &summary);
        assert_eq!(known["is_by_checkpoint"], true, "{known}");
        assert_eq!(known["source"], "live", "{known}");
        let at = format!("{}ns", first.ts_ns);
        let args = [
            "state",
            &path,
            "--process",
            "checkpoints_server",
            "--at",
            &at,
        ];
        let text = escope(&args).success().stdout;
        assert!(
            text.contains("it rested with this when it was read at "),
            "{text}"
        );
        let origin_ns = manifest.clocks.start_monotonic_ns as i64;
        for facts in &counts {
            let (from_ns, to_ns) = (facts.number("from_ns"), facts.number("to_ns"));
            let at_ns = to_ns - (to_ns - from_ns) / 10 - origin_ns;
            let known = a_state(&path, at_ns, facts.number("kept"), &summary);
            assert_eq!(known["is_by_checkpoint"], false, "{known}");
            if more.is_empty() {
                continue;
            }
            // A frame of all says the same.
            let frame = frame(&path, at_ns);
            assert!(
                frame["counts"]["processes"].as_i64() > Some(10_000),
                "{summary}"
            );
            let all = all(&frame);
            let told = all["checkpoints_server"]["state"].as_object().unwrap();
            for (key, value) in told {
                assert_eq!(value, &known[key], "{key}");
            }
            assert!(told.len() > 10, "{told:?}");
        }
        let has_table = !rows(&recording).is_empty();
        assert_eq!(has_table, !more.is_empty(), "{summary}");
    }
}

/// The server has this, and that is sure.
fn a_state(path: &str, at_ns: i64, kept: i64, summary: &str) -> Value {
    let at = format!("{at_ns}ns");
    let args = [
        "state",
        path,
        "--process",
        "checkpoints_server",
        "--at",
        &at,
        "--json",
    ];
    let known = escope(&args).success().json()[0].clone();
    assert_eq!(known["certainty"], "exact", "{known}: {summary}");
    assert_eq!(known["parts"][0]["whole"], true, "{known}");
    let term = known["parts"][0]["term"].as_str().unwrap();
    let kept = format!("kept => {kept}");
    assert!(term.contains(&kept) && term.contains("***"), "{term}");
    known
}

#[test]
fn none_is_read_where_none_is_wanted() {
    live!();
    let folder = temp_dir();
    let events = ["--events", "sched"];
    for (name, more) in [
        ("off", &["--checkpoint", "off"][..]),
        ("few", &["--processes", "checkpoints_box"]),
    ] {
        let path = folder.path(&format!("{name}.escope"));
        record(&path, &[&events[..], more].concat());
        let recording = Recording::open(Path::new(&path)).unwrap();
        assert_eq!(rows(&recording), []);
    }
}
