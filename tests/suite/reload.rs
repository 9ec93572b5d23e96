//! A sample is named by the code that was there when it was taken, although the next
//! module lies at the same address a moment later.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use escope_model::{Activity, Dictionary, Sample};
use escope_recording::Recording;

use crate::support::{Facts, Workload, otp, recorded, start, start_under, temp_dir};

#[test]
fn a_reused_address_has_the_name_of_its_time() {
    live!();
    let folder = temp_dir();
    // Longer than a recorder waits for its turn on a busy machine: it reads what the VM says of
    // the code before that goes.
    let mut vm = Workload::start("reload", &[], &[("SLICE_MS", "100")]);
    vm.go();
    let path = recorded(&vm, 10, 999, &folder);
    let (versions, done) = vm.stop();
    assert!(vm.quit().success());
    assert!(done.number("generations") > 50, "{done:?}");

    let (right, unnamed) = compare(&path, &versions);
    assert!(right > 1000, "only {right} samples");
    assert!(
        unnamed * 100 < right,
        "{unnamed} without a name, {right} with"
    );
}

/// A recorder that is stopped misses announcements: more code than the ring has room for.
#[test]
fn code_that_was_missed_has_no_name_rather_than_a_wrong_one() {
    live!();
    let folder = temp_dir();
    let mut vm = Workload::start(
        "reload",
        &["+S", "2:2"],
        &[("STORM", "1"), ("SLICE_MS", "700")],
    );
    vm.go();
    let (pid, path) = (vm.pid().to_string(), folder.path("test.escope"));
    let mut recorder = start(&[
        "record",
        "-p",
        &pid,
        "-F",
        "999",
        "--ring-kib",
        "256",
        "-o",
        &path,
    ]);
    recorder.wait_for("recording", Duration::from_secs(60));
    vm.works(Duration::from_secs(4));
    recorder.signal("STOP");
    // Each is one record at least, and the ring has room for a few thousand.
    let loads = vm.count().number("loads");
    while vm.count().number("loads") < loads + 6000 {
        sleep(Duration::from_millis(50));
    }
    recorder.signal("CONT");
    vm.works(Duration::from_secs(8));
    recorder.signal("INT");
    recorder.finish(Duration::from_secs(60)).success();
    let (versions, _) = vm.stop();
    assert!(vm.quit().success());

    let recording = Recording::open(Path::new(&path)).unwrap();
    let lost = |place: &str| {
        let losses = recording.manifest().losses.iter();
        losses
            .filter(|loss| loss.place == place)
            .map(|loss| loss.count)
            .sum::<u64>()
    };
    assert!(lost("code_ring_full") > 0, "no announcement was lost");
    assert!(lost("ring_full") > 0, "no sample was lost");
    let (right, _) = compare(&path, &versions);
    assert!(right > 1000, "only {right} samples");
}

/// Where no probe can be placed, as without perf's and the tracing file system's files.
const NO_PROBES: &str = "mount -t tmpfs none /sys/bus/event_source/devices && \
                         mount -t tmpfs none /sys/kernel/tracing && exec \"$@\"";

#[test]
fn code_that_is_polled_has_no_name_rather_than_a_wrong_one() {
    live!();
    let folder = temp_dir();
    let mut vm = Workload::start("reload", &[], &[("SLICE_MS", "400")]);
    vm.go();
    let (pid, path) = (vm.pid().to_string(), folder.path("test.escope"));
    let options = ["record", "-p", &pid, "-d", "12s", "-F", "999", "-o", &path];
    let wrapper = ["unshare", "--mount", "sh", "-c", NO_PROBES, "--"];
    let output = start_under(&wrapper, &options)
        .finish(Duration::from_secs(60))
        .success();
    let (versions, _) = vm.stop();
    assert!(vm.quit().success());

    assert!(output.stderr.contains("followed by polling"), "{output:#?}");
    let recording = Recording::open(Path::new(&path)).unwrap();
    let followed = &recording.manifest().options.code_following;
    assert!(followed.starts_with("polled: "), "{followed}");
    let (right, _) = compare(&path, &versions);
    assert!(right > 100, "only {right} samples");
}

