//! Memory made of pieces, for tests and fixtures.

use std::collections::BTreeMap;

use super::Memory;
use crate::BeamError;

/// Pieces of memory at addresses. Pieces must not overlap.
#[derive(Debug, Clone, Default)]
pub struct Image {
    pieces: BTreeMap<u64, Vec<u8>>,
}

impl Image {
    /// Nothing is mapped.
    #[must_use]
    pub fn new() -> Image {
        Image::default()
    }

    /// Maps bytes at an address.
    pub fn map(&mut self, address: u64, bytes: impl Into<Vec<u8>>) -> &mut Image {
        self.pieces.insert(address, bytes.into());
        self
    }

    /// Maps words at an address.
    pub fn map_words(&mut self, address: u64, words: &[u64]) -> &mut Image {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.map(address, bytes)
    }
}

impl Image {
    /// Addresses and bytes, ascending.
    pub fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let pieces = self.pieces.iter();
        pieces.map(|(&address, bytes)| (address, bytes.as_slice()))
    }
}

impl Memory for Image {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), BeamError> {
        let bytes = buffer.len();
        let unreadable = BeamError::Unreadable { address, bytes };
        let Some((start, piece)) = self.pieces.range(..=address).next_back() else {
            return Err(unreadable);
        };
        let Some(source) = usize::try_from(address - start)
            .ok()
            .and_then(|offset| piece.get(offset..)?.get(..bytes))
        else {
            return Err(unreadable);
        };
        buffer.copy_from_slice(source);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Image, Memory};

    #[test]
    fn reads_stay_inside_a_piece() {
        let mut image = Image::new();
        image.map_words(0x1000, &[1, 2]).map(0x2000, *b"init\0zzz");
        assert_eq!(image.u64(0x1008).ok(), Some(2));
        assert!(image.u64(0x100c).is_err());
        assert!(image.u64(0xfff).is_err());
        assert!(image.u64(u64::MAX).is_err());
        assert_eq!(image.c_string(0x2000, 64).ok().as_deref(), Some("init"));
    }
}
