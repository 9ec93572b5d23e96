//! From a tick in the kernel to a [`RawEvent`](escope_model::RawEvent) in user space.
//!
//! [`Capture::load`] loads the BPF programs and follows code loading, [`Capture::start_ticks`]
//! starts a timer on every CPU, [`Capture::fetch`] takes what has happened since. Nothing is pinned: when
//! the process ends, however it ends, the kernel removes everything; `keeper` says what it takes for that.
//!
//! `loader` is the only place that knows a BPF loader; `decode` is pure and is what replays
//! a recorded stream of the same bytes.

mod batch;
mod breakpoints;
mod cpus;
mod decode;
mod decode_call;
mod decode_event;
mod decode_payload;
mod decode_state;
mod error;
mod keeper;
mod loader;
#[cfg(target_arch = "x86_64")]
mod price;
#[cfg(target_arch = "x86_64")]
mod price_memory;
mod price_switches;
mod ticks;

pub use batch::Batch;
pub use cpus::online_cpus;
pub use decode::{DecodeError, decode};
pub use decode_call::{Call, CallArgument, CallCopy, decode_call};
pub use decode_event::decode_event;
pub use decode_payload::{Copied, Payload, decode_payload};
pub use decode_state::{CopiedState, StateCopied, decode_state};
pub use error::CaptureError;
pub use keeper::{KEEPER_COMMAND, keep_probes, keepers_cpu_ns};
pub use loader::{
    Breakpoint, Capture, CaptureOptions, CodeFollowing, CodeProbe, EventCapture, EventOptions,
    EventSite, Fetched, HitPrice, KernelSupport, NativeSite, WatchCapture, check_proc,
    event_ring_bytes, probe_breakpoints, probe_kernel,
};
#[cfg(target_arch = "x86_64")]
pub use price::{HitPrices, hit_prices};
pub use ticks::{Clock, ClockChoice};
