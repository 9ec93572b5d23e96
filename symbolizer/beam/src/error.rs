//! Why a target cannot be read, and what helps.

use std::path::PathBuf;

/// Why a target was refused or lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeamError {
    /// There is no such process.
    #[error("there is no process with pid {pid}: `escope-bpf doctor` lists the BEAMs of this host")]
    NoSuchProcess {
        /// The pid asked for.
        pid: u32,
    },
    /// The process may not be read.
    #[error(
        "not allowed to read process {pid}: {}",
        match rustix::process::geteuid().is_root() {
            false => "run with sudo, or give the capability CAP_SYS_PTRACE",
            true => "root needs the capability CAP_SYS_PTRACE here, as in a container without it, and \
                     the sysctl kernel.yama.ptrace_scope below 3",
        }
    )]
    NotPermitted {
        /// The target.
        pid: u32,
    },
    /// The process is something else.
    #[error(
        "process {pid} is no BEAM: it runs {}; `escope-bpf doctor` lists the BEAMs of this host",
        exe.display()
    )]
    NotBeam {
        /// The target.
        pid: u32,
        /// What it runs.
        exe: PathBuf,
    },
    /// A BEAM that interprets.
    #[error(
        "the BEAM {pid} has no JIT: it was built with --disable-jit or for a platform without \
         one; an emulator built with the JIT is needed"
    )]
    NoJit {
        /// The target.
        pid: u32,
    },
    /// The number of a thread.
    #[error("{tid} is a thread of the process {pid}: give --pid {pid}")]
    Thread {
        /// What was given.
        tid: u32,
        /// The process that it is of.
        pid: u32,
    },
    /// A release nobody wrote a table for.
    #[error(
        "the BEAM {pid} is of OTP {release} (ERTS {erts}), which this version cannot read: it \
         knows OTP {known}; {}look for a newer escope-bpf, or give {}a table with --layout",
        debug_info.as_ref().map_or(String::new(), |why| format!("its debug information is of no use: {why}; ")),
        if debug_info.is_none() { "debug information of this build with --debug-info or " } else { "" }
    )]
    UnknownOtp {
        /// The target.
        pid: u32,
        /// What it says it is.
        release: String,
        /// Its ERTS version.
        erts: String,
        /// Which releases are known.
        known: String,
        /// Why debug information of this build, which was found, does not help.
        debug_info: Option<String>,
    },
    /// Symbols that must be there are not.
    #[error(
        "the BEAM {pid} does not show where its data lies: {missing} not found in {}, neither by \
         symbols nor by structure; it may be patched or built with unusual options",
        exe.display()
    )]
    MissingSymbols {
        /// The target.
        pid: u32,
        /// Its executable.
        exe: PathBuf,
        /// What was looked for.
        missing: String,
    },
    /// The VM is not up yet.
    #[error("the BEAM {pid} is still starting ({what} is not there yet): try again in a second")]
    Starting {
        /// The target.
        pid: u32,
        /// What is missing.
        what: &'static str,
    },
    /// What was read contradicts itself.
    #[error(
        "the BEAM {pid} is not laid out as OTP {otp} should be: {what}; it may be patched or \
         built with unusual options"
    )]
    SelfCheck {
        /// The target.
        pid: u32,
        /// The table that was used.
        otp: u16,
        /// What was checked and what came out.
        what: String,
    },
    /// The target ended.
    #[error("process {pid} ended while it was being read")]
    Died {
        /// The target.
        pid: u32,
    },
    /// Another program has its threads.
    #[error(
        "process {pid} is traced by process {tracer}, as by a debugger or strace, and only one can \
         stop its threads: end that one first"
    )]
    Traced {
        /// The target.
        pid: u32,
        /// Who traces it.
        tracer: u32,
    },
    /// A thread could not be stopped in time.
    #[error(
        "thread {tid} of process {pid} did not stop within {} ms, so all of them were let go: it \
         may be in a system call that cannot be interrupted, or the machine is busy; try again, \
         or with a larger --stop",
        *waited_us as f64 / 1000.0
    )]
    NotStopped {
        /// The target.
        pid: u32,
        /// One that did not stop.
        tid: u32,
        /// How long it was waited for, in microseconds.
        waited_us: u64,
    },
    /// The time that its threads may be stopped is over.
    #[error("the time for reading process {pid} while it is stopped is over: give a larger --stop")]
    TimeUp {
        /// The target.
        pid: u32,
    },
    /// Memory could not be read.
    #[error("cannot read {bytes} bytes at {address:#x} of the target")]
    Unreadable {
        /// Where.
        address: u64,
        /// How much.
        bytes: usize,
    },
    /// Too much of a core is missing.
    #[error(
        "the core {} is cut: {missing_bytes} bytes that its headers tell of are not there, among \
         them what is needed first ({cause}); look at the limits for cores (ulimit -c) and at the \
         room on the disk",
        core.display()
    )]
    CoreCut {
        /// The core.
        core: PathBuf,
        /// How much is missing.
        missing_bytes: u64,
        /// What could not be done for it.
        cause: Box<BeamError>,
    },
    /// A core without the executable that it is of.
    #[error(
        "the core {} needs the executable that wrote it, and {} is not it: {what}; give that one \
         with --exe",
        core.display(),
        exe.display()
    )]
    CoreExe {
        /// The core.
        core: PathBuf,
        /// The executable that was tried.
        exe: PathBuf,
        /// Why it does not do.
        what: String,
    },
    /// Debug information that the user gave does not serve.
    #[error("cannot use the debug information {}: {what}", path.display())]
    DebugInfo {
        /// Which file.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// A file that the user named is not there, or may not be read.
    #[error("cannot open {}: {what}", path.display())]
    NoFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// A file of the target could not be understood.
    #[error("cannot understand {}: {what}", path.display())]
    BadFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}
