//! On processes that do next to nothing.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Seized;
use crate::BeamError;
use crate::target::proc_path;

const LONG: Duration = Duration::from_secs(20);

/// A process that sleeps, killed when this is dropped.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Sleeper {
        let mut command = Command::new("sleep");
        let child = command.arg("1000").stdout(Stdio::null()).spawn();
        let sleeper = Sleeper(child.expect("sleep"));
        sleeper.wait_for("S");
        sleeper
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.expect("kill").success());
    }

    fn state(&self) -> String {
        let status = fs::read_to_string(proc_path(self.pid(), "status")).expect("it is there");
        let line = status.lines().find_map(|line| line.strip_prefix("State:"));
        line.expect("a state").trim()[..1].to_owned()
    }

    #[track_caller]
    fn wait_for(&self, state: &str) {
        let until = Instant::now() + LONG;
        while self.state() != state {
            assert!(
                Instant::now() < until,
                "it is {}, not {state}",
                self.state()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn stopped(pid: u32) -> Seized {
    let mut seized = Seized::seize(pid).expect("it may be seized");
    seized.stop(Instant::now() + LONG).expect("it stops");
    seized
}

#[test]
fn a_process_stops_and_goes_on() {
    let sleeper = Sleeper::start();
    for _ in 0..20 {
        let mut seized = stopped(sleeper.pid());
        assert_eq!((sleeper.state().as_str(), seized.count()), ("t", 1));
        if cfg!(target_arch = "x86_64") {
            assert!(seized.registers()[0].sp != 0);
        }
        assert_eq!(seized.let_go(), 0);
        sleeper.wait_for("S");
    }
    drop(stopped(sleeper.pid()));
    sleeper.wait_for("S");
}

#[test]
fn one_that_a_signal_had_stopped_stays_stopped() {
    let sleeper = Sleeper::start();
    sleeper.signal("STOP");
    sleeper.wait_for("T");
    let mut seized = stopped(sleeper.pid());
    seized.let_go();
    sleeper.wait_for("T");
    // And one that is stopped while we have it.
    sleeper.signal("CONT");
    sleeper.wait_for("S");
    let mut seized = stopped(sleeper.pid());
    sleeper.signal("STOP");
    seized.let_go();
    sleeper.wait_for("T");
    sleeper.signal("CONT");
    sleeper.wait_for("S");
}

#[test]
fn signals_are_not_lost() {
    let mut sleeper = Sleeper::start();
    let mut seized = stopped(sleeper.pid());
    sleeper.signal("TERM");
    assert_eq!(sleeper.state(), "t");
    seized.let_go();
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(
        sleeper.0.wait().expect("a child").signal(),
        Some(libc::SIGTERM)
    );
    // One that comes between seizing and stopping is what it stops at.
    let mut sleeper = Sleeper::start();
    let mut seized = Seized::seize(sleeper.pid()).expect("it may be seized");
    sleeper.signal("TERM");
    sleeper.wait_for("t");
    seized.stop(Instant::now() + LONG).expect("it stops");
    seized.let_go();
    assert_eq!(
        sleeper.0.wait().expect("a child").signal(),
        Some(libc::SIGTERM)
    );
}

#[test]
fn the_end_of_the_tracing_thread_lets_go() {
    let sleeper = Sleeper::start();
    let pid = sleeper.pid();
    let forgetful = std::thread::spawn(move || std::mem::forget(stopped(pid)));
    forgetful.join().expect("no panic");
    sleeper.wait_for("S");
}

#[test]
fn what_cannot_be_stopped_is_refused() {
    let mut sleeper = Sleeper::start();
    let held = stopped(sleeper.pid());
    let pid = sleeper.pid();
    let other = std::thread::spawn(move || Seized::seize(pid).map(drop));
    let refused = other.join().expect("no panic");
    assert!(
        matches!(refused, Err(BeamError::Traced { tracer, .. }) if tracer != 0),
        "{refused:?}"
    );
    drop(held);
    sleeper.0.kill().expect("a child");
    sleeper.0.wait().expect("a child");
    assert!(Seized::seize(pid).is_err());
}

/// All threads of one that makes and ends threads all the time.
#[test]
fn new_threads_are_stopped_too() {
    let code = "import threading\n\
                def make():\n\
                \x20while True:\n\
                \x20\x20ts=[threading.Thread(target=int) for _ in range(4)]\n\
                \x20\x20[t.start() for t in ts]\n\
                \x20\x20[t.join() for t in ts]\n\
                for _ in range(3): threading.Thread(target=make).start()";
    let child = Command::new("python3").args(["-c", code]).spawn();
    let Ok(child) = child else {
        return;
    };
    let maker = Sleeper(child);
    std::thread::sleep(Duration::from_millis(300));
    for _ in 0..20 {
        let mut seized = stopped(maker.pid());
        for entry in fs::read_dir(proc_path(maker.pid(), "task"))
            .expect("a folder")
            .flatten()
        {
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            let state = status.lines().find(|line| line.starts_with("State:"));
            let state = state.unwrap_or("State:\tX");
            assert!(
                state.contains("t (tracing") || state.contains(['X', 'Z']),
                "{state}"
            );
        }
        assert_eq!(seized.let_go(), 0);
    }
}
