//! The ground truth itself: workloads start, run, stop and end as the kit expects.

use crate::support::Workload;

#[test]
fn a_workload_runs_and_ends() {
    live!();
    let mut vm = Workload::start("split", &["+S", "1:1"], &[]);
    assert!(vm.ready().number("quantum_iterations") > 0);
    let running = vm.go();
    assert!(running.text("split_one").starts_with("<0."));
    let (lines, done) = vm.stop();
    assert_eq!(lines, []);
    assert_eq!(done.number("split_three"), 3 * done.number("split_one"));
    assert!(vm.quit().success());
}

#[test]
fn facts_come_a_line_each() {
    live!();
    let mut vm = Workload::start("reload", &[], &[("SLICE_MS", "1")]);
    vm.go();
    let (lines, done) = vm.stop();
    assert_eq!(lines.len() as i64, done.number("generations"));
    assert!(
        lines
            .iter()
            .all(|line| line.number("from_ns") < line.number("to_ns"))
    );
    assert!(vm.quit().success());
}
