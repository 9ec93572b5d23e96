//! Memory of a target, by address.
//!
//! Readers ask the [`Memory`] trait and never know whether a live process, a core or a test's
//! image answers.

mod core;
mod image;
#[allow(unsafe_code, reason = "process_vm_readv takes raw pointers")]
mod live;
#[allow(unsafe_code, reason = "ptrace takes raw pointers")]
pub(crate) mod ptrace;
mod recording;
pub(crate) mod source;

pub use core::CoreMemory;
pub(crate) use core::Piece;
pub use image::Image;
pub use live::LiveMemory;
pub use recording::Recording;
pub(crate) use source::Source;

use crate::BeamError;

/// A target's memory. Addresses are the target's; any of them may be wrong.
pub trait Memory {
    /// Fills `buffer` from `address`.
    ///
    /// # Errors
    /// When not all of it can be read; `buffer` is then unspecified.
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), BeamError>;

    /// Fills many buffers, each as far as its address can be read; returns for each whether
    /// it was. Faster than one by one where the target is another process.
    fn read_many(&self, requests: &mut [(u64, &mut [u8])]) -> Vec<bool> {
        requests
            .iter_mut()
            .map(|(address, buffer)| self.read(*address, buffer).is_ok())
            .collect()
    }

    /// Whether this is a process that runs, so that what the kernel tells of its pid is of it. The
    /// pid of one that has died may be another's by now.
    fn is_running(&self) -> bool {
        false
    }

    /// How many reads have failed so far, where that means that something is missing: of a core
    /// that is cut, not of a process that goes on.
    fn failed_reads(&self) -> u64 {
        0
    }

    /// A little-endian 64-bit word.
    ///
    /// # Errors
    /// When it cannot be read.
    fn u64(&self, address: u64) -> Result<u64, BeamError> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// A little-endian 32-bit word.
    ///
    /// # Errors
    /// When it cannot be read.
    fn u32(&self, address: u64) -> Result<u32, BeamError> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// `count` words.
    ///
    /// # Errors
    /// When they cannot all be read.
    fn words(&self, address: u64, count: usize) -> Result<Vec<u64>, BeamError> {
        let mut bytes = vec![0; count * 8];
        self.read(address, &mut bytes)?;
        Ok(bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|word| u64::from_le_bytes(*word))
            .collect())
    }

    /// A NUL-terminated string of at most `limit` bytes; lossy, cut at the limit.
    ///
    /// # Errors
    /// When not even one byte can be read.
    fn c_string(&self, address: u64, limit: usize) -> Result<String, BeamError> {
        let mut bytes = vec![0; limit];
        if self.read(address, &mut bytes).is_err() {
            // The string may end just before an unmapped page.
            for (index, byte) in bytes.iter_mut().enumerate() {
                if self
                    .read(
                        address.wrapping_add(index as u64),
                        std::slice::from_mut(byte),
                    )
                    .is_err()
                {
                    if index == 0 {
                        return Err(BeamError::Unreadable { address, bytes: 1 });
                    }
                    break;
                }
            }
        }
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(limit);
        Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }
}
