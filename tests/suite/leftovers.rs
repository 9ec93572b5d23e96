//! `kill -9` of the recorder, and of the process that keeps its probes, at the very moment in which probes
//! are placed or removed: no breakpoint may stay in the VM's code. `ESCOPE_KILLS=20` kills more often.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use escope_recording::{Recording, TimeRange};
use rustix::process::{Pid, Signal, kill_process};

use super::kill::{all_gone, loaded};
use crate::support::{Folder, Running, Workload, escope, monotonic_ns, number, start, temp_dir};

const PATIENCE: Duration = Duration::from_secs(120);
/// What it may take to remove probes on a busy machine, once nobody wants them any more.
const REMOVED: Duration = Duration::from_secs(10);

#[test]
fn a_recorder_killed_at_the_edges_of_windows_leaves_the_code_as_it_was() {
    live!();
    let before = loaded();
    let vm = storm();
    let text = Text::of(vm.pid());
    assert_eq!(text.changed(), Vec::<u64>::new(), "somebody else is here");
    let sites = sites(&vm, &text);
    println!("{} sites", sites.len());
    let kills = number("ESCOPE_KILLS", 6);
    for kill in 0..kills {
        let folder = temp_dir();
        let recorder = record(&vm, &folder, &["--max-overhead", "20", "-d", "60s"]);
        // A different number of breakpoints each time, from the first to the last but one.
        let part = 1 + (kill / 2) as usize * (sites.len() - 2) / (kills as usize).div_ceil(2);
        let placed = || text.changed_of(&sites);
        wait_until(|| placed() >= part);
        if kill % 2 == 1 {
            // When the window closes, after half a second and more.
            wait_until(|| placed() == sites.len());
            wait_until(|| placed() < sites.len() - part + 1);
        }
        let there = placed();
        recorder.kill();
        println!("kill {kill} with {there} breakpoints");
        nothing_left(&text);
        all_gone(&before);
        let path = folder.path("test.escope");
        if Path::new(&path).exists() {
            assert!(!escope(&["check", &path]).stderr.contains("panicked"));
        }
    }
    quit(vm);
}

#[test]
fn a_keeper_that_is_killed_takes_nothing_along_and_leaves_nothing() {
    live!();
    let before = loaded();
    let vm = storm();
    let text = Text::of(vm.pid());
    let sites = sites(&vm, &text);
    let placed = || text.changed_of(&sites);
    for kill in 0..number("ESCOPE_KILLS", 6) {
        let folder = temp_dir();
        let mut recorder = record(&vm, &folder, &["--max-overhead", "off"]);
        let moment = kill % 3;
        if moment == 0 {
            wait_until(|| placed() > sites.len() / 2);
            kill_keepers();
        }
        recorder.wait_for("recording", PATIENCE);
        assert!(recorder.runs_on(Duration::from_millis(500)));
        let killed_ns = monotonic_ns();
        if moment == 1 {
            kill_keepers();
            assert!(recorder.runs_on(Duration::from_millis(1500)));
            assert_eq!(placed(), sites.len(), "probes that were in place stay so");
        }
        recorder.signal("INT");
        if moment == 2 {
            wait_until(|| placed() < sites.len());
            kill_keepers();
        }
        let output = recorder.finish(PATIENCE).success();
        println!("{}", output.stderr);
        assert!(moment == 2 || output.stderr.contains("was killed by somebody"));
        nothing_left(&text);
        all_gone(&before);

        // Nothing is told of a time without probes, and there was none.
        let recording = Recording::open(Path::new(&folder.path("test.escope"))).unwrap();
        let start_ns = recording.manifest().clocks.start_monotonic_ns as i64;
        let runs = recording.runs(TimeRange::default()).unwrap();
        let last_ns = runs.map(|run| run.unwrap().end_ns).max().unwrap() + start_ns;
        assert!(moment != 1 || last_ns > killed_ns + 1_000_000_000);
    }
    quit(vm);
}

#[test]
fn a_keeper_that_is_stopped_is_let_go_on() {
    live!();
    let vm = storm();
    let text = Text::of(vm.pid());
    let folder = temp_dir();
    let mut recorder = record(&vm, &folder, &["--max-overhead", "off"]);
    recorder.wait_for("recording", PATIENCE);
    signal_keepers(Signal::STOP);
    recorder.signal("INT");
    recorder.finish(PATIENCE).success();
    nothing_left(&text);
    quit(vm);
}

fn kill_keepers() {
    signal_keepers(Signal::KILL);
}

fn signal_keepers(signal: Signal) {
    let keepers = keepers();
    assert!(!keepers.is_empty(), "nobody keeps probes");
    for pid in keepers {
        // It may have ended meanwhile.
        let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal);
    }
}

