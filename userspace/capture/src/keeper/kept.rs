//! The recorder's side: probes that are placed and removed by keepers.

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::KEEPER_COMMAND;
use super::message::{ANSWER_BYTES, Answer, Request};
use super::socket::Socket;
use crate::CaptureError;

/// To place or remove probes takes some 50 ms, on a machine that has much else to do seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who takes longer to end may have been stopped.
const STOPPED: Duration = Duration::from_secs(5);
/// How many keepers may be killed while they place the same probes.
const ATTEMPTS: u32 = 3;
/// The program that we are, whatever its file is called by now.
const OWN_FILE: &str = "/proc/self/exe";

/// CPU time of all keepers, as far as it is known.
static KEEPERS_NS: AtomicU64 = AtomicU64::new(0);

/// CPU time that keepers of this process have used for it, as far as they have told or have ended.
#[must_use]
pub fn keepers_cpu_ns() -> u64 {
    KEEPERS_NS.load(Ordering::Relaxed)
}

/// Probes of one program, which can be placed and removed. Dropping it removes them.
pub(crate) struct Kept {
    placed: Option<Placed>,
    request: Request,
    what: &'static str,
    program: OwnedFd,
    binary: OwnedFd,
    /// How many keepers did not end as they should.
    killed: u64,
    /// One of them does not end at all: its probes are still there, and others would see all twice.
    stuck: bool,
}

struct Placed {
    keeper: Keeper,
    /// Holds the probes in place should the keeper be killed.
    link: OwnedFd,
}

impl Kept {
    /// Probes that are not in place yet. `what` says what is tried, should it fail.
    pub(crate) fn new(
        what: &'static str,
        request: Request,
        program: BorrowedFd<'_>,
        binary: &Path,
    ) -> Result<Kept, CaptureError> {
        let failed = |error: io::Error| refused(what, &error);
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        Ok(Kept {
            placed: None,
            request,
            what,
            program: program.try_clone_to_owned().map_err(failed)?,
            binary: open(binary, flags, Mode::empty()).map_err(|error| failed(error.into()))?,
            killed: 0,
            stuck: false,
        })
    }

    /// Places all of them. Where a keeper is killed meanwhile another one does it again: the kernel takes
    /// what is left of the first for the second's, so that nothing is left when that one ends.
    pub(crate) fn place(&mut self) -> Result<(), CaptureError> {
        self.remove();
        if self.stuck {
            return Err(CaptureError::KeeperSilent);
        }
        let mut ended = String::new();
        for _ in 0..ATTEMPTS {
            let mut keeper = Keeper::start().map_err(CaptureError::NoKeeper)?;
            match keeper.ask(&self.request, self.program.as_fd(), self.binary.as_fd()) {
                Ok(link) => {
                    self.placed = Some(Placed { keeper, link });
                    return Ok(());
                }
                Err(Refused::Kernel(error)) => {
                    keeper.end();
                    return Err(refused(self.what, &error));
                }
                Err(Refused::Silent) => return Err(CaptureError::KeeperSilent),
                Err(Refused::Gone) => {
                    self.killed += 1;
                    ended = keeper
                        .end()
                        .map_or_else(String::new, |status| status.to_string());
                }
            }
        }
        Err(CaptureError::KeeperGone(ended))
    }

    /// Removes all of them: they are gone when this returns.
    pub(crate) fn remove(&mut self) {
        let Some(Placed { keeper, link }) = self.placed.take() else {
            return;
        };
        // Ours first: who closes the last one removes the probes, and only the end of a process does so in
        // one go.
        drop(link);
        match keeper.end() {
            Some(status) => self.killed += u64::from(!status.success()),
            None => self.stuck = true,
        }
    }

    /// How many keepers were killed by others so far. Probes that were in place stayed so.
    pub(crate) fn killed(&self) -> u64 {
        self.killed
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.remove();
    }
}

enum Refused {
    /// By the kernel, for this reason.
    Kernel(io::Error),
    /// The keeper has ended.
    Gone,
    /// It does not answer.
    Silent,
}

/// A keeper that runs.
struct Keeper {
    socket: Socket,
    child: Child,
    /// CPU time that it has told.
    told_ns: u64,
}

