//! The tables that a query can name, and how each is made.
//!
//! A recording's own tables are scanned where they lie. The derived ones rest on
//! names, which are worked out when a query first needs them and then kept.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use escope_model::Activity;
use escope_recording::Watched;
use polars::prelude::{
    Column, DataFrame, DataType, Expr, IntoLazy, JoinArgs, JoinType, LazyFrame, NULL, PolarsError,
    PolarsResult, TimeUnit, col, lit, when,
};

use crate::names::{named_frames, named_ports, named_processes};
use crate::scan::ParquetTable;
use crate::stacks::{ends, spread};

/// Derived tables, in the order they are listed, and the table that each has the rows of.
/// Recordings of earlier versions lack some.
const VIEWS: [(&str, &str); 16] = [
    ("cpu", "samples"),
    ("named_dist", "dist"),
    ("named_frames", "frames"),
    ("named_gc", "gc"),
    ("named_lifecycle", "lifecycle"),
    ("named_messages", "messages"),
    ("named_modules", "modules"),
    ("named_native_calls", "native_calls"),
    ("named_off_cpu", "off_cpu"),
    ("named_payloads", "payloads"),
    ("named_port_events", "port_events"),
    ("named_ports", "ports"),
    ("named_processes", "processes"),
    ("named_runs", "runs"),
    ("stack_frames", "stacks"),
    ("watched", "runs"),
];

/// Columns of `cpu`, the important ones first.
const CPU: [&str; 21] = [
    "ts_ns",
    "weight_ns",
    "activity",
    "work",
    "process",
    "process_group",
    "pid",
    "name",
    "label",
    "initial_call",
    "leaf",
    "leaf_kind",
    "erlang_function",
    "erlang_module",
    "scheduler",
    "cpu",
    "tid",
    "truncated",
    "proc",
    "stack",
    "time",
];

/// Columns of `stack_frames`.
const STACK_FRAMES: [&str; 10] = [
    "stack", "depth", "frame", "name", "kind", "module", "function", "arity", "file", "line",
];

/// Columns of `named_runs`.
const NAMED_RUNS: [&str; 15] = [
    "start_ns",
    "end_ns",
    "ran_ns",
    "process",
    "process_group",
    "pid",
    "scheduler",
    "woken_by",
    "reductions",
    "left_as",
    "left_in",
    "file",
    "line",
    "cut",
    "proc",
];

/// Columns of `named_messages`.
const NAMED_MESSAGES: [&str; 16] = [
    "msg",
    "sent_ns",
    "received_ns",
    "lay_ns",
    "kind",
    "tag",
    "fate",
    "size_words",
    "sender",
    "sender_group",
    "sender_pid",
    "receiver",
    "receiver_group",
    "receiver_pid",
    "from",
    "to",
];

/// Columns of `named_payloads`.
const NAMED_PAYLOADS: [&str; 10] = [
    "msg", "sent_ns", "kind", "tag", "sender", "receiver", "fate", "seen", "text", "masked",
];

/// Columns of `named_lifecycle`.
const NAMED_LIFECYCLE: [&str; 11] = [
    "ts_ns",
    "event",
    "process",
    "process_group",
    "pid",
    "other_process",
    "other_pid",
    "name",
    "reason",
    "proc",
    "other",
];

/// Columns of `named_native_calls`.
const NAMED_NATIVE_CALLS: [&str; 16] = [
    "start_ns",
    "end_ns",
    "took_ns",
    "process",
    "process_group",
    "pid",
    "called",
    "called_kind",
    "returns_to",
    "file",
    "line",
    "scheduler",
    "cut",
    "proc",
    "function",
    "caller",
];

/// Columns of `named_gc`.
const NAMED_GC: [&str; 11] = [
    "start_ns",
    "end_ns",
    "took_ns",
    "process",
    "process_group",
    "pid",
    "before_words",
    "after_words",
    "kind",
    "cut",
    "proc",
];

/// Columns of `named_off_cpu`.
const NAMED_OFF_CPU: [&str; 12] = [
    "start_ns",
    "end_ns",
    "took_ns",
    "blocked_ns",
    "preempted_ns",
    "why",
    "scheduler",
    "process",
    "process_group",
    "pid",
    "cut",
    "proc",
];

/// Columns of `named_modules`.
const NAMED_MODULES: [&str; 7] = [
    "ts_ns",
    "event",
    "module",
    "process",
    "process_group",
    "pid",
    "proc",
];

