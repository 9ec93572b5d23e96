//! The kernel's calls that stop threads of other processes: `ptrace(2)`, without any policy.
//!
//! A thread that has seized another is the only one that may make the other calls, and when it
//! ends the kernel lets go of all that it had seized: `PTRACE_O_EXITKILL` is never set.

use std::io;
use std::ptr::null_mut;

/// A stop that we or a stop signal caused, in the upper half of what is waited for
/// (`include/uapi/linux/ptrace.h`).
const PTRACE_EVENT_STOP: i32 = 128;
/// Signals of a terminal that would stop us while others are stopped by us.
const STOP_SIGNALS: [i32; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// What became of a seized thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Nothing yet.
    Runs,
    /// It is stopped. A signal was about to be delivered to it, which it must get when it is
    /// let go; 0 for none.
    Stopped { signal: i32 },
    /// It is not there any more.
    Ended,
}

/// Where a stopped thread is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Registers {
    pub(crate) ip: u64,
    pub(crate) sp: u64,
    pub(crate) fs_base: u64,
}

/// A request without data of ours.
macro_rules! request {
    ($request:expr, $tid:expr, $data:expr) => {{
        // SAFETY: none of these requests reads or writes memory of ours; the kernel checks the tid.
        let done = unsafe {
            libc::ptrace(
                $request,
                $tid as libc::pid_t,
                null_mut::<libc::c_void>(),
                $data as usize as *mut libc::c_void,
            )
        };
        match done {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }};
}

/// Becomes the tracer of a thread, which goes on.
pub(crate) fn seize(tid: u32) -> io::Result<()> {
    request!(libc::PTRACE_SEIZE, tid, 0)
}

/// Has a seized thread stop as soon as it can.
pub(crate) fn interrupt(tid: u32) -> io::Result<()> {
    request!(libc::PTRACE_INTERRUPT, tid, 0)
}

/// Lets go of a stopped thread, with the signal that it was to be given; it goes on, or stays stopped
/// if a signal has stopped its process.
pub(crate) fn detach(tid: u32, signal: i32) -> io::Result<()> {
    request!(libc::PTRACE_DETACH, tid, signal)
}

/// Asks what became of a seized thread; does not wait.
pub(crate) fn poll(tid: u32) -> Waited {
    let mut status = 0;
    // SAFETY: the status is ours and outlives the call.
    let found = unsafe {
        libc::waitpid(
            tid as libc::pid_t,
            &mut status,
            libc::__WALL | libc::WNOHANG,
        )
    };
    match found {
        0 => Waited::Runs,
        found if found < 0 || !libc::WIFSTOPPED(status) => Waited::Ended,
        _ if status >> 16 == PTRACE_EVENT_STOP => Waited::Stopped { signal: 0 },
        _ => Waited::Stopped {
            signal: libc::WSTOPSIG(status),
        },
    }
}

/// The registers of a stopped thread; `None` when it is gone.
#[cfg(target_arch = "x86_64")]
pub(crate) fn registers(tid: u32) -> Option<Registers> {
    // SAFETY: plain numbers, for which zeros are a value.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills the struct, which is ours and outlives the call.
    let done = unsafe {
        libc::ptrace(
            libc::PTRACE_GETREGS,
            tid as libc::pid_t,
            null_mut::<libc::c_void>(),
            (&raw mut registers).cast::<libc::c_void>(),
        )
    };
    (done != -1).then_some(Registers {
        ip: registers.rip,
        sp: registers.rsp,
        fs_base: registers.fs_base,
    })
}

/// Nobody knows where a thread is.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn registers(_tid: u32) -> Option<Registers> {
    None
}

/// Has the calling thread run before others until this is dropped, as far as that is allowed: while
/// others wait for it, each other program that runs in between makes them wait longer.
#[derive(Debug)]
pub(crate) struct Urgent {
    before: Option<(i32, libc::sched_param)>,
}

impl Urgent {
    /// `rank` orders those that are urgent, from 1 on.
    pub(crate) fn begin(rank: u8) -> Urgent {
        // SAFETY: plain numbers, for which zeros are a value.
        let mut param: libc::sched_param = unsafe { std::mem::zeroed() };
        // SAFETY: 0 is the calling thread; the parameters are ours and outlive the calls.
        let policy = unsafe { libc::sched_getscheduler(0) };
        // SAFETY: as above.
        let found = unsafe { libc::sched_getparam(0, &raw mut param) };
        let known = policy >= 0 && found == 0;
        let before = (policy, param);
        param.sched_priority = i32::from(rank);
        // SAFETY: as above.
        let set = || unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &param) };
        let done = known && set() == 0;
        if !done {
            // Then at least not to be woken late: 50 us is the default.
            // SAFETY: numbers only.
            unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong, 0, 0, 0) };
        }
        Urgent {
            before: done.then_some(before),
        }
    }
}

impl Drop for Urgent {
    fn drop(&mut self) {
        match &self.before {
            // SAFETY: as above.
            Some((policy, param)) => unsafe {
                libc::sched_setscheduler(0, *policy, param);
            },
            // SAFETY: numbers only; 0 is the default.
            None => unsafe {
                libc::prctl(libc::PR_SET_TIMERSLACK, 0 as libc::c_ulong, 0, 0, 0);
            },
        }
    }
}

/// Keeps the terminal from stopping the calling thread, and those that it starts meanwhile, until
/// this is dropped: what was to stop us does so then.
pub(crate) struct Unstoppable {
    before: Option<libc::sigset_t>,
}

impl Unstoppable {
    pub(crate) fn begin() -> Unstoppable {
        // SAFETY: plain numbers, which the calls set.
        let (mut blocked, mut before): (libc::sigset_t, libc::sigset_t) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        // SAFETY: both sets are ours and outlive the calls.
        let done = unsafe {
            libc::sigemptyset(&raw mut blocked);
            for signal in STOP_SIGNALS {
                libc::sigaddset(&raw mut blocked, signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, &blocked, &raw mut before)
        };
        Unstoppable {
            before: (done == 0).then_some(before),
        }
    }
}

impl Drop for Unstoppable {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // SAFETY: the set is ours and outlives the call.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, null_mut()) };
        }
    }
}
