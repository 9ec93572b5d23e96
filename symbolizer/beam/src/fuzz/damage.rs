//! Damage to memory, as bytes: patches of 16 bytes each, all of which mean something.
//!
//! ```text
//! u8 what | u8 0 | u16 piece | u32 offset | u64 value
//! ```
//!
//! Pieces and offsets are taken as fractions, so that any number hits.

use crate::memory::Image;

/// Bytes of a patch.
pub(super) const PATCH: usize = 16;
/// More patches than that leave nothing to read.
const PATCHES_MAX: usize = 64;

/// The same memory with each patch applied, one after the other.
pub(super) fn apply(memory: &Image, patches: &[u8]) -> Image {
    let mut pieces: Vec<(u64, Vec<u8>)> = memory
        .pieces()
        .map(|(address, bytes)| (address, bytes.to_vec()))
        .collect();
    for patch in patches.as_chunks::<PATCH>().0.iter().take(PATCHES_MAX) {
        one(&mut pieces, patch);
    }
    let mut image = Image::new();
    for (address, bytes) in pieces {
        image.map(address, bytes);
    }
    image
}

fn one(pieces: &mut [(u64, Vec<u8>)], patch: &[u8; PATCH]) {
    let [what, _, p0, p1, o0, o1, o2, o3, value @ ..] = *patch;
    let (piece, offset) = (u16::from_le_bytes([p0, p1]), [o0, o1, o2, o3]);
    let (offset, value) = (u32::from_le_bytes(offset), u64::from_le_bytes(value));
    let count = pieces.len();
    let pick = |by: u16| (usize::from(by) * count) >> 16;
    let elsewhere = |by: u64| pieces.get(pick(by as u16)).map(|(address, _)| *address);
    let other = elsewhere(value)
        .unwrap_or(0)
        .wrapping_add(value >> 16 & 0xf8);
    let word = pieces
        .get(pick((value >> 48) as u16))
        .and_then(|(_, bytes)| bytes.get(at(bytes, value as u32)..)?.first_chunk::<8>())
        .map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let Some((address, bytes)) = pieces.get_mut(pick(piece)) else {
        return;
    };
    let at = at(bytes, offset);
    let new = match what % 7 {
        0 => return,
        1 => value,
        // A word of elsewhere, a pointer to elsewhere, a pointer to itself.
        2 => word,
        3 => other | value >> 60 & 3,
        4 => address.wrapping_add(at as u64) | value & 3,
        5 => return bytes.truncate(at.max(1)),
        _ => return flip(bytes, at, value),
    };
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = new.to_le_bytes();
    }
}

/// The offset of a whole word.
fn at(bytes: &[u8], fraction: u32) -> usize {
    let words = (bytes.len() / 8) as u64;
    ((words * u64::from(fraction)) >> 32) as usize * 8
}

fn flip(bytes: &mut [u8], at: usize, value: u64) {
    let byte = at + (value as usize >> 3 & 7);
    if let Some(byte) = bytes.get_mut(byte) {
        *byte ^= 1 << (value & 7);
    }
}
