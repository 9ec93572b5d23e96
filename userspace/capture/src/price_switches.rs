//! What it costs, here and now, to see that the kernel takes a CPU from a scheduler's thread or
//! gives it one.
//!
//! No probe of ours can call the kernel's scheduler, so the program is loaded for two threads of
//! this very process that give way to each other on one CPU, and the kernel is asked how long it
//! ran (`BPF_ENABLE_STATS` in `linux/bpf.h`). That counts the clock that is read before and after
//! it, which is about what it costs to get there and back.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use escope_wire::{EventConfig, SchedulerKey, SchedulerSlot, what};
use libbpf_rs::libbpf_sys;
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};

use crate::CaptureError;
use crate::loader::{EventCapture, EventOptions};
use crate::price::{HitPrices, thread_pointer};

/// For how long the threads give way to each other: thousands of times on an idle machine. Where
/// others want the CPU there are few, which are dear, as they are for the target then.
const MEASURED: Duration = Duration::from_millis(10);
/// Room for their records; those that find none cost about as much.
const RING_BYTES: u32 = 1 << 20;
/// How many threads.
const THREADS: usize = 2;

impl HitPrices {
    /// Measures the price of switches, which [`crate::hit_prices`] cannot. `config` is the
    /// target's.
    ///
    /// # Errors
    /// When the kernel refuses the program, or does not tell how long it ran.
    pub fn measure_switches(&mut self, config: &EventConfig) -> Result<(), CaptureError> {
        let price_ns = measure(config)?;
        for kind in [what::SWITCHED_OUT, what::SWITCHED_IN] {
            if let Some(price) = self.0.get_mut(kind as usize) {
                *price = price_ns;
            }
        }
        Ok(())
    }
}

fn measure(config: &EventConfig) -> Result<f64, CaptureError> {
    thread::scope(|scope| {
        let (say, pointers) = channel();
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (go, wait) = channel();
                let say = say.clone();
                let handle = scope.spawn(move || {
                    let _ = say.send(thread_pointer());
                    // Without a word there is nothing to measure.
                    if let Ok(cpu) = wait.recv() {
                        give_way(cpu);
                    }
                });
                (go, handle)
            })
            .collect();
        let pointers: Vec<u64> = pointers.iter().take(THREADS).collect();
        let mut capture = load(config, &pointers)?;
        let _counting = count_run_time()?;
        let hits = |capture: &EventCapture| -> Result<u64, CaptureError> {
            let attempts = capture.counters()?.attempts;
            let of = |kind: u32| attempts.get(kind as usize).copied().unwrap_or(0);
            Ok(of(what::SWITCHED_OUT) + of(what::SWITCHED_IN))
        };
        capture.arm()?;
        let (hits_before, ran_before) = (hits(&capture)?, capture.switches_ran_ns()?);
        let cpu = sched_getcpu();
        for (go, _) in &threads {
            let _ = go.send(cpu);
        }
        for (_, handle) in threads {
            let _ = handle.join();
        }
        let ran_ns = capture.switches_ran_ns()?.saturating_sub(ran_before);
        match hits(&capture)?.saturating_sub(hits_before) {
            0 => Err(failed("no thread was switched".to_owned())),
            hits => Ok(ran_ns as f64 / hits as f64),
        }
    })
}

/// Switches to another thread of this CPU, again and again.
fn give_way(cpu: usize) {
    let mut only = CpuSet::new();
    only.set(cpu);
    // Where that is not possible there are fewer switches.
    let _ = sched_setaffinity(None, &only);
    let begin = Instant::now();
    while begin.elapsed() < MEASURED {
        thread::yield_now();
    }
}

/// The program, for threads of this process.
fn load(config: &EventConfig, pointers: &[u64]) -> Result<EventCapture, CaptureError> {
    let mut config = *config;
    config.tgid = std::process::id();
    config.filtered = 0;
    let slot = SchedulerSlot {
        data: 0,
        kind: 0,
        number: 1,
    };
    let schedulers = pointers.iter().map(|&thread_pointer| {
        let key = SchedulerKey { thread_pointer };
        (key, slot)
    });
    EventCapture::load(EventOptions {
        config,
        schedulers: schedulers.collect(),
        ring_bytes: RING_BYTES,
        binary: PathBuf::new(),
        sites: Vec::new(),
        natives: Vec::new(),
        wanted: Vec::new(),
        states: Vec::new(),
        bare: false,
        switches: true,
    })
}

/// The kernel counts how long programs run for as long as this is open.
fn count_run_time() -> Result<OwnedFd, CaptureError> {
    // SAFETY: takes a number and returns a new descriptor, or a negative error.
    let fd = unsafe { libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME) };
    if fd < 0 {
        let error = std::io::Error::from_raw_os_error(-fd);
        return Err(failed(error.to_string()));
    }
    // SAFETY: it is open and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// For how long a program has run while that was counted.
pub(crate) fn ran_ns(program: BorrowedFd<'_>) -> Result<u64, CaptureError> {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut bytes = size_of_val(&info) as u32;
    // SAFETY: the kernel writes at most so many bytes to what is plain data of that size; its
    // pointers are null, so nothing is written behind them.
    let result = unsafe {
        libbpf_sys::bpf_prog_get_info_by_fd(program.as_raw_fd(), &raw mut info, &raw mut bytes)
    };
    match result {
        0 => Ok(info.run_time_ns),
        _ => Err(failed(std::io::Error::last_os_error().to_string())),
    }
}

fn failed(message: String) -> CaptureError {
    CaptureError::Bpf {
        what: "measuring what switches of threads cost",
        message,
    }
}
