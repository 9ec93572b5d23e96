//! What the user may say.

mod frame;
mod redact;
mod snapshot;
mod state;
mod timeline;
mod tracer;
mod tree;
mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use escope_session::{
    CheckpointChoice, EventSelection, Given, Layout, NativeName, TargetChoice, WantedProcess,
};

pub(crate) use frame::FrameArgs;
pub(crate) use redact::{RedactArgs, warn_of_absent};
pub(crate) use snapshot::{SnapshotArgs, SnapshotFormat, SortArg};
pub(crate) use state::{StateArgs, StepArg, TermFormat};
pub(crate) use timeline::{TimelineArgs, TimelineFormat, TimelineSort};
pub(crate) use tracer::TracerArgs;
pub(crate) use tree::TreeArgs;
pub(crate) use watch::WatchArgs;

use crate::time;
use crate::watch::parse::native;

/// Out-of-process CPU profiler for the Erlang VM
///
/// Records a running, unmodified BEAM from outside and shows which process and which function
/// cost the time.
#[derive(Debug, Parser)]
#[command(name = "escope-bpf", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Record(RecordArgs),
    Snapshot(SnapshotArgs),
    State(StateArgs),
    Tree(TreeArgs),
    Watch(WatchArgs),
    Report(ReportArgs),
    Timeline(TimelineArgs),
    Frame(FrameArgs),
    Flamegraph(FlamegraphArgs),
    Export(ExportArgs),
    Query(QueryArgs),
    Check(CheckArgs),
    Doctor(DoctorArgs),
    Completions(CompletionsArgs),
    /// What `record` and `watch` run for themselves, to place and remove probes
    #[command(name = escope_session::KEEPER_COMMAND, hide = true)]
    KeepProbes,
}

/// Which BEAM.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TargetArgs {
    /// OS pid of the BEAM; not needed when only one runs
    #[arg(short, long, value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    pub(crate) pid: Option<u32>,
    /// Node name of the BEAM, with or without its host
    #[arg(long, visible_alias = "node", conflicts_with = "pid")]
    pub(crate) name: Option<String>,
    /// Pid of the BEAM in its container, as `ps` shows it there
    #[arg(long, value_name = "PID", conflicts_with_all = ["pid", "name"],
          value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    pub(crate) container_pid: Option<u32>,
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
}

/// Where the VM keeps its data, if the user knows.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LayoutArgs {
    /// A table of where the VM keeps its data, instead of the release's own
    #[arg(long, value_name = "FILE", value_parser = layout, conflicts_with = "debug_info")]
    layout: Option<Layout>,
    /// A file with the debug information of the VM's executable, to be used instead of a table
    #[arg(long, value_name = "FILE")]
    debug_info: Option<PathBuf>,
}

impl LayoutArgs {
    pub(crate) fn given(&self) -> Given {
        Given {
            layout: self.layout.clone(),
            debug_info: self.debug_info.clone(),
        }
    }
}

/// A share of the VM's CPU time, or no limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Overhead(pub(crate) Option<f64>);

fn overhead(text: &str) -> Result<Overhead, String> {
    if text == "off" {
        return Ok(Overhead(None));
    }
    let percent = text.strip_suffix('%').unwrap_or(text).parse::<f64>();
    match percent {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(Overhead(Some(percent / 100.0))),
        _ => Err("a number of percent above 0 and up to 100, or off".to_owned()),
    }
}

fn checkpoint(text: &str) -> Result<CheckpointChoice, String> {
    match text {
        "off" => Ok(CheckpointChoice::Never),
        "start" => Ok(CheckpointChoice::Once),
        _ => match time::parse_duration(text)? {
            every if every < CHECKPOINT_MIN => {
                Err("at most ten a second: give 100ms or more".into())
            }
            every => Ok(CheckpointChoice::Every(every)),
        },
    }
}

/// A busy VM has other things to do than to be read.
const CHECKPOINT_MIN: Duration = Duration::from_millis(100);

fn layout(path: &str) -> Result<Layout, String> {
    Layout::read(Path::new(path))
}

impl TargetArgs {
    pub(crate) fn choice(&self) -> TargetChoice {
        match (self.pid, self.container_pid, &self.name) {
            (Some(pid), _, _) => TargetChoice::Pid(pid),
            (None, Some(inner), _) => TargetChoice::Inner(inner),
            (None, None, Some(name)) => TargetChoice::Node(name.clone()),
            (None, None, None) => TargetChoice::Only,
        }
    }
}

