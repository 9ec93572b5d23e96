//! What samples cost: the VM, and who takes them.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::{BUSY, IDLE, LOADS, cost, estimate, warm_up};
use crate::bench::Bench;
use crate::bench::abab::{Plan, Turns, by_turns};
use crate::bench::row::{Row, Unit};
use crate::bench::statistics::Estimate;
use crate::bench::twins::Twins;
use crate::bench::verdict::Target;
use crate::bench::vm::{Load, Works};
use crate::bench::watch::{Perf, Watcher};

/// Perf needs frame pointers and a map of the code.
const FOR_PERF: Load = Load {
    flags: &["+JPperf", "true"],
    ..BUSY
};

/// What of two costs cannot be told apart: so much more than perf's is not more.
const AS_MUCH: f64 = 1.002;

pub(super) fn at_99(bench: &Bench) -> Result<Vec<Row>> {
    let plan = bench.plan(settled(Plan::even(10, 3500)), settled(Plan::even(6, 2000)));
    let mut rows = costs(&beside_perf(bench, 99, plan)?, 99, Target::AtMost(1.005))?;
    // Who has two CPUs for itself is sampled four times as often.
    let plan = settled(Plan::even(6, 1500));
    let mut vm = bench.vm(FOR_PERF)?;
    warm_up(bench, 2)?;
    let turns = we_and_perf(bench, &mut vm, 99, plan)?;
    let share = |watcher| estimate(&turns.watcher_shares(watcher));
    let question =
        "CPU of who samples two busy schedulers at 99 Hz, of one CPU, once it is under way";
    rows.push(
        Row::new(
            "recorder-cpu",
            question,
            (share(0)?, Unit::Share),
            Target::AtMost(0.01),
        )
        .beside("perf record -g", share(1)?)
        .beyond_ratios(turns.calm()),
    );
    let peak = |watcher| Estimate::once(turns.peak_mib(watcher));
    let question = "its memory at most, as the kernel counts it (VmHWM), rings that are mapped twice counted twice";
    rows.push(
        Row::new(
            "recorder-memory",
            question,
            (peak(0), Unit::Mebibytes),
            Target::AtMost(61.0),
        )
        .beside("perf record -g", peak(1)),
    );
    rows.push(whole(&turns));
    Ok(rows)
}

/// Who has just begun reads names of code, which is no part of what a sample costs.
fn settled(plan: Plan) -> Plan {
    Plan {
        settle: Duration::from_millis(700),
        ..plan
    }
}

pub(super) fn at_999(bench: &Bench) -> Result<Vec<Row>> {
    let plan = bench.plan(Plan::even(10, 1500), Plan::even(6, 1000));
    costs(&beside_perf(bench, 999, plan)?, 999, Target::None)
}

pub(super) fn at_4999(bench: &Bench) -> Result<Vec<Row>> {
    let plan = bench.plan(Plan::even(10, 1500), Plan::even(6, 1000));
    costs(&beside_perf(bench, 4999, plan)?, 4999, Target::None)
}

/// We and perf by turns on one of two VMs that share a CPU.
fn beside_perf(bench: &Bench, hz: u32, plan: Plan) -> Result<Turns> {
    let mut twins = Twins::start(bench, FOR_PERF.with_one_scheduler())?;
    warm_up(bench, 2)?;
    we_and_perf(bench, &mut twins, hz, plan)
}

fn we_and_perf(bench: &Bench, load: &mut dyn Works, hz: u32, plan: Plan) -> Result<Turns> {
    let mut ours = bench.recorder(&["-F", &hz.to_string()]);
    let mut perf = Perf::new(hz, bench.folder.join("perf.data"))?;
    let watchers: &mut [&mut dyn Watcher] = &mut [&mut ours, &mut perf];
    by_turns(load, watchers, plan)
}

fn costs(turns: &Turns, hz: u32, target: Target) -> Result<Vec<Row>> {
    let question = format!("the VM's CPU for a unit of work, sampled at {hz} Hz against not");
    let of_perf = estimate(&turns.ratios(1))?;
    let ours = cost(turns, 0, format!("sampling-{hz}"), question, target)?
        .beside("perf record -g, +JPperf true", of_perf);
    let pairs = turns.ratios(0).into_iter().zip(turns.ratios(1));
    let against: Vec<f64> = pairs.map(|(ours, perf)| ours / perf).collect();
    let question = format!("the same with us against with perf, at {hz} Hz, round by round");
    let target = match target {
        Target::None => Target::None,
        _ => Target::AtMost(AS_MUCH),
    };
    let name = format!("sampling-{hz}-perf");
    let against = Row::new(name, question, (estimate(&against)?, Unit::More), target);
    Ok(vec![ours, against.on(turns.calm())])
}

