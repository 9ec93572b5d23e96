//! VMs that answer nobody: every scheduler in a NIF that does not come back, or all threads
//! stopped by a signal.

use std::path::Path;
use std::time::{Duration, Instant};

use escope_model::Activity;
use escope_recording::Recording;
use serde_json::Value;

use crate::support::{Workload, escope, monotonic_ns, recorded, start, temp_dir};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn every_scheduler_in_a_nif() {
    live!();
    let folder = temp_dir();
    let mut vm = Workload::start("wedged", &["+S", "2:2"], &[("SECONDS", "12")]);
    vm.go();
    let pid = vm.pid().to_string();
    vm.send_line("stop");
    // The VM could not say when: it is when both are in there.
    let end = Instant::now() + PATIENCE;
    let rows = loop {
        let rows = escope(&["snapshot", "-p", &pid, "--format", "json"]).success();
        let rows: Vec<Value> = rows.json().as_array().unwrap().clone();
        if ["wedged_1", "wedged_2"]
            .iter()
            .all(|name| row(&rows, name)["status"] == "running")
        {
            break rows;
        }
        assert!(Instant::now() < end, "they do not run: {rows:#?}");
    };
    let from_ns = monotonic_ns();
    let parked = row(&rows, "parked");
    assert_eq!(parked["consistent"], true, "{parked:#}");
    assert_eq!(parked["mailbox"], 3, "{parked:#}");
    assert_eq!(parked["current_function"], "wedged:park/0", "{parked:#}");
    for name in ["wedged_1", "wedged_2"] {
        let wedged = row(&rows, name);
        assert_eq!(wedged["consistent"], false, "{wedged:#}");
        assert_eq!(wedged["current_function"], "wl_nif:spin/1", "{wedged:#}");
        let stack = wedged["stack"].as_array().unwrap();
        let functions: Vec<&Value> = stack.iter().map(|frame| &frame["function"]).collect();
        assert_eq!(functions, ["wl_nif:spin/1", "wedged:wedge/3"], "{wedged:#}");
        // Where it calls it, not where it was scheduled.
        assert_eq!(stack[1]["line"], 30, "{wedged:#}");
    }
    let path = recorded(&vm, 3, 499, &folder);
    let to_ns = monotonic_ns();

    let (told, _) = vm.stop_told();
    assert!(vm.quit().success());
    assert_eq!(told.len(), 2);
    for facts in &told {
        let inside = facts.number("from_ns") < from_ns && to_ns < facts.number("to_ns");
        assert!(inside, "{from_ns} to {to_ns} was not in the NIF: {facts:?}");
    }

    let recording = Recording::open(Path::new(&path)).unwrap();
    let (dictionary, _) = recording.dictionary().unwrap();
    let samples = recording.samples().unwrap().map(Result::unwrap);
    let (mut all, mut nif) = (0, 0);
    for sample in samples {
        let process = sample.proc.and_then(|proc| dictionary.process(proc));
        let name = process.and_then(|process| process.name.as_deref());
        let wedged = matches!(name, Some("wedged_1" | "wedged_2"));
        all += 1;
        nif += u32::from(wedged && sample.activity == Activity::Nif);
    }
    assert!(all > 300, "{all} samples");
    assert!(f64::from(nif) > 0.95 * f64::from(all), "{nif} of {all}");
}

#[test]
fn every_thread_stopped() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let mut vm = Workload::start("split", &["+S", "1:1"], &[]);
    vm.go();
    let pid = vm.pid().to_string();
    vm.signal("STOP");
    let doctor = escope(&["doctor", "-p", &pid]).success();
    assert!(doctor.stdout.contains("is stopped"), "{doctor:#?}");
    let still = escope(&["record", "-p", &pid, "-d", "1s", "-o", &path]).success();
    assert!(still.stderr.contains("is stopped"), "{still:#?}");
    assert!(
        still.stderr.contains("0 samples of 0 attempts"),
        "{still:#?}"
    );
    escope(&["report", &path]).success();
    // It goes on while it is being recorded.
    let again = folder.path("again.escope");
    let mut recorder = start(&["record", "-p", &pid, "-d", "3s", "-F", "499", "-o", &again]);
    recorder.wait_for("recording", PATIENCE);
    vm.signal("CONT");
    let output = recorder.finish(PATIENCE).success();
    assert!(!output.stderr.contains(" 0 samples"), "{output:#?}");
    let report = escope(&["report", &again]).success();
    assert!(report.stdout.contains("split_three"), "{report:#?}");
    vm.stop();
    assert!(vm.quit().success());
}

/// Few and many schedulers, spinning or not: all of the CPU time is seen, on known schedulers.
#[test]
fn any_number_of_schedulers() {
    live!();
    for flags in [
        ["+S", "1:1", "+sbwt", "none"],
        ["+S", "2:2", "+sbwt", "very_long"],
        ["+S", "64:64", "+sbwt", "medium"],
    ] {
        let folder = temp_dir();
        let mut vm = Workload::start("mixed", &flags, &[]);
        vm.go();
        let path = recorded(&vm, 4, 499, &folder);
        vm.stop();
        assert!(vm.quit().success());
        let recording = Recording::open(Path::new(&path)).unwrap();
        let totals = &recording.manifest().totals;
        let counter = |name: &str| totals.counters.get(name).copied().unwrap_or(0);
        assert_eq!(totals.attempts, totals.recorded, "{flags:?}");
        let seen = counter("sampled_cpu_ns") as f64 / counter("target_cpu_ns") as f64;
        assert!(
            (0.9..1.1).contains(&seen),
            "{flags:?}: {seen} of the CPU time"
        );
        let explained = counter("with_process") + counter("without_process");
        let on_scheduler = counter("on_scheduler");
        // How much it has done is the machine's affair.
        assert!(totals.samples > 100, "{flags:?}: {totals:?}");
        assert!(
            on_scheduler as f64 > 0.9 * totals.samples as f64,
            "{flags:?}: {totals:?}"
        );
        assert!(
            explained as f64 >= 0.99 * on_scheduler as f64,
            "{flags:?}: {explained} of {on_scheduler}"
        );
    }
}

fn row<'a>(rows: &'a [Value], name: &str) -> &'a Value {
    let found = rows.iter().find(|row| row["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}
