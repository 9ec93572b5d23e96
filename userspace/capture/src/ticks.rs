//! The timers: one perf event per CPU.
//!
//! `perf_event_open(2)`. A PMU event is preferred where there is one, because it also ticks
//! while interrupts are off; virtual machines mostly have none, there the kernel's
//! `cpu-clock` is used. The event counts every task, idle excluded; the BPF program looks at
//! the target only.

use std::fs;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use perf_event_open_sys::{self as perf, bindings};

use crate::CaptureError;

/// Which clock the user wants to sample by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClockChoice {
    /// The PMU's where there is one, else the kernel's.
    #[default]
    Auto,
    /// The kernel's `cpu-clock`.
    CpuClock,
    /// The PMU's cycle counter.
    Cycles,
}

/// Which clock samples were taken by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The kernel's `cpu-clock`: a sample stands for a fixed span of CPU time.
    CpuClock,
    /// The PMU's cycle counter, at an average rate.
    Cycles,
}

impl Clock {
    /// The name used in recordings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Clock::CpuClock => "cpu-clock",
            Clock::Cycles => "cycles",
        }
    }
}

/// Opens one timer on each of `cpus`, not yet running anything.
pub(crate) fn open(
    choice: ClockChoice,
    frequency_hz: u32,
    cpus: &[u32],
) -> Result<(Clock, Vec<(u32, OwnedFd)>), CaptureError> {
    if let Some(allowed) = max_sample_rate()
        && frequency_hz > allowed
    {
        return Err(CaptureError::Rate {
            wanted: frequency_hz,
            allowed,
        });
    }
    let open_all = |clock| -> Result<_, CaptureError> {
        let events = cpus
            .iter()
            .map(|&cpu| {
                let event =
                    open_one(clock, frequency_hz, cpu).map_err(|reason| match reason.kind() {
                        io::ErrorKind::PermissionDenied => CaptureError::NotPermitted,
                        _ => CaptureError::Timer { cpu, reason },
                    })?;
                Ok((cpu, event))
            })
            .collect::<Result<Vec<_>, CaptureError>>()?;
        Ok((clock, events))
    };
    match choice {
        ClockChoice::CpuClock => open_all(Clock::CpuClock),
        ClockChoice::Cycles => open_all(Clock::Cycles),
        ClockChoice::Auto => open_all(Clock::Cycles).or_else(|_| open_all(Clock::CpuClock)),
    }
}

fn open_one(clock: Clock, frequency_hz: u32, cpu: u32) -> io::Result<OwnedFd> {
    let mut attr = bindings::perf_event_attr::default();
    attr.size = size_of::<bindings::perf_event_attr>() as u32;
    match clock {
        Clock::CpuClock => {
            attr.type_ = bindings::PERF_TYPE_SOFTWARE;
            attr.config = u64::from(bindings::PERF_COUNT_SW_CPU_CLOCK);
        }
        Clock::Cycles => {
            attr.type_ = bindings::PERF_TYPE_HARDWARE;
            attr.config = u64::from(bindings::PERF_COUNT_HW_CPU_CYCLES);
        }
    }
    attr.__bindgen_anon_1.sample_freq = u64::from(frequency_hz);
    attr.set_freq(1);
    attr.set_exclude_idle(1);
    attr.set_exclude_guest(1);
    let flags = u64::from(bindings::PERF_FLAG_FD_CLOEXEC);
    // SAFETY: `attr` is a valid, initialised perf_event_attr that outlives the call, and the
    // call keeps no pointer to it.
    let fd = unsafe {
        perf::perf_event_open(
            &mut attr,
            -1,
            cpu as libc::c_int,
            -1,
            flags as libc::c_ulong,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn max_sample_rate() -> Option<u32> {
    let text = fs::read_to_string("/proc/sys/kernel/perf_event_max_sample_rate").ok()?;
    text.trim().parse().ok()
}