/// Columns of `named_ports`.
const NAMED_PORTS: [&str; 13] = [
    "port",
    "port_name",
    "id",
    "driver",
    "name",
    "owner_process",
    "owner_group",
    "owner_pid",
    "opened_ns",
    "closed_ns",
    "bytes_in",
    "bytes_out",
    "owner",
];

/// Columns of `named_dist`.
const NAMED_DIST: [&str; 9] = [
    "ts_ns",
    "event",
    "node",
    "op",
    "bytes",
    "process",
    "process_group",
    "pid",
    "proc",
];

/// Columns of `named_port_events`.
const NAMED_PORT_EVENTS: [&str; 10] = [
    "ts_ns",
    "event",
    "bytes",
    "port_name",
    "driver",
    "process",
    "process_group",
    "pid",
    "port",
    "proc",
];

/// Every table of one recording.
#[derive(Debug)]
pub(crate) struct Tables {
    files: BTreeMap<&'static str, ParquetTable>,
    start_realtime_ns: i64,
    watched: Watched,
    frames: OnceLock<DataFrame>,
    processes: OnceLock<DataFrame>,
    ends: OnceLock<DataFrame>,
}

impl Tables {
    /// The tables in `files` of a recording that started at an instant, nanoseconds
    /// since 1970.
    pub(crate) fn new(
        files: BTreeMap<&'static str, ParquetTable>,
        start_realtime_ns: i64,
        watched: Watched,
    ) -> Tables {
        Tables {
            files,
            start_realtime_ns,
            watched,
            frames: OnceLock::new(),
            processes: OnceLock::new(),
            ends: OnceLock::new(),
        }
    }

