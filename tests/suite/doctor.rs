//! `doctor` says what holds: the kernel takes our programs, and a VM can be read.

use std::fs;

use crate::support::{Workload, escope, temp_dir};

#[test]
fn a_good_host_and_a_good_vm_are_found_so() {
    live!();
    let vm = Workload::start("split", &["+S", "1:1"], &[]);
    let pid = vm.pid().to_string();
    let output = escope(&["doctor", "-p", &pid]).success();
    for line in [
        "BPF programs load; samples by",
        "kernel type information (BTF)",
        "layout: table of OTP",
        "checked: the first atom",
    ] {
        assert!(output.stdout.contains(line), "no {line:?} in {output:#?}");
    }
    assert!(!output.stdout.contains("NO "), "{output:#?}");
    assert!(vm.quit().success());
}

/// A table that does not fit is refused by what the VM's code says; the right one is used.
#[test]
fn a_table_that_is_given() {
    live!();
    let mut vm = Workload::start("idle", &[], &[]);
    vm.go();
    let folder = temp_dir();
    let pid = vm.pid().to_string();
    let otp = vm.ready().text("otp").to_owned();
    let layouts = concat!(env!("CARGO_MANIFEST_DIR"), "/symbolizer/beam/layouts");
    let own = format!("{layouts}/otp-{otp}.toml");
    escope(&["snapshot", "-p", &pid, "--layout", &own]).success();

    let text = fs::read_to_string(own).unwrap();
    let (given, wrong) = (
        folder.path("wrong.toml"),
        text.replacen("stop = 88", "stop = 96", 1),
    );
    fs::write(&given, wrong).unwrap();
    let output = escope(&["snapshot", "-p", &pid, "--layout", &given]);
    output.refused(3);
    assert!(output.stderr.contains("Process.stop"), "{output:#?}");

    fs::write(&given, "otp = 25").unwrap();
    escope(&["snapshot", "-p", &pid, "--layout", &given]).misused("--layout");
    vm.stop();
    assert!(vm.quit().success());
}