/// How many Erlang stacks reach their first function.
fn whole(turns: &Turns) -> Row {
    let sum = |name: &str| -> u64 {
        let counts = turns.of(0).iter().map(|one| one.seen.counts.get(name));
        counts.flatten().sum()
    };
    let (stacks, complete) = (sum("erlang_stacks"), sum("complete_stacks"));
    let share = Estimate::once(complete as f64 / stacks.max(1) as f64);
    let question = "samples with an Erlang stack that reaches its process's first function";
    Row::new("whole-stacks", question, (share, Unit::Share), Target::None)
        .from(json!({ "erlang_stacks": stacks, "complete_stacks": complete }))
}

/// At 99 Hz under each load.
pub(super) fn loads(bench: &Bench) -> Result<Vec<Row>> {
    let plan = bench.plan(Plan::even(10, 1000), Plan::even(6, 1000));
    let mut rows = Vec::new();
    for (name, load) in LOADS {
        println!("  {name}");
        let mut twins = Twins::start(bench, load.with_one_scheduler())?;
        warm_up(bench, 2)?;
        let mut ours = bench.recorder(&["-F", "99"]);
        let turns = by_turns(&mut twins, &mut [&mut ours], plan)?;
        let question =
            format!("the VM's CPU for a unit of work of {name}, sampled at 99 Hz against not");
        let name = format!("sampling-{name}");
        rows.push(cost(&turns, 0, name, question, Target::AtMost(1.005))?);
    }
    Ok(rows)
}

/// A VM with 100,000 processes that rest, and one that is busy while we are attached and take
/// next to nothing.
pub(super) fn idle(bench: &Bench) -> Result<Vec<Row>> {
    let plan = bench.plan(Plan::even(10, 1200), Plan::even(6, 1000));
    let mut vm = bench.vm(IDLE)?;
    warm_up(bench, 4)?;
    let mut ours = bench.recorder(&["-F", "99"]);
    let turns = by_turns(&mut vm, &mut [&mut ours], plan)?;
    drop(vm);
    // A unit is a millisecond.
    let shares: Vec<f64> = turns.extra_ns(0).iter().map(|ns| ns / 1e6).collect();
    let question = "CPU that an idle VM with 100,000 processes uses more while it is sampled at 99 Hz, of one CPU";
    let alone = turns.quiet_ns() / 1e6;
    let at_rest = Row::new(
        "idle-vm",
        question,
        (estimate(&shares)?, Unit::Share),
        Target::None,
    )
    .on(turns.calm())
    .noting(format!("alone it uses {}", Unit::Share.show(alone)))
    .from(turns.raw());
    let mut vm = bench.vm(BUSY)?;
    warm_up(bench, 2)?;
    let mut ours = bench.recorder(&["-F", "1"]);
    let turns = by_turns(&mut vm, &mut [&mut ours], plan)?;
    let question =
        "the VM's CPU for a unit of work while it is attached to and sampled once a second";
    let attached = cost(
        &turns,
        0,
        "idle-attachment",
        question,
        Target::AtMost(1.005),
    )?;
    Ok(vec![at_rest, attached])
}

/// From the start of the program to the first thing that is recorded.
pub(super) fn attach(bench: &Bench) -> Result<Vec<Row>> {
    let plan = bench.plan(Plan::even(12, 100), Plan::even(6, 100));
    let mut vm = bench.vm(BUSY)?;
    warm_up(bench, 2)?;
    let mut samples = bench.recorder(&["-F", "99"]);
    let mut events = bench.recorder(&["-F", "99", "--events", "full"]);
    let mut perf = Perf::new(99, bench.folder.join("perf.data"))?;
    let watchers: &mut [&mut dyn Watcher] = &mut [&mut samples, &mut events, &mut perf];
    let turns = by_turns(&mut vm, watchers, plan)?;
    let begun = |watcher: usize| {
        let ms = turns.of(watcher).iter();
        let ms: Vec<f64> = ms.map(|one| one.seen.begun_after_ns as f64 / 1e6).collect();
        estimate(&ms)
    };
    let question = "from the start of the program until it records";
    let row = Row::new(
        "attach",
        question,
        (begun(0)?, Unit::Milliseconds),
        Target::None,
    );
    Ok(vec![
        row.beside("with --events full", begun(1)?)
            .beside("perf record, until it writes", begun(2)?)
            .from(turns.raw()),
    ])
}
