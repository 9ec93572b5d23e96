//! `cargo xtask`: the tasks of developers.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::commands::root;
use xtask::{bench, demo, fuzz, layouts, otp, test, tidy};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Development tasks of escope-bpf")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// From a fresh machine to a flame graph of a running Erlang VM
    Demo(demo::Args),
    /// Format, lints, docs and all tests, tier by tier
    Test(test::Args),
    /// Other OTP releases to test against, below target/otp
    Otp(otp::Args),
    /// Hostile bytes for everything that reads bytes of others
    Fuzz(fuzz::Args),
    /// What a look from outside costs: ratios, and how it grows
    Bench(bench::Args),
    /// Tables of where OTP releases keep things, from debug information
    Layouts(layouts::Args),
    /// The rules of this tree: file lengths, arrows between crates, unsafe code
    Tidy,
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Demo(args) => demo::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Otp(args) => otp::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Layouts(args) => layouts::run(&args),
        Task::Tidy => tidy::run(&root()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
