//! What may be said to `watch`.

use std::time::Duration;

use escope_model::Mfa;
use escope_session::Condition;

use super::{RedactArgs, ReportFormat, TargetArgs, TracerArgs};
use crate::time;
use crate::watch::parse as watch;

/// Watch exact calls of up to four Erlang functions
///
/// By the CPU's breakpoint registers: nothing of the target is changed, and every call is counted,
/// local, external, by tail call, apply or spawn. A hit costs microseconds of the process that
/// makes it: the price is measured and printed first, and there is a limit. Functions are
/// given as mod:fun/arity or Mod.fun/arity. With --tracer the VM itself traces instead, as a node that
/// joins it asks it to: whole arguments, results and exceptions, of few calls.
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
    #[arg(long, conflicts_with = "tracer")]
    pub(crate) count: bool,
    /// Of the first N wanted calls, 1 when no number is given, show all that the process has:
    /// arguments whole, stack, and state; then end. Secrets are masked
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1", require_equals = true,
          conflicts_with_all = ["count", "tracer"], value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) snapshot: Option<u32>,
    /// Only calls for which this holds, decided in the kernel: process=NAME, process=<0.N.S>, or
    /// argN=VALUE with an integer, an atom or []; may be given several times, and all must hold
    #[arg(long, value_name = "CONDITION", value_parser = watch::condition)]
    pub(crate) when: Vec<Condition>,
    /// End after so many calls, wanted or not: 100000, or 1000 with --tracer, when not given
    #[arg(long, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) max_hits: Option<u64>,
    /// How long, such as 30s, 5m or 1500ms; until Ctrl-C or the limit when not given, with --tracer 30s
    #[arg(short, long, value_parser = time::parse_duration, allow_hyphen_values = true)]
    pub(crate) duration: Option<Duration>,
    #[command(flatten)]
    pub(crate) tracer: TracerArgs,
    /// With --tracer, end when more calls come within a second
    #[arg(long, value_name = "N", requires = "tracer", default_value_t = 1000,
          value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) max_rate: u64,
    /// With --tracer, arguments or a result of more bytes are told by their size alone
    #[arg(long, value_name = "BYTES", requires = "tracer", default_value_t = 4096,
          value_parser = clap::value_parser!(u32).range(16..=1_048_576))]
    pub(crate) max_bytes: u32,
    /// With --tracer, calls alone, without results, exceptions and times: for functions that do not return,
    /// as the loop of a server, whose stack a result that is waited for would make longer
    #[arg(long, requires = "tracer")]
    pub(crate) no_results: bool,
    #[command(flatten)]
    pub(crate) redact: RedactArgs,
    /// With --snapshot or --tracer, mask nothing: secrets are shown as well
    #[arg(long, conflicts_with_all = ["redact", "redact_value", "redact_field", "redact_module"])]
    pub(crate) unmasked: bool,
    /// For people or for programs: json has one object a line
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
    /// Nothing on stderr but errors
    #[arg(short, long, conflicts_with = "tracer")]
    pub(crate) quiet: bool,
}
