//! What events cost, and how many there may be.

use anyhow::Result;

use super::{EMPTY, PING_PONG, estimate, warm_up};
use crate::bench::Bench;
use crate::bench::abab::{Plan, Turns, by_turns};
use crate::bench::row::{Row, Unit};
use crate::bench::statistics::{Estimate, median};
use crate::bench::verdict::Target;
use crate::bench::vm::Load;
use crate::bench::watch::{Bpftrace, Inside, Watcher};

const MESSAGES: [&str; 6] = ["-F", "1", "--events", "msg", "--max-overhead", "off"];

/// A message that is recorded, probed and no more, traced by the VM, written to a ring in it,
/// counted by bpftrace: nanoseconds of CPU time each.
pub(super) fn price(bench: &Bench) -> Result<Vec<Row>> {
    let plan = bench.plan(Plan::even(10, 1200), Plan::even(6, 700));
    let mut vm = bench.vm(PING_PONG)?;
    warm_up(bench, 2)?;
    let mut recorded = bench.recorder(&MESSAGES);
    let mut bare = bench.recorder(&[&MESSAGES[..], &["--bare-probes"]].concat());
    let mut traced = Inside::trace("send,receive");
    let ring = bench.programs.instrumented();
    let mut ring = Inside::new("a ring in the VM", format!("ring {}", ring.display()));
    let mut bpftrace = Bpftrace::new();
    let mut watchers: Vec<&mut dyn Watcher> =
        vec![&mut recorded, &mut bare, &mut traced, &mut ring];
    if let Some(bpftrace) = &mut bpftrace {
        watchers.push(bpftrace);
    }
    let turns = by_turns(&mut vm, &mut watchers, plan)?;
    let against = |one: usize, other: usize| {
        let pairs = turns.extra_ns(one).into_iter().zip(turns.extra_ns(other));
        estimate(&pairs.map(|(one, other)| one / other).collect::<Vec<_>>())
    };
    let extra = |watcher: usize| estimate(&turns.extra_ns(watcher));
    let (_, lost) = turns.records_and_lost(0);
    let question = "CPU that a message costs more, sent and received, when it is recorded";
    let mut price = Row::new(
        "event-price",
        question,
        (extra(0)?, Unit::Nanoseconds),
        Target::None,
    )
    .on(turns.calm())
    .beside("probes that do nothing", extra(1)?)
    .beside("erlang:trace, send and receive", extra(2)?)
    .beside("a ring in the VM", extra(3)?)
    .noting(format!(
        "alone it costs {:.0} ns; {lost} events were lost",
        turns.quiet_ns()
    ))
    .from(turns.raw());
    price = match extra(4) {
        Ok(counted) => price.beside("bpftrace, counting", counted),
        Err(_) => price.noting("there is no bpftrace here"),
    };
    let bare = Row::new(
        "event-price-bare",
        "that against probes that do nothing",
        (against(0, 1)?, Unit::Times),
        Target::AtMost(1.35),
    );
    let traced = Row::new(
        "event-price-trace",
        "that against erlang:trace of the same",
        (against(0, 2)?, Unit::Times),
        Target::AtMost(0.5),
    )
    .beside("probes that do nothing, against it", against(1, 2)?)
    .noting("less than those no recorder costs that has the kernel stop the VM once for a send and once for a receive");
    let ring = Row::new(
        "event-price-ring",
        "that against a ring in the VM, which instrumented functions write",
        (against(0, 3)?, Unit::Times),
        Target::None,
    );
    let calm = turns.calm();
    let against = [bare, traced, ring].map(|row| row.beyond_ratios(calm));
    Ok([price].into_iter().chain(against).collect())
}

/// By kind, each under a load that has many of it, beside the trace flags for the same.
pub(super) fn kinds(bench: &Bench) -> Result<Vec<Row>> {
    let spawning = Load {
        spawn: 1,
        schedulers: 1,
        ..EMPTY
    };
    let collecting = Load {
        gc: 1,
        schedulers: 1,
        ..EMPTY
    };
    let cases = [
        ("sched", "running", PING_PONG),
        ("msg", "send,receive", PING_PONG),
        ("proc", "procs", spawning),
        ("gc", "garbage_collection", collecting),
    ];
    let plan = bench.plan(Plan::even(10, 700), Plan::even(6, 700));
    let mut rows = Vec::new();
    for (kind, flags, load) in cases {
        println!("  {kind}");
        let mut vm = bench.vm(load)?;
        warm_up(bench, 2)?;
        let mut ours = bench.recorder(&["-F", "1", "--events", kind, "--max-overhead", "off"]);
        let mut traced = Inside::trace(flags);
        let watchers: &mut [&mut dyn Watcher] = &mut [&mut ours, &mut traced];
        let turns = by_turns(&mut vm, watchers, plan)?;
        let question = format!("CPU that the VM pays for an event of the kind {kind}");
        let name = format!("event-{kind}");
        let row = Row::new(
            name,
            question,
            (per_record(&turns, 0)?, Unit::Nanoseconds),
            Target::None,
        );
        let who = format!("erlang:trace, {flags}");
        rows.push(
            row.on(turns.calm())
                .beside(who, per_record(&turns, 1)?)
                .from(turns.raw()),
        );
    }
    Ok(rows)
}

/// What the VM paid more in a window, for each of its records. These are of the whole time of
/// watching, so they are taken by the share of work that was in the window: of as many
/// units a VM has as many events.
fn per_record(turns: &Turns, watcher: usize) -> Result<Estimate> {
    let windows = turns.of(watcher).iter().zip(turns.extra_ns(watcher));
    let each = windows.map(|(one, extra_ns)| {
        let watched_s = one.window.took.as_secs_f64() + one.seen.around_s();
        let records_a_unit = one.seen.records as f64
            / watched_s
            / (one.window.done.units as f64 / one.window.took.as_secs_f64());
        extra_ns / records_a_unit
    });
    estimate(&each.collect::<Vec<_>>())
}

/// As many messages as two schedulers can send while all are recorded.
pub(super) fn flood(bench: &Bench) -> Result<Vec<Row>> {
    let plan = bench.plan(Plan::even(10, 3000), Plan::even(6, 1000));
    let mut vm = bench.vm(Load { pairs: 4, ..EMPTY })?;
    warm_up(bench, 2)?;
    let mut ours = bench.recorder(&MESSAGES);
    let turns = by_turns(&mut vm, &mut [&mut ours], plan)?;
    let of_window = |figure: fn(f64, f64, f64) -> f64| -> Vec<f64> {
        let windows = turns.of(0).iter().map(|one| {
            let (records, lost) = (one.seen.records as f64, one.seen.lost as f64);
            let took_s = one.window.took.as_secs_f64() + one.seen.around_s();
            figure(records, lost, took_s)
        });
        windows.collect()
    };
    let rates = of_window(|records, _, took_s| records / took_s);
    let losses = of_window(|records, lost, _| lost / (records + lost).max(1.0));
    let shares = turns.watcher_shares(0);
    let question =
        "events that are recorded while four pairs of processes send as fast as they can";
    let rate = Row::new(
        "event-flood",
        question,
        (estimate(&rates)?, Unit::PerSecond),
        Target::None,
    )
    .on(turns.calm())
    .noting(format!(
        "the recorder used {} of a CPU",
        Unit::Share.show(median(&shares).unwrap_or(f64::NAN))
    ))
    .from(turns.raw());
    let question = "of these, how many are lost";
    let lost = Row::new(
        "event-flood-lost",
        question,
        (estimate(&losses)?, Unit::Share),
        Target::None,
    );
    Ok(vec![rate, lost])
}
