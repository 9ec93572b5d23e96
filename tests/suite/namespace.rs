//! PID namespaces: a VM in one of its own, and a recorder in one of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use escope_model::Sample;
use escope_recording::Recording;

use crate::support::{escope, start_under, temp_dir};

const PATIENCE: Duration = Duration::from_secs(60);

/// A VM that is busy for a while and then ends.
const BUSY: [&str; 4] = [
    "erl",
    "-noinput",
    "-eval",
    "F = fun F() -> lists:sum(lists:seq(1, 1000)), F() end, spawn(F), io:put_chars(\"busy\\n\"), timer:sleep(6000), halt().",
];

/// A namespace in which `/proc` is its own.
const ENTER: [&str; 5] = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];

/// The samples are the CPU time that the kernel says was used, and the busy process is there.
#[track_caller]
fn is_busy(path: &str) {
    let recording = Recording::open(Path::new(path)).unwrap();
    let (dictionary, _) = recording.dictionary().unwrap();
    let runs_lists = |sample: &Sample| {
        let mut stack = dictionary.stack(sample.stack).iter();
        stack.any(|&id| dictionary.frame(id).unwrap().module.as_deref() == Some("lists"))
    };
    let samples: Vec<Sample> = recording.samples().unwrap().map(Result::unwrap).collect();
    let found = samples.iter().filter(|sample| runs_lists(sample)).count();
    assert!(found > 20, "{found} of {} samples run lists", samples.len());
    let counter = |name: &str| recording.manifest().totals.counters[name] as f64;
    let seen = counter("sampled_cpu_ns") / counter("target_cpu_ns");
    assert!(
        (0.8..1.2).contains(&seen),
        "samples stand for {seen} of the CPU time"
    );
}

#[test]
fn a_vm_in_a_namespace_of_its_own() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let options = ["record", "-d", "4s", "-F", "499", "-o", &path, "--"];
    escope(&[&options[..], &ENTER, &BUSY].concat()).success();
    is_busy(&path);
}

/// Found by the number it has there: the first of its namespace.
#[test]
fn a_vm_is_found_by_its_inner_pid() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let whole = [&ENTER[..], &BUSY].concat();
    let mut command = Command::new(whole[0]);
    let mut vm = command
        .args(&whole[1..])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut stdout = BufReader::new(vm.stdout.take().unwrap());
    stdout.read_line(&mut said).unwrap();
    assert_eq!(said, "busy\n");
    let inner = ["record", "--container-pid", "1"];
    let options = ["-d", "2s", "-F", "499", "-o", &path];
    let output = escope(&[&inner[..], &options].concat());
    output.success();
    is_busy(&path);
    let nobody = escope(&["snapshot", "--container-pid", "4000000"]);
    nobody.refused(3);
    assert!(
        nobody.stderr.contains("pid 1 in its container"),
        "{nobody:#?}"
    );
    assert!(vm.wait().unwrap().success());
}

#[test]
fn a_recorder_in_a_namespace_of_its_own() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let options = ["record", "-d", "4s", "-F", "499", "-o", &path, "--"];
    let recorder = start_under(&ENTER, &[&options[..], &BUSY].concat());
    recorder.finish(PATIENCE).success();
    is_busy(&path);
}

#[test]
fn a_proc_of_another_namespace_is_refused() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let options = ["record", "-d", "2s", "-o", &path, "--"];
    let recorder = start_under(
        &["unshare", "--pid", "--fork"],
        &[&options[..], &BUSY].concat(),
    );
    let output = recorder.finish(PATIENCE);
    assert_eq!(output.code, Some(3), "{output:#?}");
    assert!(output.stderr.contains("/proc"), "{output:#?}");
    assert!(folder.listing().is_empty());
}
