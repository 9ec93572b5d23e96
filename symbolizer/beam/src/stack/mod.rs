//! Erlang stacks: raw words to return addresses.
//!
//! Every term on an Erlang stack carries a tag in its low two bits; a return address
//! (continuation pointer) has 00 there, as no live term on a stack has. So a stack is walked
//! by looking at each word, without knowing any frame's size.

mod scan;
mod site;

pub use scan::{JitRanges, StackWalk, scan};
pub(crate) use site::{BIF_LOOK_BACK, LOOK_BACK};
pub use site::{CallSite, call_site, call_target, called_bif};
