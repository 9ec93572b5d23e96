//! Threads of the VM.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which of the VM's three kinds of scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulerKind {
    /// Runs Erlang code.
    Normal,
    /// Runs dirty CPU-bound NIFs and BIFs.
    DirtyCpu,
    /// Runs dirty IO-bound NIFs and BIFs.
    DirtyIo,
}

/// One scheduler, numbered from 1 within its kind, as the VM numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SchedulerId {
    /// Its kind.
    pub kind: SchedulerKind,
    /// Its number, from 1.
    pub number: u16,
}

impl fmt::Display for SchedulerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            SchedulerKind::Normal => "scheduler",
            SchedulerKind::DirtyCpu => "dirty_cpu",
            SchedulerKind::DirtyIo => "dirty_io",
        };
        write!(f, "{kind}_{}", self.number)
    }
}

impl SchedulerId {
    /// The scheduler that `scheduler_1`, `dirty_cpu_2` or `dirty_io_3` stands for.
    #[must_use]
    pub fn parse(text: &str) -> Option<SchedulerId> {
        let (kind, number) = text.rsplit_once('_')?;
        let kind = match kind {
            "scheduler" => SchedulerKind::Normal,
            "dirty_cpu" => SchedulerKind::DirtyCpu,
            "dirty_io" => SchedulerKind::DirtyIo,
            _ => return None,
        };
        Some(SchedulerId {
            kind,
            number: number.parse().ok()?,
        })
    }
}

macro_rules! thread_kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What a thread of the VM is for.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum ThreadKind { $($(#[$doc])* $variant,)* }

        impl ThreadKind {
            /// Every kind.
            pub const ALL: &'static [ThreadKind] = &[$(ThreadKind::$variant,)*];

            /// The word used in recordings and reports.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(ThreadKind::$variant => $text,)* }
            }

            /// The kind a recording's word stands for.
            #[must_use]
            pub fn parse(text: &str) -> Option<ThreadKind> {
                match text { $($text => Some(ThreadKind::$variant),)* _ => None }
            }
        }
    };
}

thread_kinds! {
    /// A scheduler of any kind.
    Scheduler = "scheduler",
    /// Asynchronous work of drivers.
    Async = "async",
    /// Auxiliary work of the emulator.
    Aux = "aux",
    /// Waits for file descriptors.
    Poll = "poll",
    /// Receives Unix signals.
    Signal = "signal",
    /// Writes messages of the emulator itself.
    Message = "message",
    /// The first thread of the OS process, parked after start-up.
    Main = "main",
    /// Anything else: threads that NIFs and drivers started.
    Other = "other",
}

/// One OS thread of the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadInfo {
    /// Kernel thread id.
    pub tid: u32,
    /// The name the kernel holds, at most 15 bytes.
    pub name: String,
    /// What it is for.
    pub kind: ThreadKind,
    /// Which scheduler it is.
    pub scheduler: Option<SchedulerId>,
}
