//! By turns: a window in which nobody watches, one in which somebody does, and so on.
//!
//! Each watched window is compared with the windows before and after it, so what changes slowly,
//! such as a machine that others use, cancels. The windows in which nobody watches are compared
//! with one another likewise: that says how much is noise.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::cpu::{self, Machine};
use super::pause::pause;
use super::statistics::{Estimate, median};
use super::verdict::Calm;
use super::vm::{Mark, Works};
use super::watch::{Seen, Watcher};

/// How long, and how often.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) rounds: usize,
    /// In which nobody watches.
    pub(super) quiet: Duration,
    /// In which somebody does.
    pub(super) watched: Duration,
    /// Between the beginning and the end of watching and the windows, which have no part in it.
    pub(super) settle: Duration,
}

impl Plan {
    /// Windows of so many milliseconds each.
    pub(super) fn even(rounds: usize, window_ms: u64) -> Plan {
        let window = Duration::from_millis(window_ms);
        Plan {
            rounds,
            quiet: window,
            watched: window,
            settle: Duration::from_millis(200),
        }
    }
}

/// What was done in a window, and by whom the machine was used.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub(super) done: Mark,
    pub(super) took: Duration,
    machine: Machine,
}

/// A window in which somebody watched.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) window: Window,
    /// The number of the quiet window before it.
    after: usize,
    /// CPU time of who watched, in the window.
    pub(super) watcher_cpu_ns: u64,
    pub(super) seen: Seen,
}

/// All windows.
#[derive(Debug)]
pub(super) struct Turns {
    names: Vec<String>,
    quiet: Vec<Window>,
    /// By watcher.
    watched: Vec<Vec<Watched>>,
}

/// Lets each watcher watch once a round.
pub(super) fn by_turns(
    load: &mut dyn Works,
    watchers: &mut [&mut dyn Watcher],
    plan: Plan,
) -> Result<Turns> {
    let mut turns = Turns {
        names: watchers.iter().map(|watcher| watcher.name()).collect(),
        quiet: vec![window(load, plan.quiet)?],
        watched: vec![Vec::new(); watchers.len()],
    };
    for round in 1..=plan.rounds {
        for (number, watcher) in watchers.iter_mut().enumerate() {
            let one = one_turn(load, *watcher, plan)
                .with_context(|| format!("{} in round {round}", watcher.name()))?;
            let after = turns.quiet.len() - 1;
            pause(plan.settle)?;
            turns.quiet.push(window(load, plan.quiet)?);
            if let Some(list) = turns.watched.get_mut(number) {
                list.push(Watched { after, ..one });
            }
        }
        println!("  round {round} of {}:{}", plan.rounds, turns.last_round());
    }
    Ok(turns)
}

fn one_turn(load: &mut dyn Works, watcher: &mut dyn Watcher, plan: Plan) -> Result<Watched> {
    watcher.begin(load)?;
    let begun = Instant::now();
    pause(plan.settle)?;
    let cpu_ns = |watcher: &dyn Watcher| -> u64 {
        let pids = watcher.pids().into_iter();
        pids.filter_map(|pid| cpu::of_threads(pid).ok())
            .map(|threads| threads.all_ns)
            .sum()
    };
    let before_ns = cpu_ns(watcher);
    let window = window(load, plan.watched);
    let watcher_cpu_ns = cpu_ns(watcher).saturating_sub(before_ns);
    // It ends whatever happened to the load.
    let watched_for = begun.elapsed();
    let (seen, window) = (watcher.end(load), window?);
    let around = watched_for.saturating_sub(window.took);
    Ok(Watched {
        window,
        after: 0,
        watcher_cpu_ns,
        seen: Seen {
            around_ns: around.as_nanos() as u64,
            ..seen?
        },
    })
}

/// Lets time pass.
pub(super) fn window(load: &mut dyn Works, length: Duration) -> Result<Window> {
    let (machine, start) = (Machine::now(), Instant::now());
    let before = load.mark()?;
    pause(length)?;
    let done = load.mark()?.since(before);
    Ok(Window {
        done,
        took: start.elapsed(),
        machine: Machine::now().since(machine),
    })
}

