//! In running VMs: each function is found, with and without symbols, and each site is what the
//! code there says.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::functions::Functions;
use super::site::{Bytes, Emulated, decode};
use super::{Missing, PROBES, Probe, Site, Target, What, find_probes};
use crate::Vm;
use crate::memory::Memory;

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

    /// What is understood of it.
    fn vm(release: Option<&str>) -> Option<(Running, Vm)> {
        let Some(running) = Running::start(release) else {
            let asked = std::env::var("ESCOPE_REQUIRE_LIVE");
            assert!(
                asked.as_deref() != Ok("1") || release.is_some(),
                "this test must run: install Erlang"
            );
            eprintln!("skipped: no Erlang {}", release.unwrap_or("here"));
            return None;
        };
        let vm = Vm::attach(running.0.id()).expect("a VM");
        Some((running, vm))
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

/// What is in a VM's memory.
struct Live<'a>(u64, &'a [u8]);

impl Bytes for Live<'_> {
    fn bytes_at(&self, address: u64) -> &[u8] {
        assert_eq!(address, self.0);
        self.1
    }
}

fn check(vm: &Vm, found: &[Result<Site, Missing>]) {
    for site in found.iter().flatten() {
        let mut bytes = [0; 15];
        vm.memory.read(site.address, &mut bytes).expect("its code");
        let live = Live(site.address, &bytes);
        let (_, instruction) = decode(&live, site.address).expect("an instruction");
        assert_eq!(
            Emulated::of(instruction),
            Some(site.instruction),
            "{site:x?}"
        );
        let words: Vec<What> = site.values.iter().map(|value| value.what).collect();
        let wanted: Vec<What> = site.probe.words().iter().map(|word| word.what).collect();
        assert_eq!(words, wanted, "{site:x?}");
    }
}

fn missing(found: &[Result<Site, Missing>]) -> Vec<&Missing> {
    found
        .iter()
        .filter_map(|found| found.as_ref().err())
        .collect()
}

#[test]
fn every_release_has_every_probe_with_all_words_at_hand() {
    for release in [None, Some("27"), Some("29")] {
        let Some((_running, vm)) = Running::vm(release) else {
            continue;
        };
        let found = find_probes(&vm).expect("readable");
        assert_eq!(missing(&found), Vec::<&Missing>::new(), "{release:?}");
        check(&vm, &found);
    }
}

/// What drivers call is exported by every VM.
fn is_exported(probe: Probe) -> bool {
    matches!(
        probe,
        Probe::PortBytes
            | Probe::PortBinary
            | Probe::PortVector
            | Probe::PortTerm
            | Probe::PortTermTo
            | Probe::PortIdTerm
            | Probe::PortIdTermTo
    )
}

fn leads_from_exports(probe: Probe) -> bool {
    is_exported(probe) || matches!(probe, Probe::OpenPort | Probe::ClosePort)
}

#[test]
fn code_leads_to_the_functions_that_symbols_name() {
    for release in [None, Some("27")] {
        let Some((_running, vm)) = Running::vm(release) else {
            continue;
        };
        let target = Target::open(&vm).expect("readable");
        let functions = Functions::new(&vm, &target);
        let mut agree = 0;
        for probe in PROBES {
            let by_code = match probe {
                Probe::OpenPort | Probe::ClosePort => functions.port(probe),
                _ => functions.by_code().find(probe),
            };
            let found = (functions.by_symbol(probe), by_code);
            match found {
                (Ok(said), Ok(found)) => {
                    assert_eq!(found.start, said.start, "{release:?} {probe:?}");
                    agree += 1;
                }
                // OTP 25 reads buffers in a function of its own.
                (Ok(_), Err(_)) if probe == Probe::Enqueue || is_exported(probe) => {}
                (Ok(_), Err(why)) => panic!("{release:?} {probe:?}: {why}"),
                // Static functions have no symbol in a stripped executable.
                (Err(_), found) => assert!(found.is_ok(), "{release:?} {found:?}"),
            }
        }
        assert!(agree >= 14, "{release:?}: {agree}");
        // In an executable without symbols nothing is different.
        let stripped = Target {
            elf: target.elf.without_symbols(),
            ..target
        };
        let found = vm.find_probes(&stripped);
        let missing = missing(&found);
        let needs_symbols = |missing: &&Missing| {
            missing.probe == Probe::Enqueue || leads_from_exports(missing.probe)
        };
        assert!(missing.iter().all(needs_symbols), "{release:?} {missing:?}");
        check(&vm, &found);
    }
}