fn storm() -> Workload {
    let mut vm = Workload::start("storm", &["+S", "2:2"], &[("CHAINS", "4"), ("FLOODS", "2")]);
    vm.go();
    vm
}

fn quit(mut vm: Workload) {
    let (_, done) = vm.stop();
    assert!(done.number("spawns") > 1000 && done.number("messages") > 1000);
    assert!(vm.quit().success());
}

fn record(vm: &Workload, folder: &Folder, more: &[&str]) -> Running {
    let (pid, path) = (vm.pid().to_string(), folder.path("test.escope"));
    let args = ["record", "-p", &pid, "--events", "full", "-o", &path];
    start(&[&args, more].concat())
}

/// Where a recorder places probes.
fn sites(vm: &Workload, text: &Text) -> Vec<u64> {
    let folder = temp_dir();
    let mut recorder = record(vm, &folder, &["--max-overhead", "off"]);
    recorder.wait_for("recording", PATIENCE);
    let sites = text.changed();
    recorder.signal("INT");
    recorder.finish(PATIENCE).success();
    assert!(sites.len() > 8, "{sites:x?}");
    nothing_left(text);
    sites
}

/// The code of a VM's executable, in its memory and as it is in the file.
struct Text {
    memory: File,
    /// Address, and what is to be there.
    parts: Vec<(u64, Vec<u8>)>,
}

impl Text {
    fn of(pid: u32) -> Text {
        let file = File::open(format!("/proc/{pid}/exe")).unwrap();
        let name = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let number = |digits: &str| u64::from_str_radix(digits, 16).unwrap();
        let mut parts = Vec::new();
        for line in maps.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if !fields[1].contains('x') || fields.get(5).map(Path::new) != Some(&name) {
                continue;
            }
            let (from, to) = fields[0].split_once('-').unwrap();
            let mut bytes = vec![0; (number(to) - number(from)) as usize];
            // The last page may be more than the file has, and is zeros then.
            let offset = number(fields[2]);
            let there = (file.metadata().unwrap().len() - offset).min(bytes.len() as u64);
            file.read_exact_at(&mut bytes[..there as usize], offset)
                .unwrap();
            parts.push((number(from), bytes));
        }
        let bytes: usize = parts.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes > 500_000, "{bytes} bytes of code in {name:?}");
        Text {
            memory: File::open(format!("/proc/{pid}/mem")).unwrap(),
            parts,
        }
    }

    /// The addresses of bytes that are not those of the file.
    fn changed(&self) -> Vec<u64> {
        let mut changed = Vec::new();
        for (address, expected) in &self.parts {
            let mut bytes = vec![0; expected.len()];
            self.memory.read_exact_at(&mut bytes, *address).unwrap();
            let pairs = (*address..).zip(bytes.iter().zip(expected));
            changed.extend(pairs.filter(|(_, (is, was))| is != was).map(|(at, _)| at));
        }
        changed
    }

    /// How many of some bytes are not those of the file.
    fn changed_of(&self, sites: &[u64]) -> usize {
        let is_changed = |&&site: &&u64| {
            let mut byte = [0];
            self.memory.read_exact_at(&mut byte, site).unwrap();
            self.parts.iter().any(|(address, expected)| {
                let at = site.wrapping_sub(*address) as usize;
                expected.get(at).is_some_and(|&was| was != byte[0])
            })
        };
        sites.iter().filter(is_changed).count()
    }
}

/// Waits until the VM's code is what its file has, and nobody of ours is there any more.
#[track_caller]
fn nothing_left(text: &Text) {
    let end = Instant::now() + REMOVED;
    loop {
        let (changed, keepers) = (text.changed(), keepers());
        if changed.is_empty() && keepers.is_empty() {
            return;
        }
        assert!(
            Instant::now() < end,
            "breakpoints at {changed:x?}, keepers {keepers:?}"
        );
        // The kernel tells nobody when it is done.
        thread::sleep(Duration::from_millis(20));
    }
}

/// Processes that keep probes, of this very build.
fn keepers() -> Vec<u32> {
    let own = fs::canonicalize(env!("CARGO_BIN_EXE_escope-bpf")).unwrap();
    let processes = fs::read_dir("/proc").unwrap();
    let pids = processes.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let is_keeper = |pid: &u32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.split(|&byte| byte == 0).nth(1) == Some(b"keep-probes")
            // One that has ended and waits for its parent has none.
            && fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == own)
    };
    pids.filter(is_keeper).collect()
}

/// Looks without a pause: what it waits for is over in a millisecond.
#[track_caller]
fn wait_until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it never comes");
    }
}
