//! `doctor` says what holds: the kernel takes our programs, and a VM can be read.

use crate::support::{Workload, escope};

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