/// The jitdump has the time of each load, so that nothing is unnamed although no probe is there.
#[test]
fn code_that_is_polled_has_the_names_of_the_jitdump() {
    live!();
    let folder = temp_dir();
    let mut vm = Workload::start("reload", &["+JPperf", "dump"], &[("SLICE_MS", "20")]);
    vm.go();
    let inner = vm.ready().number("pid");
    let (pid, path) = (vm.pid().to_string(), folder.path("test.escope"));
    let options = ["record", "-p", &pid, "-d", "8s", "-F", "999", "-o", &path];
    let wrapper = ["unshare", "--mount", "sh", "-c", NO_PROBES, "--"];
    start_under(&wrapper, &options)
        .finish(Duration::from_secs(60))
        .success();
    let (versions, done) = vm.stop();
    assert!(vm.quit().success());
    std::fs::remove_file(otp::outside(&format!("/tmp/jit-{inner}.dump"))).unwrap();
    assert!(done.number("generations") > 50, "{done:?}");
    let (right, unnamed) = compare(&path, &versions);
    assert!(right > 1000, "only {right} samples");
    assert!(
        unnamed * 100 < right,
        "{unnamed} without a name, {right} with"
    );
}

/// Compares the names with the truth: how many are right, and how many whole stacks have none.
#[track_caller]
fn compare(path: &str, versions: &[Facts]) -> (u32, u32) {
    let recording = Recording::open(Path::new(path)).unwrap();
    let start_ns = recording.manifest().clocks.start_monotonic_ns as i64;
    let (dictionary, problems) = recording.dictionary().unwrap();
    assert_eq!(problems, []);
    let (mut right, mut unnamed, mut wrong) = (0, 0, Vec::new());
    for sample in recording.samples().unwrap() {
        let sample = sample.unwrap();
        let at_ns = start_ns + sample.ts_ns;
        let Some(truth) = version_at(versions, at_ns) else {
            continue;
        };
        if !is_spinner(&sample, &dictionary) {
            continue;
        }
        let spins = spins(&sample, &dictionary);
        if spins.is_empty() {
            let is_whole = sample.truncated.is_none() && sample.activity == Activity::Jit;
            unnamed += u32::from(is_whole);
        } else if spins.iter().all(|spin| *spin == name(truth)) {
            right += 1;
        } else {
            wrong.push(format!(
                "{:.3} s after the start, {:.3} ms into {:?}: {spins:?}",
                sample.ts_ns as f64 / 1e9,
                (at_ns - truth.number("from_ns")) as f64 / 1e6,
                name(truth)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong, {right} right: {wrong:#?}",
        wrong.len(),
    );
    (right, unnamed)
}

/// The version that the spinner was in, if it was in any.
fn version_at(versions: &[Facts], at_ns: i64) -> Option<&Facts> {
    let next = versions.partition_point(|version| version.number("to_ns") < at_ns);
    let version = versions.get(next)?;
    (version.number("from_ns") <= at_ns).then_some(version)
}

fn name(version: &Facts) -> (String, String) {
    let (module, function) = (version.text("module"), version.text("function"));
    (module.to_owned(), function.to_owned())
}

fn is_spinner(sample: &Sample, dictionary: &Dictionary) -> bool {
    let process = sample.proc.and_then(|proc| dictionary.process(proc));
    process.is_some_and(|process| process.name.as_deref() == Some("reload_spinner"))
}

/// Module and function of every frame of a generation.
fn spins(sample: &Sample, dictionary: &Dictionary) -> Vec<(String, String)> {
    let stack = dictionary.stack(sample.stack).iter();
    stack
        .map(|&id| dictionary.frame(id).unwrap())
        .filter_map(|frame| Some((frame.module.as_deref()?, &frame.function)))
        .filter(|(module, _)| module.starts_with("gen_") && module.len() == "gen_a".len())
        .map(|(module, function)| (module.to_owned(), function.to_string()))
        .collect()
}
