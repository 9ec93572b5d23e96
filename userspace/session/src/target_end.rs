//! Whether the target has ended.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Tells that a process has ended, by a file descriptor of it: its pid may come again.
#[derive(Debug)]
pub(crate) struct TargetEnd(Option<OwnedFd>);

impl TargetEnd {
    /// Of a process. One that cannot be opened never ends as far as is known.
    pub(crate) fn of(pid: u32) -> TargetEnd {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        TargetEnd(pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()))
    }

    /// Waits; true when the process has ended meanwhile.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let Some(target) = &self.0 else {
            std::thread::sleep(time);
            return false;
        };
        let mut events = [PollFd::new(target, PollFlags::IN)];
        let timeout = Timespec {
            tv_sec: time.as_secs() as i64,
            tv_nsec: i64::from(time.subsec_nanos()),
        };
        // A signal ends the wait early, which does no harm.
        matches!(poll(&mut events, Some(&timeout)), Ok(ready) if ready > 0)
    }
}
