//! What may be said to `state`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::{RedactArgs, TargetArgs, TracerArgs};
use crate::time;

/// Read the states of behaviours: gen_server, gen_statem, gen_event, supervisors, agents
///
/// From outside: no lock is taken, and nothing is stopped unless --stop asks for it. What is told of a
/// process was so at one instant: one that runs is read again until it waits. Values that go by the name of a secret are
/// masked, as by `record --payload`. With --tracer the processes are asked instead, as a node of the VM's cluster.
#[derive(Debug, clap::Args)]
pub(crate) struct StateArgs {
    /// A recording made with `record --state`, instead of a running BEAM
    #[arg(conflicts_with_all = ["pid", "name", "container_pid", "core", "stop"])]
    pub(crate) recording: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Of a recording: what the process had at this time: since the start, such as 12.5s or 350ms, or RFC
    /// 3339; at the end when not given
    #[arg(long, value_name = "TIME", requires = "recording")]
    pub(crate) at: Option<String>,
    /// Of a recording: all changes, each with what it changed and the message before it; only those until
    /// --at where that is given
    #[arg(long, requires = "recording", conflicts_with = "step")]
    pub(crate) history: bool,
    /// Of a recording: the state that came before the one at --at, or that comes after it
    #[arg(long, value_enum, value_name = "WHERE", requires = "recording")]
    pub(crate) step: Option<StepArg>,
    /// The core of a BEAM that has died, instead of a running one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pid", "name", "container_pid", "tracer"])]
    pub(crate) core: Option<PathBuf>,
    /// The executable that wrote the core, where the core names none that is here
    #[arg(long, value_name = "FILE", requires = "core")]
    pub(crate) exe: Option<PathBuf>,
    /// Whose: registered name, pid `<0.N.S>`, label, initial call or its module
    #[arg(long, value_name = "NAME|PID|LABEL|MFA|MODULE")]
    pub(crate) process: String,
    /// Processes that are told, if several are called so; with --history also changes of each, the last ones
    #[arg(short = 'n', long, value_name = "N", default_value = "20")]
    pub(crate) rows: NonZeroUsize,
    /// Terms within each other that are shown; what lies deeper is ...
    #[arg(long, value_name = "N", default_value_t = 32,
          value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) depth: u16,
    /// How long the text of a term may be; what has more ends in ...
    #[arg(long, value_name = "BYTES", default_value_t = 65_536,
          value_parser = clap::value_parser!(u32).range(16..=67_108_864))]
    pub(crate) max_bytes: u32,
    /// Columns of a line where terms can be broken; 0 for one line
    #[arg(long, value_name = "COLUMNS", default_value_t = 100,
          value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub(crate) width: u16,
    /// Stop the VM's threads while it is read, for so many milliseconds at most: 5 if none are given. So
    /// also processes that never rest are told, and all of them at one instant
    #[arg(long, value_name = "MS", num_args = 0..=1, default_missing_value = "5",
          value_parser = stop_limit, conflicts_with_all = ["core", "tries", "tracer"])]
    pub(crate) stop: Option<Duration>,
    /// How often a process is read that runs while it is read
    #[arg(long, value_name = "N", default_value_t = 300,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) tries: u32,
    #[command(flatten)]
    pub(crate) redact: RedactArgs,
    /// Mask nothing: secrets are shown as well
    #[arg(long, conflicts_with_all = ["redact", "redact_value", "redact_field", "redact_module"])]
    pub(crate) unmasked: bool,
    #[command(flatten)]
    pub(crate) tracer: TracerArgs,
    /// How long a process may take to answer the tracer
    #[arg(long, value_name = "TIME", requires = "tracer", default_value = "5s",
          value_parser = time::parse_duration)]
    pub(crate) timeout: Duration,
    /// Have the tracer ask also processes that have asked not to be looked at
    #[arg(long, requires = "tracer")]
    pub(crate) sensitive: bool,
    /// How terms are written
    #[arg(long, value_enum, default_value_t = TermFormat::Erlang)]
    pub(crate) format: TermFormat,
    /// For programs: JSON, in which terms are texts
    #[arg(long)]
    pub(crate) json: bool,
}

/// How long a VM may be stopped.
fn stop_limit(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(ms) if (0.5..=10_000.0).contains(&ms) => Ok(Duration::from_secs_f64(ms / 1000.0)),
        _ => Err("a number of milliseconds, 0.5 to 10000".to_owned()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StepArg {
    Back,
    Forward,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TermFormat {
    /// As `io:format("~0tp")` prints them
    Erlang,
    /// As Elixir's `inspect` does, on one line
    Elixir,
    /// As JSON, on one line: docs/commands.md says how what JSON has not is written
    Json,
    /// In the external term format, in hexadecimal: `binary_to_term(binary:decode_hex(B))`
    Etf,
}
