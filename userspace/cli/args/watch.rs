//! What may be said to `watch`.

use std::time::Duration;

use escope_model::Mfa;
use escope_session::Condition;

use super::{ReportFormat, TargetArgs};
use crate::time;
use crate::watch::parse as watch;

/// Watch exact calls of up to four Erlang functions
///
/// By the CPU's breakpoint registers: nothing of the target is changed, and every call is counted,
/// local, external, by tail call, apply or spawn. A hit costs microseconds of the process that
/// makes it: the price is measured and printed first, and there is a limit. Functions are
/// given as mod:fun/arity or Mod.fun/arity.
#[derive(Debug, clap::Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// The functions, at most four
    #[arg(required = true, num_args = 1..=4, value_name = "MOD:FUN/ARITY", value_parser = watch::function)]
    pub(crate) functions: Vec<Mfa>,
    /// Show arguments: atoms, small integers and pids as they are, of others kind and size
    #[arg(long, conflicts_with = "count")]
    pub(crate) args: bool,
    /// Count by function and caller instead of showing each call
    #[arg(long)]
    pub(crate) count: bool,
    /// Of the first N wanted calls, 1 when no number is given, show all that the process has:
    /// arguments whole, stack, and state; then end. Secrets are masked
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1", require_equals = true,
          conflicts_with = "count", value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) snapshot: Option<u32>,
    /// Mask more in snapshots: keys, tags and texts that match this pattern; may be given several times
    #[arg(long, value_name = "PATTERN", requires = "snapshot")]
    pub(crate) redact: Vec<String>,
    /// Only calls for which this holds, decided in the kernel: process=NAME, process=<0.N.S>, or
    /// argN=VALUE with an integer, an atom or []; may be given several times, and all must hold
    #[arg(long, value_name = "CONDITION", value_parser = watch::condition)]
    pub(crate) when: Vec<Condition>,
    /// End after so many calls, wanted or not
    #[arg(long, value_name = "N", default_value_t = 100_000,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) max_hits: u64,
    /// How long, such as 30s, 5m or 1500ms; until Ctrl-C or the limit when not given
    #[arg(short, long, value_parser = time::parse_duration, allow_hyphen_values = true)]
    pub(crate) duration: Option<Duration>,
    /// For people or for programs: json has one object a line
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
    /// Nothing on stderr but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}
