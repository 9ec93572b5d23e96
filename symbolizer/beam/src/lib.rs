//! Reads a running BEAM from outside.
//!
//! [`Vm::attach`] finds the emulator's globals in a process it does not control, selects the
//! layout table for its release and proves that it reads right. After that: code (what
//! function is at an address at a time), atoms, schedulers, processes, stacks.
//!
//! Invariants: only `layout` knows OTP versions. Target memory is hostile: every loop has a
//! bound, every pointer may be wrong, every read may fail. Nothing is ever written to the
//! target and no lock of it is taken; it is stopped only by [`Seized`], which who uses it asks for.
//! `unsafe` is confined to `memory`.

#![deny(unsafe_code)]

mod attach;
pub mod code;
mod died;
mod entry;
mod error;
#[cfg(feature = "fuzz")]
pub mod fuzz;
#[cfg(feature = "image")]
pub mod image;
pub mod layout;
pub mod memory;
pub mod names;
pub mod probes;
mod process;
mod proof;
pub mod said;
mod scheduler;
mod signal;
pub mod snapshot;
pub mod stack;
pub mod state;
mod target;
pub mod term;
mod vm;

pub use died::{Ran, Runners};
pub use entry::{Callee, Entry, NoEntry};
pub use error::BeamError;
pub use process::{ProcessBlock, ProcessState};
pub use scheduler::{Scheduler, read_schedulers, sleep};
pub use signal::{Signal, SignalAtoms};
pub use target::{
    Beam, CoreFile, CoreThread, Elf, ExecutableMapping, Hurry, MappedFile, ModuleFiles,
    PerfFileKind, Seized, find_beams, is_stopped, proc_path, read_executable_mappings,
    read_threads,
};
pub use term::{AtomTable, PidPrinter};
pub use vm::{Certainty, Source, Vm};
