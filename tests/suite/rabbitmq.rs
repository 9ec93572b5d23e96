//! RabbitMQ under load: every tick is a sample, nothing is lost, and the recorder stays small.

use std::path::Path;

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
    escope(&["record", "-p", &pid, "-d", "20s", "-o", &path]).success();
    assert!(load.stop() > 1000);

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
    // The samples stand for the CPU time that the kernel says was used, but for ticks that came
    // while interrupts were off and hit who ran next: about a tenth under this load.
    let counter = |name: &str| totals.counters[name] as f64;
    let seen = counter("sampled_cpu_ns") / counter("target_cpu_ns");
    assert!(
        (0.5..1.1).contains(&seen),
        "samples stand for {seen} of the CPU time"
    );

    let report = escope(&["report", &path]).success();
    assert!(report.stdout.contains("rabbit"), "{report:#?}");
}
