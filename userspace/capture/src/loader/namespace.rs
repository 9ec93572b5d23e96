//! Which PID namespace our numbers are of: pid_namespaces(7).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process;

use crate::CaptureError;

/// The inode of the host's namespace: `PROC_PID_INIT_INO` in the kernel's `proc_ns.h`.
const HOST: u32 = 0xeffffffc;

/// Whether the numbers in `/proc` are those that the kernel half sees.
///
/// # Errors
/// When `/proc` shows another PID namespace than ours.
pub fn check_proc() -> Result<(), CaptureError> {
    own().map(drop)
}

/// The inode of our own namespace; 0 for the host's, where the kernel half need not look.
///
/// # Errors
/// When `/proc` shows another namespace than ours: its numbers would be of other processes.
pub(super) fn own() -> Result<u32, CaptureError> {
    let status = fs::read_to_string("/proc/self/status").map_err(|_| CaptureError::NoProc)?;
    // Our number in the namespace of /proc, and in each below that down to our own.
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let numbers: Vec<&str> = numbers.unwrap_or_default().split_whitespace().collect();
    if numbers != [process::id().to_string()] {
        return Err(CaptureError::ForeignProc);
    }
    let inode = fs::metadata("/proc/self/ns/pid")
        .map_err(|_| CaptureError::ForeignProc)?
        .ino();
    Ok(match u32::try_from(inode) {
        Ok(HOST) | Err(_) => 0,
        Ok(inode) => inode,
    })
}
