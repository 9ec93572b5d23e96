//! Starting a command and finding the BEAM that it becomes or begets.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use escope_beam::{BeamError, Vm, find_beams};

use crate::SessionError;

/// How long a release may take to start its VM.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command that was started, and its BEAM.
#[derive(Debug)]
pub struct Launched {
    /// The command.
    pub child: Child,
    /// The BEAM: the command itself after `exec`, or a descendant.
    pub pid: u32,
}

impl Launched {
    /// Starts a command and waits until its BEAM can be read.
    ///
    /// # Errors
    /// When it cannot be started, ends, or is no BEAM after 30 s; it is then killed.
    pub fn start(command: &[String]) -> Result<Launched, SessionError> {
        let (program, arguments) = command
            .split_first()
            .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        let program_path = PathBuf::from(program);
        let mut child = Command::new(program)
            .args(arguments)
            .spawn()
            .map_err(|source| SessionError::Launch {
                command: program_path.clone(),
                source,
            })?;
        let deadline = Instant::now() + PATIENCE;
        let mut refusal = None;
        while Instant::now() < deadline {
            for pid in beams_below(child.id()) {
                match Vm::attach(pid) {
                    Ok(_) => return Ok(Launched { child, pid }),
                    Err(error) => refusal = settled(error),
                }
            }
            if refusal.is_some() || matches!(child.try_wait(), Ok(Some(_))) {
                break;
            }
            thread::sleep(Duration::from_millis(2));
        }
        // Ours to end: we started it and nobody else has its handle.
        let _ = child.kill();
        let _ = child.wait();
        Err(refusal.map_or(
            SessionError::NoBeamLaunched {
                command: program_path,
                seconds: PATIENCE.as_secs(),
            },
            SessionError::Beam,
        ))
    }
}

/// An error that waiting does not mend.
fn settled(error: BeamError) -> Option<BeamError> {
    match error {
        BeamError::NotPermitted { .. }
        | BeamError::UnknownOtp { .. }
        | BeamError::NoJit { .. }
        | BeamError::MissingSymbols { .. } => Some(error),
        _ => None,
    }
}

fn beams_below(root: u32) -> Vec<u32> {
    find_beams()
        .into_iter()
        .map(|beam| beam.pid)
        .filter(|&pid| {
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
        })
        .collect()
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok().filter(|&parent| parent != 0)
}
