//! What may be said to `tree`.

use std::path::PathBuf;
use std::time::Duration;

use super::TargetArgs;
use crate::time;

/// Show the supervision trees of a BEAM: applications, supervisors, their children
///
/// From outside: nothing is stopped, asked or sent. The children of a supervisor are told as of one
/// instant at which it rested; one that runs is read again until it does. What could not be read is
/// told as such, with what it is linked to.
#[derive(Debug, clap::Args)]
pub(crate) struct TreeArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// The core of a BEAM that has died, instead of a running one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pid", "name", "container_pid"])]
    pub(crate) core: Option<PathBuf>,
    /// The executable that wrote the core, where the core names none that is here
    #[arg(long, value_name = "FILE", requires = "core")]
    pub(crate) exe: Option<PathBuf>,
    /// Only what is below this one: registered name, pid `<0.N.S>`, label, initial call or its module
    #[arg(long, value_name = "NAME|PID|LABEL|MFA|MODULE")]
    pub(crate) process: Option<String>,
    /// Each child where there are many of a kind, instead of their number
    #[arg(long)]
    pub(crate) all: bool,
    /// How often a process is read that runs while it is read
    #[arg(long, value_name = "N", default_value_t = 300,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) tries: u32,
    /// How long to read; what was not read until then is told as such
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time::parse_duration)]
    pub(crate) max_time: Duration,
    /// Lines of processes in no tree that are shown
    #[arg(short = 'n', long, default_value_t = 20)]
    pub(crate) rows: usize,
    /// For programs: JSON, nested as the trees are
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw the trees into this file, - for stdout
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(crate) svg: Option<PathBuf>,
}
