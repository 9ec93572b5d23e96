//! What a look from outside costs and how it grows. Costs are ratios of two things measured by
//! turns in one run: machines differ, and are shared.

mod events;
mod rabbitmq;
mod ratio;
mod vm;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::{Value, json};

use crate::commands::{cargo, is_root, run_to_end, target_folder};
use ratio::Ratio;
use vm::{Load, Mark, Vm, Works};

/// What the user asked for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Fewer and shorter windows: for trying it out
    #[arg(long)]
    quick: bool,
    /// Only these: snapshot-cost, snapshot-growth, names, event-price, event-budget,
    /// event-rabbitmq, and event-million, which takes ten minutes and runs only if it is named
    names: Vec<String>,
}

struct Bench {
    escope: PathBuf,
    folder: PathBuf,
    quick: bool,
}

/// A bench's name and what it does.
type Entry = (&'static str, fn(&Bench) -> Result<Value>);

const BENCHES: [Entry; 7] = [
    ("snapshot-cost", snapshot_cost),
    ("snapshot-growth", snapshot_growth),
    ("names", names),
    ("event-price", events::price),
    ("event-budget", events::budget),
    ("event-rabbitmq", events::rabbitmq),
    (LONG, events::million),
];

/// What runs only if it is named.
const LONG: &str = "event-million";

/// Runs the benches and writes what they say to `target/bench`, as JSON.
///
/// # Errors
/// If something cannot be built, started or measured.
pub fn run(args: &Args) -> Result<()> {
    if !is_root() {
        bail!("benches read other processes: run this as root");
    }
    if let Some(unknown) = args
        .names
        .iter()
        .find(|name| BENCHES.iter().all(|(known, _)| known != name))
    {
        bail!(
            "there is no bench {unknown}: {}",
            BENCHES.map(|(name, _)| name).join(", ")
        );
    }
    run_to_end(cargo().args(["build", "--release", "--no-default-features"]))?;
    let target = target_folder()?;
    let bench = Bench {
        escope: target.join("release/escope-bpf"),
        folder: target.join("bench"),
        quick: args.quick,
    };
    for (name, run) in BENCHES {
        let is_named = args.names.iter().any(|wanted| wanted == name);
        if !is_named && (!args.names.is_empty() || name == LONG) {
            continue;
        }
        println!("\n==== {name}");
        let said = run(&bench)?;
        let file = bench.folder.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&said)?;
        fs::write(&file, text + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
        println!("written to {}", file.display());
    }
    Ok(())
}

/// CPU time of the VM per unit of its work while somebody takes a snapshot of its 10,000
/// processes each second, against the same VM left alone.
fn snapshot_cost(bench: &Bench) -> Result<Value> {
    let (pairs, window) = match bench.quick {
        true => (10, Duration::from_secs(2)),
        false => (40, Duration::from_secs(4)),
    };
    let mut vm = Vm::start(
        &bench.folder,
        Load {
            parked: 10_000,
            workers: 2,
            ..Load::default()
        },
    )?;
    sleep(Duration::from_secs(2));
    let (mut looked_at, mut alone) = (Vec::new(), Vec::new());
    let mut last = None;
    for _ in 0..pairs {
        let quiet = per_unit(&mut vm, window, |_| Ok(()))?;
        let looked = per_unit(&mut vm, window, |pid| bench.snapshot(pid).map(drop))?;
        // Against the windows before and after: drift cancels.
        if let Some((quiet_before, looked_before)) = last {
            looked_at.push(looked_before / ((quiet_before + quiet) / 2.0));
            alone.push(quiet / quiet_before);
        }
        last = Some((quiet, looked));
    }
    let ratio = Ratio::of(looked_at).context("too few windows")?;
    let noise = Ratio::of(alone).context("too few windows")?;
    println!(
        "CPU per unit of work with a snapshot each second: {:.4} of that without, 95 %: {:.4} to {:.4} \
         ({} pairs of {} s)",
        ratio.median,
        ratio.interval.0,
        ratio.interval.1,
        ratio.pairs,
        window.as_secs(),
    );
    println!(
        "the same VM alone, one window against the next: {:.4}, quarters {:.4} apart",
        noise.median, noise.spread
    );
    Ok(json!({
        "what": "CPU time of the VM per unit of work, snapshots each second against none",
        "processes": 10_000,
        "window_s": window.as_secs(),
        "pairs": ratio.pairs,
        "ratio": { "median": ratio.median, "low": ratio.interval.0, "high": ratio.interval.1 },
        "alone": { "median": noise.median, "spread": noise.spread },
    }))
}

/// CPU time per unit of work in one window; `each_second` is done once a second in it.
fn per_unit(
    vm: &mut impl Works,
    window: Duration,
    each_second: impl FnMut(u32) -> Result<()>,
) -> Result<f64> {
    Ok(work(vm, window, each_second)?.per_unit())
}

/// What is done in one window.
fn work(
    vm: &mut impl Works,
    window: Duration,
    mut each_second: impl FnMut(u32) -> Result<()>,
) -> Result<Mark> {
    let pid = vm.pid();
    let before = vm.mark()?;
    let start = Instant::now();
    for second in 1.. {
        each_second(pid)?;
        let next = Duration::from_secs(second).min(window);
        sleep(next.saturating_sub(start.elapsed()));
        if next == window {
            break;
        }
    }
    Ok(vm.mark()?.since(before))
}

/// CPU time of one snapshot by the number of processes.
fn snapshot_growth(bench: &Bench) -> Result<Value> {
    let sizes: &[u64] = match bench.quick {
        true => &[10_000, 100_000],
        false => &[10_000, 100_000, 500_000],
    };
    let mut rows = Vec::new();
    for &parked in sizes {
        let load = Load {
            parked,
            ..Load::default()
        };
        let vm = Vm::start(&bench.folder, load)?;
        let cpu_s = median_of_five(|| bench.snapshot(vm.pid()))?;
        println!(
            "{parked:>8} processes: {cpu_s:.3} s of CPU, {:.2} us each",
            1e6 * cpu_s / parked as f64
        );
        rows.push(json!({ "processes": parked, "cpu_s": cpu_s }));
    }
    Ok(json!({ "what": "CPU time of one snapshot by the number of processes", "rows": rows }))
}

/// CPU time to read all names by the number of modules.
fn names(bench: &Bench) -> Result<Value> {
    let mut rows = Vec::new();
    for modules in [100, 300, 1000, 3000] {
        let load = Load {
            modules,
            ..Load::default()
        };
        let vm = Vm::start(&bench.folder, load)?;
        let pid = vm.pid().to_string();
        let cpu_s = median_of_five(|| bench.cpu_of(&["doctor", "-p", &pid]))?;
        println!("{modules:>8} modules of 40 functions: {cpu_s:.3} s of CPU");
        rows.push(json!({ "modules": modules, "cpu_s": cpu_s }));
    }
    Ok(
        json!({ "what": "CPU time of doctor, which reads all names, by the number of modules", "rows": rows }),
    )
}

impl Bench {
    fn snapshot(&self, pid: u32) -> Result<f64> {
        self.cpu_of(&["snapshot", "-p", &pid.to_string()])
    }

    /// Runs the profiler to its end; its CPU time in seconds.
    fn cpu_of(&self, args: &[&str]) -> Result<f64> {
        let before = children_cpu_s()?;
        let mut command = Command::new(&self.escope);
        run_to_end(command.args(args).stdout(Stdio::null()))?;
        Ok(children_cpu_s()? - before)
    }
}

/// CPU time of all children that have ended (`getrusage(2)`).
fn children_cpu_s() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("no accounts of children")?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(micros as f64 / 1e6)
}

fn median_of_five(mut measure: impl FnMut() -> Result<f64>) -> Result<f64> {
    let mut all = [0.0; 5];
    for one in &mut all {
        *one = measure()?;
    }
    all.sort_unstable_by(f64::total_cmp);
    Ok(all[2])
}
