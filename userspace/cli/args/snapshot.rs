//! What may be said to `snapshot`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{RedactArgs, TargetArgs};

/// Read the process table of a running BEAM
///
/// From outside: nothing is stopped and no lock is taken, so it answers also when the VM cannot.
/// A process that was running or changing while it was read is marked.
#[derive(Debug, clap::Args)]
pub(crate) struct SnapshotArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// The core of a BEAM that has died, instead of a running one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pid", "name", "container_pid"])]
    pub(crate) core: Option<PathBuf>,
    /// The executable that wrote the core, where the core names none that is here
    #[arg(long, value_name = "FILE", requires = "core")]
    pub(crate) exe: Option<PathBuf>,
    /// A memory image, instead of a running BEAM
    #[arg(long, value_name = "FILE", hide = true,
          conflicts_with_all = ["pid", "name", "container_pid", "core"])]
    pub(crate) image: Option<PathBuf>,
    /// Write the memory that this command reads to an image, instead of the table
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) save_image: Option<PathBuf>,
    /// Save what every process is like as a recording of one checkpoint, which `frame` tells, instead of
    /// printing a table
    #[arg(short, long, value_name = "PATH",
          conflicts_with_all = ["core", "image", "save_image", "process", "status", "stack", "mailbox", "format"])]
    pub(crate) output: Option<PathBuf>,
    /// And what each of them has that waits, as by `state`, masked, which `state RECORDING` tells too
    #[arg(long, requires = "output")]
    pub(crate) all_states: bool,
    #[command(flatten)]
    pub(crate) redact: RedactArgs,
    /// Mask nothing: secrets in messages, labels and keys are shown as well
    #[arg(long, conflicts_with_all = ["redact", "redact_value", "redact_field", "redact_module", "output"])]
    pub(crate) unmasked: bool,
    /// Only these: registered name, pid `<0.N.S>`, label, initial call or its module
    #[arg(long, value_name = "NAME|PID|LABEL|MFA|MODULE")]
    pub(crate) process: Option<String>,
    /// Only those of this status
    #[arg(long, value_parser = ["waiting", "runnable", "running", "suspended", "garbage_collecting", "exiting", "free"])]
    pub(crate) status: Option<String>,
    /// What comes first
    #[arg(long, value_enum, default_value_t = SortArg::Memory)]
    pub(crate) sort: SortArg,
    /// Show each stack; JSON always has them
    #[arg(long)]
    pub(crate) stack: bool,
    /// Frames of a stack that are read
    #[arg(long, default_value_t = 64, value_parser = frames)]
    pub(crate) frames: usize,
    /// Show what the first messages of each mailbox look like, without what is in them
    #[arg(long)]
    pub(crate) mailbox: bool,
    /// Messages of a mailbox that are looked at
    #[arg(long, value_name = "N", default_value_t = 10, requires = "mailbox")]
    pub(crate) messages: usize,
    /// Show the messages themselves, which may be nobody else's business
    #[arg(long, requires = "mailbox")]
    pub(crate) values: bool,
    /// Rows of the table; JSON always has all
    #[arg(short = 'n', long, default_value_t = 20)]
    pub(crate) rows: usize,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = SnapshotFormat::Table)]
    pub(crate) format: SnapshotFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SnapshotFormat {
    Table,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortArg {
    /// Heaps, largest first
    Memory,
    /// Mailbox, longest first
    Mailbox,
    /// Reductions, most first
    Reductions,
    /// As the table has them
    Pid,
    /// Registered names, then the others
    Name,
}

fn frames(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(frames @ 1..=16_384) => Ok(frames),
        _ => Err("give a number from 1 to 16384".to_owned()),
    }
}
