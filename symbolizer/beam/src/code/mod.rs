//! What Erlang code is at an address, and when.
//!
//! The VM publishes everything its JIT emits through the debugger interface of GDB
//! (`__jit_debug_descriptor`): a linked list of entries, each with a blob that names every
//! function and line. It does so in every build, with no flag. That list is the truth; files
//! that the VM writes for `perf` when it is told to hold the same, and stand in for what cannot
//! be read of the list.

mod blob;
pub(crate) mod jitdump;
mod list;
mod map;
pub(crate) mod perf_map;
mod pieces;

pub use blob::{BlobError, Function, ModuleCode, parse_blob};
pub use jitdump::DumpFollower;
pub(crate) use list::read_list_begin;
pub use list::{Emulator, ListEntry, read_emulator, read_list, read_module};
pub use map::{CodeMap, Located};
pub use pieces::{Piece, Pieces};
