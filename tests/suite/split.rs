//! Three processes share one scheduler 1 : 2 : 3, and the report says so.

use crate::support::{Workload, escope, recorded, temp_dir};

const NAMES: [&str; 3] = ["split_one", "split_two", "split_three"];

#[test]
fn shares_are_what_they_are() {
    live!();
    let folder = temp_dir();
    let mut vm = Workload::start("split", &["+S", "1:1"], &[]);
    vm.go();
    let recording = recorded(&vm, 20, 999, &folder);
    let (_, done) = vm.stop();
    assert!(vm.quit().success());
    assert!(NAMES.iter().all(|name| done.number(name) > 0));

    let report = escope(&["report", &recording, "--format", "json"]).success();
    let report = report.json();
    let rows = report["processes"]["rows"].as_array().unwrap();
    let cpu_ns = |name: &str| {
        let row = rows.iter().find(|row| row["name"] == name);
        row.map_or(0.0, |row| row["cpu_ns"].as_f64().unwrap())
    };
    let all: f64 = NAMES.iter().map(|name| cpu_ns(name)).sum();
    assert!(all > 0.0, "{report:#}");
    for (name, sixths) in NAMES.iter().zip([1.0, 2.0, 3.0]) {
        let (share, truth) = (cpu_ns(name) / all, sixths / 6.0);
        assert!(
            (share - truth).abs() < 0.02,
            "{name} has {share:.4}, the truth is {truth:.4}"
        );
    }

    // Nothing else works in this VM, and all of the work is one function.
    let work = report["work"]["cpu_ns"].as_f64().unwrap();
    assert!(all / work > 0.9, "{all} of {work}");
    let functions = report["functions"]["rows"].as_array().unwrap();
    let quantum = &functions[0];
    assert_eq!(quantum["name"], "split:quantum/2");
    assert!(
        quantum["erlang_self_share"].as_f64().unwrap() > 0.9,
        "{quantum:#}"
    );
}
