//! Debug information of the VM's own build says how it is laid out, wherever it lies.
//!
//! Such an emulator is in no package, so these run where a source tree was built:
//! `ESCOPE_OTP=dwarf ESCOPE_DWARF_ROOT=TREE cargo test --test suite -- --test-threads=1 tier3::`

use std::fs;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use escope_beam::Elf;

use crate::support::{Workload, escope, otp};

/// A copy of the programs with debug information, or the reason that there are none.
fn programs(name: &str) -> Option<PathBuf> {
    let folder = otp::copy_of_dwarf(name);
    if folder.is_none() {
        let why = "no OTP with debug information: ESCOPE_OTP=dwarf, ESCOPE_DWARF_ROOT";
        let _ = writeln!(io::stderr(), "skipped: {name}: {why}");
    }
    folder
}

fn doctor(vm: &Workload, more: &[&str]) -> String {
    let pid = vm.pid().to_string();
    let output = escope(&[&["doctor", "-p", &pid], more].concat()).success();
    output.stdout
}

#[track_caller]
fn has(text: &str, wanted: &str) {
    assert!(text.contains(wanted), "no {wanted:?} in {text}");
}

#[test]
fn the_executables_own_agrees_with_the_table() {
    live!();
    if programs("dwarf-own").is_none() {
        return;
    }
    let vm = Workload::start("idle", &[], &[]);
    let said = doctor(&vm, &[]);
    has(&said, "debug information: its own");
    has(&said, "layout: DWARF of this build; the table of OTP");
    has(&said, "says the same");
    has(&said, "checked: the stack of init");
    assert!(vm.quit().success());
}

/// Strips the emulator in a folder. Returns its debug file, which a link names if asked for.
fn strip(folder: &Path, link: bool) -> String {
    let file = |name: &str| folder.join(name).display().to_string();
    let (emulator, debug) = (file("beam.smp"), file("beam.debug"));
    objcopy(&["--only-keep-debug", &emulator, &debug]);
    objcopy(&["--compress-debug-sections=zlib", &debug]);
    objcopy(&["--strip-all", &emulator]);
    if link {
        objcopy(&[&format!("--add-gnu-debuglink={debug}"), &emulator]);
    }
    debug
}

fn objcopy(args: &[&str]) {
    let status = Command::new("objcopy").args(args).status().unwrap();
    assert!(status.success(), "objcopy {args:?}");
}

#[test]
fn a_file_that_is_given_must_be_of_the_build() {
    live!();
    let Some(folder) = programs("dwarf-given") else {
        return;
    };
    let moved = folder.with_extension("debug").display().to_string();
    fs::rename(strip(&folder, false), &moved).unwrap();
    let vm = Workload::start_by(otp::of_folder(&folder), "idle", &[], &[]);
    let pid = vm.pid().to_string();
    let said = doctor(&vm, &[]);
    has(&said, "debug information: not used: it has none");
    has(&said, "layout: table of OTP");
    let said = doctor(&vm, &["--debug-info", &moved]);
    has(&said, "layout: DWARF of this build");
    let snapshot = |more: &[&str]| escope(&[&["snapshot", "-p", &pid], more].concat());
    snapshot(&["--debug-info", &moved]).success();

    let own = std::env::current_exe().unwrap().display().to_string();
    for (given, why) in [
        (own.as_str(), "its build id is"),
        ("/no/such/file", "No such file"),
        ("/dev/null", "not a regular file"),
        ("/proc/self/status", "cannot understand"),
    ] {
        let output = snapshot(&["--debug-info", given]);
        output.refused(3);
        assert!(output.stderr.contains(why), "{output:#?}");
    }
    // Of that build, but without what is wanted.
    let bare = folder.join("beam.smp").display().to_string();
    let output = snapshot(&["--debug-info", &bare]);
    output.refused(3);
    assert!(output.stderr.contains(".debug_info"), "{output:#?}");
    assert!(vm.quit().success());
}

#[test]
fn a_debug_link_is_followed_if_its_checksum_is_right() {
    live!();
    let Some(folder) = programs("dwarf-link") else {
        return;
    };
    let debug = strip(&folder, true);
    let vm = Workload::start_by(otp::of_folder(&folder), "idle", &[], &[]);
    let said = doctor(&vm, &[]);
    has(&said, "/dwarf-link/beam.debug");
    has(&said, "layout: DWARF of this build");

    let mut file = fs::File::options().append(true).open(&debug).unwrap();
    file.write_all(b"more").unwrap();
    let said = doctor(&vm, &[]);
    has(&said, "has the checksum");
    has(&said, "layout: table of OTP");
    assert!(vm.quit().success());
}

/// A VM that says it is of a release that nothing is known of. What no debug information holds is
/// that of the newest release; where that is wrong, it is found out.
#[test]
fn a_release_without_a_table() {
    live!();
    let Some(folder) = programs("dwarf-99") else {
        return;
    };
    let emulator = folder.join("beam.smp");
    let elf = Elf::open(&emulator).unwrap();
    let release = elf.symbol("etp_otp_release").unwrap();
    let place = elf.file_offset(release.address).unwrap();
    let mut file = fs::File::options().write(true).open(&emulator).unwrap();
    file.seek(SeekFrom::Start(place)).unwrap();
    file.write_all(b"99").unwrap();
    drop(file);

    let vm = Workload::start_by(otp::of_folder(&folder), "idle", &[], &[]);
    let pid = vm.pid().to_string();
    if vm.ready().text("otp") == "25" {
        // Its binaries are others than those of later releases, and are declared otherwise.
        let output = escope(&["snapshot", "-p", &pid]);
        output.refused(3);
        assert!(output.stderr.contains("is of OTP 99"), "{output:#?}");
        // Its debug information was there and is no remedy.
        assert!(output.stderr.contains("is of no use"), "{output:#?}");
        assert!(!output.stderr.contains("--debug-info"), "{output:#?}");
    } else {
        let said = doctor(&vm, &[]);
        has(&said, "there is no table of OTP 99 to compare it with");
        has(&said, "pid.number_bits");
        if vm.ready().text("otp") != "29" {
            // Native records came with OTP 29.
            has(&said, "this DWARF lacks: term.record");
        }
        escope(&["snapshot", "-p", &pid]).success();
    }
    assert!(vm.quit().success());
}
