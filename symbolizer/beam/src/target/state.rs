//! What the kernel says of a process as a whole (`proc_pid_stat(5)`).

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::proc_path;

/// Which fields behind the name: the state, and when it was started.
const STATE: usize = 0;
const STARTED: usize = 19;

/// Whether a signal or a debugger has stopped a process: it uses no CPU, but can still be read.
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| matches!(field(&stat, STATE), Some("T" | "t")))
}

/// Whether a process has no memory any more: it is gone, or only its number is still there.
pub(crate) fn has_ended(pid: u32) -> bool {
    let Some(stat) = stat(pid) else {
        return true;
    };
    matches!(field(&stat, STATE), None | Some("Z" | "X"))
        || fs::read(proc_path(pid, "maps")).is_ok_and(|maps| maps.is_empty())
}

/// How long ago a process was started.
pub(crate) fn age(pid: u32) -> Option<Duration> {
    let started: u64 = field(&stat(pid)?, STARTED)?.parse().ok()?;
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let started = Duration::from_secs(started / ticks)
        + Duration::from_nanos(started % ticks * (1_000_000_000 / ticks));
    let now = clock_gettime(ClockId::Boottime);
    let now = Duration::new(now.tv_sec.try_into().ok()?, now.tv_nsec.try_into().ok()?);
    Some(now.saturating_sub(started))
}

fn stat(pid: u32) -> Option<String> {
    // The name in it is any bytes.
    let bytes = fs::read(proc_path(pid, "stat")).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The fields behind the second one, a name in brackets in which anything may be.
fn field(stat: &str, index: usize) -> Option<&str> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(index)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{STATE, age, field, has_ended, is_stopped};

    #[test]
    fn the_state_stands_behind_the_name() {
        assert_eq!(field("12 (beam.smp) T 1 12", STATE), Some("T"));
        assert_eq!(field("12 (a) T (b) S 1", STATE), Some("S"));
        assert_eq!(field("12 (beam", STATE), None);
        assert_eq!(field("", STATE), None);
    }

    #[test]
    fn this_process_runs_and_is_young() {
        let own = std::process::id();
        assert!(!is_stopped(own) && !has_ended(own));
        assert!(age(own).is_some_and(|age| age < Duration::from_secs(3600)));
        assert!(!is_stopped(u32::MAX) && has_ended(u32::MAX));
        assert_eq!(age(u32::MAX), None);
    }
}
