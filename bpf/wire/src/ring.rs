//! The ring of events: an array that both halves map.
//!
//! The kernel's own ring (`BPF_MAP_TYPE_RINGBUF`) takes a lock with interrupts off for each record, which is
//! the dearest part of a hit after its trap. Here a place is reserved by one atomic operation:
//!
//! ```text
//! | RingHead | ... | word | record | word | record | ... | spill |
//! 0                RING_DATA_AT                           RING_SPILL
//! ```
//!
//! Places count from 0, in bytes, without end; what lies at a place is at its remainder by the size of
//! the ring. A record that begins before the end of the ring goes on behind it, in the spill. Each is
//! reserved up to a multiple of 8 bytes.
//!
//! A word says what follows, and to which place it belongs: what an earlier round has left there is not
//! taken for it. Nor are the target's own words, which records hold: it is the word [`ring_word`] makes,
//! and that xor a key which only the two halves know.

use core::mem::size_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::records::wire_struct;

/// Where the data of a ring begin: a page behind its head.
pub const RING_DATA_AT: u32 = 4096;
/// How many bytes lie behind it; more than any record has.
pub const RING_SPILL: u32 = 128 << 10;
/// Of a word: how many bytes the record has.
pub const RING_LENGTH: u32 = (1 << 24) - 1;
/// Of a word: the record is not written yet.
pub const RING_BUSY: u32 = 1 << 24;
/// The bit of a word from which on it has the place, in units of 8 bytes and from 1.
pub const RING_PLACE_SHIFT: u32 = 25;

/// The word before a record that is written, without the key.
#[must_use]
pub const fn ring_word(place: u64, length: u32) -> u64 {
    ((place >> 3) + 1) << RING_PLACE_SHIFT | length as u64
}

wire_struct! {
    /// How far a ring is. Each half writes one of both: they are far apart, so that neither waits for
    /// the other's cache.
    RingHead as "ring_head" {
        /// Up to which place records are reserved.
        reserved: u64 = "u64 reserved",
        /// Nothing.
        apart: [u64; 31] = "u64 apart[31]",
        /// Up to which place the user half needs them no more.
        consumed: u64 = "u64 consumed",
    }
}
