//! The BPF programs, as the bytes of an ELF object that clang made.
//!
//! The C source lies beside this file; `wire.h` is emitted from the crate escope-wire by
//! the build script, so the kernel half and the user half cannot disagree about a record.

#![forbid(unsafe_code)]

/// The object file that samples.
pub static OBJECT: &[u8] = include_bytes!(env!("ESCOPE_OBJECT"));
/// The object file that sees events.
pub static EVENTS_OBJECT: &[u8] = include_bytes!(env!("EVENTS_OBJECT"));
/// The object file that sees calls.
pub static WATCH_OBJECT: &[u8] = include_bytes!(env!("WATCH_OBJECT"));
