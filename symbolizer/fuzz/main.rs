//! Tries what reads bytes of others with bytes that nobody would write: `cargo xtask fuzz`.
//!
//! A worker, a process of its own, makes cases from a seed and a number and notes which number
//! it is at. The parent watches: a worker that ends, or stays at a number for too long, or needs
//! too much memory, has found something. The same seed and number make the same bytes, which
//! are then written to the corpus.

#![forbid(unsafe_code)]

mod mutate;
mod parent;
mod worker;

use std::alloc::System;
use std::process::ExitCode;
use std::time::Duration;

use cap::Cap;
use escope_symbolizer::fuzz::{TARGETS, Target};

/// What a worker may allocate in all: beyond it an allocation fails, which ends it.
const BYTES_MAX: usize = 512 << 20;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, BYTES_MAX);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let found = match args.as_slice() {
        ["worker", name, seed, first, progress] => {
            let (Some(target), Ok(seed), Ok(first)) = (by_name(name), seed.parse(), first.parse())
            else {
                return ExitCode::from(2);
            };
            return worker::run(target, seed, first, progress.as_ref());
        }
        ["replay", files @ ..] => return worker::replay(files),
        ["run", seconds, seed, names @ ..] => {
            let targets: Option<Vec<Target>> = match names {
                [] => Some(TARGETS.to_vec()),
                names => names.iter().map(|name| by_name(name)).collect(),
            };
            let (Some(targets), Ok(seconds), Ok(seed)) = (targets, seconds.parse(), seed.parse())
            else {
                let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
                eprintln!("unknown target; there are {}", known.join(", "));
                return ExitCode::from(2);
            };
            parent::run(&targets, Duration::from_secs(seconds), seed)
        }
        _ => {
            eprintln!("use `cargo xtask fuzz`");
            return ExitCode::from(2);
        }
    };
    match found {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn by_name(name: &str) -> Option<Target> {
    TARGETS.iter().find(|target| target.name == name).copied()
}
