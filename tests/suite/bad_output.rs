//! A recording that cannot be written: one clear sentence, nothing left behind, and the VM
//! runs on.

use std::fs;
use std::process::Command;

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

/// A file system of its own, of one page less than what is recorded in a second or two.
struct SmallDisk(String);

impl SmallDisk {
    fn mount(path: String) -> SmallDisk {
        fs::create_dir(&path).unwrap();
        let options = ["-t", "tmpfs", "-o", "size=320k", "tmpfs", &path];
        assert!(
            Command::new("mount")
                .args(options)
                .status()
                .unwrap()
                .success()
        );
        SmallDisk(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_fills_up() {
    live!();
    let mut vm = Workload::start("mixed", &[], &[]);
    vm.go();
    let folder = temp_dir();
    let disk = SmallDisk::mount(folder.path("disk"));
    let path = format!("{}/test.escope", disk.0);
    let pid = vm.pid().to_string();
    let output = escope(&["record", "-p", &pid, "-d", "60s", "-F", "999", "-o", &path]);
    assert_eq!(output.code, Some(1), "{output:#?}");
    assert!(
        output.stderr.contains("disk or quota is full"),
        "{output:#?}"
    );
    // Not only that it failed, but what came of it.
    assert!(output.stderr.contains("unwritten"), "{output:#?}");
    vm.stop();
    assert!(vm.quit().success());

    let report = escope(&["report", &path, "--format", "json"])
        .success()
        .json();
    let losses = report["recording"]["losses"].as_array().unwrap();
    let unwritten = losses.iter().find(|loss| loss["place"] == "unwritten");
    let unwritten = unwritten.unwrap()["count"].as_u64().unwrap();
    let totals = &report["recording"]["totals"];
    let (recorded, written) = (&totals["recorded"], &totals["samples"]);
    assert!(unwritten > 0);
    assert_eq!(
        recorded.as_u64().unwrap(),
        written.as_u64().unwrap() + unwritten
    );
    assert_eq!(report["total"]["samples"], *written);
}