impl Turns {
    /// A figure of each watched window against the mean of it in the two windows around it.
    fn against(&self, watcher: usize, figure: impl Fn(&Window) -> f64) -> Vec<(f64, f64)> {
        let watched = self.watched.get(watcher).map_or(&[][..], Vec::as_slice);
        let pairs = watched.iter().filter_map(|one| {
            let (before, after) = (self.quiet.get(one.after)?, self.quiet.get(one.after + 1)?);
            let quiet = f64::midpoint(figure(before), figure(after));
            Some((figure(&one.window), quiet))
        });
        pairs.collect()
    }

    /// CPU time for a unit of work while somebody watches, of that while nobody does; each by the
    /// yardstick, where there is one.
    pub(super) fn ratios(&self, watcher: usize) -> Vec<f64> {
        quotients(&self.against(watcher, |window| window.done.by_yardstick()))
    }

    /// The same by the VM's own accounts alone. None if there is no yardstick.
    pub(super) fn plain_ratios(&self, watcher: usize) -> Option<Vec<f64>> {
        let yardsticks = self.quiet.iter().map(|quiet| quiet.done.yardstick.cpu_ns);
        let has_yardstick = yardsticks.min().unwrap_or(0) > 0;
        has_yardstick.then(|| quotients(&self.against(watcher, |window| window.done.per_unit())))
    }

    /// CPU time that a unit of work costs more while somebody watches, in nanoseconds.
    pub(super) fn extra_ns(&self, watcher: usize) -> Vec<f64> {
        let pairs = self.against(watcher, |window| window.done.per_unit());
        pairs
            .iter()
            .map(|(watched, quiet)| watched - quiet)
            .collect()
    }

    /// CPU time for a unit of work while nobody watches, in nanoseconds.
    pub(super) fn quiet_ns(&self) -> f64 {
        let all: Vec<f64> = self
            .quiet
            .iter()
            .map(|quiet| quiet.done.per_unit())
            .collect();
        median(&all).unwrap_or(f64::NAN)
    }

    /// CPU time of a watcher in its windows, as a share of one CPU.
    pub(super) fn watcher_shares(&self, watcher: usize) -> Vec<f64> {
        let share = |one: &Watched| one.watcher_cpu_ns as f64 / one.window.took.as_nanos() as f64;
        self.of(watcher).iter().map(share).collect()
    }

    /// The windows of a watcher.
    pub(super) fn of(&self, watcher: usize) -> &[Watched] {
        self.watched.get(watcher).map_or(&[], Vec::as_slice)
    }

    /// The most memory that a watcher had, in MiB.
    pub(super) fn peak_mib(&self, watcher: usize) -> f64 {
        let bytes = self
            .of(watcher)
            .iter()
            .map(|one| one.seen.peak_rss_bytes)
            .max();
        bytes.unwrap_or(0) as f64 / f64::from(1 << 20)
    }

    /// What a watcher recorded and lost in all.
    pub(super) fn records_and_lost(&self, watcher: usize) -> (u64, u64) {
        let sum =
            |count: fn(&Seen) -> u64| self.of(watcher).iter().map(|one| count(&one.seen)).sum();
        (sum(|seen| seen.records), sum(|seen| seen.lost))
    }

    /// How calm the machine was while nobody watched.
    pub(super) fn calm(&self) -> Calm {
        let each = self.quiet.windows(3).map(|three| match three {
            [before, this, after] => {
                let around = f64::midpoint(before.done.by_yardstick(), after.done.by_yardstick());
                this.done.by_yardstick() / around
            }
            _ => f64::NAN,
        });
        let machine =
            (self.quiet.iter()).fold(Machine::default(), |sum, quiet| sum.and(quiet.machine));
        let known_ns: u64 = (self.quiet.iter())
            .map(|quiet| quiet.done.all_cpu_ns + quiet.done.yardstick.cpu_ns)
            .sum();
        let known = known_ns / cpu::tick_ns();
        let all = machine.all.max(1) as f64;
        Calm {
            quiet: Estimate::of(&each.collect::<Vec<_>>()),
            others: machine.busy.saturating_sub(known) as f64 / all,
            stolen: machine.stolen as f64 / all,
        }
    }

