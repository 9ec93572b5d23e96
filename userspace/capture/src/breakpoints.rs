//! Hardware breakpoints: one perf event for each thread and address.
//!
//! `perf_event_open(2)`, `PERF_TYPE_BREAKPOINT`. The kernel sets a debug register of the CPU
//! whenever it lets the thread run, so nothing of the target is changed, and nobody else's
//! threads are held up. A hit is counted by the kernel whatever a program makes of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use perf_event_open_sys::{self as perf, bindings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::CaptureError;

/// A breakpoint of one thread. It is off at first.
pub(crate) struct BreakpointEvent {
    event: File,
}

/// Opens a breakpoint at an address for a thread, 0 for our own. `None` where there is no such
/// thread any more.
pub(crate) fn open(tid: u32, address: u64) -> Result<Option<BreakpointEvent>, CaptureError> {
    let mut attr = bindings::perf_event_attr::default();
    attr.size = size_of::<bindings::perf_event_attr>() as u32;
    attr.type_ = bindings::PERF_TYPE_BREAKPOINT;
    attr.bp_type = bindings::HW_BREAKPOINT_X;
    attr.__bindgen_anon_3.bp_addr = address;
    // What `hw_breakpoint.c` wants for instructions.
    attr.__bindgen_anon_4.bp_len = size_of::<libc::c_long>() as u64;
    attr.__bindgen_anon_1.sample_period = 1;
    attr.set_disabled(1);
    attr.set_exclude_kernel(1);
    attr.set_exclude_hv(1);
    let flags = u64::from(bindings::PERF_FLAG_FD_CLOEXEC);
    // SAFETY: `attr` is a valid, initialised perf_event_attr that outlives the call, and the
    // call keeps no pointer to it.
    let fd = unsafe {
        perf::perf_event_open(
            &mut attr,
            tid as libc::pid_t,
            -1,
            -1,
            flags as libc::c_ulong,
        )
    };
    if fd >= 0 {
        // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
        let event = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        return Ok(Some(BreakpointEvent { event }));
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ESRCH) => Ok(None),
        Some(libc::ENOSPC | libc::EBUSY) => Err(CaptureError::NoBreakpoint { tid }),
        Some(libc::EACCES | libc::EPERM) => Err(CaptureError::NotPermitted),
        Some(libc::ENOENT | libc::ENODEV | libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL) => {
            Err(CaptureError::Breakpoints(error))
        }
        _ => Err(error.into()),
    }
}

impl BreakpointEvent {
    /// Another descriptor of the same event.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(self.event.try_clone()?.into())
    }

    /// Lets the kernel turn it off at the next hit of which the program says so: each event has
    /// a budget of hits (`PERF_EVENT_IOC_REFRESH`), and since Linux 6.10 only those count that a
    /// program has passed on.
    pub(crate) fn allow_turning_off(&self) -> io::Result<()> {
        // SAFETY: takes a number and touches no memory of ours.
        checked(unsafe { perf::ioctls::REFRESH(self.event.as_raw_fd(), 1) })
    }

    /// Off, on every CPU, when this returns.
    pub(crate) fn turn_off(&self) -> io::Result<()> {
        // SAFETY: as above.
        checked(unsafe { perf::ioctls::DISABLE(self.event.as_raw_fd(), 0) })
    }

    /// How many hits there were, by the kernel's own count.
    pub(crate) fn hits(&self) -> io::Result<u64> {
        let mut count = [0; 8];
        (&self.event).read_exact(&mut count)?;
        Ok(u64::from_ne_bytes(count))
    }
}

fn checked(result: libc::c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A function of our own to put a breakpoint on.
#[inline(never)]
extern "C" fn landing() {
    std::hint::black_box(());
}

/// Its address.
pub(crate) fn landing_address() -> u64 {
    landing as *const () as u64
}

/// Calls it so many times.
pub(crate) fn land(times: u32) {
    for _ in 0..times {
        std::hint::black_box(landing as extern "C" fn())();
    }
}

/// Room for so many more descriptors than there are by default: several for each thread and
/// function. What the hard limit does not give is not had.
pub(crate) fn make_room(descriptors: u64) {
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current else {
        return;
    };
    let wanted = current.max(descriptors.saturating_add(1024));
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(limit.maximum.map_or(wanted, |most| most.min(wanted))),
            maximum: limit.maximum,
        },
    );
}
