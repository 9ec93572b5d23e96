//! What can go wrong while attaching, and what helps.

use std::io;

/// Why capturing could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// Not allowed to load BPF programs.
    #[error(
        "not allowed to load BPF programs and to sample: run with sudo, or give the capabilities \
         CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE"
    )]
    NotPermitted,
    /// The kernel has no type information.
    #[error(
        "the kernel has no BTF (/sys/kernel/btf/vmlinux is missing): a kernel built with \
         CONFIG_DEBUG_INFO_BTF is needed, as every current distribution ships"
    )]
    NoBtf,
    /// There is no `/proc`.
    #[error("there is no /proc, which tells what runs: mount it (`mount -t proc proc /proc`)")]
    NoProc,
    /// `/proc` is of another PID namespace.
    #[error(
        "/proc shows another PID namespace than the one this runs in: mount /proc anew \
         (`mount -t proc proc /proc`), or enter the other one with `nsenter -t PID -p`"
    )]
    ForeignProc,
    /// The kernel refused the programs.
    #[error(
        "the kernel refused the BPF programs ({0}): Linux 5.17 or later is needed, with BTF and \
         perf events"
    )]
    Load(String),
    /// The kernel refused those for events.
    #[error(
        "the kernel refused the BPF programs for events ({0}): Linux 6.10 or later is needed for \
         them, with BTF and uprobes (CONFIG_UPROBES)"
    )]
    LoadEvents(String),
    /// It shows hits of a process's first thread alone.
    #[error(
        "this kernel shows hits of probes in the first thread of a process alone, and a VM runs in \
         others: events need Linux 6.10 or later, or a kernel with its fix (bpf: fix multi-uprobe PID \
         filtering logic), as 6.6 and 6.9 have in their later updates; samples can be recorded without \
         --events and --calls"
    )]
    OneThread,
    /// Probes were placed in ourselves, and nothing was seen of them.
    #[error(
        "probes that were placed in this very program were hit and the kernel showed none of the hits: \
         events need Linux 6.10 or later; samples can be recorded without --events and --calls"
    )]
    NoHits,
    /// No timer could be opened.
    #[error(
        "cannot open a sampling timer on CPU {cpu} ({reason}): try --clock cpu-clock, and look \
         whether the kernel has perf events"
    )]
    Timer {
        /// Which CPU.
        cpu: u32,
        /// What the kernel said.
        reason: io::Error,
    },
    /// The kernel would not take that many samples.
    #[error(
        "the kernel allows at most {allowed} samples a second on each CPU: lower -F, or raise \
         it with `sysctl kernel.perf_event_max_sample_rate={wanted}`"
    )]
    Rate {
        /// What was asked for.
        wanted: u32,
        /// What is allowed.
        allowed: u32,
    },
    /// Others have the breakpoint registers.
    #[error(
        "no breakpoint register is free for thread {tid}: a debugger or perf has them, of which a CPU \
         has four; end that, or watch fewer functions"
    )]
    NoBreakpoint {
        /// Of the target, or ours where the price of a hit was measured.
        tid: u32,
    },
    /// The machine has no breakpoint registers, or the kernel does not give them away.
    #[error(
        "the kernel gives no hardware breakpoint ({0}): a machine that has them is needed, and a \
         kernel with CONFIG_HAVE_HW_BREAKPOINT; some hypervisors hide them"
    )]
    Breakpoints(io::Error),
    /// No process could be started for the probes.
    #[error(
        "cannot start the process that keeps the probes ({0}): it is this very program, from \
         /proc/self/exe; may one more process be started, and this file be run?"
    )]
    NoKeeper(io::Error),
    /// All of those that were started have ended.
    #[error(
        "the process that keeps the probes was ended while it placed them, as often as it was \
         started ({0}): does something kill it? It is called escope-keeper. Breakpoints may be \
         left in the VM's code: the next recording of it with the same events takes them over and removes them"
    )]
    KeeperGone(String),
    /// It says nothing.
    #[error(
        "the process that keeps the probes does not answer: is it stopped? It is called \
         escope-keeper; `kill -CONT` lets it go on, and then end"
    )]
    KeeperSilent,
    /// A keeper was run by somebody else.
    #[error("this is what escope-bpf runs for itself, to keep probes: use `escope-bpf record`")]
    NoRecorder,
    /// The list of CPUs could not be read.
    #[error("cannot tell which CPUs are online ({0}): is /sys mounted?")]
    Cpus(String),
    /// A record in the ring is not one of ours.
    #[error("the kernel half wrote a record that cannot be read: {0}")]
    Record(#[from] crate::DecodeError),
    /// Anything else that libbpf reported.
    #[error("{what}: {message}")]
    Bpf {
        /// What was tried.
        what: &'static str,
        /// What libbpf said.
        message: String,
    },
}
