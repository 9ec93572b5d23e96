//! A VM that counts its own work: `benches/beam/bench_load.erl`.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::cpu;
use super::programs::Programs;
use crate::otp;

/// What the VM is to do: numbers of processes, where nothing else is said. `bench_load.erl` says
/// what they do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) fib: u64,
    pub(super) sort: u64,
    pub(super) gc: u64,
    pub(super) ets: u64,
    pub(super) spawn: u64,
    /// Frames of recursion below which each scheduler has a process at work.
    pub(super) deep: u64,
    /// Pairs of processes.
    pub(super) pairs: u64,
    pub(super) ring: u64,
    pub(super) elixir: u64,
    pub(super) parked: u64,
    /// Modules that are loaded beside its own.
    pub(super) modules: u64,
    /// Nobody works: a unit is a millisecond.
    pub(super) clock: bool,
    /// Schedulers; as many as there are CPUs for 0.
    pub(super) schedulers: u64,
    /// Whether all its threads have but the first CPU of the machine.
    pub(super) is_on_one_cpu: bool,
    /// Another OTP release than the machine's own, as `cargo xtask otp` fetches it.
    pub(super) release: Option<&'static str>,
    /// What else the program is told by its environment.
    pub(super) settings: &'static [(&'static str, &'static str)],
    /// Flags for the emulator.
    pub(super) flags: &'static [&'static str],
}

impl Load {
    /// With half of its workers, on one scheduler.
    pub(super) fn with_one_scheduler(self) -> Load {
        let half = |workers: u64| workers.div_ceil(2);
        Load {
            fib: half(self.fib),
            sort: half(self.sort),
            gc: half(self.gc),
            ets: half(self.ets),
            spawn: half(self.spawn),
            deep: half(self.deep),
            pairs: half(self.pairs),
            elixir: half(self.elixir),
            schedulers: 1,
            ..self
        }
    }

    /// What starts the VM, but for its arguments.
    fn erl(&self) -> Result<Command> {
        let mut words = Vec::new();
        if self.is_on_one_cpu {
            words.extend(["taskset", "--cpu-list", "0"].map(PathBuf::from));
        }
        match self.release {
            Some(otp) => words.extend(["chroot".into(), otp::folder(otp)?, "/usr/bin/erl".into()]),
            None => words.push("erl".into()),
        }
        let (program, arguments) = words.split_first().context("no program")?;
        let mut command = Command::new(program);
        command.args(arguments);
        Ok(command)
    }

    fn environment(&self) -> [(&'static str, u64); 12] {
        [
            ("FIB", self.fib),
            ("SORT", self.sort),
            ("GC", self.gc),
            ("ETS", self.ets),
            ("SPAWN", self.spawn),
            ("DEEP", self.deep),
            ("PAIRS", self.pairs),
            ("RING", self.ring),
            ("ELIXIR", self.elixir),
            ("PARKED", self.parked),
            ("MODULES", self.modules),
            ("CLOCK", u64::from(self.clock)),
        ]
    }
}

/// Work done and CPU time used until an instant, or between two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) units: u64,
    /// Of the VM's schedulers.
    pub(super) cpu_ns: u64,
    /// Of all its threads.
    pub(super) all_cpu_ns: u64,
    /// Of others at the same time.
    pub(super) yardstick: Yardstick,
}

/// Work that somebody else did at the same time and nobody watched, always the same for a unit: when
/// that takes more CPU time, the machine is slower. Zero where there is nobody.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Yardstick {
    pub(super) units: u64,
    pub(super) cpu_ns: u64,
}

impl Mark {
    /// What came after an earlier one.
    pub(super) fn since(self, before: Mark) -> Mark {
        Mark {
            units: self.units.saturating_sub(before.units),
            cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns),
            all_cpu_ns: self.all_cpu_ns.saturating_sub(before.all_cpu_ns),
            yardstick: Yardstick {
                units: self.yardstick.units.saturating_sub(before.yardstick.units),
                cpu_ns: self
                    .yardstick
                    .cpu_ns
                    .saturating_sub(before.yardstick.cpu_ns),
            },
        }
    }

    /// CPU time of schedulers for a unit of work, in nanoseconds.
    pub(super) fn per_unit(self) -> f64 {
        self.cpu_ns as f64 / self.units.max(1) as f64
    }

    /// The same by what a unit cost others at that time, where there were any.
    pub(super) fn by_yardstick(self) -> f64 {
        match self.yardstick {
            Yardstick { cpu_ns: 0, .. } => self.per_unit(),
            Yardstick { units, cpu_ns } => self.per_unit() * units.max(1) as f64 / cpu_ns as f64,
        }
    }
}

/// A VM whose work is counted.
pub(super) trait Works {
    fn pid(&self) -> u32;

    /// Units of work done until now.
    fn units(&mut self) -> Result<u64>;

    /// What others have done until now, given the units that it has done itself.
    fn yardstick(&mut self, _units: u64) -> Result<Yardstick> {
        Ok(Yardstick::default())
    }

    /// Tells it a line; what it answers.
    fn tell(&mut self, what: &str) -> Result<String> {
        bail!("this load takes no orders, such as {what:?}")
    }

    /// All of it at once.
    fn mark(&mut self) -> Result<Mark> {
        let units = self.units()?;
        let cpu = cpu::of_threads(self.pid())?;
        Ok(Mark {
            units,
            cpu_ns: cpu.schedulers_ns,
            all_cpu_ns: cpu.all_ns,
            yardstick: self.yardstick(units)?,
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
    /// Starts it and waits until it has built everything.
    pub(super) fn start(programs: &Programs, load: Load) -> Result<Vm> {
        let code_path = match load.release {
            Some(otp) => vec![programs.within(&otp::folder(otp)?)?],
            None => programs.code_path(load.elixir > 0)?,
        };
        Vm::of(code_path, "bench_load", load)
    }

    /// The same with a program of `tests/beam`, which runs once it is told `go`.
    pub(super) fn start_test(programs: &Programs, module: &str, load: Load) -> Result<Vm> {
        Vm::of(vec![programs.of_tests(module)?], module, load)
    }

    fn of(code_path: Vec<PathBuf>, module: &str, load: Load) -> Result<Vm> {
        let mut command = load.erl()?;
        command.args(load.flags);
        if load.schedulers > 0 {
            let number = load.schedulers.to_string();
            command.args(["+S", &format!("{number}:{number}")]);
        }
        command.args(["+P", "2000000", "-noinput"]);
        for folder in code_path {
            command.arg("-pa").arg(folder);
        }
        for (name, number) in load.environment() {
            command.env(name, number.to_string());
        }
        command.envs(load.settings.iter().copied());
        let mut child = command
            .args(["-s", module, "main"])
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
        let pid = pid.and_then(|rest| rest.split(' ').next());
        vm.pid = pid
            .and_then(|pid| pid.parse().ok())
            .with_context(|| format!("it is not ready, but says {ready:?}"))?;
        Ok(vm)
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
        told_units(&self.tell("units")?)
    }

    fn tell(&mut self, what: &str) -> Result<String> {
        writeln!(self.stdin, "{what}").context("erl is gone")?;
        self.line()
    }
}

/// Reads `units N`.
pub(super) fn told_units(line: &str) -> Result<u64> {
    let units = line.strip_prefix("units ");
    let units = units.and_then(|units| units.parse().ok());
    units.with_context(|| format!("what is {line:?}?"))
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Our own child: the number is its until it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
