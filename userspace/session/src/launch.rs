//! Starting a command and finding the BEAM that it becomes or begets.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use escope_beam::layout::Given;
use escope_beam::{BeamError, Vm};
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid,
};

use crate::{SessionError, Stop};

/// How long a release may take to start its VM.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a process may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(1);
/// The first look for a BEAM comes soon, later ones less often.
const LOOK_FIRST: Duration = Duration::from_millis(2);
const LOOK_LAST: Duration = Duration::from_millis(50);
/// More processes than any command starts before its BEAM.
const DESCENDANTS_MAX: usize = 10_000;

/// A command that was started.
#[derive(Debug)]
pub struct Launched {
    /// The command: itself the BEAM after `exec`, or an ancestor of it.
    pub child: Child,
}

impl Launched {
    /// Starts a command and waits until its BEAM can be read: the first one among its
    /// descendants, also those whose parents have ended.
    ///
    /// Like perf's and strace's, it stays in the foreground: it has the terminal, and Ctrl-C
    /// reaches it as well.
    ///
    /// # Errors
    /// When it cannot be started, ends, or is no BEAM after 30 s, or when `stop` is set; it is
    /// then ended with all its descendants.
    pub fn start(
        command: &[String],
        given: &Given,
        stop: &Stop,
    ) -> Result<(Launched, Vm), SessionError> {
        let (program, arguments) = command
            .split_first()
            .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        let command = PathBuf::from(program);
        // Descendants whose parents end become our children instead of init's: the BEAM of a
        // script that has ended is found, and none is left behind.
        let _ = set_child_subreaper(Some(getpid()));
        let mut child = Command::new(program)
            .args(arguments)
            .spawn()
            .map_err(|reason| SessionError::Launch {
                command: command.clone(),
                reason,
            })?;
        let outcome = wait_for_beam(&mut child, command, given, stop);
        let launched = Launched { child };
        match outcome {
            Ok(vm) => Ok((launched, vm)),
            Err(error) => {
                launched.end();
                Err(error)
            }
        }
    }

    /// Ends the command and everything it has started.
    pub fn end(mut self) {
        let deadline = Instant::now() + GRACE;
        signal_descendants(Signal::TERM);
        while Instant::now() < deadline && reap_any() {
            thread::sleep(LOOK_FIRST);
        }
        // Some do not listen, and a process that is stopped cannot.
        while Instant::now() < deadline + GRACE && reap_any() {
            signal_descendants(Signal::KILL);
            thread::sleep(LOOK_FIRST);
        }
        let _ = self.child.try_wait();
    }
}

/// Sends a signal to everything below us. We start nothing but the command, and what has ended
/// keeps its number until it is waited for, so none of these is anybody else's.
fn signal_descendants(signal: Signal) {
    for pid in descendants() {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// Waits for those that have ended; whether any child is left.
fn reap_any() -> bool {
    loop {
        match waitpid(None, WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

fn wait_for_beam(
    child: &mut Child,
    command: PathBuf,
    given: &Given,
    stop: &Stop,
) -> Result<Vm, SessionError> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = LOOK_FIRST;
    let (mut refusal, mut ended) = (None, None);
    while Instant::now() < deadline {
        let below = descendants();
        for &pid in below.iter().filter(|&&pid| looks_like_beam(pid)) {
            match Vm::attach_with(pid, given) {
                Ok(vm) => return Ok(vm),
                Err(error) if is_settled(&error) => return Err(error.into()),
                Err(error) => refusal = Some(error),
            }
        }
        if stop.is_set() {
            return Err(SessionError::Stopped { command });
        }
        if ended.is_none() {
            ended = child.try_wait().ok().flatten();
        }
        // It may have left its BEAM to come behind.
        if let (Some(status), []) = (ended, below.as_slice()) {
            return Err(SessionError::LaunchedEnded { command, status });
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LOOK_LAST);
    }
    Err(refusal.map_or(
        SessionError::NoBeamLaunched {
            command,
            seconds: PATIENCE.as_secs(),
        },
        SessionError::Beam,
    ))
}

/// An error that waiting does not mend.
fn is_settled(error: &BeamError) -> bool {
    matches!(
        error,
        BeamError::NotPermitted { .. }
            | BeamError::UnknownOtp { .. }
            | BeamError::NoJit { .. }
            | BeamError::MissingSymbols { .. }
            | BeamError::DebugInfo { .. }
    )
}

/// By the name of its executable: `beam.smp` and its siblings.
fn looks_like_beam(pid: u32) -> bool {
    let exe = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    exe.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("beam"))
}

/// Every process below this one: proc_pid_task(5), `children`.
fn descendants() -> Vec<u32> {
    let mut found = children(std::process::id());
    let mut next = 0;
    while next < found.len() && found.len() < DESCENDANTS_MAX {
        let below = children(found[next]);
        found.extend(below);
        next += 1;
    }
    found
}

/// Those of all threads of a process: each thread lists what it has started.
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}