/// Record a running BEAM
///
/// Needs root, or CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE. Nothing enters the target and
/// nothing of it is changed. Ctrl-C ends the recording cleanly.
#[derive(Debug, clap::Args)]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// How long, such as 30s, 5m or 1500ms; until Ctrl-C when not given
    #[arg(short, long, value_parser = time::parse_duration, allow_hyphen_values = true)]
    pub(crate) duration: Option<Duration>,
    /// Samples a second on each CPU
    #[arg(short = 'F', long, default_value_t = 99,
          value_parser = clap::value_parser!(u32).range(1..=50_000), allow_hyphen_values = true)]
    pub(crate) frequency: u32,
    /// Where to; NODE-TIME.escope, or beam-PID-TIME.escope for a VM without a node name, in the
    /// current directory when not given
    #[arg(short, long)]
    pub(crate) output: Option<PathBuf>,
    /// Which clock to sample by
    #[arg(long, value_enum, default_value_t = ClockArg::Auto)]
    pub(crate) clock: ClockArg,
    /// How much of each Erlang stack to copy, in KiB; longer ones lose their middle
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=128))]
    pub(crate) stack_kib: u32,
    /// Size of the ring between the kernel and the recorder, in KiB, at least four of the largest
    /// samples; chosen by frequency when not given
    #[arg(long, value_parser = clap::value_parser!(u32).range(256..=1_048_576))]
    pub(crate) ring_kib: Option<u32>,
    /// Which events of the VM to record besides samples, with commas between them: sched, msg,
    /// proc, gc, code, port, dist, or the presets light, messages, full
    #[arg(long, default_value = "none", value_name = "KINDS")]
    pub(crate) events: EventSelection,
    /// Also every call of these BIFs and NIFs, by mod:fun/arity, or mod:fun for all arities, with
    /// commas between them; may be given several times
    #[arg(long, value_name = "MOD:FUN[/ARITY]", value_delimiter = ',', value_parser = native)]
    pub(crate) calls: Vec<NativeName>,
    /// And when they return, which says how long they took, and costs about as much again
    #[arg(long, requires = "calls")]
    pub(crate) call_times: bool,
    /// What watching events may cost the VM, in percent of its CPU time: where they are too many
    /// they are watched in windows of half a second and more. `off` watches all
    #[arg(long, default_value = "1", value_name = "PCT|off", value_parser = overhead)]
    pub(crate) max_overhead: Overhead,
    /// Only events of these, with commas between them: pids, registered names, or initial calls
    /// `mod:fun/arity`, also of processes that come later; of messages those to or from them
    #[arg(long, value_name = "NAME|PID|MFA", value_delimiter = ',')]
    pub(crate) processes: Vec<WantedProcess>,
    /// What messages to and from --processes say, from so many bytes copied of each: 512 when
    /// none are given. Values that go by the name of a secret are masked before they reach the
    /// disk: password, passwd, pwd, passphrase, credential, token, bearer, jwt, secret,
    /// authorization, cookie, session_id, api_key, access_key, private_key; URLs with passwords and
    /// signed tokens too. Nothing is copied of processes that are sensitive
    #[arg(long, value_name = "BYTES", num_args = 0..=1, default_missing_value = "512",
          value_parser = clap::value_parser!(u32).range(64..=4096))]
    pub(crate) payload: Option<u32>,
    /// What these processes have each time they come to rest, if it has changed: pids, registered names,
    /// labels, the module or mod:fun/arity that they were spawned for, with commas between them, also of
    /// processes that come later; may be given several times. `state RECORDING` tells it. Masked as by
    /// --payload; nothing is copied of processes that are sensitive
    #[arg(long, value_name = "NAME|PID|MODULE", value_delimiter = ',')]
    pub(crate) state: Vec<WantedProcess>,
    /// Read what every process is like, from outside: `start`, once at the start, so that `frame` knows also
    /// those to which nothing happens; a time such as 10s, then so often and at the end; or `off`. `start`
    /// when events of all processes are recorded and nothing is said. Of those whom --state names it is also
    /// read what they have, if they rest unseen; where nothing is said, that alone
    #[arg(long, value_name = "TIME|start|off", value_parser = checkpoint)]
    pub(crate) checkpoint: Option<CheckpointChoice>,
    #[command(flatten)]
    pub(crate) redact: RedactArgs,
    /// Size of the ring of events, in KiB; chosen by --max-memory when not given
    #[arg(long, value_parser = clap::value_parser!(u32).range(64..=262_144))]
    pub(crate) event_ring_kib: Option<u32>,
    /// Probes that do nothing, to measure what the others cost more
    #[arg(long, hide = true)]
    pub(crate) bare_probes: bool,
    /// How much memory the recorder may use for events, in MiB; what does not fit is lost, and
    /// counted
    #[arg(long, default_value_t = 256, value_name = "MIB",
          value_parser = clap::value_parser!(u32).range(32..=65_536))]
    pub(crate) max_memory: u32,
    /// No progress and no summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Start this command and record its BEAM
    #[arg(last = true, conflicts_with_all = ["pid", "name", "container_pid"])]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClockArg {
    /// The PMU's where there is one, else the kernel's
    Auto,
    /// The kernel's cpu-clock: each sample stands for a fixed span of CPU time
    CpuClock,
    /// The PMU's cycle counter
    Cycles,
}

