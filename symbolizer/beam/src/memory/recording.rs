//! Memory that remembers what was read of it.

use std::cell::{Cell, RefCell};

use super::{Image, Memory};
use crate::BeamError;

/// More than an image is made of; beyond it nothing more is remembered.
const BYTES_MAX: usize = 1 << 30;

/// A target's memory and every piece of it that was read, so that the same can be read again
/// from an [`Image`] when the target is gone.
#[derive(Debug)]
pub struct Recording<M> {
    memory: M,
    reads: RefCell<Vec<(u64, Vec<u8>)>>,
    bytes: Cell<usize>,
}

impl<M: Memory> Recording<M> {
    /// Nothing was read yet.
    #[must_use]
    pub fn new(memory: M) -> Recording<M> {
        Recording {
            memory,
            reads: RefCell::default(),
            bytes: Cell::new(0),
        }
    }

    /// What was read, and how many bytes of it changed between two readings: such an image is
    /// of no instant. Of those the first reading counts.
    #[must_use]
    pub fn into_image(self) -> (Image, u64) {
        let mut reads = self.reads.into_inner();
        reads.sort_by_key(|(address, _)| *address);
        let mut image = Image::new();
        let mut changed = 0;
        let mut reads = reads.into_iter();
        let Some((mut start, mut piece)) = reads.next() else {
            return (image, 0);
        };
        for (address, bytes) in reads {
            let at = usize::try_from(address - start).unwrap_or(usize::MAX);
            if at > piece.len() {
                image.map(start, std::mem::take(&mut piece));
                (start, piece) = (address, bytes);
                continue;
            }
            let known = piece.get(at..).unwrap_or_default();
            let differ = known.iter().zip(&bytes).filter(|(old, new)| old != new);
            changed += differ.count() as u64;
            let rest = bytes.get(known.len()..).unwrap_or_default();
            piece.extend_from_slice(rest);
        }
        image.map(start, piece);
        (image, changed)
    }

    fn note(&self, address: u64, bytes: &[u8]) {
        let all = self.bytes.get().saturating_add(bytes.len());
        let fits = all <= BYTES_MAX && address.checked_add(bytes.len() as u64).is_some();
        if fits && !bytes.is_empty() {
            self.bytes.set(all);
            self.reads.borrow_mut().push((address, bytes.to_vec()));
        }
    }
}

impl<M: Memory> Memory for Recording<M> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), BeamError> {
        self.memory.read(address, buffer)?;
        self.note(address, buffer);
        Ok(())
    }

    fn read_many(&self, requests: &mut [(u64, &mut [u8])]) -> Vec<bool> {
        let read = self.memory.read_many(requests);
        for ((address, buffer), _) in requests.iter().zip(&read).filter(|(_, read)| **read) {
            self.note(*address, buffer);
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::{Image, Memory, Recording};

    #[test]
    fn what_was_read_can_be_read_again_and_nothing_else() {
        let mut image = Image::new();
        image
            .map_words(0x1000, &[1, 2, 3, 4])
            .map_words(0x2000, &[5]);
        let recording = Recording::new(image);
        assert!(recording.u64(0x1010).is_ok());
        assert!(recording.words(0x1000, 2).is_ok());
        assert!(recording.u64(0x1008).is_ok());
        assert!(recording.u64(0x3000).is_err());
        let (again, changed) = recording.into_image();
        assert_eq!(changed, 0);
        // Pieces that touch are one.
        assert_eq!(again.words(0x1000, 3).ok(), Some(vec![1, 2, 3]));
        assert!(again.u64(0x1018).is_err());
        assert!(again.u64(0x2000).is_err());
    }

    #[test]
    fn a_target_that_changes_is_noticed() {
        struct Counter(std::cell::Cell<u64>);
        impl Memory for Counter {
            fn read(&self, _: u64, buffer: &mut [u8]) -> Result<(), crate::BeamError> {
                self.0.set(self.0.get() + 1);
                buffer.fill(self.0.get() as u8);
                Ok(())
            }
        }
        let recording = Recording::new(Counter(std::cell::Cell::new(0)));
        assert!(recording.u64(0x10).is_ok() && recording.u64(0x14).is_ok());
        let (image, changed) = recording.into_image();
        assert_eq!(changed, 4);
        assert_eq!(image.u64(0x10).ok(), Some(0x0101_0101_0101_0101));
        assert_eq!(image.u32(0x18).ok(), Some(0x0202_0202));
    }
}
