//! Profilers that run in the VM, on the same functions.

use anyhow::Result;

use super::{BUSY, cost, warm_up};
use crate::bench::Bench;
use crate::bench::abab::{Plan, by_turns};
use crate::bench::row::{Row, Unit};
use crate::bench::verdict::Target;
use crate::bench::watch::{Inside, Watcher};

/// Nothing but calls of a small function: we take samples, they count calls, or write them.
pub(super) fn profilers(bench: &Bench) -> Result<Vec<Row>> {
    let plan = bench.plan(Plan::even(8, 1000), Plan::even(6, 800));
    let mut vm = bench.vm(BUSY)?;
    warm_up(bench, 2)?;
    let mut ours = bench.recorder(&["-F", "999"]);
    let mut eprof = Inside::new("eprof", "eprof");
    let trace = bench.folder.join("fprof.trace");
    let mut fprof = Inside::new("fprof", format!("fprof {}", trace.display()));
    let ring = bench.programs.instrumented();
    let mut ring = Inside::new("a ring in the VM", format!("ring {}", ring.display()));
    let names = [
        ("profiler-ours", "sampled by us at 999 Hz"),
        ("profiler-eprof", "counted by eprof"),
        (
            "profiler-ring",
            "each call and return written to a ring in the VM",
        ),
        ("profiler-fprof", "traced by fprof"),
    ];
    let watchers: &mut [&mut dyn Watcher] = &mut [&mut ours, &mut eprof, &mut ring, &mut fprof];
    let turns = by_turns(&mut vm, watchers, plan)?;
    let rows = names.iter().enumerate().map(|(watcher, (name, who))| {
        let question = format!("the VM's CPU for calls of a small function, {who}, against alone");
        let row = cost(&turns, watcher, *name, question, Target::None)?;
        // Their costs are no longer percents.
        Ok(row.told_in(Unit::Times))
    });
    rows.collect()
}
