//! Everything that has to hold before a change goes in.
//!
//! All steps run, whatever fails; the summary at the end says which did.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::commands::{Line, cargo, root, run_to_end};
use crate::install::{Consent, ensure, test_needs};
use crate::live::{self, Tier};
use crate::{otp, tidy};

/// What the user asked for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The highest tier to run: 1 needs nothing, 2 starts Erlang VMs, 3 loads BPF programs as root
    #[arg(long, value_enum, default_value = "3")]
    tier: Tier,
    /// Install what is missing first, without asking
    #[arg(long, short)]
    yes: bool,
    /// Leave out the feature `query`, whose first build takes minutes
    #[arg(long)]
    slim: bool,
}

enum Outcome {
    Passed,
    Skipped(String),
    Failed(String),
}

struct Step {
    name: String,
    outcome: Outcome,
    took: Duration,
}

/// Runs every step up to the tier.
///
/// # Errors
/// If a step failed, or was skipped although `ESCOPE_REQUIRE_LIVE=1` is set.
pub fn run(args: &Args) -> Result<()> {
    if args.yes {
        println!("==== what is needed");
        ensure(&test_needs(), Consent::Given)?;
    }
    let crates: &[&str] = if args.slim {
        &[
            "--workspace",
            "--exclude=escope-query",
            "--no-default-features",
        ]
    } else {
        &["--workspace"]
    };
    let mut steps = Vec::new();
    let mut step = |name: String, run: &mut dyn FnMut() -> Outcome| {
        println!("\n==== {name}");
        let start = Instant::now();
        let outcome = run();
        if let Outcome::Failed(why) | Outcome::Skipped(why) = &outcome {
            println!("{name}: {why}");
        }
        steps.push(Step {
            name,
            outcome,
            took: start.elapsed(),
        });
    };
    step("tidy".to_owned(), &mut || outcome_of(tidy::run(&root())));
    step("format".to_owned(), &mut || {
        outcome(cargo().args(["fmt", "--all", "--check"]))
    });
    step("lints".to_owned(), &mut || {
        let mut clippy = cargo();
        clippy.arg("clippy").args(crates).arg("--all-targets");
        outcome(clippy.args(["--", "-D", "warnings"]))
    });
    for tier in Tier::ALL.into_iter().filter(|&tier| tier <= args.tier) {
        step(format!("tests, tier {}", tier.number()), &mut || {
            test(tier, crates, None)
        });
    }
    if args.tier == Tier::Kernel {
        for otp in otp::fetched() {
            step(format!("tests, tier 3, OTP {otp}"), &mut || {
                test(Tier::Kernel, crates, Some(otp))
            });
        }
    }
    step("docs".to_owned(), &mut || {
        let mut doc = cargo();
        doc.arg("doc").args(crates).arg("--no-deps");
        outcome(doc.env("RUSTDOCFLAGS", "-D warnings"))
    });
    summary(&steps)
}

/// Runs the tests of a tier, with another OTP release than the machine's own if one is given.
fn test(tier: Tier, crates: &[&str], otp: Option<&str>) -> Outcome {
    if let Some(why) = tier.obstacle() {
        return Outcome::Skipped(why);
    }
    let mut test = cargo();
    test.arg("test").args(crates).arg("--no-fail-fast");
    if let Some(otp) = otp {
        test.env("ESCOPE_OTP", otp);
    }
    match tier.filter() {
        None => {
            test.arg("--");
            for live in Tier::ALL.iter().filter_map(|tier| tier.filter()) {
                test.args(["--skip", live]);
            }
        }
        // One at a time: they measure, and the machine is small.
        Some(filter) => {
            test.args(["--lib", "--bins", "--tests", filter]);
            test.args(["--", "--test-threads=1"]);
        }
    }
    outcome(&mut test)
}

fn outcome(command: &mut Command) -> Outcome {
    println!("{}", Line(command));
    outcome_of(run_to_end(command))
}

fn outcome_of(result: Result<()>) -> Outcome {
    match result {
        Ok(()) => Outcome::Passed,
        Err(error) => Outcome::Failed(format!("{error:#}")),
    }
}

fn summary(steps: &[Step]) -> Result<()> {
    println!("\n==== summary");
    let mut failed = Vec::new();
    for step in steps {
        let word = match &step.outcome {
            Outcome::Passed => "passed",
            Outcome::Skipped(_) if !live::is_required() => "skipped",
            Outcome::Skipped(_) | Outcome::Failed(_) => {
                failed.push(step.name.as_str());
                "FAILED"
            }
        };
        let why = match &step.outcome {
            Outcome::Skipped(why) => format!(" ({why})"),
            _ => String::new(),
        };
        println!(
            "{word:8} {:>7.1} s  {}{why}",
            step.took.as_secs_f64(),
            step.name
        );
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join("; "));
    }
    Ok(())
}
