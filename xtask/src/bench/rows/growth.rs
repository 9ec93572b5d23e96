//! How what it costs grows with what there is. CPU time of the profiler, not by turns: the VM
//! stands still or does the same all the time.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{EMPTY, PING_PONG, warm_up};
use crate::bench::Bench;
use crate::bench::pause::pause;
use crate::bench::row::{Row, Unit};
use crate::bench::statistics::{Estimate, median};
use crate::bench::verdict::Target;
use crate::bench::vm::{Load, Works};
use crate::bench::watch::{Seen, Watcher};

/// What grows in proportion costs as much for each at both ends, give or take so much.
const IN_PROPORTION: Target = Target::AtMost(1.5);

/// How many there were, and what each of them cost, in nanoseconds.
struct Step {
    count: u64,
    each_ns: Estimate,
}

/// CPU time of one snapshot by the number of processes.
pub(super) fn processes(bench: &Bench) -> Result<Vec<Row>> {
    let sizes: &[u64] = match bench.quick {
        true => &[10_000, 100_000],
        false => &[100, 10_000, 100_000, 500_000],
    };
    let mut steps = Vec::new();
    for &parked in sizes {
        let vm = bench.vm(Load { parked, ..EMPTY })?;
        steps.push(five(parked, || bench.snapshot(vm.pid()))?);
    }
    // With few it is what a start costs.
    let skipped = steps.iter().filter(|step| step.count < 10_000).count();
    let question = "CPU of a snapshot for each process, of as many as there were against 10,000";
    let row = grown("growth-processes", question, &steps, skipped, IN_PROPORTION)?;
    Ok(vec![row])
}

/// CPU time to read all names by the number of modules.
pub(super) fn modules(bench: &Bench) -> Result<Vec<Row>> {
    let mut steps = Vec::new();
    for modules in [100, 300, 1000, 3000] {
        let vm = bench.vm(Load { modules, ..EMPTY })?;
        let pid = vm.pid().to_string();
        steps.push(five(modules, || bench.cpu_of(&["doctor", "-p", &pid]))?);
    }
    let question = "CPU to read the names of all code (doctor) for each module of 40 functions, of 3000 against 100";
    let row = grown("growth-modules", question, &steps, 0, IN_PROPORTION)?;
    Ok(vec![row])
}

/// CPU time of the recorder for a sample by the number of schedulers, all at work.
pub(super) fn schedulers(bench: &Bench) -> Result<Vec<Row>> {
    let mut steps = Vec::new();
    for schedulers in [1, 2, 4, 8, 16] {
        let load = Load {
            fib: schedulers,
            schedulers,
            ..EMPTY
        };
        steps.push(per_sample(bench, schedulers, load)?);
    }
    let question =
        "CPU of the recorder for a sample, of 16 schedulers that share the CPUs against one";
    let row = grown("growth-schedulers", question, &steps, 0, Target::None)?;
    Ok(vec![row])
}

/// The same by how deep stacks are.
pub(super) fn depth(bench: &Bench) -> Result<Vec<Row>> {
    let mut steps = Vec::new();
    for deep in [10, 100, 1000, 4000] {
        let load = Load {
            deep,
            schedulers: 2,
            ..EMPTY
        };
        steps.push(per_sample(bench, deep, load)?);
    }
    let question = "CPU of the recorder for a sample, of stacks with 4000 frames against 10";
    let row = grown("growth-depth", question, &steps, 0, Target::None)?;
    Ok(vec![row])
}

/// CPU time of the recorder for an event, to the end of the recording, by how many there are.
pub(super) fn events(bench: &Bench) -> Result<Vec<Row>> {
    // About a million a second.
    let lengths: &[u64] = match bench.quick {
        true => &[500, 4000],
        false => &[200, 1000, 5000, 20_000],
    };
    let args = ["-F", "1", "--events", "msg", "--max-overhead", "off"];
    let (mut steps, mut lost) = (Vec::new(), 0);
    for &length_ms in lengths {
        let seen = recorded(bench, PING_PONG, &args, length_ms)?;
        let each_ns = seen.cpu_ns as f64 / seen.records.max(1) as f64;
        steps.push(Step::of(seen.records, Estimate::once(each_ns)));
        lost += seen.lost;
    }
    // With few it is what a start costs.
    let skipped = steps.len().saturating_sub(3);
    let question = "CPU of the recorder for an event, of most events against those of a second";
    let row = grown("growth-events", question, &steps, skipped, IN_PROPORTION)?;
    Ok(vec![row.noting(format!("{lost} were lost"))])
}

/// For a sample at 999 Hz, beyond what the start and the end of a recording cost.
fn per_sample(bench: &Bench, count: u64, load: Load) -> Result<Step> {
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
    Ok(Step::of(count, Estimate::once(ns)))
}

fn recorded(bench: &Bench, load: Load, args: &[&str], length_ms: u64) -> Result<Seen> {
    let mut vm = bench.vm(load)?;
    warm_up(bench, 2)?;
    let mut recorder = bench.recorder(args);
    recorder.begin(&mut vm)?;
    pause(Duration::from_millis(length_ms))?;
    recorder.end(&mut vm)
}

/// What each costs at the last step against the first that is not skipped; with the least and the
/// most that this may be.
fn grown(
    name: &str,
    question: &str,
    steps: &[Step],
    skipped: usize,
    target: Target,
) -> Result<Row> {
    let ends = steps.get(skipped).zip(steps.last());
    let (first, last) = ends.context("nothing was measured")?;
    let (first, last) = (first.each_ns, last.each_ns);
    let figure = Estimate {
        median: last.median / first.median,
        low: last.low / first.high,
        high: last.high / first.low,
        ..last
    };
    let points = steps
        .iter()
        .map(|step| json!({ "count": step.count, "each_ns": step.each_ns }));
    let row = Row::new(name, question, (figure, Unit::Times), target);
    let all: Vec<String> = steps.iter().map(Step::words).collect();
    Ok(row.noting(all.join(", ")).from(points.collect::<Value>()))
}

impl Step {
    fn of(count: u64, each_ns: Estimate) -> Step {
        let step = Step { count, each_ns };
        println!("  {}", step.words());
        step
    }

    fn words(&self) -> String {
        format!("{}: {:.2} µs each", self.count, self.each_ns.median / 1e3)
    }
}

/// The median of five times in seconds, for each of so many, between the least and the most of them.
fn five(count: u64, mut measure_s: impl FnMut() -> Result<f64>) -> Result<Step> {
    let mut all = [0.0; 5];
    for one in &mut all {
        *one = 1e9 * measure_s()? / count.max(1) as f64;
    }
    let each_ns = Estimate {
        count: all.len(),
        median: median(&all).context("nothing was measured")?,
        low: all.iter().copied().fold(f64::INFINITY, f64::min),
        high: all.iter().copied().fold(0.0, f64::max),
        spread: 0.0,
    };
    Ok(Step::of(count, each_ns))
}
