//! Debug information of the VM's own build says how it is laid out, wherever it lies.
//!
//! Such an emulator is in no package, so these run where a source tree was built:
//! `ESCOPE_OTP=dwarf ESCOPE_DWARF_ROOT=TREE cargo test --test suite -- --test-threads=1 tier3::`

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use crate::support::{Folder, Workload, escope, otp, temp_dir};

/// Programs with debug information, or the reason that there are none.
fn programs(module: &str) -> Option<&'static Path> {
    let folder = otp::dwarf_folder();
    if folder.is_none() {
        let why = "no OTP with debug information: ESCOPE_OTP=dwarf, ESCOPE_DWARF_ROOT";
        let _ = writeln!(io::stderr(), "skipped: {module}: {why}");
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
    if programs(module_path!()).is_none() {
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

/// The same of the machine's own Erlang, since copies of them lie outside of any other root.
fn own_programs(module: &str) -> Option<&'static Path> {
    if otp::root().is_some() {
        let why = "the machine's own Erlang is wanted: ESCOPE_OTP=dwarf";
        let _ = writeln!(io::stderr(), "skipped: {module}: {why}");
        return None;
    }
    programs(module)
}

/// A stripped copy of the emulator, which has a debug link if asked for, and its debug file.
fn stripped(folder: &Folder, programs: &Path, link: bool) -> (Command, String) {
    let (copy, debug) = (folder.path("bin"), folder.path("beam.debug"));
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(programs).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), Path::new(&copy).join(entry.file_name())).unwrap();
    }
    let emulator = format!("{copy}/beam.smp");
    objcopy(&["--only-keep-debug", &emulator, &debug]);
    objcopy(&["--compress-debug-sections=zlib", &debug]);
    objcopy(&["--strip-all", &emulator]);
    if link {
        objcopy(&[&format!("--add-gnu-debuglink={debug}"), &emulator]);
    }
    (otp::of_folder(Path::new(&copy)), debug)
}

fn objcopy(args: &[&str]) {
    let status = Command::new("objcopy").args(args).status().unwrap();
    assert!(status.success(), "objcopy {args:?}");
}

#[test]
fn a_file_that_is_given_must_be_of_the_build() {
    live!();
    let Some(programs) = own_programs(module_path!()) else {
        return;
    };
    let folder = temp_dir();
    let (erl, debug) = stripped(&folder, programs, false);
    let vm = Workload::start_by(erl, "idle", &[], &[]);
    let pid = vm.pid().to_string();
    let said = doctor(&vm, &[]);
    has(&said, "debug information: not used: it has none");
    has(&said, "layout: table of OTP");
    let said = doctor(&vm, &["--debug-info", &debug]);
    has(&said, "layout: DWARF of this build");
    let snapshot = |more: &[&str]| escope(&[&["snapshot", "-p", &pid], more].concat());
    snapshot(&["--debug-info", &debug]).success();

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
    let bare = format!("{}/bare", folder.path("bin"));
    fs::copy(format!("{}/beam.smp", folder.path("bin")), &bare).unwrap();
    let output = snapshot(&["--debug-info", &bare]);
    output.refused(3);
    assert!(output.stderr.contains(".debug_info"), "{output:#?}");
    assert!(vm.quit().success());
}

#[test]
fn a_debug_link_is_followed_if_its_checksum_is_right() {
    live!();
    let Some(programs) = own_programs(module_path!()) else {
        return;
    };
    let folder = temp_dir();
    let (erl, debug) = stripped(&folder, programs, true);
    let beside = format!("{}/beam.debug", folder.path("bin"));
    fs::rename(debug, &beside).unwrap();
    let vm = Workload::start_by(erl, "idle", &[], &[]);
    let said = doctor(&vm, &[]);
    has(&said, "/bin/beam.debug");
    has(&said, "layout: DWARF of this build");

    let mut file = fs::File::options().append(true).open(&beside).unwrap();
    file.write_all(b"more").unwrap();
    let said = doctor(&vm, &[]);
    has(&said, "has the checksum");
    has(&said, "layout: table of OTP");
    assert!(vm.quit().success());
}
