//! What the kernel says of a process as a whole (`proc_pid_stat(5)`).

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::proc_path;

/// Which fields behind the name: the state, and when it was started.
const STATE: usize = 0;
const FLAGS: usize = 6;
const STARTED: usize = 19;
/// `PF_KTHREAD` in `include/linux/sched.h`.
const KERNEL_THREAD: u32 = 0x0020_0000;

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
        || !is_kernel_thread(pid)
            && fs::read(proc_path(pid, "maps")).is_ok_and(|maps| maps.is_empty())
}

/// Whether it is a thread of the kernel's own: it has never had any memory.
pub(crate) fn is_kernel_thread(pid: u32) -> bool {
    let flags = stat(pid).and_then(|stat| field(&stat, FLAGS)?.parse::<u32>().ok());
    flags.is_some_and(|flags| flags & KERNEL_THREAD != 0)
}

/// The process that a thread belongs to; `None` for the number of a process, and for none.
pub(crate) fn process_of_thread(tid: u32) -> Option<u32> {
    let status = fs::read(proc_path(tid, "status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let process = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    process
        .trim()
        .parse()
        .ok()
        .filter(|&process| process != tid)
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

    use super::{STATE, age, field, has_ended, is_kernel_thread, is_stopped, process_of_thread};

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

    #[test]
    fn a_thread_is_told_from_its_process() {
        let own = std::process::id();
        assert_eq!(process_of_thread(own), None);
        assert_eq!(process_of_thread(u32::MAX), None);
        let thread =
            std::thread::spawn(|| process_of_thread(rustix::thread::gettid().as_raw_pid() as u32));
        assert_eq!(thread.join().expect("no panic"), Some(own));
        assert!(!is_kernel_thread(own));
        // `kthreadd`, where the namespace shows it.
        let name = std::fs::read_to_string("/proc/2/comm").unwrap_or_default();
        assert_eq!(is_kernel_thread(2), name.trim() == "kthreadd");
    }
}
