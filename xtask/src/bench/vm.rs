//! A VM that counts its own work: `benches/beam/bench_load.erl`.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::commands::{root, run_to_end};

/// What the VM is to do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    /// Processes that rest.
    pub(super) parked: u64,
    /// Processes that work.
    pub(super) workers: u64,
    /// Pairs of processes that send a message to and fro.
    pub(super) pairs: u64,
    /// Schedulers; as many as there are CPUs for 0.
    pub(super) schedulers: u64,
    /// Modules that are loaded beside its own.
    pub(super) modules: u64,
}

/// Work done and CPU time used until an instant, or between two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) units: u64,
    pub(super) cpu_ns: u64,
    /// Of those who give the VM its work, if they are other processes. They do the same for a unit
    /// all the time and nobody looks at them: when it takes them longer, the machine is slower.
    pub(super) peers_cpu_ns: u64,
}

impl Mark {
    /// What came after an earlier one.
    pub(super) fn since(self, before: Mark) -> Mark {
        Mark {
            units: self.units - before.units,
            cpu_ns: self.cpu_ns - before.cpu_ns,
            peers_cpu_ns: self.peers_cpu_ns - before.peers_cpu_ns,
        }
    }

    /// CPU time for a unit of work, in nanoseconds.
    pub(super) fn per_unit(self) -> f64 {
        self.cpu_ns as f64 / self.units.max(1) as f64
    }
}

/// A VM whose work is counted.
pub(super) trait Works {
    fn pid(&self) -> u32;

    /// Units of work done until now.
    fn units(&mut self) -> Result<u64>;

    /// CPU time of other processes that give it its work, in nanoseconds.
    fn peers_cpu_ns(&self) -> Result<u64> {
        Ok(0)
    }

    /// All of it at once.
    fn mark(&mut self) -> Result<Mark> {
        Ok(Mark {
            units: self.units()?,
            cpu_ns: cpu_ns(self.pid())?,
            peers_cpu_ns: self.peers_cpu_ns()?,
        })
    }
}

/// The running VM; dropping it kills it.
pub(super) struct Vm {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    pid: u32,
}

impl Vm {
    /// Compiles the program into `folder`, starts it, and waits until it has built everything.
    pub(super) fn start(folder: &Path, load: Load) -> Result<Vm> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let source = root().join("benches/beam/bench_load.erl");
        run_to_end(Command::new("erlc").arg("-o").arg(folder).arg(source))?;
        let mut command = Command::new("erl");
        if load.schedulers > 0 {
            let number = load.schedulers.to_string();
            command.args(["+S", &format!("{number}:{number}")]);
        }
        let mut child = command
            .args(["+P", "2000000", "-noinput", "-pa"])
            .arg(folder)
            .args(["-s", "bench_load", "main"])
            .env("PARKED", load.parked.to_string())
            .env("WORKERS", load.workers.to_string())
            .env("PAIRS", load.pairs.to_string())
            .env("MODULES", load.modules.to_string())
            .env("ERL_CRASH_DUMP_SECONDS", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run erl")?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("erl has no pipes");
        };
        let mut vm = Vm {
            pid: child.id(),
            stdin,
            lines: BufReader::new(stdout).lines(),
            child,
        };
        let ready = vm.line()?;
        let pid = ready.strip_prefix("ready pid=");
        vm.pid = pid
            .and_then(|pid| pid.parse().ok())
            .context("it is not ready")?;
        Ok(vm)
    }

    /// Tells it to do something, and waits until it says that it did.
    pub(super) fn tell(&mut self, what: &str, done: &str) -> Result<()> {
        writeln!(self.stdin, "{what}").context("erl is gone")?;
        let line = self.line()?;
        anyhow::ensure!(line == done, "what is {line:?}?");
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let line = self.lines.next().context("erl has ended")?;
        line.context("cannot read from erl")
    }
}

impl Works for Vm {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn units(&mut self) -> Result<u64> {
        self.stdin.write_all(b"units\n").context("erl is gone")?;
        told_units(&self.line()?)
    }
}

/// Reads `units N`.
pub(super) fn told_units(line: &str) -> Result<u64> {
    let units = line.strip_prefix("units ");
    let units = units.and_then(|units| units.parse().ok());
    units.with_context(|| format!("what is {line:?}?"))
}

/// CPU time of all threads of a process (`/proc/PID/task/TID/schedstat`, nanoseconds).
pub(super) fn cpu_ns(pid: u32) -> Result<u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .with_context(|| format!("process {pid} is gone"))?;
    let mut sum = 0;
    for task in tasks.flatten() {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let first = text.split_whitespace().next();
        sum += first.and_then(|ns| ns.parse().ok()).unwrap_or(0u64);
    }
    Ok(sum)
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Our own child: the number is its until it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
