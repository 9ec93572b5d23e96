//! The bytes that the kernel half writes and the user half reads.
//!
//! Each record is defined once, here, by the macro `wire_struct`, which makes the Rust
//! struct and the C text of the same struct, and asserts that neither has padding.
//! The BPF programs include the text of [`c_header`], which their build script
//! writes, so the two halves cannot disagree.
//!
//! Everything is little-endian, naturally aligned, a multiple of 8 bytes long.
//! A sample in the ring:
//!
//! ```text
//! | SampleHead | process | native | kernel | erlang | erlang_bottom |
//!   264 bytes    PROCESS_BYTES, then as long as the head says, each a multiple of 8
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod copies;
mod events;
mod header;
mod records;
mod ring;
mod watch;

pub use copies::{
    CopyLayout, STATE_BYTES, STATE_CLASSES, STATE_FRAGMENTS, STATE_PIECES, StateHead, StatePiece,
    state_flag,
};
pub use events::{
    COOKIE_SITE_SHIFT, COOKIE_WAY_SHIFT, COOKIE_WHAT_SHIFT, EVENT_WORDS, EventConfig,
    EventCounters, EventRecord, NO_REGISTER, NOT_COUNTED, PAYLOAD_BYTES, PAYLOAD_PIECE_BYTES,
    PAYLOAD_PIECES, PayloadHead, REGISTERS, SITES, WANTED_CALLS_MAX, WANTED_NAMES_MAX, native_call,
    payload_flag, second, ties, way, what,
};
pub use header::c_header;
pub use records::{
    CodeRecord, Config, Counters, RecordHead, SampleHead, SchedulerKey, SchedulerSlot,
};
pub use ring::{
    RING_BUSY, RING_DATA_AT, RING_LENGTH, RING_PLACE_SHIFT, RING_SPILL, RingHead, ring_word,
};
pub use watch::{
    CallArgument, CallCondition, CallCopy, CallRecord, WATCH_ARGUMENTS, WATCH_CONDITIONS,
    WATCH_FUNCTIONS, WATCH_MEASURE, WATCH_MOVED_SHIFT, WatchConfig, WatchCounters, call_flag,
};

/// [`RecordHead::kind`] of a sample.
pub const KIND_SAMPLE: u32 = 1;
/// [`RecordHead::kind`] of a code registration.
pub const KIND_CODE: u32 = 2;
/// [`RecordHead::kind`] of an event.
pub const KIND_EVENT: u32 = 3;
/// [`RecordHead::kind`] of a call.
pub const KIND_CALL: u32 = 4;

/// Bytes reserved for the copy of the `Process` struct in each sample; the configured
/// length may be less.
pub const PROCESS_BYTES: u32 = 832;
/// Upper limit of the configurable length of an Erlang stack copy.
pub const ERLANG_BYTES_MAX: u32 = 128 * 1024;
/// What is copied of the far end of an Erlang stack that is longer than the limit, so
/// that even then the first functions of the process are known.
pub const ERLANG_BOTTOM_BYTES: u32 = 4096;
/// Upper limit of the length of a C stack copy.
pub const NATIVE_BYTES_MAX: u32 = 64 * 1024;
/// Kernel stack: 127 frames, the kernel's own default limit (`perf_event_max_stack`).
pub const KERNEL_BYTES_MAX: u32 = 127 * 8;
/// How many schedulers the kernel half can tell apart: the VM's own limit is 1024 of
/// each of the normal and dirty CPU kinds and of dirty IO schedulers.
pub const SCHEDULERS_MAX: u32 = 4096;

/// Bits of [`SampleHead::flags`].
pub mod flag {
    /// The thread was in the kernel.
    pub const IN_KERNEL: u32 = 1;
    /// The scheduler block could not be read.
    pub const SCHEDULER_UNREADABLE: u32 = 1 << 1;
    /// The process block could not be read.
    pub const PROCESS_UNREADABLE: u32 = 1 << 2;
    /// The Erlang stack could not be read.
    pub const ERLANG_UNREADABLE: u32 = 1 << 3;
    /// The Erlang stack was longer than the limit: its middle is missing.
    pub const ERLANG_CAPPED: u32 = 1 << 4;
    /// The C stack is incomplete.
    pub const NATIVE_CAPPED: u32 = 1 << 5;
    /// The stack pointer register was the Erlang stack's.
    pub const ON_ERLANG_STACK: u32 = 1 << 6;
}
