//! Starting a command and finding the BEAM that it becomes or begets.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use escope_beam::{BeamError, Vm, find_beams};
use rustix::process::{Pid, Signal, kill_process};

use crate::{SessionError, Stop};

/// How long a release may take to start its VM.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command that was started.
#[derive(Debug)]
pub struct Launched {
    /// The command: itself the BEAM after `exec`, or an ancestor of it.
    pub child: Child,
}

impl Launched {
    /// Starts a command and waits until its BEAM can be read.
    ///
    /// Like perf's and strace's, it stays in the foreground: it has the terminal, and Ctrl-C
    /// reaches it as well.
    ///
    /// # Errors
    /// When it cannot be started, ends, or is no BEAM after 30 s, or when `stop` is set; it is
    /// then ended with all its descendants.
    pub fn start(command: &[String], stop: &Stop) -> Result<(Launched, Vm), SessionError> {
        let (program, arguments) = command
            .split_first()
            .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        let command = PathBuf::from(program);
        let mut child = Command::new(program)
            .args(arguments)
            .spawn()
            .map_err(|reason| SessionError::Launch {
                command: command.clone(),
                reason,
            })?;
        let outcome = wait_for_beam(&mut child, command, stop);
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
        // Ours to end: we started it, it is not reaped yet, and these are its descendants.
        for pid in descendants(self.child.id()) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for_beam(child: &mut Child, command: PathBuf, stop: &Stop) -> Result<Vm, SessionError> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        for pid in beams_below(child.id()) {
            match Vm::attach(pid) {
                Ok(vm) => return Ok(vm),
                Err(error) if is_settled(&error) => return Err(error.into()),
                Err(_) => {}
            }
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(SessionError::LaunchedEnded { command, status });
        }
        if stop.is_set() {
            return Err(SessionError::Stopped { command });
        }
        thread::sleep(Duration::from_millis(2));
    }
    Err(SessionError::NoBeamLaunched {
        command,
        seconds: PATIENCE.as_secs(),
    })
}

/// An error that waiting does not mend.
fn is_settled(error: &BeamError) -> bool {
    matches!(
        error,
        BeamError::NotPermitted { .. }
            | BeamError::UnknownOtp { .. }
            | BeamError::NoJit { .. }
            | BeamError::MissingSymbols { .. }
    )
}

fn beams_below(root: u32) -> Vec<u32> {
    find_beams()
        .into_iter()
        .map(|beam| beam.pid)
        .filter(|&pid| is_below(pid, root))
        .collect()
}

/// Every process below another one, itself left out.
fn descendants(root: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| pid != root && is_below(pid, root))
        .collect()
}

fn is_below(pid: u32, root: u32) -> bool {
    let mut ancestor = Some(pid);
    // No chain of parents is this long.
    for _ in 0..64 {
        match ancestor {
            Some(pid) if pid == root => return true,
            Some(pid) => ancestor = parent(pid),
            None => return false,
        }
    }
    false
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok().filter(|&parent| parent != 0)
}
