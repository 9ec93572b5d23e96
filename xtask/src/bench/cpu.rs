//! CPU time: of a process's threads, of children that have ended, of the whole machine.

use std::fs;

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// CPU time that threads have used, in nanoseconds (`/proc/PID/task/TID/schedstat`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Threads {
    /// Of a VM's schedulers, normal and dirty.
    pub(super) schedulers_ns: u64,
    /// Of all threads.
    pub(super) all_ns: u64,
}

/// Of the threads that a process has now.
pub(super) fn of_threads(pid: u32) -> Result<Threads> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .with_context(|| format!("process {pid} is gone"))?;
    let mut sum = Threads::default();
    for task in tasks.flatten() {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let first = text.split_whitespace().next();
        let ns = first.and_then(|ns| ns.parse().ok()).unwrap_or(0u64);
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        sum.all_ns += ns;
        if is_scheduler(name.trim()) {
            sum.schedulers_ns += ns;
        }
    }
    Ok(sum)
}

/// Whether a thread of this name is a scheduler (`erts/emulator/beam/erl_process.c`):
/// `1_scheduler`, `1_dirty_cpu_sch`, `1_dirty_io_sche` of OTP 25, `erts_sched_1`,
/// `erts_dcpus_1`, `erts_dios_1` of later ones.
fn is_scheduler(name: &str) -> bool {
    let begins = |with: &str| name.starts_with(with);
    // The kernel keeps 15 bytes of a name.
    let is_old = name.contains("_scheduler") || name.contains("_dirty_");
    is_old || begins("erts_sched_") || begins("erts_dcpus_") || begins("erts_dios_")
}

/// Of all children of this process that have ended, in nanoseconds (`getrusage(2)`).
pub(super) fn of_children_ns() -> Result<u64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("no accounts of children")?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(u64::try_from(micros).unwrap_or(0) * 1000)
}

/// What all CPUs of the machine have done since it started, in ticks (`/proc/stat`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) busy: u64,
    pub(super) stolen: u64,
    pub(super) all: u64,
}

impl Machine {
    /// Until now. Zero where the kernel does not tell.
    pub(super) fn now() -> Machine {
        Machine::parse(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    /// user nice system idle iowait irq softirq steal; guest time is in user time.
    fn parse(text: &str) -> Machine {
        let line = text.lines().next().unwrap_or_default();
        let numbers = line.split_whitespace().skip(1);
        let ticks: Vec<u64> = numbers.take(8).filter_map(|n| n.parse().ok()).collect();
        let [user, nice, system, idle, iowait, irq, softirq, stolen] = ticks[..] else {
            return Machine::default();
        };
        let busy = user + nice + system + irq + softirq;
        Machine {
            busy,
            stolen,
            all: busy + idle + iowait + stolen,
        }
    }

    /// What came after an earlier reading.
    pub(super) fn since(self, before: Machine) -> Machine {
        Machine {
            busy: self.busy.saturating_sub(before.busy),
            stolen: self.stolen.saturating_sub(before.stolen),
            all: self.all.saturating_sub(before.all),
        }
    }

    /// Both together.
    pub(super) fn and(self, more: Machine) -> Machine {
        Machine {
            busy: self.busy + more.busy,
            stolen: self.stolen + more.stolen,
            all: self.all + more.all,
        }
    }
}

/// Ticks of `/proc` in nanoseconds.
pub(super) fn tick_ns() -> u64 {
    1_000_000_000 / rustix::param::clock_ticks_per_second().max(1)
}

#[cfg(test)]
mod tests {
    use super::{Machine, is_scheduler};

    #[test]
    fn schedulers_go_by_the_names_of_all_releases() {
        for name in [
            "1_scheduler",
            "12_dirty_cpu_sc",
            "1_dirty_io_sche",
            "erts_sched_1",
            "erts_dcpus_2",
            "erts_dios_10",
        ] {
            assert!(is_scheduler(name), "{name}");
        }
        for name in [
            "beam.smp",
            "erts_aux_1",
            "1_aux",
            "erts_ssig_disp",
            "sys_sig_dispatc",
        ] {
            assert!(!is_scheduler(name), "{name}");
        }
    }

    #[test]
    fn the_machine_s_line_is_read_whole_or_not_at_all() {
        let machine = Machine::parse("cpu  10 1 5 100 4 2 3 7 0 0\ncpu0 1 2\n");
        assert_eq!((machine.busy, machine.stolen, machine.all), (21, 7, 132));
        assert_eq!(Machine::parse("cpu 1 2 3"), Machine::default());
    }
}
