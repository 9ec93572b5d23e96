//! How what it costs grows with what there is. CPU time of the profiler, not by turns: the VM
//! stands still or does the same all the time.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{EMPTY, PING_PONG, warm_up};
use crate::bench::Bench;
use crate::bench::row::{Row, Unit};
use crate::bench::statistics::{Estimate, median};
use crate::bench::verdict::Target;
use crate::bench::vm::{Load, Works};
use crate::bench::watch::{Seen, Watcher};

/// What grows in proportion costs as much for each at both ends, give or take so much.
const IN_PROPORTION: f64 = 1.5;

/// CPU time of one snapshot by the number of processes.
pub(super) fn processes(bench: &Bench) -> Result<Vec<Row>> {
    let sizes: &[u64] = match bench.quick {
        true => &[10_000, 100_000],
        false => &[100, 10_000, 100_000, 500_000],
    };
    let mut each = Vec::new();
    for &parked in sizes {
        let vm = bench.vm(Load { parked, ..EMPTY })?;
        let cpu_s = median_of_five(|| bench.snapshot(vm.pid()))?;
        println!(
            "{parked:>8} processes: {cpu_s:.3} s, {:.2} us each",
            1e6 * cpu_s / parked as f64
        );
        each.push((parked, cpu_s));
    }
    let question = "CPU of a snapshot for each process, with as many as there were against 10,000";
    // With few it is what a start costs.
    let of_many: Vec<_> = each
        .iter()
        .copied()
        .filter(|(parked, _)| *parked >= 10_000)
        .collect();
    let target = Target::AtMost(IN_PROPORTION);
    Ok(vec![grown(
        "growth-processes",
        question,
        &of_many,
        &each,
        target,
    )?])
}

/// CPU time to read all names by the number of modules.
pub(super) fn modules(bench: &Bench) -> Result<Vec<Row>> {
    let mut each = Vec::new();
    for modules in [100, 300, 1000, 3000] {
        let vm = bench.vm(Load { modules, ..EMPTY })?;
        let pid = vm.pid().to_string();
        let cpu_s = median_of_five(|| bench.cpu_of(&["doctor", "-p", &pid]))?;
        println!("{modules:>8} modules of 40 functions: {cpu_s:.3} s of CPU");
        each.push((modules, cpu_s));
    }
    let question = "CPU to read the names of all code (doctor) for each module of 40 functions, 3000 against 100";
    Ok(vec![grown(
        "growth-modules",
        question,
        &each,
        &each,
        Target::AtMost(IN_PROPORTION),
    )?])
}

/// CPU time of the recorder for a sample by the number of schedulers, all at work.
pub(super) fn schedulers(bench: &Bench) -> Result<Vec<Row>> {
    let mut each = Vec::new();
    for schedulers in [1, 2, 4, 8, 16] {
        let load = Load {
            fib: schedulers,
            schedulers,
            ..EMPTY
        };
        each.push((schedulers, per_sample(bench, load)?));
    }
    let question =
        "CPU of the recorder for a sample, of 16 schedulers that share two CPUs against one";
    Ok(vec![change("growth-schedulers", question, &each)?])
}

/// The same by how deep stacks are.
pub(super) fn depth(bench: &Bench) -> Result<Vec<Row>> {
    let mut each = Vec::new();
    for deep in [10, 100, 1000, 4000] {
        let load = Load {
            deep,
            schedulers: 2,
            ..EMPTY
        };
        each.push((deep, per_sample(bench, load)?));
    }
    let question = "CPU of the recorder for a sample, of stacks with 4000 frames against 10";
    Ok(vec![change("growth-depth", question, &each)?])
}

