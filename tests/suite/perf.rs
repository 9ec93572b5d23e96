//! perf sees the same: self time of the hottest functions, recorded side by side.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use escope_model::{Dictionary, FrameKind};
use escope_recording::Recording;

use crate::support::{Workload, otp, recorded, temp_dir};

const SECONDS: u64 = 20;
/// Neighbouring functions of a stripped file that we tell apart by `.eh_frame` and perf does
/// not are not compared: only what has a name in both.
const COMPARED: usize = 10;

#[test]
fn perf_agrees_on_the_hottest_functions() {
    live!();
    let folder = temp_dir();
    let families = "jit_arithmetic,bif_ets,bif_regex,deep_recursion,gc_churn";
    let mut vm = Workload::start("mixed", &["+JPperf", "true"], &[("FAMILIES", families)]);
    vm.go();
    let data = folder.path("perf.data");
    let pid = vm.pid().to_string();
    let mut perf = Command::new("perf")
        .args([
            "record",
            "-e",
            "cpu-clock",
            "-F",
            "999",
            "-g",
            "-p",
            &pid,
            "-o",
            &data,
        ])
        .args(["--", "sleep", &SECONDS.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("perf is installed: apt install linux-perf");
    let path = recorded(&vm, SECONDS, 999, &folder);
    assert!(perf.wait().unwrap().success());
    // While the VM lives, so that perf finds its map of JIT code.
    let map = format!("/tmp/perf-{pid}.map");
    let lies_elsewhere = otp::outside(&map) != Path::new(&map);
    if lies_elsewhere {
        fs::copy(otp::outside(&map), &map).unwrap();
    }
    let theirs = perf_shares(&data);
    if lies_elsewhere {
        fs::remove_file(&map).unwrap();
    }
    vm.stop();
    assert!(vm.quit().success());

    let ours = our_shares(&path);
    let mut hottest: Vec<(&String, &f64)> = ours
        .iter()
        .filter(|(name, _)| theirs.contains_key(*name))
        .collect();
    hottest.sort_by(|left, right| right.1.total_cmp(left.1));
    assert!(
        hottest.len() >= COMPARED,
        "too few names in common: {hottest:?}"
    );
    for (name, share) in hottest.into_iter().take(COMPARED) {
        let perf = theirs[name];
        assert!(
            (share - perf).abs() <= 0.02,
            "{name}: {:.2} % here, {:.2} % by perf",
            100.0 * share,
            100.0 * perf
        );
    }
}

/// Self time by function, as a share of all samples, by `perf script`.
fn perf_shares(data: &str) -> BTreeMap<String, f64> {
    let output = Command::new("perf")
        .args(["script", "-i", data, "-G", "-F", "ip,sym"])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    let mut all = 0.0;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let name = line
            .trim()
            .split_once(' ')
            .map_or("", |(_, name)| name.trim());
        all += 1.0;
        *counts.entry(normal(name)).or_default() += 1.0;
    }
    assert!(all > 1000.0, "perf took {all} samples");
    counts.values_mut().for_each(|count| *count /= all);
    counts
}

/// `$mod:fun/1` of the JIT's map, `write@@GLIBC_2.2.5` of libc, `[unknown]`.
fn normal(name: &str) -> String {
    let name = name.strip_prefix('$').unwrap_or(name);
    let name = name.strip_suffix("-CodeInfoPrologue").unwrap_or(name);
    let name = name.split("@@").next().unwrap_or(name);
    name.split('(').next().unwrap_or(name).to_owned()
}

fn our_shares(path: &str) -> BTreeMap<String, f64> {
    let recording = Recording::open(Path::new(path)).unwrap();
    let (dictionary, _) = recording.dictionary().unwrap();
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    let mut all = 0.0;
    for sample in recording.samples().unwrap() {
        let sample = sample.unwrap();
        all += 1.0;
        if let Some(name) = leaf(&dictionary, sample.stack) {
            *counts.entry(name).or_default() += 1.0;
        }
    }
    counts.values_mut().for_each(|count| *count /= all);
    counts
}

/// The leaf's name where perf could have the same one: a BIF is a C function to perf.
fn leaf(dictionary: &Dictionary, stack: escope_model::StackId) -> Option<String> {
    let frame = dictionary.frame(*dictionary.stack(stack).first()?)?;
    match frame.kind {
        FrameKind::Erlang => Some(frame.name()),
        FrameKind::Native | FrameKind::Kernel => Some(frame.function.to_string()),
        FrameKind::Helper => Some(format!("global::{}", frame.function)),
        _ => None,
    }
}
