//! In running VMs: each function is found, and its site is what the code there says.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::{Missing, Probe, Site, find_probes};
use crate::Vm;

/// An Erlang VM that rests. Dropping it ends it.
struct Running(Child);

impl Running {
    /// `None` where there is no such Erlang: the machine's own, or a release that
    /// `cargo xtask otp` has unpacked.
    fn start(release: Option<&str>) -> Option<Running> {
        let mut command = match release {
            None => Command::new("erl"),
            Some(release) => {
                let mut command = Command::new("chroot");
                command.arg(root(release)?).arg("/usr/bin/erl");
                command
            }
        };
        let child = command
            .args(["-noinput", "-eval", "io:put_chars(\"ready\\n\")."])
            .env_remove("ERL_FLAGS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut vm = Running(child);
        let mut line = String::new();
        let stdout = vm.0.stdout.take()?;
        BufReader::new(stdout).read_line(&mut line).ok()?;
        (line == "ready\n").then_some(vm)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a release was unpacked: beside what is built.
fn root(release: &str) -> Option<PathBuf> {
    let exe = std::env::current_exe().ok()?;
    let root = exe.ancestors().nth(3)?.join("otp").join(release);
    root.join("complete").exists().then_some(root)
}

fn probes_of(release: Option<&str>) -> Option<Vec<Result<Site, Missing>>> {
    let Some(running) = Running::start(release) else {
        let asked = std::env::var("ESCOPE_REQUIRE_LIVE");
        assert!(
            asked.as_deref() != Ok("1") || release.is_some(),
            "this test must run: install Erlang"
        );
        return None;
    };
    let vm = Vm::attach(running.0.id()).expect("a VM");
    let found = find_probes(&vm).expect("readable");
    for found in &found {
        println!("{found:x?}");
    }
    Some(found)
}

fn missing(found: &[Result<Site, Missing>]) -> Vec<Probe> {
    let missing = found.iter().filter_map(|found| found.as_ref().err());
    missing.map(|missing| missing.probe).collect()
}

#[test]
fn a_vm_with_symbols_has_them_all() {
    for release in [None, Some("27")] {
        if let Some(found) = probes_of(release) {
            assert_eq!(missing(&found), []);
        }
    }
}
