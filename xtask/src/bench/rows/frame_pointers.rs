//! What perf asks of the VM before it comes: `+JPperf true`, frame pointers and a map of the code.

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::{BUSY, estimate, warm_up};
use crate::bench::Bench;
use crate::bench::abab::{Plan, window};
use crate::bench::pause::pause;
use crate::bench::row::{Row, Unit};
use crate::bench::verdict::Target;
use crate::bench::vm::{Load, Vm, Works};

/// Two VMs by turns, one with and one without; the other one is stopped meanwhile.
pub(super) fn cost(bench: &Bench) -> Result<Vec<Row>> {
    let plan = bench.plan(Plan::even(10, 1500), Plan::even(6, 800));
    let mut plain = bench.vm(BUSY)?;
    let mut kept = bench.vm(Load {
        flags: &["+JPperf", "true"],
        ..BUSY
    })?;
    warm_up(bench, 4)?;
    signal(&kept, Signal::SIGSTOP)?;
    let mut without = vec![per_unit(&mut plain, plan)?];
    let mut with = Vec::new();
    for _ in 0..plan.rounds {
        signal(&plain, Signal::SIGSTOP)?;
        signal(&kept, Signal::SIGCONT)?;
        with.push(per_unit(&mut kept, plan)?);
        signal(&kept, Signal::SIGSTOP)?;
        signal(&plain, Signal::SIGCONT)?;
        without.push(per_unit(&mut plain, plan)?);
    }
    let around = without
        .windows(2)
        .zip(&with)
        .filter_map(|(two, with)| match two {
            [before, after] => Some(with / f64::midpoint(*before, *after)),
            _ => None,
        });
    let ratios: Vec<f64> = around.collect();
    let question = "the VM's CPU for calls of a small function with +JPperf true, which perf needs and we do not, against without";
    let figure = (estimate(&ratios)?, Unit::More);
    let row = Row::new("frame-pointers", question, figure, Target::None);
    Ok(vec![
        row.from(json!({ "with_ns": with, "without_ns": without })),
    ])
}

fn per_unit(vm: &mut Vm, plan: Plan) -> Result<f64> {
    pause(plan.settle)?;
    Ok(window(vm, plan.quiet)?.done.per_unit())
}

fn signal(vm: &Vm, signal: Signal) -> Result<()> {
    let pid = i32::try_from(vm.pid()).context("what a pid")?;
    kill(Pid::from_raw(pid), signal).context("the VM is gone")
}
