//! The command line: arguments to plain values to one function per command.
//!
//! Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 usage,
//! 3 target refused.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail so"))]
// Text of the target goes through `output.rs` and `say.rs` alone.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod check;
mod completions;
mod coverage;
mod doctor;
mod export;
mod failure;
mod flamegraph;
mod frame;
mod load;
mod output;
mod payloads;
mod printable;
#[cfg(feature = "query")]
mod query;
mod record;
mod report;
mod say;
mod section;
mod signals;
mod snapshot;
mod state;
mod summary;
mod tables;
mod time;
mod timeline;
mod tracer;
mod tree;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use escope_session::SessionError;

use args::{Args, Command};
#[cfg(not(feature = "query"))]
use failure::Failure;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are results; anything else is a usage error, code 2.
            let code = error.exit_code();
            say::clap(&error);
            return ExitCode::from(u8::try_from(code).unwrap_or(2));
        }
    };
    match run(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Record(args) => record::run(args),
        Command::Snapshot(args) => snapshot::run(args),
        Command::State(args) => state::run(args),
        Command::Tree(args) => tree::run(args),
        Command::Watch(args) => watch::run(args),
        Command::Report(args) => report::run(args),
        Command::Timeline(args) => timeline::run(args),
        Command::Frame(args) => frame::run(args),
        Command::Flamegraph(args) => flamegraph::run(args),
        Command::Export(args) => export::run(args),
        #[cfg(feature = "query")]
        Command::Query(args) => query::run(args),
        #[cfg(not(feature = "query"))]
        Command::Query(_) => Err(Failure::usage(
            "this is the slim build, which has no SQL: use a build with the feature `query`, or \
             open the Parquet tables with DuckDB",
        )
        .into()),
        Command::Check(args) => check::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Completions(args) => completions::run(args),
        Command::KeepProbes => Ok(escope_session::keep_probes().map_err(SessionError::from)?),
    }
}
