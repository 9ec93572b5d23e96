//! Why a recording failed, and whose fault it is.

use std::path::PathBuf;

use escope_beam::probes::NoNative;
use escope_beam::{BeamError, NoEntry};
use escope_capture::CaptureError;
use escope_recording::RecordingError;

/// Whether the target or the machine refused, as opposed to something that went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The target cannot be recorded, or not by this user on this kernel.
    Target,
    /// Anything else.
    Other,
}

/// Why a recording failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The target cannot be read.
    #[error(transparent)]
    Beam(#[from] BeamError),
    /// The kernel would not capture.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The recording could not be written.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// No BEAM runs here.
    #[error("no BEAM runs on this host, or none that this user may see: start one, or use sudo")]
    NoBeam,
    /// Several do.
    #[error("several BEAMs run on this host, choose one with --pid or --name: {0}")]
    SeveralBeams(String),
    /// More was asked for than the kernel half looks for.
    #[error(
        "at most {names} names and {calls} calls can be asked for: leave some out of --processes"
    )]
    TooManyWanted {
        /// So many names.
        names: usize,
        /// So many calls.
        calls: usize,
    },
    /// Where a process has its memory lies elsewhere than in other releases.
    #[error(
        "states of processes cannot be recorded: where a process has its heaps is not known of this \
         release; leave out --state"
    )]
    NoStates,
    /// More names than the kernel half can look for.
    #[error("at most {names} names can be asked for: leave some out of --state")]
    TooManyStates {
        /// So many names.
        names: usize,
    },
    /// None has this name.
    #[error("no BEAM on this host has the node name {name}; running: {found}")]
    NoSuchNode {
        /// The name asked for.
        name: String,
        /// Those that were found.
        found: String,
    },
    /// None has this pid in a namespace of its own.
    #[error(
        "no BEAM in a container of this host has the pid {inner} there; running, by their pids \
         here: {found}"
    )]
    NoSuchInner {
        /// The pid asked for.
        inner: u32,
        /// Those that were found.
        found: String,
    },
    /// A VM that was to be kept in a file changed while it was read.
    #[error(
        "the VM ran while it was read, {changed_bytes} bytes changed: stop it for that time \
         (kill -STOP, then kill -CONT), or read its core"
    )]
    NotStill {
        /// How many bytes were other ones the second time.
        changed_bytes: u64,
    },
    /// None of the probes that were asked for has a place.
    #[error(
        "the VM shows no place for the events that were asked for ({0}): record without \
             --events"
    )]
    NoProbes(String),
    /// A function cannot be watched.
    #[error(transparent)]
    NoEntry(#[from] NoEntry),
    /// Calls of a BIF or NIF cannot be recorded.
    #[error(transparent)]
    NoNative(#[from] NoNative),
    /// More BIFs and NIFs were asked for than there is room for.
    #[error("--calls names {count} functions, at most {limit} can be asked for: give arities")]
    TooManyNatives {
        /// So many.
        count: usize,
        /// The most.
        limit: usize,
    },
    /// No process can be called so.
    #[error("the VM knows no atom {name}: no process or argument can be it; is it spelled right?")]
    NoAtom {
        /// As it was asked for.
        name: String,
    },
    /// There is no such process.
    #[error("there is no process {pid}: `escope-bpf snapshot` lists those that there are")]
    NoProcess {
        /// As it was asked for.
        pid: String,
    },
    /// No thread could be started.
    #[error("cannot start a thread: {0}; look at the limit for processes (ulimit -u)")]
    NoThread(std::io::Error),
    /// A memory image could not be written.
    #[error("cannot write the image {}: {what}", path.display())]
    Image {
        /// Which file.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// A command could not be started.
    #[error("cannot start {}: {reason}; is it on the PATH?", command.display())]
    Launch {
        /// The command.
        command: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A command that was started ended before it was a BEAM.
    #[error("{} ended ({status}) before a BEAM appeared among its processes: does it start one in \
             the background? Then start it first and use --pid", command.display())]
    LaunchedEnded {
        /// The command.
        command: PathBuf,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// The user stopped us while we waited for a command's BEAM.
    #[error("stopped before {} had started a BEAM: nothing was recorded", command.display())]
    Stopped {
        /// The command.
        command: PathBuf,
    },
    /// A command that was started never became a BEAM.
    #[error("{} started, but no BEAM appeared among its processes within {seconds} s: is it a \
             command that runs Erlang?", command.display())]
    NoBeamLaunched {
        /// The command.
        command: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
}

impl SessionError {
    /// Whose fault it is: decides the exit code.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            SessionError::Beam(BeamError::NoFile { .. }) => Refusal::Other,
            SessionError::Beam(_)
            | SessionError::NoBeam
            | SessionError::SeveralBeams(_)
            | SessionError::NoSuchNode { .. }
            | SessionError::NoSuchInner { .. }
            | SessionError::NoProbes(_)
            | SessionError::Capture(
                CaptureError::NotPermitted
                | CaptureError::NoBtf
                | CaptureError::ForeignProc
                | CaptureError::NoProc
                | CaptureError::Timer { .. }
                | CaptureError::NoBreakpoint { .. }
                | CaptureError::Breakpoints(_)
                | CaptureError::Load(_)
                | CaptureError::LoadEvents(_)
                | CaptureError::OneThread
                | CaptureError::NoHits,
            ) => Refusal::Target,
            _ => Refusal::Other,
        }
    }
}
