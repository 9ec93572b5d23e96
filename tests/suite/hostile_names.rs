//! A VM whose names a terminal would obey: none reaches it, and programs get them exactly.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{HOSTILE, Workload, assert_pure, escope, otp};

#[test]
fn a_registered_name() {
    live!();
    let letters: Vec<String> = HOSTILE.chars().map(|c| u32::from(c).to_string()).collect();
    let register = format!(
        "register(list_to_atom([{}]), spawn(timer, sleep, [infinity]))",
        letters.join(",")
    );
    let mut vm = Workload::start("idle", &["-eval", &register], &[]);
    vm.go();
    let pid = vm.pid().to_string();
    let json = escope(&["snapshot", "-p", &pid, "--format", "json"]).success();
    let table = escope(&["snapshot", "-p", &pid, "-n", "1000", "--stack"]).success();
    let none = escope(&["snapshot", "-p", &pid, "--process", "\u{1b}[2J\u{202e}"]);
    vm.stop();
    assert!(vm.quit().success());

    assert_pure(&json);
    let rows = json.json();
    let mut rows = rows.as_array().unwrap().iter();
    assert!(rows.any(|row| row["name"] == HOSTILE), "{json:#?}");
    assert_pure(&table);
    let mut lines = table.stdout.lines();
    let line = lines.find(|line| line.contains("ev\u{fffd}[2Jil\u{fffd}[31m"));
    assert!(
        line.is_some_and(|line| line.contains("forged")),
        "{table:#?}"
    );
    none.refused(1);
    assert_pure(&none);
}

/// A folder that is removed on drop.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The release's own programs, in a folder with such a name.
#[test]
fn the_path_of_the_emulator() {
    live!();
    let root = otp::root().unwrap_or_else(|| "/".into());
    let programs = fs::read_dir(root.join("usr/lib/erlang")).unwrap();
    let programs = programs
        .map(|entry| entry.unwrap().path().join("bin"))
        .find(|folder| folder.join("beam.smp").is_file())
        .unwrap();
    let name = format!(
        "ev\u{1b}[2Jil\u{1b}[31m\u{9b}31m\u{202e}-{}",
        std::process::id()
    );
    let folder = Removed(place().join(name));
    fs::create_dir(&folder.0).unwrap();
    for entry in fs::read_dir(programs).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, folder.0.join(path.file_name().unwrap())).unwrap();
        }
    }
    let mut vm = Workload::start_by(otp::of_folder(&folder.0), "idle", &[], &[]);
    vm.go();
    let pid = vm.pid().to_string();
    let doctor = escope(&["doctor", "-p", &pid]);
    vm.stop();
    assert!(vm.quit().success());
    assert_pure(&doctor);
    assert!(
        doctor
            .stdout
            .contains("/ev\u{fffd}[2Jil\u{fffd}[31m\u{fffd}31m\u{fffd}-"),
        "{doctor:#?}"
    );
}

/// Where both we and the release can see it.
fn place() -> PathBuf {
    otp::root().unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned())
}
