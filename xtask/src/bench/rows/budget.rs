//! Whether `--max-overhead` is kept to.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{LOADS, PING_PONG, cost, warm_up};
use crate::bench::Bench;
use crate::bench::abab::{Plan, Turns, by_turns};
use crate::bench::rabbitmq::RabbitMq;
use crate::bench::row::{Row, Unit};
use crate::bench::statistics::Estimate;
use crate::bench::twins::Twins;
use crate::bench::verdict::Target;
use crate::bench::vm::Works;

/// The first window opens at once, whatever it costs: a recording must be so long that it has paid
/// for that one.
fn long(rounds: usize, quiet_s: u64, watched_s: u64) -> Plan {
    Plan {
        rounds,
        quiet: Duration::from_secs(quiet_s),
        watched: Duration::from_secs(watched_s),
        settle: Duration::ZERO,
    }
}

/// Messages and nothing else, which is as bad as it gets.
pub(super) fn of_messages(bench: &Bench) -> Result<Vec<Row>> {
    let mut twins = Twins::start(bench, PING_PONG)?;
    warm_up(bench, 2)?;
    let mut rows = Vec::new();
    // Half a minute of CPU time of a VM that has half a CPU, and less where more may be spent.
    for (percent, quiet_s, watched_s) in [("2", 10, 60), ("5", 8, 24)] {
        let plan = bench.plan(long(10, quiet_s, watched_s), long(6, quiet_s, watched_s));
        println!("  within {percent} %");
        let name = format!("event-budget-{percent}");
        let question = format!(
            "the VM's CPU for a message of ping-pong, all events with --max-overhead {percent} against none"
        );
        rows.push(within(
            bench,
            &mut twins,
            plan,
            percent,
            (&name, &question),
        )?);
    }
    Ok(rows)
}

/// Half a percent is for what prices that are measured cannot tell.
fn within_percent(percent: &str) -> Result<Target> {
    let share: f64 = percent.parse()?;
    Ok(Target::AtMost(1.0 + (share + 0.5) / 100.0))
}

/// RabbitMQ between two publishers and two consumers, who have what is left of the CPUs, within
/// 1 %, which is what is kept to unless told otherwise. A unit is a message that comes or goes. How
/// fast a shared machine is at a time shows in what a unit costs those clients, whom nobody records.
pub(super) fn rabbitmq(bench: &Bench) -> Result<Vec<Row>> {
    let plan = bench.plan(long(10, 5, 33), long(6, 5, 33));
    let mut node = RabbitMq::start(&bench.folder.join("rabbitmq"))?;
    // Until its memory has its size.
    warm_up(bench, 20)?;
    let question = "RabbitMQ's CPU for a message that comes or goes, all events with --max-overhead 1 against none";
    let row = within(bench, &mut node, plan, "1", ("event-rabbitmq", question))?;
    Ok(vec![row])
}

/// Each load within 1 %.
pub(super) fn loads(bench: &Bench) -> Result<Vec<Row>> {
    let plan = bench.plan(long(10, 5, 40), long(6, 5, 40));
    let mut rows = Vec::new();
    for (name, load) in LOADS {
        println!("  {name}");
        let mut twins = Twins::start(bench, load.with_one_scheduler())?;
        warm_up(bench, 2)?;
        let row = format!("event-{name}-budget");
        let question = format!(
            "the VM's CPU for a unit of {name}, all events with --max-overhead 1 against none"
        );
        rows.push(within(bench, &mut twins, plan, "1", (&row, &question))?);
    }
    Ok(rows)
}

/// One recording of RabbitMQ within 1 % that is so long that it has a million events.
pub(super) fn million(bench: &Bench) -> Result<Vec<Row>> {
    let mut node = RabbitMq::start(&bench.folder.join("rabbitmq"))?;
    warm_up(bench, 20)?;
    let turns = record(bench, &mut node, long(1, 60, 500), "1")?;
    let (events, lost) = turns.records_and_lost(0);
    let ratio = turns
        .ratios(0)
        .first()
        .copied()
        .context("nothing was measured")?;
    let question = "RabbitMQ's CPU for a message during one recording of 500 s within 1 %";
    let figure = (Estimate::once(ratio), Unit::More);
    let row = Row::new("event-million", question, figure, Target::AtMost(1.015));
    Ok(vec![
        row.on(turns.calm())
            .noting(format!("{events} records, {lost} lost"))
            .from(turns.raw()),
    ])
}

fn record(bench: &Bench, load: &mut dyn Works, plan: Plan, percent: &str) -> Result<Turns> {
    let args = ["-F", "1", "--events", "full", "--max-overhead", percent];
    by_turns(load, &mut [&mut bench.recorder(&args)], plan)
}

/// All events within so many percent.
fn within(
    bench: &Bench,
    load: &mut dyn Works,
    plan: Plan,
    percent: &str,
    (name, question): (&str, &str),
) -> Result<Row> {
    let turns = record(bench, load, plan, percent)?;
    cost(&turns, 0, name, question, within_percent(percent)?)
}
