//! The questions, by what they are about.

mod budget;
mod drawing;
mod events;
mod frame_pointers;
mod growth;
mod inside;
mod sampling;
mod snapshot;
mod states;
mod truth;

use std::time::Duration;

use anyhow::{Context, Result};

use super::Bench;
use super::abab::Turns;
use super::loads::{BUSY, EMPTY, IDLE, LOADS, PING_PONG};
use super::pause::pause;
use super::row::{Row, Unit};
use super::statistics::Estimate;
use super::verdict::Target;

/// A bench: several questions that are answered by one run.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// How long it takes, and with `--quick`: about so many seconds.
    took_s: (u64, u64),
    when: When,
    pub(super) run: fn(&Bench) -> Result<Vec<Row>>,
}

/// When it runs without being named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    /// But with `--quick`.
    Slowly,
    /// Only if it is named.
    Never,
}

impl Entry {
    pub(super) fn runs_unasked(&self, quick: bool) -> bool {
        match self.when {
            When::Always => true,
            When::Slowly => !quick,
            When::Never => false,
        }
    }

    /// For a list.
    pub(super) fn line(&self) -> String {
        let when = match self.when {
            When::Always => "",
            When::Slowly => " [not with --quick, unless named]",
            When::Never => " [only if named]",
        };
        let (whole, quick) = self.took_s;
        format!(
            "{:16} {whole:>5} s, {quick:>4} s quick  {}{when}",
            self.name, self.what
        )
    }
}

const fn entry(
    name: &'static str,
    what: &'static str,
    took_s: (u64, u64),
    run: fn(&Bench) -> Result<Vec<Row>>,
) -> Entry {
    Entry {
        name,
        what,
        took_s,
        when: When::Always,
        run,
    }
}

impl Entry {
    const fn when(mut self, when: When) -> Entry {
        self.when = when;
        self
    }
}

/// All there are.
pub(super) const BENCHES: &[Entry] = &[
    entry(
        "sampling-99",
        "cost at 99 Hz, beside perf",
        (250, 170),
        sampling::at_99,
    ),
    entry(
        "sampling-999",
        "cost at 999 Hz, beside perf",
        (80, 50),
        sampling::at_999,
    ),
    entry(
        "sampling-4999",
        "cost at 4999 Hz, beside perf",
        (80, 50),
        sampling::at_4999,
    ),
    entry(
        "sampling-loads",
        "cost at 99 Hz under each load",
        (230, 140),
        sampling::loads,
    )
    .when(When::Slowly),
    entry(
        "idle",
        "what a VM pays that has nothing to do",
        (90, 40),
        sampling::idle,
    ),
    entry(
        "attach",
        "how long until it records",
        (70, 38),
        sampling::attach,
    ),
    entry(
        "event-price",
        "what a message costs more that is recorded",
        (240, 100),
        events::price,
    ),
    entry(
        "event-kinds",
        "what an event costs, by its kind",
        (200, 120),
        events::kinds,
    )
    .when(When::Slowly),
    entry(
        "event-flood",
        "how many events a second, and what is lost",
        (80, 42),
        events::flood,
    ),
    entry(
        "event-budget",
        "--max-overhead 2 and 5, messages and nothing else",
        (1060, 640),
        budget::of_messages,
    )
    .when(When::Slowly),
    entry(
        "event-rabbitmq",
        "--max-overhead 1, RabbitMQ",
        (420, 260),
        budget::rabbitmq,
    )
    .when(When::Slowly),
    entry(
        "event-loads",
        "--max-overhead 1 under each load",
        (3300, 2000),
        budget::loads,
    )
    .when(When::Never),
    entry(
        "event-million",
        "one recording of RabbitMQ with a million events",
        (660, 660),
        budget::million,
    )
    .when(When::Never),
    entry(
        "snapshot-cost",
        "a snapshot of 10,000 processes each second",
        (60, 50),
        snapshot::cost,
    )
    .when(When::Slowly),
    entry(
        "snapshot-peers",
        "snapshots beside process_info/2",
        (150, 70),
        snapshot::peers,
    ),
    entry(
        "snapshot-wedged",
        "a snapshot of a VM that does not answer",
        (10, 10),
        snapshot::wedged,
    ),
    entry(
        "snapshot-growth",
        "a snapshot by the number of processes",
        (60, 20),
        growth::processes,
    ),
    entry(
        "names",
        "reading all names by the number of modules",
        (60, 60),
        growth::modules,
    )
    .when(When::Slowly),
    entry(
        "schedulers",
        "a sample by the number of schedulers",
        (60, 30),
        growth::schedulers,
    )
    .when(When::Slowly),
    entry(
        "depth",
        "a sample by the depth of the stack",
        (60, 30),
        growth::depth,
    )
    .when(When::Slowly),
    entry(
        "events",
        "an event by how many there are",
        (80, 30),
        growth::events,
    )
    .when(When::Slowly),
    entry(
        "drawing",
        "from the end of recording to the flame graph",
        (330, 60),
        drawing::from_end_to_svg,
    ),
    entry(
        "truth-split",
        "shares of processes that are known",
        (30, 15),
        truth::split,
    ),
    entry(
        "truth-perf",
        "shares of functions beside perf's",
        (30, 15),
        truth::perf,
    ),
    entry(
        "truth-messages",
        "messages that are counted",
        (10, 10),
        truth::messages,
    ),
    entry(
        "truth-states",
        "states of a server that never rests",
        (60, 15),
        states::right,
    ),
    entry(
        "frame-pointers",
        "what perf asks of the VM before it comes",
        (40, 20),
        frame_pointers::cost,
    )
    .when(When::Slowly),
    entry(
        "profilers",
        "eprof, fprof and a ring in the VM, on the same functions",
        (180, 110),
        inside::profilers,
    )
    .when(When::Slowly),
];

/// An estimate, of as many as there must be.
fn estimate(values: &[f64]) -> Result<Estimate> {
    Estimate::of(values).context("too few windows that can be compared")
}

/// What the VM pays for a watcher: CPU time for a unit of work, against none, by a yardstick where there is one.
fn cost(
    turns: &Turns,
    watcher: usize,
    name: impl Into<String>,
    question: impl Into<String>,
    target: Target,
) -> Result<Row> {
    let figure = estimate(&turns.ratios(watcher))?;
    let (records, lost) = turns.records_and_lost(watcher);
    let row = Row::new(name, question, (figure, Unit::More), target);
    let row = row.on(turns.calm()).from(turns.raw());
    let row = match turns.plain_ratios(watcher) {
        Some(plain) => row.beside("by no yardstick", estimate(&plain)?),
        None => row,
    };
    // Not everybody counts.
    Ok(match records + lost {
        0 => row,
        _ => row.noting(format!("{records} records, {lost} lost")),
    })
}

/// Until what was just started has grown to its size.
fn warm_up(bench: &Bench, seconds: u64) -> Result<()> {
    let seconds = if bench.quick {
        seconds.div_ceil(2)
    } else {
        seconds
    };
    pause(Duration::from_secs(seconds))
}