/// What to leave out.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FilterArgs {
    /// Only this process: registered name, pid `<0.N.S>` or initial call
    #[arg(long, value_name = "NAME|PID|MFA")]
    pub(crate) process: Option<String>,
    /// Only stacks with a function of this module
    #[arg(long)]
    pub(crate) module: Option<String>,
    /// Only from this time on: since the start, such as 2.5s, or RFC 3339
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Only before this time
    #[arg(long)]
    pub(crate) until: Option<String>,
}

/// Tell who spent the CPU time of a recording
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// The recording
    pub(crate) recording: PathBuf,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
    /// Rows in each table
    #[arg(short = 'n', long, default_value_t = 15)]
    pub(crate) rows: usize,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Table,
    Json,
}

/// Draw the flame graph of a recording as SVG
#[derive(Debug, clap::Args)]
pub(crate) struct FlamegraphArgs {
    /// The recording
    pub(crate) recording: PathBuf,
    /// Where to; RECORDING.svg when not given, - for stdout
    #[arg(short, long)]
    pub(crate) output: Option<PathBuf>,
    /// What the lowest row of boxes stands for
    #[arg(long, value_enum, default_value_t = ByArg::Process)]
    pub(crate) by: ByArg,
    /// Leaves at the bottom: who is called, by whom
    #[arg(long)]
    pub(crate) reverse: bool,
    /// A box per line of source instead of per function
    #[arg(long)]
    pub(crate) lines: bool,
    /// A box per level of a recursion instead of one for all
    #[arg(long)]
    pub(crate) unfold: bool,
    /// Also what is no work: busy wait and idle
    #[arg(long)]
    pub(crate) idle: bool,
    /// The title
    #[arg(long)]
    pub(crate) title: Option<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ByArg {
    /// Processes of one name or initial call together
    Process,
    /// Each process for itself
    Pid,
    Scheduler,
    Activity,
    None,
}

/// Convert a recording for other tools
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// The recording
    pub(crate) recording: PathBuf,
    /// Of the samples, folded: one line a stack. pprof: gzipped protobuf with labels. speedscope:
    /// JSON. Of everything over time, perfetto: protobuf for ui.perfetto.dev. chrome-trace: JSON for
    /// chrome://tracing
    #[arg(long, value_enum)]
    pub(crate) format: ExportFormat,
    /// Where to; stdout when not given
    #[arg(short, long)]
    pub(crate) output: Option<PathBuf>,
    /// What the first frame of each stack stands for, or what profiles there are
    #[arg(long, value_enum)]
    pub(crate) by: Option<ByArg>,
    /// Also what is no work: busy wait and idle
    #[arg(long)]
    pub(crate) idle: bool,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    Folded,
    Pprof,
    Speedscope,
    Perfetto,
    ChromeTrace,
}

/// Ask a recording in SQL
///
/// Tables: samples, stacks, frames, processes, threads, code, series, losses; of events: runs,
/// messages, lifecycle, gc, off_cpu, native_calls, modules, ports, port_events, dist, payloads,
/// states, checkpoints, windows; views with names: cpu, watched, and named_ with runs, messages, lifecycle, gc, off_cpu,
/// native_calls, modules, ports, port_events, dist or payloads behind it.
/// `@NAME` runs a named query, `--list` lists them.
#[derive(Debug, clap::Args)]
#[cfg_attr(not(feature = "query"), allow(dead_code))]
pub(crate) struct QueryArgs {
    /// The recording
    #[arg(required_unless_present = "list")]
    pub(crate) recording: Option<PathBuf>,
    /// The query, or @NAME
    #[arg(required_unless_present = "list")]
    pub(crate) sql: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = QueryFormat::Table)]
    pub(crate) format: QueryFormat,
    /// List the named queries
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueryFormat {
    Table,
    Json,
    Csv,
}

/// Verify a recording and tell what is missing
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The recording
    pub(crate) recording: PathBuf,
}

/// Tell what will work on this host, what not, and what helps
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Only this BEAM
    #[arg(short, long)]
    pub(crate) pid: Option<u32>,
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
}

/// Print shell completions
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        super::Args::command().debug_assert();
    }
}
