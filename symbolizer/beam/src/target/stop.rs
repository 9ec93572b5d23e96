//! Stops all threads of a process for a moment, and lets them go.
//!
//! 1. Each thread is seized, which does not stop it.
//! 2. Each is interrupted, and waited for. A thread that runs or sleeps stops at once, one in the
//!    middle of a system call that cannot be interrupted only when that is over.
//! 3. Threads that were made meanwhile are treated the same, until no new ones appear: of threads
//!    that are all stopped none makes another.
//! 4. Each is let go, with the signal that it was just to be given, if there was one. Those of a
//!    process that a signal has stopped stay stopped (`__ptrace_unlink` of the kernel reinstates
//!    that).
//!
//! All of it has to happen in one thread, which is the tracer to the kernel. When that thread ends,
//! whatever its end, the kernel lets go of all that are left.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use super::{CoreThread, proc_path};
use crate::BeamError;
use crate::memory::ptrace::{self, Unstoppable, Urgent, Waited};

/// More threads than a VM has.
const THREADS_MAX: usize = 1 << 14;
/// How often new threads are looked for: each time, those that could make more were stopped.
const LOOKS_MAX: usize = 64;
/// Between two looks at threads that do not stop, at first; then it doubles up to the second of these,
/// since who looks keeps them from a CPU.
const NAP: Duration = Duration::from_micros(10);
const NAP_MAX: Duration = Duration::from_micros(160);
/// How long those are waited for that were interrupted and have not stopped, before that is left to
/// the kernel.
const PATIENCE: Duration = Duration::from_millis(200);

/// Threads of a process that this thread traces. They are let go when this is dropped.
#[derive(Debug)]
pub struct Seized {
    pid: u32,
    threads: BTreeMap<u32, Thread>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thread {
    Runs,
    Interrupted,
    Stopped { signal: i32 },
}

impl Seized {
    /// Seizes the threads that the process has now; none of them stops, unless a signal is sent
    /// to it. So the stop should follow at once.
    ///
    /// # Errors
    /// When that is not allowed, when another tracer has them, when the process is gone.
    pub fn seize(pid: u32) -> Result<Seized, BeamError> {
        let mut seized = Seized {
            pid,
            threads: BTreeMap::new(),
        };
        seized.seize_new()?;
        match seized.threads.is_empty() {
            true => Err(BeamError::Died { pid }),
            false => Ok(seized),
        }
    }

    /// How many threads there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.threads.len()
    }

    /// Stops all threads, new ones included.
    ///
    /// # Errors
    /// When one has not stopped by then. All go on, those that had stopped as well, when this is
    /// let go or dropped.
    pub fn stop(&mut self, until: Instant) -> Result<(), BeamError> {
        let began = Instant::now();
        for _ in 0..LOOKS_MAX {
            self.interrupt();
            let mut nap = NAP;
            while self.look() > 0 {
                if Instant::now() >= until {
                    return Err(self.not_stopped(until.saturating_duration_since(began)));
                }
                std::thread::sleep(nap);
                nap = (nap * 2).min(NAP_MAX);
            }
            if self.threads.is_empty() {
                return Err(BeamError::Died { pid: self.pid });
            }
            if self.seize_new()? == 0 {
                return Ok(());
            }
        }
        Err(self.not_stopped(until.saturating_duration_since(began)))
    }

    /// Where each thread is that is stopped; nothing where the machine's registers are not known.
    #[must_use]
    pub fn registers(&self) -> Vec<CoreThread> {
        let stopped = self.threads.iter().filter_map(|(&tid, thread)| {
            let Thread::Stopped { signal } = *thread else {
                return None;
            };
            let registers = ptrace::registers(tid)?;
            Some(CoreThread {
                tid,
                signal,
                ip: registers.ip,
                sp: registers.sp,
                fs_base: registers.fs_base,
            })
        });
        stopped.collect()
    }

    /// Lets all threads go. Returns how many are left to the kernel to let go: those that were
    /// interrupted and are in a system call that is not over. They are not stopped.
    pub fn let_go(&mut self) -> usize {
        self.detach();
        if !self.threads.is_empty() {
            // One that runs cannot be detached.
            self.interrupt();
            let until = Instant::now() + PATIENCE;
            while self.look() > 0 && Instant::now() < until {
                self.detach();
                std::thread::sleep(NAP_MAX);
            }
            self.detach();
        }
        let left = self.threads.len();
        self.threads.clear();
        left
    }