/// CPU time of the recorder for an event, to the end of the recording, by how many there are.
pub(super) fn events(bench: &Bench) -> Result<Vec<Row>> {
    // Some 2 million a second in messages that are sent and received.
    let lengths: &[u64] = match bench.quick {
        true => &[500, 4000],
        false => &[200, 1000, 5000, 40_000],
    };
    let args = ["-F", "1", "--events", "msg", "--max-overhead", "off"];
    let mut each = Vec::new();
    for &length_ms in lengths {
        let seen = recorded(bench, PING_PONG, &args, length_ms)?;
        let cpu_s = seen.cpu_ns as f64 / 1e9;
        println!(
            "{:>9} events, {} lost: {:.0} ns each, {:.1} bytes",
            seen.records,
            seen.lost,
            seen.cpu_ns as f64 / seen.records.max(1) as f64,
            seen.bytes as f64 / seen.records.max(1) as f64
        );
        each.push((seen.records, cpu_s));
    }
    let question = "CPU of the recorder for an event, most events against those of a second";
    // With few it is what a start costs.
    let of_many = each.get(1..).unwrap_or_default();
    let of_many = if of_many.len() < 2 {
        &each[..]
    } else {
        of_many
    };
    let target = Target::AtMost(IN_PROPORTION);
    Ok(vec![grown(
        "growth-events",
        question,
        of_many,
        &each,
        target,
    )?])
}

/// Nanoseconds for a sample at 999 Hz, beyond what the start and the end of a recording cost.
fn per_sample(bench: &Bench, load: Load) -> Result<f64> {
    let lengths = if bench.quick {
        (500, 3000)
    } else {
        (1000, 8000)
    };
    let args = ["-F", "999"];
    let short = recorded(bench, load, &args, lengths.0)?;
    let long = recorded(bench, load, &args, lengths.1)?;
    let samples = long.records.saturating_sub(short.records).max(1);
    let ns = long.cpu_ns.saturating_sub(short.cpu_ns) as f64 / samples as f64;
    println!("{load:?}: {samples} samples, {ns:.0} ns each");
    Ok(ns)
}

fn recorded(bench: &Bench, load: Load, args: &[&str], length_ms: u64) -> Result<Seen> {
    let mut vm = bench.vm(load)?;
    warm_up(bench, 2);
    let mut recorder = bench.recorder(args);
    recorder.begin(&mut vm)?;
    sleep(Duration::from_millis(length_ms));
    recorder.end(&mut vm)
}

/// What each costs at the last against the first, of pairs of how many there are and what all cost.
fn grown(
    name: &str,
    question: &str,
    judged: &[(u64, f64)],
    all: &[(u64, f64)],
    target: Target,
) -> Result<Row> {
    let each = |&(count, cost): &(u64, f64)| cost / count.max(1) as f64;
    let ends = judged.first().zip(judged.last());
    let (first, last) = ends.context("nothing was measured")?;
    let figure = Estimate::once(each(last) / each(first));
    let row = Row::new(name, question, (figure, Unit::Times), target);
    Ok(row
        .noting(steps(all, |pair| 1e6 * each(pair)))
        .from(points(all)))
}

/// What one costs at the last against the first, of pairs of how many there are and what one costs.
fn change(name: &str, question: &str, all: &[(u64, f64)]) -> Result<Row> {
    let ends = all.first().zip(all.last());
    let ((_, first), (_, last)) = ends.context("nothing was measured")?;
    let figure = Estimate::once(last / first);
    let row = Row::new(name, question, (figure, Unit::Times), Target::None);
    Ok(row.noting(steps(all, |(_, ns)| ns / 1e3)).from(points(all)))
}

fn steps(all: &[(u64, f64)], each_us: impl Fn(&(u64, f64)) -> f64) -> String {
    let steps = all
        .iter()
        .map(|pair| format!("{}: {:.2} µs each", pair.0, each_us(pair)));
    steps.collect::<Vec<_>>().join(", ")
}

fn points(all: &[(u64, f64)]) -> Value {
    let points = all
        .iter()
        .map(|(count, cost)| json!({ "count": count, "cost": cost }));
    points.collect()
}

fn median_of_five(mut measure: impl FnMut() -> Result<f64>) -> Result<f64> {
    let mut all = [0.0; 5];
    for one in &mut all {
        *one = measure()?;
    }
    median(&all).context("nothing was measured")
}
