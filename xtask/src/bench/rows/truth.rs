//! Whether what is told is so: against programs that know it, and against perf.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use super::{EMPTY, PING_PONG, warm_up};
use crate::bench::Bench;
use crate::bench::pause::pause;
use crate::bench::row::{Row, Unit};
use crate::bench::statistics::Estimate;
use crate::bench::verdict::Target;
use crate::bench::vm::{Load, Vm, Works};
use crate::bench::watch::{Perf, Seen, Watcher};

/// `tests/beam/split.erl` at work shares.
const SPLIT: [&str; 3] = ["split_one", "split_two", "split_three"];
/// So far may a share be off that is measured by some ten thousand samples: three times the
/// standard deviation of a third of them.
const SHARE_OFF: f64 = 0.015;

/// Three processes that share a scheduler 1 : 2 : 3, by their own count.
pub(super) fn split(bench: &Bench) -> Result<Vec<Row>> {
    let length = Duration::from_secs(if bench.quick { 6 } else { 15 });
    let load = Load {
        schedulers: 1,
        ..EMPTY
    };
    let mut vm = Vm::start_test(&bench.programs, "split", load)?;
    ensure!(vm.tell("go")?.starts_with("running"), "split does not run");
    let mut ours = bench.recorder(&["-F", "999"]).keeping();
    ours.begin(&mut vm)?;
    pause(length)?;
    let seen = ours.end(&mut vm)?;
    let done = vm.tell("stop")?;
    let quanta = SPLIT.map(|name| fact(&done, name).unwrap_or(0.0));
    let folded = bench.folded(&[])?;
    let mut sampled = SPLIT.map(|_| 0.0);
    for (stack, weight) in stacks(&folded) {
        let name = stack.split(';').next().unwrap_or_default();
        for (sum, split) in sampled.iter_mut().zip(SPLIT) {
            // What else the root says comes after the name.
            *sum += if name.split(' ').next() == Some(split) {
                weight
            } else {
                0.0
            };
        }
    }
    let all = (quanta.iter().sum::<f64>(), sampled.iter().sum::<f64>());
    ensure!(all.0 > 0.0 && all.1 > 0.0, "nothing was counted: {done}");
    let off = quanta
        .iter()
        .zip(sampled)
        .map(|(quanta, sampled)| (quanta / all.0 - sampled / all.1).abs());
    let off = off.fold(0.0, f64::max);
    let question =
        "how far the share of a process's samples is off at most, of processes at 1 : 2 : 3";
    let row = Row::new(
        "truth-split",
        question,
        (Estimate::once(off), Unit::Share),
        Target::AtMost(SHARE_OFF),
    );
    Ok(vec![
        row.noting(format!("{} samples, {} lost", seen.records, seen.lost))
            .from(json!({ "quanta": quanta, "sampled_ns": sampled })),
    ])
}

/// Shares of functions of ours and perf's, sampled at the same time, by who was on the CPU.
pub(super) fn perf(bench: &Bench) -> Result<Vec<Row>> {
    let length = Duration::from_secs(if bench.quick { 6 } else { 15 });
    let load = Load {
        fib: 1,
        sort: 1,
        gc: 1,
        ets: 1,
        schedulers: 2,
        flags: &["+JPperf", "true"],
        ..EMPTY
    };
    let mut vm = bench.vm(load)?;
    warm_up(bench, 2)?;
    let data = bench.folder.join("perf.data");
    let mut ours = bench.recorder(&["-F", "997"]).keeping();
    let mut perf = Perf::new(997, data.clone())?;
    ours.begin(&mut vm)?;
    perf.begin(&mut vm)?;
    pause(length)?;
    perf.end(&mut vm)?;
    ours.end(&mut vm)?;
    let theirs = perf_shares(&data)?;
    let folded = bench.folded(&["--idle"])?;
    let leaves = stacks(&folded).map(|(stack, weight)| {
        let leaf = stack.rsplit(';').next().unwrap_or_default();
        (normal(leaf), weight)
    });
    let ours = shares(leaves);
    // Functions that both know by the same name, the hottest first.
    let mut both: Vec<(&String, f64, f64)> = (ours.iter())
        .filter_map(|(name, share)| Some((name, *share, *theirs.get(name)?)))
        .filter(|(name, ..)| name.contains(':'))
        .collect();
    both.sort_by(|left, right| right.1.total_cmp(&left.1));
    both.truncate(5);
    ensure!(both.len() >= 2, "we and perf know no names in common");
    let off = both
        .iter()
        .map(|(_, ours, perf)| (ours - perf).abs())
        .fold(0.0, f64::max);
    let question = "how far the share of a function is off perf's at most, of the five hottest Erlang functions";
    let row = Row::new(
        "truth-perf",
        question,
        (Estimate::once(off), Unit::Share),
        Target::AtMost(0.02),
    );
    let each = both.iter().map(|(name, ours, perf)| {
        let (ours, perf) = (Unit::Share.show(*ours), Unit::Share.show(*perf));
        format!("{name} {ours}, by perf {perf}")
    });
    Ok(vec![row.noting(each.collect::<Vec<_>>().join("; "))])
}

