//! Messages that still lie in a mailbox when the recording ends: each is told as waiting, by its
//! row, by `report` and by `timeline`, as many as the VM itself counts.

use std::collections::BTreeMap;
use std::path::Path;

use escope_model::Fate;
use escope_recording::{Recording, TimeRange};
use serde_json::Value;

use crate::support::{Facts, Workload, escope, record_all, temp_dir};

#[test]
fn what_nobody_receives_is_waiting() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let mut vm = Workload::start("unread", &["+S", "2:2"], &[]);
    let (lines, _, output) = record_all(&mut vm, &path, &["--events", "full"]);
    assert!(vm.quit().success());
    assert!(!output.stderr.contains("event_ring_full"), "{output:#?}");
    assert_eq!(lines.len(), 4);

    let fates = fates(Path::new(&path));
    for line in &lines {
        let of = |tag: &str, fate| {
            let key = (line.text("box").to_owned(), tag.to_owned(), fate);
            fates.get(&key).copied().unwrap_or(0)
        };
        let left = line.number("sent_left");
        assert_eq!(line.number("length"), left, "{line:?}");
        let is_alive = line.text("alive") == "true";
        let (waiting, dropped) = if is_alive { (left, 0) } else { (0, left) };
        assert_eq!(of("left", Fate::Waiting), waiting, "{line:?}");
        assert_eq!(of("left", Fate::Dropped), dropped, "{line:?}");
        assert_eq!(of("left", Fate::Received), 0, "{line:?}");
        assert_eq!(of("taken", Fate::Received), line.number("taken"));
        assert_eq!(of("taken", Fate::Waiting), 0, "{line:?}");
    }
    assert_eq!(
        lines.iter().filter(|it| it.text("alive") == "true").count(),
        3
    );
    told(&path, &lines);
}

/// How many messages there are by receiver, tag and fate.
fn fates(path: &Path) -> BTreeMap<(String, String, Fate), i64> {
    let recording = Recording::open(path).unwrap();
    let (dictionary, _) = recording.dictionary().unwrap();
    let mut fates = BTreeMap::new();
    for message in recording.messages(TimeRange::default()).unwrap() {
        let message = message.unwrap();
        assert_eq!(
            message.fate == Fate::Received,
            message.received_ns.is_some()
        );
        let to = dictionary.process(message.to).unwrap().pid.clone();
        let key = (to, message.tag.unwrap_or_default(), message.fate);
        *fates.entry(key).or_default() += 1;
    }
    fates
}

/// What `report` and `timeline` make of it.
fn told(path: &str, lines: &[Facts]) {
    let json = |command: &str| {
        let args = [command, path, "--format", "json", "-n", "100000"];
        escope(&args).success().json()
    };
    let (report, timeline) = (json("report"), json("timeline"));
    let recording = Recording::open(Path::new(path)).unwrap();
    let manifest = recording.manifest();
    let start_ns = manifest.clocks.start_monotonic_ns as i64;
    let end_ns = report["events"]["covers"]["to_ns"].as_i64().unwrap();
    for line in lines {
        let of = |rows: &Value| -> Value {
            let mut rows = rows.as_array().unwrap().iter();
            let row = rows.find(|row| row["pid"] == line.text("box"));
            row.unwrap_or_else(|| panic!("no {line:?}")).clone()
        };
        let queueing = of(&report["events"]["queueing"]["rows"]);
        let mailbox = of(&report["events"]["mailboxes"]["rows"]);
        let totals = of(&timeline["processes"]);
        let left = line.number("sent_left");
        let is_alive = line.text("alive") == "true";
        let waiting = if is_alive { left } else { 0 };
        assert_eq!(queueing["waiting"], waiting, "{queueing:#}");
        assert_eq!(totals["waiting"], waiting, "{totals:#}");
        assert_eq!(totals["dropped"], left - waiting, "{totals:#}");
        assert_eq!(mailbox["at_end"], waiting, "{mailbox:#}");
        assert!(mailbox["peak"].as_i64().unwrap() >= left, "{mailbox:#}");
        // Those that were taken, and the question for their number.
        let taken = line.number("taken") + 1;
        assert_eq!(queueing["lain"]["count"], taken, "{queueing:#}");
        if is_alive {
            // The last was sent before then: each has lain at least so long.
            let least = end_ns - (line.number("last_ns") - start_ns);
            let cut = &queueing["waiting_at_least"];
            assert!(cut["max_ns"].as_i64().unwrap() >= least, "{cut} {least}");
            assert!(cut["sum_ns"].as_i64().unwrap() >= left * least, "{cut}");
            assert_eq!(cut, &totals["waiting_at_least"]);
        }
    }
}
