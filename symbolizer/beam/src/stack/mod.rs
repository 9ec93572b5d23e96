//! Erlang stacks: raw words to return addresses.
//!
//! Every term on an Erlang stack carries a tag in its low two bits; a return address
//! (continuation pointer) has 00 there, as no live term on a stack has. So a stack is walked
//! by looking at each word, without knowing any frame's size. Where JIT code keeps frame pointers
//! they lead from frame to frame.

mod arch;
mod frame_pointers;
mod scan;

pub use arch::{
    Arch, CallSite, Register, Roles, RuntimeFrame, Sites, link_is_caller, runtime_frame,
};
pub use frame_pointers::{ChainEnd, caller_of_frameless, follow};
pub use scan::{JitRanges, StackWalk, scan};
