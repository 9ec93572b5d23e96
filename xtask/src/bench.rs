//! What a look from outside costs, how it grows, and what others cost that do the same.
//!
//! Costs are ratios of two things measured by turns in one run: machines differ, and are shared.
//! Each bench answers questions, a row each; what it measured is in `target/bench/NAME.json`, and
//! `--table` makes `docs/BENCHMARKS.md` of all that is there. The parts: `vm`, `twins`, `loads` and
//! `rabbitmq` are what is watched and counts its own work, `watch` those who watch, `abab` lets them, `statistics`
//! and `verdict` say what that means, `row`, `machine` and `table` tell it, and `rows` asks.

mod abab;
mod cpu;
mod loads;
mod machine;
mod pause;
mod programs;
mod rabbitmq;
mod row;
mod rows;
mod statistics;
mod table;
mod twins;
mod verdict;
mod vm;
mod watch;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::commands::{cargo, is_root, root, run_to_end, target_folder};
use abab::Plan;
use machine::Machine;
use programs::Programs;
use rows::{BENCHES, Entry};
use table::Answers;
use vm::{Load, Vm};
use watch::Escope;

/// What the user asked for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Fewer and shorter windows: all of it within ten minutes
    #[arg(long)]
    quick: bool,
    /// Say which there are, and how long they take
    #[arg(long)]
    list: bool,
    /// Only make docs/BENCHMARKS.md of what was measured so far
    #[arg(long)]
    table: bool,
    /// Measure this program instead of building one
    #[arg(long, value_name = "PATH")]
    escope: Option<PathBuf>,
    /// Only these; without a name all that --list does not mark
    names: Vec<String>,
}

/// What every bench has.
struct Bench {
    escope: PathBuf,
    /// `inferno`'s way from `perf script` to a flame graph.
    perf_flamegraph: PathBuf,
    folder: PathBuf,
    programs: Programs,
    quick: bool,
    /// Whether the profiler was built for this.
    is_release: bool,
}

/// Runs the benches; what they say goes to `target/bench`, as JSON, and to the terminal.
///
/// # Errors
/// If something cannot be built, started or measured. What the others measured is kept.
pub fn run(args: &Args) -> Result<()> {
    let target = target_folder()?;
    let folder = target.join("bench");
    if args.list {
        BENCHES
            .iter()
            .for_each(|entry| println!("{}", entry.line()));
        return Ok(());
    }
    if args.table {
        return table::write(&folder, &root().join("docs/BENCHMARKS.md"));
    }
    if !is_root() {
        bail!("benches read other processes: run this as root");
    }
    let entries = wanted(args)?;
    let bench = Bench::prepare(args, target, folder)?;
    pause::heed_signals()?;
    let mut failed = Vec::new();
    for entry in entries {
        pause::go_on()?;
        println!("\n==== {}: {}", entry.name, entry.what);
        if let Err(error) = bench.answer(entry) {
            println!("{}: {error:#}", entry.name);
            failed.push(entry.name);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn wanted(args: &Args) -> Result<Vec<&'static Entry>> {
    let is_known = |name: &&String| BENCHES.iter().any(|entry| entry.name == name.as_str());
    if let Some(unknown) = args.names.iter().find(|name| !is_known(name)) {
        bail!("there is no bench {unknown}: --list says which there are");
    }
    let is_wanted = |entry: &&Entry| match args.names.as_slice() {
        [] => entry.runs_unasked(args.quick),
        names => names.iter().any(|name| name == entry.name),
    };
    Ok(BENCHES.iter().filter(is_wanted).collect())
}

impl Bench {
    fn prepare(args: &Args, target: PathBuf, folder: PathBuf) -> Result<Bench> {
        let escope = match &args.escope {
            Some(program) => program.clone(),
            None => {
                run_to_end(cargo().args(["build", "--release", "--no-default-features"]))?;
                target.join("release/escope-bpf")
            }
        };
        Ok(Bench {
            escope,
            perf_flamegraph: target.join("release/examples/perf_flamegraph"),
            programs: Programs::compile(&folder)?,
            folder,
            quick: args.quick,
            is_release: args.escope.is_none(),
        })
    }

    fn answer(&self, entry: &Entry) -> Result<()> {
        let start = Instant::now();
        let rows = (entry.run)(self)?;
        for row in &rows {
            println!("{}", row.line());
        }
        let answers = Answers {
            bench: entry.name.to_owned(),
            quick: self.quick,
            is_release: self.is_release,
            took_s: start.elapsed().as_secs(),
            machine: Machine::here(),
            rows,
        };
        let file = self.folder.join(format!("{}.json", entry.name));
        let text = serde_json::to_string_pretty(&answers)?;
        fs::write(&file, text + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
        println!("{} s; written to {}", answers.took_s, file.display());
        Ok(())
    }

    /// One of two, by how much time there is.
    fn plan(&self, whole: Plan, quick: Plan) -> Plan {
        if self.quick { quick } else { whole }
    }

    fn vm(&self, load: Load) -> Result<Vm> {
        Vm::start(&self.programs, load)
    }

    /// We, with options of `record`.
    fn recorder(&self, args: &[&str]) -> Escope {
        Escope::new(&self.escope, self.folder.join("bench.escope"), args)
    }

    fn snapshot(&self, pid: u32) -> Result<f64> {
        self.cpu_of(&["snapshot", "-p", &pid.to_string()])
    }

    /// Runs the profiler to its end; its CPU time in seconds.
    fn cpu_of(&self, args: &[&str]) -> Result<f64> {
        let before = cpu::of_children_ns()?;
        let mut command = Command::new(&self.escope);
        run_to_end(command.args(args).stdout(Stdio::null()))?;
        let used_ns = cpu::of_children_ns()?.saturating_sub(before);
        Ok(Duration::from_nanos(used_ns).as_secs_f64())
    }
}
