//! Waiting for the target: until time is up, it has ended, or the kernel half wakes us.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Tells that a process has ended, by a file descriptor of it: its pid may come again.
#[derive(Debug)]
pub(crate) struct TargetEnd {
    target: Option<OwnedFd>,
    /// Has the target's and a ring's, where that may wake us.
    either: Option<OwnedFd>,
}

impl TargetEnd {
    /// Of a process. One that cannot be opened never ends as far as is known.
    pub(crate) fn of(pid: u32) -> TargetEnd {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        TargetEnd {
            target: pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()),
            either: None,
        }
    }

    /// Lets a ring end a wait too: each of its records once.
    pub(crate) fn or_woken_by(&mut self, ring: BorrowedFd<'_>) {
        let wait_for = || {
            let either = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            let data = epoll::EventData::new_u64(0);
            let woken = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(&either, ring, data, woken)?;
            if let Some(target) = &self.target {
                epoll::add(&either, target, data, epoll::EventFlags::IN)?;
            }
            Ok::<OwnedFd, rustix::io::Errno>(either)
        };
        self.either = wait_for().ok();
    }

    /// Waits; true when the process has ended meanwhile.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        match (&self.either, &self.target) {
            (Some(either), target) => {
                let mut events = Vec::with_capacity(2);
                // It is an epoll's wait that takes notice of who was woken, not a poll of it.
                let _ = epoll::wait(either, spare_capacity(&mut events), Some(&timeout(time)));
                target
                    .as_ref()
                    .is_some_and(|target| is_ready(target.as_fd(), Duration::ZERO))
            }
            (None, Some(target)) => is_ready(target.as_fd(), time),
            (None, None) => {
                std::thread::sleep(time);
                false
            }
        }
    }
}

/// Whether there is something to be read within a time. A signal ends the wait early, which does no
/// harm.
fn is_ready(file: BorrowedFd<'_>, time: Duration) -> bool {
    let mut events = [PollFd::new(&file, PollFlags::IN)];
    matches!(poll(&mut events, Some(&timeout(time))), Ok(ready) if ready > 0)
}

fn timeout(time: Duration) -> Timespec {
    Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}
