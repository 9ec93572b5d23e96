//! `manifest.json`: what was recorded, where, how, and how it ended.
//!
//! Written when a recording starts, and replaced in one step about once a second and when
//! it ends: the field `form` decides which files count. Fields that are unknown are ignored and fields
//! that are absent have their empty value, so a recording opens in older and newer
//! versions of one major format.

mod clock;
mod file;

use std::collections::BTreeMap;

use escope_model::Loss;
use serde::{Deserialize, Serialize};

use crate::tables::Table;

pub use clock::Clocks;
pub(crate) use file::{load, remove, save};

/// The version of the format that this crate writes.
pub const FORMAT_VERSION: FormatVersion = FormatVersion { major: 1, minor: 1 };

/// A version of the format: a reader understands its own major version and earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormatVersion {
    /// Raised when an older reader would misunderstand.
    pub major: u32,
    /// Raised when something is added that an older reader may ignore.
    pub minor: u32,
}

/// Which files of a recording count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Arrow IPC streams, still growing or cut short.
    Streams,
    /// Sorted Parquet files, one a table.
    Parquet,
}

/// The contents of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Set by the writer.
    pub format_version: FormatVersion,
    /// Set by the writer.
    pub form: Form,
    /// The version of the program that recorded.
    #[serde(default)]
    pub tool_version: String,
    /// The VM that was recorded.
    #[serde(default)]
    pub target: Target,
    /// The machine it ran on.
    #[serde(default)]
    pub host: Host,
    /// What the time stamps mean.
    #[serde(default)]
    pub clocks: Clocks,
    /// What was asked for.
    #[serde(default)]
    pub options: Options,
    /// How the VM's data structures were found.
    #[serde(default)]
    pub layout: Layout,
    /// Which events of the VM were watched; none where nobody asked for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Events>,
    /// Counts over the whole recording.
    #[serde(default)]
    pub totals: Totals,
    /// What recording cost.
    #[serde(default)]
    pub recorder: Recorder,
    /// Losses, summed up by place.
    #[serde(default)]
    pub losses: Vec<Loss>,
    /// How it ended; absent while it runs and when it was cut short.
    #[serde(default)]
    pub ended: Option<Ended>,
    /// The Parquet files by table; set by the writer, empty in the stream form.
    #[serde(default)]
    pub tables: BTreeMap<String, TableFile>,
}

impl Default for Manifest {
    fn default() -> Self {
        Manifest {
            format_version: FORMAT_VERSION,
            form: Form::Streams,
            tool_version: String::new(),
            target: Target::default(),
            host: Host::default(),
            clocks: Clocks::default(),
            options: Options::default(),
            layout: Layout::default(),
            events: None,
            totals: Totals::default(),
            recorder: Recorder::default(),
            losses: Vec::new(),
            ended: None,
            tables: BTreeMap::new(),
        }
    }
}

impl Manifest {
    /// What the manifest says of a table's Parquet file.
    #[must_use]
    pub fn table(&self, table: Table) -> Option<&TableFile> {
        self.tables.get(table.name())
    }
}

/// The VM that was recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    /// OS process id.
    pub pid: u32,
    /// The node's name, if it has one.
    pub node: Option<String>,
    /// Path of the emulator's executable.
    pub exe: String,
    /// Its build id, in hexadecimal.
    pub build_id: Option<String>,
    /// Such as `27`.
    pub otp_release: Option<String>,
    /// Such as `15.2.7`.
    pub erts_version: Option<String>,
    /// Such as `x86_64`.
    pub arch: String,
    /// How many normal schedulers it has; unknown in recordings of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedulers: Option<u16>,
    /// Its arguments; left out unless the user asks, since they may hold secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_line: Option<Vec<String>>,
}

/// The machine the target ran on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Kernel release.
    pub kernel: String,
    /// Host name.
    pub hostname: String,
    /// CPUs that were online.
    pub cpus: u32,
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Samples per second and CPU.
    pub frequency_hz: u32,
    /// What makes a sample, such as `cpu-clock` or `cycles`.
    pub clock: String,
    /// At most so many bytes of an Erlang stack were copied.
    pub stack_cap_bytes: u32,
    /// How long to record; none is until interrupted.
    pub duration_ns: Option<i64>,
    /// The BIFs and NIFs whose calls were recorded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<String>,
    /// Whether their returns were too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub call_times: bool,
    /// How loading of code was followed: `exact`, by each announcement of the VM, or
    /// `polled: ` and why.
    pub code_following: String,
}

/// Which events of the VM were watched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Events {
    /// What was asked for and could not be seen, or was not seen though it must have happened: a
    /// sentence each.
    pub unseen: Vec<String>,
    /// How often each probe that was placed was hit, by what it sees; also 0.
    pub hits: BTreeMap<String, u64>,
}

/// How the VM's data structures were found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layout {
    /// Such as `dwarf` or `table otp-27`.
    pub source: String,
    /// Such as `exact` or `guessed`.
    pub certainty: String,
    /// What a reader should know about it, a sentence each.
    pub notes: Vec<String>,
}

/// Counts over the whole recording.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Timer ticks that found the target.
    pub attempts: u64,
    /// Of these, how many reached the recorder.
    pub recorded: u64,
    /// Of these, how many were lost on the way.
    pub lost: u64,
    /// Rows of table `samples`.
    pub samples: u64,
    /// Distinct stacks.
    pub stacks: u64,
    /// Distinct frames.
    pub frames: u64,
    /// Distinct processes.
    pub processes: u64,
    /// Samples with an Erlang stack.
    pub erlang_stacks: u64,
    /// Samples whose stack reaches its first frame.
    pub complete_stacks: u64,
    /// More counts by name.
    pub counters: BTreeMap<String, u64>,
}

/// What recording cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recorder {
    /// CPU time of the recorder.
    pub cpu_ns: u64,
    /// Its largest resident memory.
    pub peak_rss_bytes: u64,
    /// Bytes it wrote.
    pub bytes_written: u64,
}

/// Why a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedHow {
    /// The time asked for was over.
    Duration,
    /// The user stopped it.
    Interrupted,
    /// The target went away.
    TargetExited,
    /// Recording failed.
    Failed,
    /// A reason that this version does not know.
    #[serde(other)]
    Unknown,
}

/// How a recording ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Why.
    pub how: EndedHow,
    /// When, nanoseconds since the recording's start.
    pub at_ns: i64,
    /// More about it, one sentence.
    #[serde(default)]
    pub note: Option<String>,
}

/// A table's Parquet file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFile {
    /// Rows.
    pub rows: u64,
    /// The file's length in bytes.
    pub bytes: u64,
    /// CRC-32 (IEEE) of the whole file.
    pub crc32: u32,
}

#[cfg(test)]
mod tests;
