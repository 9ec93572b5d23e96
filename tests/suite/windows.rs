//! Events in windows that a budget allows: what is in them is all that happened then, and what
//! they stand for is what the program counts itself.

use std::path::Path;
use std::time::Duration;

use escope_model::{Fate, Message, Window};
use escope_recording::{Recording, TimeRange};

use crate::support::{Workload, start, temp_dir};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_ping_pong_is_watched_for_what_was_agreed_and_stands_for_all() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let mut vm = Workload::start("pingpong", &["+S", "2:2"], &[]);
    let pid = vm.pid().to_string();
    vm.go();
    let mut recorder = start(&[
        "record",
        "-p",
        &pid,
        "--events",
        "full",
        "--max-overhead",
        "4",
        "-o",
        &path,
    ]);
    // Times and counts, by which it is known what there was at any time between.
    let mut counts = Vec::new();
    recorder.wait_for("recording", PATIENCE);
    for _ in 0..120 {
        let counted = vm.count();
        counts.push((counted.number("clock_ns"), counted.number("messages")));
        assert!(
            recorder.runs_on(Duration::from_millis(100)),
            "{}",
            recorder.heard()
        );
    }
    recorder.signal("INT");
    let output = recorder.finish(PATIENCE).success();
    let (_, done) = vm.stop();
    assert!(done.number("messages") > 0);
    assert!(vm.quit().success());
    assert!(!output.stderr.contains("event_ring_full"), "{output:#?}");

    let recording = Recording::open(Path::new(&path)).unwrap();
    let windows: Vec<Window> = recording.windows().unwrap().map(Result::unwrap).collect();
    let start_ns = recording.manifest().clocks.start_monotonic_ns as i64;
    for window in &windows {
        assert!(window.to_ns - window.from_ns >= 500_000_000, "{window:?}");
        // Of hits that are under way on a CPU one count may be read before, the other after.
        assert_eq!(window.lost, 0, "{window:?}");
        assert!(window.attempts.abs_diff(window.recorded) <= 4, "{window:?}");
    }
    // It does little else than hit probes while it is watched.
    let open_ns: i64 = windows.iter().map(|it| it.to_ns - it.from_ns).sum();
    let all_ns = recording.manifest().ended.as_ref().unwrap().at_ns;
    assert!(open_ns < all_ns / 5, "{open_ns} of {all_ns}: {windows:?}");

    let messages = recording.messages(TimeRange::default()).unwrap();
    let balls: Vec<Message> = messages
        .map(Result::unwrap)
        .filter(|message| message.tag.as_deref() == Some("ball"))
        .collect();
    for ball in &balls {
        let at = windows
            .iter()
            .find(|it| (it.from_ns..=it.to_ns).contains(&ball.sent_ns));
        assert!(at.is_some(), "{ball:?} is in no window");
    }
    // All but those that are on their way when a window closes.
    let lost = balls.iter().filter(|ball| ball.fate != Fate::Received);
    assert!(lost.count() <= 4 * windows.len());

    // What they stand for, from the first window on, against the program's own count.
    let counters = &recording.manifest().totals.counters;
    let reductions: u64 = windows.iter().map(|it| it.reductions.unwrap()).sum();
    let scale = counters["vm_reductions"] as f64 / reductions as f64;
    let told = balls.len() as f64 * scale;
    let (from_ns, to_ns) = (start_ns + windows[0].from_ns, start_ns + all_ns);
    let counted = at(&counts, to_ns) - at(&counts, from_ns);
    let ratio = told / counted;
    println!(
        "{told:.0} balls by {} windows, {counted:.0} by the program: {ratio:.4}",
        windows.len()
    );
    assert!((0.95..1.05).contains(&ratio), "{told} {counted}");
}

/// How many there were at a time, along the line between the two counts around it.
fn at(counts: &[(i64, i64)], ns: i64) -> f64 {
    let after = counts.partition_point(|(at_ns, _)| *at_ns < ns);
    let after = after.clamp(1, counts.len() - 1);
    let ((ns_0, count_0), (ns_1, count_1)) = (counts[after - 1], counts[after]);
    let part = (ns - ns_0) as f64 / (ns_1 - ns_0) as f64;
    count_0 as f64 + part * (count_1 - count_0) as f64
}
