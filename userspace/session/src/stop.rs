//! Stopping all threads of a VM for a bounded time, and reading meanwhile.
//!
//! Two threads share the work. One traces: it stops the VM, and lets it go when the other one has read
//! what it wanted or when the time is over, whatever comes first. So it is not up to who reads, and
//! to how long that takes, whether the VM goes on. What was read counts only if the VM was still
//! stopped when it had been read.
//!
//! If this process ends meanwhile, by a signal or a failure, the kernel lets the VM go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use escope_beam::{BeamError, CoreThread, Hurry, Seized};

use crate::SessionError;

/// What it takes to let go of one thread, on a machine that is busy.
const LETTING_GO: Duration = Duration::from_micros(15);
/// Who ends the stop comes before who reads, and both before all other programs of the machine.
const READER: u8 = 1;
const TRACER: u8 = 2;
/// But not for longer than this, which others would feel.
const HURRY_MAX: Duration = Duration::from_millis(100);

fn rank(rank: u8, limit: Duration) -> u8 {
    match limit > HURRY_MAX {
        true => 0,
        false => rank,
    }
}

/// How a VM was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopTime {
    /// How long it might be.
    pub limit: Duration,
    /// How long it was at most: from before the first of its threads was seized until after the last
    /// one was let go.
    pub took: Duration,
    /// How many threads it has.
    pub threads: usize,
}

/// A VM that stands still.
pub(crate) struct Standstill<'s> {
    /// Where its threads are.
    pub(crate) threads: Vec<CoreThread>,
    /// When it goes on.
    pub(crate) until: Instant,
    let_go: &'s AtomicBool,
}

impl Standstill<'_> {
    /// Whether it does so up to now: what was read until then was so at one instant.
    pub(crate) fn holds(&self) -> bool {
        Instant::now() < self.until && !self.let_go.load(Ordering::SeqCst)
    }
}

/// Stops a VM, has `read` read it, and lets it go.
pub(crate) fn while_stopped<T>(
    pid: u32,
    limit: Duration,
    read: impl FnOnce(&Standstill<'_>) -> T,
) -> Result<(T, StopTime), SessionError> {
    let let_go = AtomicBool::new(false);
    let (tell, told) = sync_channel(1);
    let (done, wait) = sync_channel(0);
    let _hurry = Hurry::begin(rank(READER, limit));
    thread::scope(|scope| {
        let flag = &let_go;
        let tracer = thread::Builder::new().name("stop".to_owned());
        let tracer = tracer
            .spawn_scoped(scope, move || stop(pid, limit, flag, (tell, wait)))
            .map_err(SessionError::NoThread)?;
        let result = told.recv().ok().map(|(threads, until)| {
            read(&Standstill {
                threads,
                until,
                let_go: flag,
            })
        });
        // It is told by this that nobody waits any more; also when reading has failed.
        drop(done);
        let stopped = tracer.join().unwrap_or(Err(BeamError::Died { pid }))?;
        result
            .map(|result| (result, stopped))
            .ok_or(SessionError::Beam(BeamError::Died { pid }))
    })
}

/// What is told to who reads: where the threads are, and until when they stay there.
type Told = (Vec<CoreThread>, Instant);

fn stop(
    pid: u32,
    limit: Duration,
    let_go: &AtomicBool,
    (tell, wait): (SyncSender<Told>, Receiver<()>),
) -> Result<StopTime, BeamError> {
    let _hurry = Hurry::begin(rank(TRACER, limit));
    let began = Instant::now();
    let mut seized = Seized::seize(pid)?;
    let threads = seized.count();
    let letting_go = LETTING_GO.saturating_mul(u32::try_from(threads).unwrap_or(u32::MAX));
    let until = began + limit.saturating_sub(letting_go.min(limit / 4));
    let stopped = seized.stop(until);
    if stopped.is_ok() && tell.send((seized.registers(), until)).is_ok() {
        // Nothing is ever sent: this waits until there is nobody who could, or the time is over.
        let _ = wait.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
    let_go.store(true, Ordering::SeqCst);
    seized.let_go();
    let took = began.elapsed();
    stopped.map(|()| StopTime {
        limit,
        took,
        threads,
    })
}