    /// Whether a query can name it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name) || self.derived().any(|view| view == name)
    }

    /// The recording's own tables.
    pub(crate) fn own(&self) -> impl Iterator<Item = &'static str> {
        self.files.keys().copied()
    }

    /// The derived tables.
    pub(crate) fn derived(&self) -> impl Iterator<Item = &'static str> {
        let is_there = |base: &str| self.files.contains_key(base);
        let views = VIEWS.into_iter();
        views
            .filter(move |(_, base)| is_there(base))
            .map(|(view, _)| view)
    }

    /// Every name, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.own().chain(self.derived()).map(Into::into).collect();
        names.sort();
        names
    }

    /// The table of a name that [`Tables::has`].
    pub(crate) fn get(&self, name: &str) -> PolarsResult<LazyFrame> {
        match name {
            "cpu" => self.cpu(),
            "named_dist" => self.named_dist(),
            "named_frames" => Ok(self.named_frames()?.lazy()),
            "named_gc" => self.named_gc(),
            "named_lifecycle" => self.named_lifecycle(),
            "named_messages" => self.named_messages(),
            "named_modules" => self.named_modules(),
            "named_native_calls" => self.named_native_calls(),
            "named_off_cpu" => self.named_off_cpu(),
            "named_payloads" => self.named_payloads(),
            "named_port_events" => self.named_port_events(),
            "named_ports" => self.named_ports(),
            "named_processes" => Ok(self.named_processes()?.lazy()),
            "named_runs" => self.named_runs(),
            "stack_frames" => self.stack_frames(),
            "watched" => self.watched(),
            own => self.file(own)?.lazy(),
        }
    }

    fn cpu(&self) -> PolarsResult<LazyFrame> {
        let processes = self.named_processes()?.drop("parent")?;
        let ends = kept(&self.ends, || {
            ends(&self.file("stacks")?.frame()?, &self.named_frames()?)
        })?;
        let samples = self.file("samples")?.lazy()?;
        Ok(
            left_join(left_join(samples, processes, "proc"), ends, "stack")
                .with_columns([
                    work().alias("work"),
                    self.time().alias("time"),
                    // A column may not have the name of its table.
                    col("cpu").alias("cpu"),
                ])
                .select(CPU.map(col)),
        )
    }

    /// The wall clock in UTC.
    fn time(&self) -> Expr {
        (col("ts_ns") + lit(self.start_realtime_ns))
            .cast(DataType::Datetime(TimeUnit::Nanoseconds, None))
    }

    fn stack_frames(&self) -> PolarsResult<LazyFrame> {
        let rows = spread(&self.file("stacks")?.frame()?)?;
        Ok(left_join(rows.lazy(), self.named_frames()?, "frame").select(STACK_FRAMES.map(col)))
    }

    fn named_runs(&self) -> PolarsResult<LazyFrame> {
        let places = self
            .named_frames()?
            .lazy()
            .select([
                col("frame").alias("at"),
                col("name").alias("left_in"),
                col("file"),
                col("line"),
            ])
            .collect()?;
        let who = self.who(["process", "process_group", "pid"])?;
        let runs = self.with_added("runs", "woken_by", DataType::String)?;
        let runs = left_join(left_join(runs, who, "proc"), places, "at");
        let ran = (col("end_ns") - col("start_ns")).alias("ran_ns");
        Ok(runs.with_columns([ran]).select(NAMED_RUNS.map(col)))
    }

    fn named_messages(&self) -> PolarsResult<LazyFrame> {
        let sender = self.who(["sender", "sender_group", "sender_pid"])?;
        let receiver = self.who(["receiver", "receiver_group", "receiver_pid"])?;
        let messages = self.with_added("messages", "size_words", DataType::Int64)?;
        let messages = left_join_on(messages, "from", sender);
        let messages = left_join_on(messages, "to", receiver);
        let lay = (col("received_ns") - col("sent_ns")).alias("lay_ns");
        Ok(messages.with_columns([lay]).select(NAMED_MESSAGES.map(col)))
    }

    fn named_payloads(&self) -> PolarsResult<LazyFrame> {
        let of_message = ["msg", "kind", "tag", "sender", "receiver", "fate"];
        let messages = self.named_messages()?.select(of_message.map(col));
        let joined = self.file("payloads")?.lazy()?.join(
            messages,
            [col("msg")],
            [col("msg")],
            JoinArgs::new(JoinType::Left),
        );
        Ok(joined.select(NAMED_PAYLOADS.map(col)))
    }

    fn named_lifecycle(&self) -> PolarsResult<LazyFrame> {
        let who = self.who(["process", "process_group", "pid"])?;
        let other = self.who(["other_process", "other_group", "other_pid"])?;
        let lives = left_join(self.file("lifecycle")?.lazy()?, who, "proc");
        Ok(left_join_on(lives, "other", other).select(NAMED_LIFECYCLE.map(col)))
    }

    fn named_gc(&self) -> PolarsResult<LazyFrame> {
        let who = self.who(["process", "process_group", "pid"])?;
        let collections = left_join(self.file("gc")?.lazy()?, who, "proc");
        let took = (col("end_ns") - col("start_ns")).alias("took_ns");
        Ok(collections.with_columns([took]).select(NAMED_GC.map(col)))
    }

    /// One row: when events were watched, and what counts of them stand for.
    fn watched(&self) -> PolarsResult<LazyFrame> {
        let of = &self.watched;
        let whole = |number: Option<u64>| vec![number.and_then(|it| i64::try_from(it).ok())];
        let columns = vec![
            Column::new("windows".into(), whole(Some(of.windows.len() as u64))),
            Column::new("watched_ns".into(), whole(Some(of.open_ns()))),
            Column::new("watched_reductions".into(), whole(of.reductions)),
            Column::new("vm_reductions".into(), whole(of.vm_reductions)),
            Column::new("scale".into(), vec![of.scale()]),
        ];
        Ok(DataFrame::new(1, columns)?.lazy())
    }

    /// As `OffCpu::ready_from_ns` has it.
    fn named_off_cpu(&self) -> PolarsResult<LazyFrame> {
        let who = self.who(["process", "process_group", "pid"])?;
        let times = left_join(self.file("off_cpu")?.lazy()?, who, "proc");
        let took = col("end_ns") - col("start_ns");
        let ready = col("ready_ns").cast(DataType::Int64).fill_null(lit(0_i64));
        let is_preempted = col("why").eq(lit("preempted")).fill_null(lit(false));
        let preempted = when(is_preempted.or(ready.clone().gt(took.clone())))
            .then(took.clone())
            .otherwise(ready);
        let columns = [
            took.clone().alias("took_ns"),
            (took - preempted.clone()).alias("blocked_ns"),
            preempted.alias("preempted_ns"),
        ];
        Ok(times.with_columns(columns).select(NAMED_OFF_CPU.map(col)))
    }

    fn named_native_calls(&self) -> PolarsResult<LazyFrame> {
        let frames = self.named_frames()?.lazy();
        let called = frames.clone().select([
            col("frame").alias("function"),
            col("name").alias("called"),
            col("kind").alias("called_kind"),
        ]);
        let callers = frames.select([
            col("frame").alias("caller"),
            col("name").alias("returns_to"),
            col("file"),
            col("line"),
        ]);
        let who = self.who(["process", "process_group", "pid"])?;
        let calls = left_join(self.file("native_calls")?.lazy()?, who, "proc");
        let calls = left_join(calls, called.collect()?, "function");
        let calls = left_join(calls, callers.collect()?, "caller");
        let took = (col("end_ns") - col("start_ns")).alias("took_ns");
        Ok(calls
            .with_columns([took])
            .select(NAMED_NATIVE_CALLS.map(col)))
    }

    fn named_modules(&self) -> PolarsResult<LazyFrame> {
        let who = self.who(["process", "process_group", "pid"])?;
        let modules = left_join(self.file("modules")?.lazy()?, who, "proc");
        Ok(modules.select(NAMED_MODULES.map(col)))
    }

    fn named_dist(&self) -> PolarsResult<LazyFrame> {
        let who = self.who(["process", "process_group", "pid"])?;
        let dist = left_join(self.file("dist")?.lazy()?, who, "proc");
        Ok(dist.select(NAMED_DIST.map(col)))
    }

    fn named_ports(&self) -> PolarsResult<LazyFrame> {
        let ports = named_ports(self.file("ports")?.frame()?)?;
        let owner = self.who(["owner_process", "owner_group", "owner_pid"])?;
        Ok(left_join_on(ports.lazy(), "owner", owner).select(NAMED_PORTS.map(col)))
    }

    fn named_port_events(&self) -> PolarsResult<LazyFrame> {
        let ports = named_ports(self.file("ports")?.frame()?)?
            .lazy()
            .select([col("port"), col("port_name"), col("driver")])
            .collect()?;
        let who = self.who(["process", "process_group", "pid"])?;
        let events = left_join(self.file("port_events")?.lazy()?, who, "proc");
        Ok(left_join(events, ports, "port").select(NAMED_PORT_EVENTS.map(col)))
    }

    /// `proc`, and under these names what a process is called, its kind and its pid.
    fn who(&self, [name, group, pid]: [&str; 3]) -> PolarsResult<DataFrame> {
        let columns = [
            col("proc"),
            col("process").alias(name),
            col("process_group").alias(group),
            col("pid").alias(pid),
        ];
        self.named_processes()?.lazy().select(columns).collect()
    }

    fn named_frames(&self) -> PolarsResult<DataFrame> {
        kept(&self.frames, || named_frames(self.file("frames")?.frame()?))
    }

    fn named_processes(&self) -> PolarsResult<DataFrame> {
        kept(&self.processes, || {
            named_processes(self.file("processes")?.frame()?)
        })
    }

    /// A table of the recording, with a column that recordings of earlier versions lack: there it
    /// is null.
    fn with_added(&self, table: &str, column: &str, kind: DataType) -> PolarsResult<LazyFrame> {
        let file = self.file(table)?;
        let rows = file.lazy()?;
        if file.columns()?.contains(column) {
            return Ok(rows);
        }
        Ok(rows.with_columns([lit(NULL).cast(kind).alias(column)]))
    }

    fn file(&self, name: &str) -> PolarsResult<&ParquetTable> {
        self.files.get(name).ok_or_else(|| {
            let what = format!("the recording has no table {name}");
            PolarsError::ComputeError(what.into())
        })
    }
}

/// What was made before, or else is made now. Two queries at once may both make it.
fn kept(
    place: &OnceLock<DataFrame>,
    make: impl FnOnce() -> PolarsResult<DataFrame>,
) -> PolarsResult<DataFrame> {
    if let Some(frame) = place.get() {
        return Ok(frame.clone());
    }
    let frame = make()?;
    Ok(place.get_or_init(|| frame).clone())
}

fn left_join(left: LazyFrame, right: DataFrame, key: &str) -> LazyFrame {
    left.join(
        right.lazy(),
        [col(key)],
        [col(key)],
        JoinArgs::new(JoinType::Left),
    )
}

/// Processes by a column that has another name here.
fn left_join_on(left: LazyFrame, key: &str, processes: DataFrame) -> LazyFrame {
    left.join(
        processes.lazy(),
        [col(key)],
        [col("proc")],
        JoinArgs::new(JoinType::Left),
    )
}

/// Whether the CPU did something that the program asked for.
fn work() -> Expr {
    Activity::ALL
        .iter()
        .filter(|activity| !activity.is_work())
        .map(|activity| col("activity").neq(lit(activity.as_str())))
        .reduce(Expr::and)
        .unwrap_or_else(|| lit(true))
}
