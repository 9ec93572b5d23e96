//! The target as an operating system process: its files, mappings and threads.

mod core;
mod elf;
mod find;
mod inside;
mod maps;
mod module_files;
mod perf_files;
mod state;
mod stop;
mod threads;

use std::path::PathBuf;

pub use core::{CoreFile, CoreThread, MappedFile};
pub use elf::Elf;
pub use find::{Beam, find_beams};
pub(crate) use inside::{Links, open_inside};
pub use maps::{ExecutableMapping, read_executable_mappings};
pub use module_files::ModuleFiles;
pub use perf_files::PerfFileKind;
pub(crate) use perf_files::open_perf_files;
pub use state::is_stopped;
pub(crate) use state::{age, has_ended, process_of_thread};
pub use stop::{Hurry, Seized};
pub use threads::read_threads;

/// A path below `/proc/PID`.
#[must_use]
pub fn proc_path(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}