    /// What everybody's last window says.
    fn last_round(&self) -> String {
        let ratios = (self.names.iter().enumerate()).filter_map(|(number, name)| {
            let ratio = self.ratios(number).last().copied()?;
            Some(format!(" {name} {ratio:.4}"))
        });
        ratios.collect::<Vec<_>>().join(",")
    }

    /// All of it, for who wants to reckon anew.
    pub(super) fn raw(&self) -> Value {
        let window = |window: &Window| {
            json!({
                "units": window.done.units,
                "schedulers_cpu_ns": window.done.cpu_ns,
                "vm_cpu_ns": window.done.all_cpu_ns,
                "yardstick_units": window.done.yardstick.units,
                "yardstick_cpu_ns": window.done.yardstick.cpu_ns,
                "took_ns": window.took.as_nanos() as u64,
            })
        };
        let watched = self.watched.iter().zip(&self.names).map(|(all, name)| {
            let all = all.iter().map(|one| {
                json!({
                    "window": window(&one.window),
                    "after_quiet": one.after,
                    "watcher_cpu_ns": one.watcher_cpu_ns,
                    "seen": one.seen,
                })
            });
            json!({ "watcher": name, "windows": all.collect::<Vec<_>>() })
        });
        json!({
            "quiet": self.quiet.iter().map(window).collect::<Vec<_>>(),
            "watched": watched.collect::<Vec<_>>(),
        })
    }
}

fn quotients(pairs: &[(f64, f64)]) -> Vec<f64> {
    let quotients = pairs.iter().map(|(watched, quiet)| watched / quiet);
    quotients.collect()
}

#[cfg(test)]
mod tests {
    use super::{Machine, Mark, Seen, Turns, Watched, Window};
    use crate::bench::vm::Yardstick;
    use std::time::Duration;

    fn window(cpu_ns: u64) -> Window {
        Window {
            done: Mark {
                units: 100,
                cpu_ns,
                all_cpu_ns: cpu_ns,
                yardstick: Yardstick::default(),
            },
            took: Duration::from_secs(1),
            machine: Machine::default(),
        }
    }

    #[test]
    fn a_watched_window_stands_against_its_neighbours() {
        let watched = |after, cpu_ns| Watched {
            window: window(cpu_ns),
            after,
            watcher_cpu_ns: 20_000_000,
            seen: Seen::default(),
        };
        let turns = Turns {
            names: vec!["a".to_owned(), "b".to_owned()],
            quiet: [1000, 2000, 3000].map(window).to_vec(),
            watched: vec![vec![watched(0, 3000)], vec![watched(1, 2500)]],
        };
        assert_eq!(turns.ratios(0), [2.0]);
        assert_eq!(turns.ratios(1), [1.0]);
        assert_eq!(turns.extra_ns(0), [15.0]);
        assert_eq!(turns.watcher_shares(0), [0.02]);
        assert_eq!(turns.plain_ratios(0), None);
        assert!(turns.ratios(2).is_empty());
    }

    #[test]
    fn a_machine_that_is_slower_for_others_too_costs_nothing() {
        let beside = |cpu_ns, others_ns| {
            let mut window = window(cpu_ns);
            window.done.yardstick = Yardstick {
                units: 50,
                cpu_ns: others_ns,
            };
            window
        };
        let watched = Watched {
            window: beside(2200, 1000),
            after: 0,
            watcher_cpu_ns: 0,
            seen: Seen::default(),
        };
        let turns = Turns {
            names: vec!["a".to_owned()],
            quiet: vec![beside(1000, 500), beside(1000, 500), beside(3000, 1500)],
            watched: vec![vec![watched]],
        };
        let [ratio] = turns.ratios(0)[..] else {
            panic!("one")
        };
        assert!((ratio - 1.1).abs() < 1e-9, "{ratio}");
        assert_eq!(turns.plain_ratios(0), Some(vec![2.2]));
    }
}
