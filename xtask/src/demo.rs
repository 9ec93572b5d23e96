//! From a fresh machine to a flame graph of a running Erlang VM.
//!
//! Needs Rust, git and apt; asks before it installs anything. What it starts it ends:
//! the shop is killed by its own process id on every way out, and its stdin is a pipe
//! from here, so that it ends even when this process is killed.

mod shop;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::process::{getgid, getuid};

use crate::commands::{Line, as_root, cargo, find, is_root, root, run_to_end, target_folder};
use crate::install::{Consent, demo_needs, ensure};
use shop::Shop;

/// What the user asked for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Install what is missing without asking
    #[arg(long, short)]
    yes: bool,
    /// How long to record
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Where the recording and the picture go [default: target/demo]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

const STEPS: u32 = 6;

/// Runs the demonstration.
///
/// # Errors
/// If any step fails; the error says which, and what to do.
pub fn run(args: &Args) -> Result<()> {
    let consent = if args.yes {
        Consent::Given
    } else {
        Consent::Ask
    };
    step(1, "looking for what is needed");
    ensure(&demo_needs(), consent)?;

    step(
        2,
        "building the slim release binary (some minutes the first time)",
    );
    let build = ["build", "--release", "--no-default-features"];
    run_step(cargo().args(build))?;
    let target = target_folder()?;
    let escope = target.join("release/escope-bpf");

    step(3, "compiling the shop, the Erlang program to look at");
    let demo = target.join("demo");
    let ebin = compile_shop(&demo.join("ebin"))?;
    let out = args.out.clone().unwrap_or(demo);
    fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;

    step(4, "opening the shop");
    let shop = Shop::open(&ebin)?;
    println!("      it runs as process {}", shop.pid());

    step(5, &format!("recording for {} s", args.seconds));
    let recording = free_name(&out, "escope");
    record(&escope, &shop, args.seconds, &recording)?;
    drop(shop);

    step(6, "what the shop spent its time on");
    let mut report = Command::new(&escope);
    run_step(report.arg("report").arg(&recording))?;
    let picture = recording.with_extension("svg");
    let mut draw = Command::new(&escope);
    run_step(
        draw.arg("flamegraph")
            .arg(&recording)
            .arg("-o")
            .arg(&picture),
    )?;
    println!();
    println!("Recording:   {}", recording.display());
    println!("Flame graph: {}", picture.display());
    println!(
        "Open the flame graph in a browser; examples/shop/README.md says what is to be found in it."
    );
    Ok(())
}

fn step(number: u32, what: &str) {
    println!("[{number}/{STEPS}] {what}");
}

/// Runs a command and shows it.
fn run_step(command: &mut Command) -> Result<()> {
    println!("      {}", Line(command));
    run_to_end(command)
}

/// Compiles the shop into `ebin` and returns it.
fn compile_shop(ebin: &Path) -> Result<PathBuf> {
    let sources = root().join("examples/shop/src");
    fs::create_dir_all(ebin).with_context(|| format!("cannot create {}", ebin.display()))?;
    let mut modules: Vec<PathBuf> = fs::read_dir(&sources)
        .with_context(|| format!("cannot read {}", sources.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "erl"))
        .collect();
    modules.sort();
    let mut erlc = Command::new("erlc");
    run_to_end(erlc.arg("-o").arg(ebin).args(&modules))?;
    let app = ebin.join("shop.app");
    fs::copy(sources.join("shop.app"), &app)
        .with_context(|| format!("cannot write {}", app.display()))?;
    Ok(ebin.to_owned())
}

/// `shop.ENDING`, or the first of `shop-2.ENDING`, ... that is free together with its
/// picture: earlier results stay.
fn free_name(folder: &Path, ending: &str) -> PathBuf {
    let free = |path: &PathBuf| !path.exists() && !path.with_extension("svg").exists();
    let first = folder.join(format!("shop.{ending}"));
    std::iter::once(first.clone())
        .chain((2..10_000).map(|number| folder.join(format!("shop-{number}.{ending}"))))
        .find(free)
        .unwrap_or(first)
}

fn record(escope: &Path, shop: &Shop, seconds: u32, recording: &Path) -> Result<()> {
    let mut record = as_root(escope)?;
    record
        .args(["record", "-p", &shop.pid().to_string()])
        .args(["-d", &format!("{seconds}s"), "-F", "99", "-o"])
        .arg(recording);
    if !is_root() {
        println!("      loading BPF programs needs root, so this asks sudo");
    }
    let done = run_step(&mut record);
    if done.is_err() && !Path::new("/sys/kernel/btf/vmlinux").exists() {
        bail!("this kernel has no BTF, which the BPF programs need: use one with it");
    }
    done.with_context(|| {
        format!(
            "recording failed; {} doctor -p PID says what is wrong",
            escope.display()
        )
    })?;
    if !is_root() && find("chown").is_some() {
        // Recordings are for their owner alone; reading one needs no rights.
        let owner = format!("{}:{}", getuid().as_raw(), getgid().as_raw());
        run_to_end(as_root("chown")?.args(["-R", &owner]).arg(recording))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::free_name;
    use std::fs;

    #[test]
    fn earlier_results_stay() {
        let folder = std::env::temp_dir().join(format!("escope-xtask-{}", std::process::id()));
        assert!(fs::create_dir_all(folder.join("shop.escope")).is_ok());
        assert!(fs::write(folder.join("shop-2.svg"), "").is_ok());
        let name = free_name(&folder, "escope");
        assert!(fs::remove_dir_all(&folder).is_ok());
        assert_eq!(name, folder.join("shop-3.escope"));
    }
}
