//! The attached tracer: what only the VM itself can say, asked as a hidden node.
//!
//! Everything else reads a VM from outside. This joins it, with its cookie, and has it run functions
//! that OTP ships; so it is used only where the user asked for it by name, and what is run is told
//! first. Layers, from the bottom: [`Cookie`] and epmd say whom to call and how; the handshake of
//! distribution version 6 makes a connection, with [`Tls`] under it where the VM wants that; [`Attached`] sends requests to `rex` and takes answers;
//! [`Tracing`] has one process in the VM that traces calls, within limits that are kept there, and
//! ends by itself when we do.
//!
//! Invariants: the peer is hostile. What it sends is bounded before it is stored, every wait has an
//! end, and nothing panics. What runs in the VM ends without us. Knows nothing of layouts, and
//! nothing of how things are printed.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail so"))]

mod address;
mod call;
mod cookie;
mod epmd;
mod error;
mod handshake;
mod inbox;
mod link;
mod reason;
mod states;
mod terms;
mod tls;
mod trace;

pub use address::{Target, epmd_port_of};
pub use call::{Attached, ConnectOptions};
pub use cookie::{Cookie, CookieSource};
pub use error::AttachedError;
pub use states::StateRequest;
pub use tls::{Tls, TlsFiles};
pub use trace::{Ended, Hit, HitKind, Remains, Said, TraceOptions, Traced, Tracing};
