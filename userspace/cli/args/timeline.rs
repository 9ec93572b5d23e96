//! What may be said to `timeline`.

use std::path::PathBuf;

use clap::ValueEnum;
use escope_model::{SchedulerId, SchedulerKind};

use super::ReportFormat;

/// Show who ran, waited, sent and collected
///
/// Of a recording that was made with --events. For each process: how often and how long it ran,
/// how long it was ready and did not run, what it sent and got, and how long that lay in its
/// mailbox. As a table, as a chart over time (--svg), or, of a few processes, as a sequence of
/// messages (--sequence).
#[derive(Debug, clap::Args)]
pub(crate) struct TimelineArgs {
    /// The recording
    pub(crate) recording: PathBuf,
    /// Only this one: what it spent its time on, and event by event. Registered name, label,
    /// pid `<0.N.S>` or initial call
    #[arg(long)]
    pub(crate) process: Option<String>,
    /// What can have led to what a process did until a time, the latest first
    #[arg(long, value_name = "PROC@TIME", conflicts_with_all = ["process", "path", "svg", "sequence", "sort"])]
    pub(crate) before: Option<String>,
    /// By which messages the process A can have influenced B first
    #[arg(long, value_name = "A,B", conflicts_with_all = ["process", "svg", "sequence", "sort"])]
    pub(crate) path: Option<String>,
    /// What comes first
    #[arg(long, value_enum, default_value_t = TimelineSort::Running)]
    pub(crate) sort: TimelineSort,
    /// Rows of the table, processes of the chart; JSON always has all
    #[arg(short = 'n', long, default_value_t = 20)]
    pub(crate) rows: usize,
    /// From this point on: 12.5s, or a time in RFC 3339
    #[arg(long, visible_alias = "from", value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Up to this point
    #[arg(long, visible_alias = "to", value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// For people or for programs, or a picture
    #[arg(long, value_enum)]
    pub(crate) format: Option<TimelineFormat>,
    #[command(flatten)]
    pub(crate) picture: PictureArgs,
}

/// What is drawn, and where to.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PictureArgs {
    /// Draw a chart over time, or the messages of --sequence, as SVG into this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "format"])]
    pub(crate) svg: Option<PathBuf>,
    /// Draw the messages between these processes: names, labels, pids or initial calls, with
    /// commas between them
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', conflicts_with_all = ["process", "scheduler", "sort"])]
    pub(crate) sequence: Vec<String>,
    /// All other processes as one of them
    #[arg(long, requires = "sequence")]
    pub(crate) others: bool,
    /// Only what ran on this scheduler, such as 1 or dirty_io_2: in a chart
    #[arg(long, value_name = "SCHEDULER", value_parser = scheduler)]
    pub(crate) scheduler: Option<SchedulerId>,
    /// Messages that a picture has at most: a chart with more has none
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = messages)]
    pub(crate) messages: usize,
    /// Where a picture goes; stdout when not given. Its ending says which: .svg, .mmd
    #[arg(short, long)]
    pub(crate) output: Option<PathBuf>,
}

fn messages(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(messages @ 0..=5_000) => Ok(messages),
        _ => Err("give a number up to 5000".to_owned()),
    }
}

fn scheduler(text: &str) -> Result<SchedulerId, String> {
    let number = text.parse().ok().map(|number| SchedulerId {
        kind: SchedulerKind::Normal,
        number,
    });
    let id = number.or_else(|| SchedulerId::parse(text));
    id.ok_or_else(|| "give a number, or a name as scheduler_1, dirty_cpu_1, dirty_io_1".to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimelineFormat {
    Table,
    Json,
    Svg,
    /// Text of a sequence diagram, of --sequence
    Mermaid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimelineSort {
    /// Time on a scheduler
    Running,
    /// Time that it was ready and did not run
    Queued,
    /// Messages that it took out of its mailbox
    Received,
    /// Messages that it sent
    Sent,
    /// The longest that a message lay in its mailbox
    Lain,
    /// The most messages in its mailbox
    Mailbox,
    /// Time in garbage collections
    Gc,
}

impl TimelineArgs {
    /// The format of what is no picture.
    pub(crate) fn table(&self) -> ReportFormat {
        match self.format {
            Some(TimelineFormat::Json) => ReportFormat::Json,
            _ => ReportFormat::Table,
        }
    }
}