    /// Seizes threads that are new; how many there were.
    fn seize_new(&mut self) -> Result<usize, BeamError> {
        let pid = self.pid;
        let entries = fs::read_dir(proc_path(pid, "task"));
        let entries = entries.map_err(|_| BeamError::NoSuchProcess { pid })?;
        let mut new = 0;
        for entry in entries.flatten() {
            if self.threads.len() >= THREADS_MAX {
                return Err(self.not_stopped(Duration::ZERO));
            }
            let tid = entry.file_name().to_str().and_then(|tid| tid.parse().ok());
            let Some(tid) = tid.filter(|tid| !self.threads.contains_key(tid)) else {
                continue;
            };
            match ptrace::seize(tid) {
                Ok(()) => {
                    self.threads.insert(tid, Thread::Runs);
                    new += 1;
                }
                Err(error) => self.refused(tid, &error)?,
            }
        }
        Ok(new)
    }

    /// Whether it matters that a thread could not be seized: one that has ended needs no stop.
    fn refused(&self, tid: u32, error: &io::Error) -> Result<(), BeamError> {
        let pid = self.pid;
        let status = fs::read(proc_path(pid, &format!("task/{tid}/status"))).unwrap_or_default();
        let status = String::from_utf8_lossy(&status);
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name));
            value.map(str::trim).unwrap_or_default()
        };
        let has_ended = matches!(field("State:").chars().next(), None | Some('Z' | 'X'));
        if error.raw_os_error() == Some(libc::ESRCH) || has_ended {
            return Ok(());
        }
        match field("TracerPid:").parse() {
            Ok(tracer) if tracer != 0 => Err(BeamError::Traced { pid, tracer }),
            _ => Err(BeamError::NotPermitted { pid }),
        }
    }

    fn interrupt(&mut self) {
        for (&tid, thread) in &mut self.threads {
            // One that has ended is found when it is waited for.
            if *thread == Thread::Runs && ptrace::interrupt(tid).is_ok() {
                *thread = Thread::Interrupted;
            }
        }
    }

    /// Sees who has stopped or ended; how many have not.
    fn look(&mut self) -> usize {
        let mut running = 0;
        self.threads.retain(|&tid, thread| {
            if matches!(thread, Thread::Stopped { .. }) {
                return true;
            }
            match ptrace::poll(tid) {
                Waited::Runs => running += 1,
                Waited::Stopped { signal } => *thread = Thread::Stopped { signal },
                Waited::Ended => return false,
            }
            true
        });
        running
    }

    fn detach(&mut self) {
        self.threads.retain(|&tid, thread| match *thread {
            Thread::Stopped { signal } => {
                // It may have been killed, which is an end of it as well.
                let _ = ptrace::detach(tid, signal);
                false
            }
            Thread::Runs | Thread::Interrupted => true,
        });
    }

    fn not_stopped(&self, waited: Duration) -> BeamError {
        let mut running = self.threads.iter();
        let running = running.find(|(_, thread)| !matches!(thread, Thread::Stopped { .. }));
        BeamError::NotStopped {
            pid: self.pid,
            tid: running.map_or(self.pid, |(&tid, _)| tid),
            waited_us: u64::try_from(waited.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

impl Drop for Seized {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Has this thread run before others for as long as it lives, and keeps the terminal from stopping it,
/// as far as that is allowed: others wait for it.
#[must_use]
pub struct Hurry {
    _urgent: Option<Urgent>,
    _unstoppable: Unstoppable,
}

impl Hurry {
    /// `rank` orders those who hurry, from 1 on; whoever ends the stop needs the highest. With 0 it is
    /// the terminal alone that is kept off. Threads that this one starts meanwhile are not stopped by
    /// the terminal either.
    pub fn begin(rank: u8) -> Hurry {
        Hurry {
            _unstoppable: Unstoppable::begin(),
            _urgent: (rank > 0).then(|| Urgent::begin(rank)),
        }
    }
}

#[cfg(test)]
mod tests;
