//! A recording that cannot be written: one clear sentence, nothing left behind, and the VM
//! runs on.

use std::fs;

use crate::support::{Output, Workload, escope, temp_dir};

#[track_caller]
fn record(vm: &Workload, path: &str) -> Output {
    let pid = vm.pid().to_string();
    escope(&["record", "-p", &pid, "-d", "1s", "-o", path])
}

#[test]
fn outputs_that_cannot_be() {
    live!();
    let mut vm = Workload::start("idle", &[], &[]);
    vm.go();
    let folder = temp_dir();
    fs::create_dir(folder.path("taken.escope")).unwrap();
    fs::write(folder.path("taken.escope/mine"), "mine").unwrap();
    fs::write(folder.path("file.escope"), "mine").unwrap();
    let before = folder.listing();

    for taken in ["taken.escope", "file.escope"] {
        record(&vm, &folder.path(taken)).refused(1);
    }
    record(&vm, &folder.path("no/such/parent.escope")).refused(1);
    record(&vm, &folder.path("file.escope/child.escope")).refused(1);
    // Not even root may create something here.
    record(&vm, "/sys/kernel/test.escope").refused(1);
    assert_eq!(folder.listing(), before);

    vm.stop();
    assert!(vm.quit().success());
}
