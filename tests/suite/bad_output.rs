//! A recording that cannot be written: one clear sentence, nothing left behind, and the VM
//! runs on.

use std::fs;
use std::process::Command;

use escope_recording::Manifest;

use crate::support::{Output, Workload, escope, small_recording, temp_dir};

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

/// A file system of its own, of so many KiB.
struct SmallDisk(String);

impl SmallDisk {
    fn mount(path: String, kib: u32) -> SmallDisk {
        fs::create_dir(&path).unwrap();
        let size = format!("size={kib}k");
        let options = ["-t", "tmpfs", "-o", &size, "tmpfs", &path];
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
    let disk = SmallDisk::mount(folder.path("disk"), 320);
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

    let report = escope(&["report", &path]).success();
    let lost = format!(
        "lost: {unwritten} of {} samples",
        recorded.as_u64().unwrap()
    );
    assert!(report.stdout.contains(&lost), "no {lost:?} in {report:#?}");
    let check = escope(&["check", &path]);
    assert_eq!(check.code, Some(1), "{check:#?}");
    let problems: Vec<_> = check
        .stdout
        .lines()
        .filter(|line| line.contains("problem"))
        .collect();
    assert_eq!(problems.len(), 1, "{check:#?}");
    assert!(problems[0].contains("could not be written"), "{check:#?}");
}

/// There is room for the reserve, and for little more.
#[test]
fn a_disk_without_room_to_begin() {
    live!();
    let mut vm = Workload::start("idle", &[], &[]);
    vm.go();
    let folder = temp_dir();
    let disk = SmallDisk::mount(folder.path("disk"), 72);
    record(&vm, &format!("{}/test.escope", disk.0)).refused(1);
    assert_eq!(fs::read_dir(&disk.0).unwrap().count(), 0);
    vm.stop();
    assert!(vm.quit().success());
}

/// Nothing is left of what could not be written whole.
#[test]
fn an_image_on_a_full_disk() {
    live!();
    let mut vm = Workload::start("idle", &[], &[]);
    vm.go();
    let folder = temp_dir();
    let disk = SmallDisk::mount(folder.path("disk"), 64);
    let path = format!("{}/vm.image", disk.0);
    let pid = vm.pid().to_string();
    vm.signal("STOP");
    let output = escope(&["snapshot", "-p", &pid, "--save-image", &path]);
    vm.signal("CONT");
    assert_eq!(output.code, Some(1), "{output:#?}");
    assert!(
        output.stderr.contains("cannot write the image"),
        "{output:#?}"
    );
    assert_eq!(fs::read_dir(&disk.0).unwrap().count(), 0);
    vm.stop();
    assert!(vm.quit().success());
}

#[test]
fn standard_output_on_a_full_disk() {
    let folder = temp_dir();
    let path = small_recording(&folder, Manifest::default(), "nothing");
    for args in [
        &["report", &path][..],
        &["report", &path, "--format", "json"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_escope-bpf"))
            .args(args)
            .stdout(fs::File::create("/dev/full").unwrap())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("cannot write to standard output: No space left"),
            "{said}"
        );
    }
}
