//! `escope-bpf snapshot`, again and again.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, park_timeout, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::{Seen, Watcher};
use crate::bench::cpu;
use crate::bench::vm::Works;

/// A snapshot each so often; the next one begins when the last one has ended.
pub(in crate::bench) struct Snapshots {
    program: PathBuf,
    every: Duration,
    running: Option<Running>,
}

struct Running {
    is_over: Arc<AtomicBool>,
    looks: JoinHandle<Result<(u64, Duration)>>,
    children_before_ns: u64,
}

impl Snapshots {
    /// So many a second.
    pub(in crate::bench) fn new(program: &Path, hz: u32) -> Snapshots {
        Snapshots {
            program: program.to_owned(),
            every: Duration::from_secs(1) / hz.max(1),
            running: None,
        }
    }
}

impl Watcher for Snapshots {
    fn name(&self) -> String {
        format!("a snapshot each {} ms", self.every.as_millis())
    }

    fn begin(&mut self, load: &mut dyn Works) -> Result<()> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, every) = (Arc::clone(&is_over), self.every);
        let mut command = Command::new(&self.program);
        command
            .args(["snapshot", "-p", &load.pid().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let looks = spawn(move || look(&mut command, every, &over));
        self.running = Some(Running {
            is_over,
            looks,
            children_before_ns: cpu::of_children_ns()?,
        });
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Works) -> Result<Seen> {
        let running = self.running.take().context("it does not run")?;
        running.is_over.store(true, Ordering::Relaxed);
        running.looks.thread().unpark();
        let done = running.looks.join();
        let (looks, took) = done.map_err(|_| anyhow!("the thread of snapshots failed"))??;
        let mut seen = Seen {
            cpu_ns: cpu::of_children_ns()?.saturating_sub(running.children_before_ns),
            ..Seen::default()
        };
        let ns = took.as_nanos() as u64;
        seen.counts.insert("polls".to_owned(), looks);
        seen.counts.insert("ns".to_owned(), ns);
        Ok(seen)
    }
}

/// How often, and how long that took in all.
fn look(command: &mut Command, every: Duration, is_over: &AtomicBool) -> Result<(u64, Duration)> {
    let (mut looks, mut took) = (0, Duration::ZERO);
    while !is_over.load(Ordering::Relaxed) {
        let start = Instant::now();
        let status = command.status().context("cannot run the profiler")?;
        if !status.success() {
            bail!("a snapshot failed: {status}");
        }
        looks += 1;
        took += start.elapsed();
        let until = start + every;
        while Instant::now() < until && !is_over.load(Ordering::Relaxed) {
            park_timeout(until.saturating_duration_since(Instant::now()));
        }
    }
    Ok((looks, took))
}