impl Keeper {
    /// In a process group of its own, which what is typed at a terminal does not reach.
    fn start() -> io::Result<Keeper> {
        let (socket, its) = Socket::pair()?;
        socket.patience(PATIENCE)?;
        let child = Command::new(OWN_FILE)
            .arg0("escope-bpf")
            .arg(KEEPER_COMMAND)
            .stdin(Stdio::from(OwnedFd::from(its)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()?;
        Ok(Keeper {
            socket,
            child,
            told_ns: 0,
        })
    }

    /// Asks it to place probes.
    fn ask(
        &mut self,
        request: &Request,
        program: BorrowedFd<'_>,
        binary: BorrowedFd<'_>,
    ) -> Result<OwnedFd, Refused> {
        let request = request.encode();
        let request = request.ok_or_else(|| Refused::Kernel(io::ErrorKind::InvalidInput.into()))?;
        // Who is gone says nothing more.
        let sent = self.socket.send(&request, &[program, binary]);
        sent.map_err(|_| Refused::Gone)?;
        // One more than there is to come: what is longer is no answer.
        let mut buffer = [0; ANSWER_BYTES + 1];
        let message = match self.socket.receive(&mut buffer) {
            Ok(Some(message)) => message,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(Refused::Silent),
            Ok(None) | Err(_) => return Err(Refused::Gone),
        };
        let answer = Answer::decode(message.bytes).ok_or(Refused::Gone)?;
        self.told(answer.cpu_ns);
        match (answer.errno, message.descriptors.into_iter().next()) {
            (0, Some(link)) => Ok(link),
            (0, None) => Err(Refused::Gone),
            (errno, _) => Err(Refused::Kernel(io::Error::from_raw_os_error(
                errno.cast_signed(),
            ))),
        }
    }

    /// Lets it end, and waits for that; how it ended, or nothing if it does not.
    fn end(mut self) -> Option<ExitStatus> {
        self.socket.end();
        let pid = Pid::from_child(&self.child);
        if let Ok(process) = pidfd_open(pid, PidfdFlags::empty())
            && !ends_within(&process, STOPPED)
        {
            // Somebody has stopped it, which nobody can refuse.
            let _ = kill_process(pid, Signal::CONT);
            if !ends_within(&process, PATIENCE) {
                return None;
            }
        }
        // SAFETY: plain numbers, for which all bits zero is a value.
        let (mut status, mut usage) = (0, unsafe { mem::zeroed::<libc::rusage>() });
        let pid = pid.as_raw_nonzero().get();
        // SAFETY: writes to the two, which outlive it. The child is ours and has not been waited for.
        while unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } != pid {
            if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                // It has ended, and somebody else was told how.
                return Some(ExitStatus::default());
            }
        }
        let nanoseconds =
            |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000;
        self.told(nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime));
        Some(ExitStatus::from_raw(status))
    }

    /// Notes what it has used in all.
    fn told(&mut self, cpu_ns: u64) {
        let more = cpu_ns.saturating_sub(self.told_ns);
        self.told_ns += more;
        KEEPERS_NS.fetch_add(more, Ordering::Relaxed);
    }
}

/// Waits for the end of a process; whether it came.
fn ends_within(process: &OwnedFd, patience: Duration) -> bool {
    let mut ends = [PollFd::new(process, PollFlags::IN)];
    let patience = Timespec {
        tv_sec: patience.as_secs() as i64,
        tv_nsec: 0,
    };
    rustix::io::retry_on_intr(|| poll(&mut ends, Some(&patience))) != Ok(0)
}

fn refused(what: &'static str, error: &io::Error) -> CaptureError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => CaptureError::NotPermitted,
        _ => CaptureError::Bpf {
            what,
            message: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Request;
    use super::super::socket::Socket;
    use super::{Keeper, Refused};
    use std::io;
    use std::os::fd::AsFd;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    const REQUEST: Request = Request::Code {
        pid: 7,
        file_offset: 99,
    };

    /// Something else than a keeper, at the other end of what is returned.
    fn instead(command: &str) -> (Keeper, Socket) {
        let (socket, its) = Socket::pair().expect("a pair");
        let child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .spawn()
            .expect("a shell");
        let keeper = Keeper {
            socket,
            child,
            told_ns: 0,
        };
        (keeper, its)
    }

    fn ask(keeper: &mut Keeper) -> Refused {
        let (reader, writer) = io::pipe().expect("a pipe");
        let asked = keeper.ask(&REQUEST, reader.as_fd(), writer.as_fd());
        asked.expect_err("no link came")
    }

    #[test]
    fn who_is_gone_is_noticed_and_how_it_ended_known() {
        let (mut keeper, its) = instead("exit 3");
        drop(its);
        assert!(matches!(ask(&mut keeper), Refused::Gone));
        assert_eq!(keeper.end().and_then(|status| status.code()), Some(3));
        let (keeper, _its) = instead("kill -9 $$");
        let ended = keeper.end().expect("it has ended");
        assert!(!ended.success() && ended.code().is_none());
    }

    #[test]
    fn who_says_nothing_is_not_waited_for() {
        let (mut keeper, _its) = instead("exit 0");
        keeper
            .socket
            .patience(Duration::from_millis(5))
            .expect("set");
        assert!(matches!(ask(&mut keeper), Refused::Silent));
        assert!(keeper.end().is_some_and(|status| status.success()));
    }

    #[test]
    fn what_is_no_answer_is_none() {
        // Too short, too long, not ours, and done without a link.
        for bytes in [&[0; 15][..], &[0; 17], &[1; 16], &[0; 40], &[0; 16]] {
            let (mut keeper, its) = instead("exit 0");
            its.send(bytes, &[]).expect("sent");
            assert!(matches!(ask(&mut keeper), Refused::Gone));
            keeper.end();
        }
        let (mut keeper, its) = instead("exit 0");
        let mut errno = [0; 16];
        errno[..4].copy_from_slice(&libc::EINVAL.to_ne_bytes());
        its.send(&errno, &[]).expect("sent");
        let Refused::Kernel(error) = ask(&mut keeper) else {
            panic!("the kernel has refused");
        };
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
        keeper.end();
    }
}
