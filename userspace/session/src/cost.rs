//! What the recorder itself costs.

use std::fs;

use escope_capture::keepers_cpu_ns;
use rustix::time::{ClockId, clock_gettime};

/// What this process has used so far, and those that keep its probes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// CPU time of all its threads, and of those that keep its probes as far as it is told.
    pub cpu_ns: u64,
    /// The most memory it ever had resident itself.
    pub peak_rss_bytes: u64,
}

impl Cost {
    /// As of now.
    #[must_use]
    pub fn now() -> Cost {
        Cost {
            cpu_ns: nanoseconds(ClockId::ProcessCPUTime) + keepers_cpu_ns(),
            peak_rss_bytes: peak_rss_bytes().unwrap_or(0),
        }
    }
}

/// `CLOCK_MONOTONIC`, which the kernel half stamps samples with.
pub(crate) fn monotonic_ns() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

pub(crate) fn realtime_ns() -> i64 {
    nanoseconds(ClockId::Realtime) as i64
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CPU time that a process has used, with all threads it ever had, by the kernel's accounts:
/// fields 14 and 15 of proc_pid_stat(5), which are exact to a tick of 10 ms.
pub(crate) fn target_cpu_ns(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in parentheses and may hold anything.
    let (_, after) = stat.rsplit_once(')')?;
    let ticks: u64 = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .map_while(|field| field.parse::<u64>().ok())
        .sum();
    Some(ticks * (1_000_000_000 / rustix::param::clock_ticks_per_second()))
}

fn peak_rss_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}
