//! A running process, by `process_vm_readv(2)`: no stop, no lock, no trace.

use std::io;
use std::time::Instant;

use super::Memory;
use crate::BeamError;

/// How many pieces one call of the kernel takes (`UIO_MAXIOV`).
const PIECES_MAX: usize = 1024;

/// The memory of a running process.
#[derive(Debug, Clone, Copy)]
pub struct LiveMemory {
    pid: u32,
    /// When the time for reading is over.
    until: Option<Instant>,
}

impl LiveMemory {
    /// Nothing is opened; each read names the process anew.
    #[must_use]
    pub fn new(pid: u32) -> LiveMemory {
        LiveMemory { pid, until: None }
    }

    /// The same, of which nothing is read any more from then on.
    #[must_use]
    pub fn until(self, until: Instant) -> LiveMemory {
        LiveMemory {
            until: Some(until),
            ..self
        }
    }

    fn time_is_up(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Reads pieces in order; returns how many bytes came before the first failure.
    fn read_pieces(&self, pieces: &mut [(u64, &mut [u8])]) -> io::Result<usize> {
        let local: Vec<libc::iovec> = pieces
            .iter_mut()
            .map(|(_, buffer)| libc::iovec {
                iov_base: buffer.as_mut_ptr().cast(),
                iov_len: buffer.len(),
            })
            .collect();
        let remote: Vec<libc::iovec> = pieces
            .iter()
            .map(|(address, buffer)| libc::iovec {
                iov_base: *address as *mut libc::c_void,
                iov_len: buffer.len(),
            })
            .collect();
        // SAFETY: the local pieces are exclusively borrowed buffers of the stated lengths that
        // outlive the call; remote addresses are only read, by the kernel, which checks them.
        let read = unsafe {
            libc::process_vm_readv(
                self.pid as libc::pid_t,
                local.as_ptr(),
                local.len() as libc::c_ulong,
                remote.as_ptr(),
                remote.len() as libc::c_ulong,
                0,
            )
        };
        usize::try_from(read).map_err(|_| io::Error::last_os_error())
    }

    fn error(&self, error: &io::Error, address: u64, bytes: usize) -> BeamError {
        match error.raw_os_error() {
            Some(libc::ESRCH) => BeamError::Died { pid: self.pid },
            Some(libc::EPERM) => BeamError::NotPermitted { pid: self.pid },
            _ => BeamError::Unreadable { address, bytes },
        }
    }
}

impl Memory for LiveMemory {
    fn is_running(&self) -> bool {
        true
    }

    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), BeamError> {
        let bytes = buffer.len();
        if bytes == 0 {
            return Ok(());
        }
        if self.time_is_up() {
            return Err(BeamError::TimeUp { pid: self.pid });
        }
        match self.read_pieces(&mut [(address, buffer)]) {
            Ok(read) if read == bytes => Ok(()),
            Ok(_) => Err(BeamError::Unreadable { address, bytes }),
            Err(error) => Err(self.error(&error, address, bytes)),
        }
    }

    fn read_many(&self, requests: &mut [(u64, &mut [u8])]) -> Vec<bool> {
        let mut done = Vec::with_capacity(requests.len());
        while done.len() < requests.len() {
            if self.time_is_up() {
                done.resize(requests.len(), false);
                break;
            }
            let first = done.len();
            let last = requests.len().min(first + PIECES_MAX);
            let mut read = self.read_pieces(&mut requests[first..last]).unwrap_or(0);
            for (_, buffer) in &requests[first..last] {
                if read < buffer.len() {
                    break;
                }
                read -= buffer.len();
                done.push(true);
            }
            // The call stopped at a piece it could not read: skip that one and go on.
            if done.len() < last {
                done.push(false);
            }
        }
        done
    }
}
