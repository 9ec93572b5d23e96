//! Profilers that run in the VM, on the same functions.

use anyhow::Result;

use super::{BUSY, cost, estimate, warm_up};
use crate::bench::Bench;
use crate::bench::abab::{Plan, by_turns};
use crate::bench::row::{Row, Unit};
use crate::bench::verdict::Target;
use crate::bench::vm::Load;
use crate::bench::watch::{Inside, Watcher};
use crate::otp;

/// Nothing but calls of a small function: we take samples, they count calls, or write them.
pub(super) fn profilers(bench: &Bench) -> Result<Vec<Row>> {
    let plan = bench.plan(Plan::even(10, 1000), Plan::even(6, 800));
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
    let mut rows = rows.collect::<Result<Vec<Row>>>()?;
    rows.extend(tprof(bench, plan)?);
    Ok(rows)
}

/// `tprof` is there from OTP 27 on; none where that release was not fetched.
fn tprof(bench: &Bench, plan: Plan) -> Result<Vec<Row>> {
    const OTP: &str = "27";
    if !otp::folder(OTP)?.join("complete").exists() {
        println!("  OTP {OTP} is not there, which has tprof: cargo xtask otp {OTP}");
        return Ok(Vec::new());
    }
    let mut vm = bench.vm(Load {
        release: Some(OTP),
        ..BUSY
    })?;
    warm_up(bench, 2)?;
    let mut ours = bench.recorder(&["-F", "999"]);
    let mut tprof = Inside::new("tprof", "tprof");
    let turns = by_turns(&mut vm, &mut [&mut ours, &mut tprof], plan)?;
    let question =
        "the VM's CPU for calls of a small function, timed by tprof of OTP 27, against alone";
    let row = cost(&turns, 1, "profiler-tprof", question, Target::None)?;
    let ours = estimate(&turns.ratios(0))?;
    Ok(vec![
        row.told_in(Unit::Times)
            .beside("sampled by us at 999 Hz", ours),
    ])
}
