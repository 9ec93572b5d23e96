//! Hostile bytes for everything that reads bytes of others: `symbolizer/fuzz`.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::commands::{cargo, run_to_end};

/// What the user asked for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// For how long, shared by the targets
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    minutes: u64,
    /// Try the cases of this seed, which an earlier run has printed
    #[arg(long)]
    seed: Option<u64>,
    /// Run these files of tests/fixtures/corpus instead
    #[arg(long, conflicts_with_all = ["seed", "targets"])]
    replay: Vec<String>,
    /// Which targets; all when none is given
    targets: Vec<String>,
}

/// Builds the fuzzer and runs it. What it finds it writes to `tests/fixtures/corpus`, where a test
/// tries it again.
///
/// # Errors
/// If something was found, or a target is not known.
pub fn run(args: &Args) -> Result<()> {
    let mut fuzz = cargo();
    fuzz.args(["run", "-p", "escope-symbolizer", "--features", "fuzz"]);
    fuzz.args(["--example", "fuzz", "--"]);
    if args.replay.is_empty() {
        // Any number does, as long as it is printed.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seed = args.seed.unwrap_or(now.map_or(1, |now| now.as_secs()));
        fuzz.args([
            "run".to_owned(),
            (args.minutes * 60).to_string(),
            seed.to_string(),
        ]);
        fuzz.args(&args.targets);
    } else {
        fuzz.arg("replay").args(&args.replay);
    }
    run_to_end(&mut fuzz)
}
