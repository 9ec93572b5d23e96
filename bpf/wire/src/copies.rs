//! Copies of what processes have.

use core::mem::size_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::records::wire_struct;

/// What [`StateHead::flags`] says of a process.
pub mod state_flag {
    /// It has asked not to be looked at: nothing was copied.
    pub const SENSITIVE: u32 = 1;
    /// It has more than the largest record holds: nothing was copied.
    pub const TOO_LARGE: u32 = 1 << 1;
    /// There was no room for it in the ring: nothing was copied.
    pub const NO_ROOM: u32 = 1 << 2;
    /// Not all of its memory could be read, or it lies in more pieces than are copied.
    pub const PARTIAL: u32 = 1 << 3;
}

/// How many sizes of records there are for what processes have.
pub const STATE_CLASSES: usize = 4;
/// How many bytes of a process's memory each holds. A quarter more is reserved: the verifier allows a
/// piece of that length at any place that lies before the end.
pub const STATE_BYTES: [u32; STATE_CLASSES] = [1 << 10, 4 << 10, 16 << 10, 64 << 10];
/// How many pieces of memory are copied of a process at most: its young heap, its stack, its old heap,
/// and fragments beside them. A large one is several.
pub const STATE_PIECES: usize = 32;
/// How many fragments are copied of each of the two lists that a process has.
pub const STATE_FRAGMENTS: u32 = 8;

wire_struct! {
    /// A piece of a process's memory.
    StatePiece as "state_piece" {
        /// Its address.
        address: u64 = "u64 address",
        /// Where in the memory that was copied it begins.
        at: u32 = "u32 at",
        /// How many bytes it has.
        bytes: u32 = "u32 bytes",
    }
}

wire_struct! {
    /// What is copied of a process that stops to wait. Its pieces follow, all [`STATE_PIECES`] of them,
    /// then [`crate::PROCESS_BYTES`] with its struct, then its memory. Where nothing was copied, nothing
    /// but its struct follows the pieces.
    StateHead as "state_head" {
        /// [`state_flag`].
        flags: u32 = "u32 flags",
        /// How many pieces there are.
        pieces: u32 = "u32 pieces",
        /// How many bytes of its struct could be read.
        process_bytes: u32 = "u32 process_bytes",
        /// How many bytes of its memory were copied.
        bytes: u32 = "u32 bytes",
    }
}

wire_struct! {
    /// What has to be known to copy a process: offsets in bytes.
    CopyLayout as "copy_layout" {
        /// How many bytes of a `Process` are copied.
        process_bytes: u32 = "u32 process_bytes",
        /// `Process.htop`, with `stop` behind it.
        top_at: u32 = "u32 top_at",
        /// `Process.heap`, with `hend` behind it.
        young_at: u32 = "u32 young_at",
        /// `Process.old_hend`, with `old_htop` and `old_heap` behind it.
        old_at: u32 = "u32 old_at",
        /// `Process.mbuf`, with `live_hf_end`, `msg_frag` and `mbuf_sz` behind it.
        fragments_at: u32 = "u32 fragments_at",
        /// `ErtsMessage.next`.
        message_next_at: u32 = "u32 message_next_at",
        /// `ErtsMessage.data.attached`.
        message_attached_at: u32 = "u32 message_attached_at",
        /// `ErtsMessage.hfrag`.
        message_fragment_at: u32 = "u32 message_fragment_at",
        /// `ErlHeapFragment.next`.
        fragment_next_at: u32 = "u32 fragment_next_at",
        /// `ErlHeapFragment.used_size`.
        fragment_used_at: u32 = "u32 fragment_used_at",
        /// `ErlHeapFragment.mem`.
        fragment_memory_at: u32 = "u32 fragment_memory_at",
        /// Nothing: structs have a multiple of 8 bytes.
        reserved: u32 = "u32 reserved",
    }
}

const _: () = assert!(STATE_BYTES.len() == STATE_CLASSES && size_of::<StateHead>() == 16);
