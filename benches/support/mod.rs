//! What the benches of the sample path feed it: a VM as an image of its memory, C stacks
//! that really unwind, and a raw stream as the kernel half would have written it.

mod code;
mod cpu_time;
mod events;
mod native;
mod random;
mod stream;
mod vm;

pub(crate) use cpu_time::CpuTime;
#[allow(unused_imports, reason = "not all benches use it")]
pub(crate) use events::{EventStream, ROUND};
#[allow(unused_imports, reason = "not all benches use it")]
pub(crate) use stream::{Shape, Stream};
pub(crate) use vm::World;
