//! Snapshots of the process table, and what asking the VM costs.

use std::time::Instant;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{EMPTY, IDLE, estimate, warm_up};
use crate::bench::Bench;
use crate::bench::abab::{Plan, Turns, by_turns};
use crate::bench::row::{Row, Unit};
use crate::bench::statistics::Estimate;
use crate::bench::verdict::Target;
use crate::bench::vm::{Load, Works};
use crate::bench::watch::{Inside, Snapshots, Watcher};

/// A VM with 10,000 processes and two that work, one snapshot each second.
pub(super) fn cost(bench: &Bench) -> Result<Vec<Row>> {
    let plan = bench.plan(Plan::even(12, 2000), Plan::even(10, 2000));
    let mut vm = bench.vm(Load {
        parked: 10_000,
        sort: 2,
        ..EMPTY
    })?;
    warm_up(bench, 2)?;
    let mut looks = Snapshots::new(&bench.escope, 1);
    let turns = by_turns(&mut vm, &mut [&mut looks], plan)?;
    let question =
        "the VM's CPU for a unit of work with a snapshot of its 10,000 processes each second";
    let row = super::cost(&turns, 0, "snapshot-cost", question, Target::AtMost(1.005))?;
    Ok(vec![row])
}

/// An idle VM of 100,000 processes: what one look at all of them costs it, and how long it takes.
pub(super) fn peers(bench: &Bench) -> Result<Vec<Row>> {
    let plan = bench.plan(Plan::even(10, 2000), Plan::even(6, 1000));
    let mut vm = bench.vm(IDLE)?;
    warm_up(bench, 4)?;
    let mut looks = Snapshots::new(&bench.escope, 1);
    let mut often = Snapshots::new(&bench.escope, 10);
    let mut asks = Inside::new("process_info at 1 Hz", "poll 1");
    let mut asks_often = Inside::new("process_info at 10 Hz", "poll 10");
    let watchers: &mut [&mut dyn Watcher] =
        &mut [&mut looks, &mut often, &mut asks, &mut asks_often];
    let turns = by_turns(&mut vm, watchers, plan)?;
    let (ours, theirs) = (vm_cpu_ms(&turns, 0)?, vm_cpu_ms(&turns, 2)?);
    let question = "CPU that an idle VM with 100,000 processes pays for a look at all of them";
    let pays = Row::new(
        "snapshot-vm-cpu",
        question,
        (ours, Unit::Milliseconds),
        Target::None,
    )
    .on(turns.calm())
    .beside("process_info of all, once a second", theirs)
    .beside(
        "process_info of all, ten times a second",
        vm_cpu_ms(&turns, 3)?,
    )
    .from(turns.raw());
    // What it pays may be nothing at all: against the most that it may be.
    let most = ours.high.max(0.001);
    let times = Estimate {
        median: theirs.median / most,
        low: theirs.low / most,
        high: theirs.high / most,
        ..theirs
    };
    let question = "how many times cheaper for the VM a snapshot is than process_info, at least";
    let cheaper = Row::new(
        "snapshot-cheaper",
        question,
        (times, Unit::Times),
        Target::AtLeast(20.0),
    );
    let question = "how long a look at 100,000 processes takes";
    let took = Row::new(
        "snapshot-took",
        question,
        (look_ms(&turns, 0)?, Unit::Milliseconds),
        Target::None,
    )
    .beside("process_info of all", look_ms(&turns, 2)?);
    Ok(vec![pays, cheaper.beyond_ratios(turns.calm()), took])
}

/// What a look costs the VM. A unit is a millisecond, so what it uses more in one is a share; looks
/// are of the whole time of watching.
fn vm_cpu_ms(turns: &Turns, watcher: usize) -> Result<Estimate> {
    let windows = turns.of(watcher).iter().zip(turns.extra_ns(watcher));
    let each = windows.map(|(one, extra_ns)| {
        let polls = one.seen.counts.get("polls").copied().unwrap_or(0) as f64;
        let took_ms = one.window.took.as_secs_f64() * 1e3 + one.seen.around_s() * 1e3;
        extra_ns * took_ms / polls.max(1.0) / 1e6
    });
    estimate(&each.collect::<Vec<_>>())
}

fn look_ms(turns: &Turns, watcher: usize) -> Result<Estimate> {
    let each = turns.of(watcher).iter().map(|one| {
        let count = |name: &str| one.seen.counts.get(name).copied().unwrap_or(0) as f64;
        count("ns") / count("polls").max(1.0) / 1e6
    });
    estimate(&each.collect::<Vec<_>>())
}

/// A VM of which no thread runs.
pub(super) fn wedged(bench: &Bench) -> Result<Vec<Row>> {
    let vm = bench.vm(IDLE)?;
    warm_up(bench, 4)?;
    let pid = Pid::from_raw(i32::try_from(vm.pid()).context("what a pid")?);
    kill(pid, Signal::SIGSTOP).context("the VM is gone")?;
    let mut took = Vec::new();
    for _ in 0..6 {
        let start = Instant::now();
        bench.snapshot(vm.pid())?;
        took.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let question = "a snapshot of 100,000 processes of a VM that is stopped (SIGSTOP)";
    let figure = (estimate(&took)?, Unit::Milliseconds);
    let row = Row::new("snapshot-wedged", question, figure, Target::None);
    Ok(vec![row.noting("process_info gives no answer then")])
}
