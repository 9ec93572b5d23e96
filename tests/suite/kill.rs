//! `kill -9` of the recorder at any moment: what it had written opens, nothing of it stays
//! in the kernel, and the VM does not notice. `ESCOPE_KILLS=20` kills more often.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use escope_recording::Recording;

use crate::support::{Workload, escope, monotonic_ns, start, temp_dir};

/// What a second between flushes and a busy machine may cost.
const LOST_NS: i64 = 2_000_000_000;
/// The kernel frees programs some time after the last user is gone.
const FREED: Duration = Duration::from_secs(10);
/// From the start of the program to its first word.
const STARTED: Duration = Duration::from_secs(30);

#[test]
fn a_killed_recorder_leaves_a_recording_and_nothing_else() {
    live!();
    let kills = std::env::var("ESCOPE_KILLS").map_or(3, |kills| kills.parse().unwrap());
    let before = loaded();
    let mut vm = Workload::start("split", &["+S", "1:1"], &[]);
    vm.go();
    for kill in 0..kills {
        // At a different moment of the flush each time, the first ones early.
        let after = Duration::from_millis(200 + RandomState::new().hash_one(kill) % 6000);
        println!("kill {kill} after {after:?}");
        kill_after(&vm, after, &before);
    }
    let (_, done) = vm.stop();
    assert!(done.number("split_one") > 0);
    assert!(vm.quit().success());
}

fn kill_after(vm: &Workload, after: Duration, before: &BTreeSet<String>) {
    let folder = temp_dir();
    let path = folder.path("killed.escope");
    let pid = vm.pid().to_string();
    let mut recorder = start(&["record", "-p", &pid, "-d", "60s", "-F", "199", "-o", &path]);
    recorder.wait_for("recording", STARTED);
    let began_ns = monotonic_ns();
    assert!(recorder.runs_on(after), "{}", recorder.heard());
    // Or the check below would pass whatever is left.
    assert!(
        loaded().difference(before).count() >= 2,
        "nothing is loaded"
    );
    recorder.kill();
    let killed_ns = monotonic_ns();

    let recording = Recording::open(Path::new(&path)).unwrap();
    let start_ns = recording.manifest().clocks.start_monotonic_ns as i64;
    let mut samples = recording.samples().unwrap();
    let times: Vec<i64> = samples
        .by_ref()
        .map(|sample| sample.unwrap().ts_ns + start_ns)
        .collect();
    let covered_ns = killed_ns - LOST_NS;
    if began_ns + 500_000_000 < covered_ns {
        let (first, last) = (times[0], times[times.len() - 1]);
        assert!(first < began_ns + 500_000_000, "{first} {began_ns}");
        assert!(
            last > covered_ns,
            "{} ms before the kill",
            (killed_ns - last) / 1_000_000
        );
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.max() < Some(1_000_000_000), "a hole in the middle");
        escope(&["report", &path]).success();
    }
    let check = escope(&["check", &path]);
    assert!(check.stdout.contains("clean stop"), "{check:#?}");
    assert!(!check.stderr.contains("panicked"), "{check:#?}");

    all_gone(before);
}

/// Waits until nothing is in the kernel that was not there before.
pub(super) fn all_gone(before: &BTreeSet<String>) {
    let end = Instant::now() + FREED;
    loop {
        let left = loaded();
        let left: Vec<_> = left.difference(before).collect();
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < end, "still in the kernel: {left:?}");
        // The kernel tells nobody when it is done.
        thread::sleep(Duration::from_millis(50));
    }
}

/// Programs and links in the kernel, by kind and number.
pub(super) fn loaded() -> BTreeSet<String> {
    let mut loaded = BTreeSet::new();
    for kind in ["prog", "link"] {
        let tool = xtask::commands::find("bpftool").unwrap();
        let output = Command::new(tool)
            .args(["-j", kind, "show"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        for row in rows.as_array().unwrap() {
            // Programs that another one loads meanwhile are not ours.
            let name = row["name"].as_str().unwrap_or_default();
            if kind == "link" || OURS.contains(&name) {
                loaded.insert(format!("{kind} {} {name}", row["id"]));
            }
        }
    }
    loaded
}

/// The names of our programs in `bpf/programs`.
const OURS: [&str; 3] = ["tick", "code_loaded", "event"];
