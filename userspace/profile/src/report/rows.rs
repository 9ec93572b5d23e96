//! The rows of a report. Field names are stable: they are the JSON and CSV columns.

use escope_model::{Activity, Truncation};
use serde::Serialize;

use crate::class::FrameClass;

/// How long tables may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows of each table; `usize::MAX` for all.
    pub rows: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { rows: 30 }
    }
}

/// The first rows of a table, and how many were left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Top<T> {
    /// The first rows.
    pub rows: Vec<T>,
    /// How many rows the whole table has beyond these.
    pub omitted: usize,
}

impl<T> Top<T> {
    /// Sorts by falling `rank`, then by rising name, and cuts.
    pub(crate) fn of<N: Ord>(
        mut rows: Vec<T>,
        limits: Limits,
        rank: impl Fn(&T) -> (u64, u64),
        name: impl Fn(&T) -> N,
    ) -> Top<T> {
        rows.sort_by_cached_key(|row| (std::cmp::Reverse(rank(row)), name(row)));
        let omitted = rows.len().saturating_sub(limits.rows);
        rows.truncate(limits.rows);
        Top { rows, omitted }
    }
}

/// A part of the work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Share {
    /// How many samples.
    pub samples: u64,
    /// Their CPU time.
    pub cpu_ns: u64,
    /// Fraction of the work.
    pub share: f64,
}

/// Processes that share a registered name, a label or an initial call. Only work.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupRow {
    /// What they share.
    pub name: String,
    /// How many of them were sampled.
    pub processes: u64,
    /// How many samples.
    pub samples: u64,
    /// Their CPU time.
    pub cpu_ns: u64,
    /// Part of it spent in garbage collection.
    pub gc_ns: u64,
    /// Fraction of all that passed the filter.
    pub share: f64,
    /// Fraction of the work.
    pub work_share: f64,
}

/// One process. Only work.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProcessRow {
    /// As the VM prints it: `<0.N.S>`.
    pub pid: String,
    /// Registered name, else label, else initial call with the pid, else the pid.
    pub name: String,
    /// Where it started: `mod:fun/1`.
    pub initial_call: Option<String>,
    /// How many samples.
    pub samples: u64,
    /// Their CPU time.
    pub cpu_ns: u64,
    /// Part of it spent in garbage collection.
    pub gc_ns: u64,
    /// Fraction of all that passed the filter.
    pub share: f64,
    /// Fraction of the work.
    pub work_share: f64,
}

/// A function that Erlang code can call: Erlang, Elixir, BIF or NIF.
///
/// Every sample with such a function on its stack is charged to exactly one, the
/// callable function nearest to the leaf. So C and kernel code below a BIF hang on
/// the BIF, a BIF does not hang on its caller, and a collection hangs on the
/// function that caused it. The charge splits by what the CPU did:
/// `erlang_self_ns = self_ns + native_ns + kernel_ns + gc_ns`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunctionRow {
    /// `mod:fun/1`, `Mod.fun/1`.
    pub name: String,
    /// What it is.
    pub class: FrameClass,
    /// Module atom, unquoted.
    pub module: Option<String>,
    /// Source file.
    pub file: Option<String>,
    /// The line charged most, from 1; of a function charged nothing, the line seen most.
    pub line: Option<u32>,
    /// Samples charged.
    pub samples: u64,
    /// CPU time charged.
    pub erlang_self_ns: u64,
    /// Part with the leaf in the function's own code.
    pub self_ns: u64,
    /// Part in C code and in fragments of the runtime that it called, missing frames
    /// included.
    pub native_ns: u64,
    /// Part in the kernel.
    pub kernel_ns: u64,
    /// Part in garbage collection, whatever its leaf.
    pub gc_ns: u64,
    /// CPU time charged, as a fraction of the work.
    pub erlang_self_share: f64,
    /// Samples with the function anywhere on the stack, recursion counted once.
    pub total_samples: u64,
    /// Their CPU time.
    pub total_ns: u64,
    /// The same as a fraction of the work.
    pub total_share: f64,
}

/// A module, by the functions of [`FunctionRow`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModuleRow {
    /// The atom as its community writes it: Elixir modules without `Elixir.`.
    pub module: String,
    /// Samples charged to its functions.
    pub samples: u64,
    /// CPU time charged to its functions.
    pub erlang_self_ns: u64,
    /// The same as a fraction of the work.
    pub erlang_self_share: f64,
    /// Samples with one of its functions anywhere on the stack, counted once.
    pub total_samples: u64,
    /// Their CPU time.
    pub total_ns: u64,
    /// The same as a fraction of the work.
    pub total_share: f64,
}

/// A function that Erlang code cannot call: C, kernel, a fragment of the runtime; or
/// a marker for what is missing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NativeRow {
    /// Symbol, or `[marker]`.
    pub name: String,
    /// What it is; the same symbol has one row below a collection and one elsewhere.
    pub class: FrameClass,
    /// The file it was mapped from.
    pub object: Option<String>,
    /// Samples with the leaf in it.
    pub samples: u64,
    /// Their CPU time.
    pub self_ns: u64,
    /// The same as a fraction of the work.
    pub self_share: f64,
    /// Samples with it anywhere on the stack, recursion counted once.
    pub total_samples: u64,
    /// Their CPU time.
    pub total_ns: u64,
    /// The same as a fraction of the work.
    pub total_share: f64,
}

/// One activity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ActivityRow {
    /// What threads were doing.
    pub activity: Activity,
    /// How many samples.
    pub samples: u64,
    /// Their CPU time.
    pub cpu_ns: u64,
    /// Fraction of all that passed the filter.
    pub share: f64,
    /// Fraction of the work; none for what is no work.
    pub work_share: Option<f64>,
}

/// One scheduler.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SchedulerRow {
    /// `scheduler_1`, `dirty_cpu_1`, `dirty_io_1`.
    pub scheduler: String,
    /// How many samples.
    pub samples: u64,
    /// CPU time: `work_ns + busy_wait_ns + idle_ns`. A sleeping scheduler has none.
    pub cpu_ns: u64,
    /// Part that is work.
    pub work_ns: u64,
    /// Part burnt hoping for work.
    pub busy_wait_ns: u64,
    /// Part spent going to sleep and waking.
    pub idle_ns: u64,
    /// Work as a fraction of the wall time; none where that is unknown. Above 1 only
    /// by the error of sampling.
    pub utilisation: Option<f64>,
}

/// One thread that is no scheduler.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThreadRow {
    /// Kernel thread id.
    pub tid: u32,
    /// The thread's name.
    pub name: String,
    /// What it is for.
    pub kind: String,
    /// How many samples.
    pub samples: u64,
    /// Their CPU time.
    pub cpu_ns: u64,
    /// Fraction of all that passed the filter.
    pub share: f64,
}

/// One reason for incomplete stacks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TruncationRow {
    /// Why.
    pub reason: Truncation,
    /// How many samples.
    pub samples: u64,
    /// Their CPU time.
    pub cpu_ns: u64,
    /// Fraction of all that passed the filter.
    pub share: f64,
}