/// Messages that were recorded, against those that the processes counted.
pub(super) fn messages(bench: &Bench) -> Result<Vec<Row>> {
    let mut vm = bench.vm(PING_PONG)?;
    warm_up(bench, 2)?;
    let mut ours = bench.recorder(&["-F", "1", "--events", "msg", "--max-overhead", "off"]);
    let outer = vm.units()?;
    ours.begin(&mut vm)?;
    let inner = vm.units()?;
    pause(Duration::from_secs(2))?;
    let inner = vm.units()?.saturating_sub(inner);
    let seen: Seen = ours.end(&mut vm)?;
    let outer = vm.units()?.saturating_sub(outer);
    // A message is two events, its sending and its receiving.
    let told = (seen.counts.get("events_recorded").copied().unwrap_or(0) + seen.lost) / 2;
    let question = "messages recorded or told as lost, against those that processes counted in that time at least";
    let share = Estimate::once(told as f64 / inner.max(1) as f64);
    let row = Row::new(
        "truth-messages",
        question,
        (share, Unit::Share),
        Target::AtLeast(1.0),
    );
    Ok(vec![row.noting(format!(
        "{told} told, {} of them lost; at least {inner} and at most {outer} there were",
        seen.lost / 2
    ))])
}

/// Of `done a=1 b=2`.
fn fact(line: &str, name: &str) -> Option<f64> {
    let mut facts = line.split(' ').filter_map(|fact| fact.split_once('='));
    facts.find(|(key, _)| *key == name)?.1.parse().ok()
}

/// Lines `root;frame;leaf weight`.
fn stacks(folded: &str) -> impl Iterator<Item = (&str, f64)> {
    folded.lines().filter_map(|line| {
        let (stack, weight) = line.rsplit_once(' ')?;
        Some((stack, weight.parse().ok()?))
    })
}

fn shares(of: impl Iterator<Item = (String, f64)>) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    let mut all = 0.0;
    for (name, weight) in of {
        all += weight;
        *sums.entry(name).or_default() += weight;
    }
    sums.values_mut().for_each(|sum| *sum /= all);
    sums
}

/// By function at the leaf.
fn perf_shares(data: &std::path::Path) -> Result<BTreeMap<String, f64>> {
    let output = Command::new("perf")
        .args(["script", "-G", "-F", "ip,sym", "-i"])
        .arg(data)
        .stderr(Stdio::null())
        .output()
        .context("cannot run perf script")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(shares(lines.map(|line| {
        let name = line.split_once(' ').map_or("", |(_, name)| name);
        (normal(name), 1.0)
    })))
}

/// As both call it: `$mod:'fun'/1-CodeInfoPrologue` in the JIT's map is `mod:fun/1`.
fn normal(name: &str) -> String {
    let name = name.trim().trim_start_matches('$');
    name.trim_end_matches("-CodeInfoPrologue").replace('\'', "")
}

impl Bench {
    /// The last recording, folded.
    fn folded(&self, more: &[&str]) -> Result<String> {
        let output = Command::new(&self.escope)
            .arg("export")
            .arg(self.folder.join("bench.escope"))
            .args(["--format", "folded"])
            .args(more)
            .output()
            .context("cannot run the profiler")?;
        if !output.status.success() {
            bail!("export failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{fact, normal, shares, stacks};

    #[test]
    fn lines_of_others_are_read() {
        assert_eq!(fact("done from_ns=1 split_one=20", "split_one"), Some(20.0));
        assert_eq!(fact("done", "split_one"), None);
        assert_eq!(normal("$lists:'sort'/1-CodeInfoPrologue"), "lists:sort/1");
        let folded = "a b;c:d/1 30\na b;e 10\n";
        let leaves = stacks(folded).map(|(stack, weight)| (stack.to_owned(), weight));
        assert_eq!(shares(leaves).get("a b;c:d/1"), Some(&0.75));
    }
}
