//! The tables of a recording: their names, columns and rows.
//!
//! One file a table: its columns, how rows become an Arrow batch and how a batch
//! becomes rows again. Both forms of a recording, the growing streams and the
//! compacted Parquet files, hold the same batches.

mod checkpoints;
mod code;
mod columns;
mod dist;
mod frames;
mod gc;
mod lifecycle;
mod losses;
mod messages;
mod modules;
mod native_calls;
mod off_cpu;
mod payloads;
mod port_events;
mod ports;
mod processes;
mod runs;
mod samples;
mod series;
mod stacks;
mod states;
mod threads;
mod windows;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};

pub use code::{CodeAction, CodeEvent};
pub(crate) use frames::FrameRow;
pub use series::SeriesPoint;
pub(crate) use stacks::StackRow;

/// One of the tables of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Distinct frames.
    Frames,
    /// Distinct stacks: lists of frames, leaf first.
    Stacks,
    /// Erlang processes.
    Processes,
    /// OS threads of the target.
    Threads,
    /// Ports.
    Ports,
    /// Code that was loaded and unloaded.
    Code,
    /// Values over time.
    Series,
    /// What is missing, when, why.
    Losses,
    /// Runs of processes on schedulers.
    Runs,
    /// Messages between processes.
    Messages,
    /// What messages said.
    Payloads,
    /// What happened to processes, besides running.
    Lifecycle,
    /// Garbage collections.
    Gc,
    /// When schedulers' threads had no CPU.
    OffCpu,
    /// Calls of BIFs and NIFs.
    NativeCalls,
    /// Modules that processes loaded and purged.
    Modules,
    /// What happened to ports.
    PortEvents,
    /// Signals to other nodes and from them.
    Dist,
    /// What processes had when they came to rest.
    States,
    /// What every process was like at a few instants.
    Checkpoints,
    /// When events were watched.
    Windows,
    /// CPU samples.
    Samples,
}

impl Table {
    /// Every table; what a row refers to comes before the row.
    pub const ALL: [Table; 22] = [
        Table::Frames,
        Table::Stacks,
        Table::Processes,
        Table::Threads,
        Table::Ports,
        Table::Code,
        Table::Series,
        Table::Losses,
        Table::Runs,
        Table::Messages,
        Table::Payloads,
        Table::Lifecycle,
        Table::Gc,
        Table::OffCpu,
        Table::NativeCalls,
        Table::Modules,
        Table::PortEvents,
        Table::Dist,
        Table::States,
        Table::Checkpoints,
        Table::Windows,
        Table::Samples,
    ];

    /// Its name in file names, in SQL and in the manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Table::Frames => "frames",
            Table::Stacks => "stacks",
            Table::Processes => "processes",
            Table::Threads => "threads",
            Table::Ports => "ports",
            Table::Code => "code",
            Table::Series => "series",
            Table::Losses => "losses",
            Table::Runs => "runs",
            Table::Messages => "messages",
            Table::Payloads => "payloads",
            Table::Lifecycle => "lifecycle",
            Table::Gc => "gc",
            Table::OffCpu => "off_cpu",
            Table::NativeCalls => "native_calls",
            Table::Modules => "modules",
            Table::PortEvents => "port_events",
            Table::Dist => "dist",
            Table::States => "states",
            Table::Checkpoints => "checkpoints",
            Table::Windows => "windows",
            Table::Samples => "samples",
        }
    }
}

/// A row of one table.
pub(crate) trait Row: Clone + Send + 'static {
    /// Its table.
    const TABLE: Table;
    /// The column that its Parquet file is sorted by.
    const SORTED_BY: &'static str;
    /// How many rows are decoded and encoded at once.
    const AT_ONCE: usize = 1 << 14;

    /// The columns' names, types and nullability.
    fn fields() -> Vec<Field>;

    /// The columns' values, in the order of `fields`.
    fn columns(rows: &[Self]) -> Vec<ArrayRef>;

    /// Appends the rows of a batch to `out`; the text says what is wrong with it.
    fn read(batch: &RecordBatch, out: &mut Vec<Self>) -> Result<(), String>;

    /// The table's schema.
    fn schema() -> SchemaRef {
        Arc::new(Schema::new(Self::fields()))
    }

    /// The rows as one Arrow batch.
    fn batch(rows: &[Self]) -> Result<RecordBatch, ArrowError> {
        RecordBatch::try_new(Self::schema(), Self::columns(rows))
    }
}

/// A row that happened at some time, or from some time on; its table is sorted by it.
pub(crate) trait Timed: Row {
    /// Nanoseconds since the recording's start.
    fn ts_ns(&self) -> i64;

    /// When it was over, for what takes time.
    fn end_ns(&self) -> i64 {
        self.ts_ns()
    }
}

/// A row that an id names; of several rows with one id the last one counts.
pub(crate) trait Keyed: Row {
    /// The id.
    fn key(&self) -> u32;
}
