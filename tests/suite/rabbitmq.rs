//! RabbitMQ under load: every tick is a sample, nothing is lost, and the recorder stays small.

use std::path::Path;
use std::process::{Command, Stdio};

use escope_recording::Recording;

use crate::support::{RabbitMq, escope, temp_dir};

#[test]
fn a_loaded_node_is_recorded_whole() {
    live!();
    let Some(rabbit) = RabbitMq::start() else {
        assert!(
            !xtask::live::is_required(),
            "this test must run: install rabbitmq-server"
        );
        return;
    };
    let load = rabbit.load();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let pid = rabbit.pid().to_string();
    let data = folder.path("perf.data");
    let mut perf = perf(&["record", "-a", "-e", "cpu-clock", "-F", "99", "-o", &data])
        .args(["--", "sleep", "20"])
        .spawn()
        .expect("perf is installed: apt install linux-perf");
    escope(&["record", "-p", &pid, "-d", "20s", "-o", &path]).success();
    assert!(perf.wait().unwrap().success());
    assert!(load.stop() > 1000);
    let theirs = perf_samples(&data, &pid);
    assert!(theirs > 200, "perf has {theirs} samples");

    let recording = Recording::open(Path::new(&path)).unwrap();
    let manifest = recording.manifest();
    let totals = &manifest.totals;
    assert!(totals.samples > 200, "{totals:?}");
    assert_eq!(totals.attempts, totals.samples);
    assert_eq!(totals.lost, 0);
    // CPU time, not wall time; and far from what is seen.
    let share = manifest.recorder.cpu_ns as f64 / manifest.ended.as_ref().unwrap().at_ns as f64;
    assert!(share < 0.05, "{share} of a CPU");
    let peak = manifest.recorder.peak_rss_bytes;
    assert!(peak < 100 << 20, "{peak} bytes");
    // perf, by the same clock at the same time, sees no more of it.
    assert!(
        totals.samples as f64 > 0.85 * theirs as f64,
        "{} samples, perf has {theirs}",
        totals.samples
    );

    let report = escope(&["report", &path]).success();
    assert!(report.stdout.contains("rabbit"), "{report:#?}");
}

fn perf(args: &[&str]) -> Command {
    let mut perf = Command::new("perf");
    perf.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    perf
}

/// How many samples of a process perf has taken.
fn perf_samples(data: &str, pid: &str) -> usize {
    let said = perf(&["script", "-i", data, "-F", "pid"])
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let lines = String::from_utf8(said.stdout).unwrap();
    lines.lines().filter(|line| line.trim() == pid).count()
}
