//! Whether a process has been stopped: then it uses no CPU, but can still be read.

use std::fs;

use super::proc_path;

/// Whether a signal or a debugger has stopped a process, by `/proc/PID/stat` (`proc_pid_stat(5)`).
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    fs::read_to_string(proc_path(pid, "stat"))
        .is_ok_and(|stat| matches!(state(&stat), Some('T' | 't')))
}

/// The third field. The second one is a name in brackets, in which anything may be.
fn state(stat: &str) -> Option<char> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.trim_start().chars().next()
}

#[cfg(test)]
mod tests {
    use super::{is_stopped, state};

    #[test]
    fn the_state_stands_behind_the_name() {
        assert_eq!(state("12 (beam.smp) T 1 12"), Some('T'));
        assert_eq!(state("12 (a) T (b) S 1"), Some('S'));
        assert_eq!(state("12 (beam"), None);
        assert_eq!(state(""), None);
        assert!(!is_stopped(std::process::id()));
        assert!(!is_stopped(u32::MAX));
    }
}
