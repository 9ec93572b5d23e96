//! A program that watches until it is told to end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::cpu;

/// A recorder that has not written all in this time does not end.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Our child. Dropping it kills it.
pub(in crate::bench) struct Observer {
    child: Child,
    children_before_ns: u64,
    peak_rss_bytes: u64,
}

/// What it used.
#[derive(Debug, Clone, Copy)]
pub(in crate::bench) struct Used {
    pub(in crate::bench) status: ExitStatus,
    /// From the signal to its end.
    pub(in crate::bench) ended_after: Duration,
    pub(in crate::bench) cpu_ns: u64,
    pub(in crate::bench) peak_rss_bytes: u64,
}

/// Where a program says that it watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Says {
    Stdout,
    Stderr,
}

impl Observer {
    /// Starts a program and waits for its first line, which begins with this word; also how long that
    /// took, in nanoseconds.
    pub(in crate::bench) fn start(
        command: &mut Command,
        says: Says,
        word: &str,
    ) -> Result<(Observer, u64)> {
        let start = Instant::now();
        let pipe_if = |is_it| if is_it { Stdio::piped() } else { Stdio::null() };
        let mut child = command
            .stdout(pipe_if(says == Says::Stdout))
            .stderr(pipe_if(says == Says::Stderr))
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let said: Option<Box<dyn Read + Send>> = match says {
            Says::Stdout => child.stdout.take().map(|pipe| Box::new(pipe) as _),
            Says::Stderr => child.stderr.take().map(|pipe| Box::new(pipe) as _),
        };
        let observer = Observer::of(child)?;
        let mut lines = BufReader::new(said.context("it has no pipe")?).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        if !first.starts_with(word) {
            bail!("it does not watch: {first}");
        }
        let begun_after_ns = start.elapsed().as_nanos() as u64;
        std::thread::spawn(move || lines.for_each(drop));
        Ok((observer, begun_after_ns))
    }

    /// Of a child that was just started. While it runs no other child of ours may end, for their
    /// accounts are one.
    pub(in crate::bench) fn of(child: Child) -> Result<Observer> {
        Ok(Observer {
            children_before_ns: cpu::of_children_ns()?,
            child,
            peak_rss_bytes: 0,
        })
    }

    pub(in crate::bench) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs.
    pub(in crate::bench) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Tells it to end, as Ctrl-C does, and waits until it has.
    pub(in crate::bench) fn interrupt(mut self) -> Result<Used> {
        let pid = i32::try_from(self.child.id()).context("what a pid")?;
        let start = Instant::now();
        kill(Pid::from_raw(pid), Signal::SIGINT).context("it is gone")?;
        let status = loop {
            self.look();
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if start.elapsed() > PATIENCE {
                bail!("it does not end within {} s", PATIENCE.as_secs());
            }
            sleep(LOOK_EVERY);
        };
        Ok(Used {
            status,
            ended_after: start.elapsed(),
            cpu_ns: cpu::of_children_ns()?.saturating_sub(self.children_before_ns),
            peak_rss_bytes: self.peak_rss_bytes,
        })
    }

    /// The kernel keeps the peak for as long as the process lives (`VmHWM`).
    fn look(&mut self) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        self.peak_rss_bytes = self.peak_rss_bytes.max(kib.unwrap_or(0) * 1024);
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        // Our own child: the number is its until it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
