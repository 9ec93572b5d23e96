//! Links between loaded programs and places in a file, by descriptors alone: a keeper knows
//! no more.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libbpf_rs::libbpf_sys as sys;
use perf_event_open_sys::{self as perf, bindings};

use crate::keeper::{Place, Request};

/// The kind of perf event that a uprobe is, as the kernel numbers it.
const UPROBE_TYPE: &str = "/sys/bus/event_source/devices/uprobe/type";

/// Places the probes of a loaded program in an executable that is open. They are there as long as
/// what is returned, or a copy of it, is open.
///
/// # Errors
/// What the kernel says.
pub(crate) fn place_probes(
    request: &Request,
    program: BorrowedFd<'_>,
    binary: BorrowedFd<'_>,
) -> io::Result<OwnedFd> {
    // The kernel takes a path alone, and follows this one to what is open.
    let path = CString::new(format!("/proc/self/fd/{}", binary.as_raw_fd()))?;
    match request {
        Request::Events {
            pid,
            returns,
            places,
        } => multi(program, &path, *pid, *returns, places),
        Request::Code { pid, file_offset } => single(program, &path, *pid, *file_offset),
    }
}

/// One link for all places: `BPF_TRACE_UPROBE_MULTI` in `linux/bpf.h`.
fn multi(
    program: BorrowedFd<'_>,
    path: &CString,
    pid: u32,
    returns: bool,
    places: &[Place],
) -> io::Result<OwnedFd> {
    let offsets: Vec<libc::c_ulong> = places.iter().map(|place| place.file_offset).collect();
    let cookies: Vec<u64> = places.iter().map(|place| place.cookie).collect();
    let mut options = link_options();
    options.__bindgen_anon_1.uprobe_multi = sys::bpf_link_create_opts__bindgen_ty_1__bindgen_ty_3 {
        cnt: places.len() as u32,
        path: path.as_ptr(),
        offsets: offsets.as_ptr(),
        cookies: cookies.as_ptr(),
        flags: if returns {
            sys::BPF_F_UPROBE_MULTI_RETURN
        } else {
            0
        },
        pid,
        ..Default::default()
    };
    create(program, 0, sys::BPF_TRACE_UPROBE_MULTI, &options)
}

/// A perf event and a link that holds it: what `bpf_program__attach_uprobe` of libbpf makes.
fn single(
    program: BorrowedFd<'_>,
    path: &CString,
    pid: u32,
    file_offset: u64,
) -> io::Result<OwnedFd> {
    let kind = fs::read_to_string(UPROBE_TYPE)?;
    let mut attr = bindings::perf_event_attr::default();
    attr.size = size_of::<bindings::perf_event_attr>() as u32;
    attr.type_ = kind
        .trim()
        .parse()
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    attr.__bindgen_anon_3.uprobe_path = path.as_ptr() as u64;
    attr.__bindgen_anon_4.probe_offset = file_offset;
    let flags = u64::from(bindings::PERF_FLAG_FD_CLOEXEC);
    // SAFETY: `attr` and the path in it outlive the call, which keeps no pointer to them.
    let event = unsafe {
        perf::perf_event_open(
            &mut attr,
            pid as libc::pid_t,
            -1,
            -1,
            flags as libc::c_ulong,
        )
    };
    if event < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
    let event = unsafe { OwnedFd::from_raw_fd(event) };
    let link = create(
        program,
        event.as_raw_fd(),
        sys::BPF_PERF_EVENT,
        &link_options(),
    )?;
    // SAFETY: takes a number and touches no memory of ours.
    match unsafe { perf::ioctls::ENABLE(event.as_raw_fd(), 0) } {
        0 => Ok(link),
        _ => Err(io::Error::last_os_error()),
    }
}

fn link_options() -> sys::bpf_link_create_opts {
    sys::bpf_link_create_opts {
        sz: size_of::<sys::bpf_link_create_opts>() as sys::size_t,
        ..Default::default()
    }
}

fn create(
    program: BorrowedFd<'_>,
    target: libc::c_int,
    kind: sys::bpf_attach_type,
    options: &sys::bpf_link_create_opts,
) -> io::Result<OwnedFd> {
    // SAFETY: what the options point to outlives the call, which keeps none of it.
    let link = unsafe { sys::bpf_link_create(program.as_raw_fd(), target, kind, options) };
    if link < 0 {
        return Err(io::Error::from_raw_os_error(-link));
    }
    // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(link) })
}
