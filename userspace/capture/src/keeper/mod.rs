//! Probes are placed and removed by a process of its own, the keeper: this very program, run once
//! more for each time that probes are in place.
//!
//! Why: a uprobe is a breakpoint that the kernel writes into the target's code, and it can do so, or take it
//! out again, only as long as no fatal signal waits for who asks (`__get_user_pages` in Linux' `mm/gup.c`
//! fails with `EINTR`, `uprobe_unregister_nosync` in `kernel/events/uprobes.c` then says "failed to unregister,
//! leaking uprobe"). A recorder that is killed while it places or removes probes would leave
//! breakpoints in the target for ever, each of which costs it a trap.
//!
//! So it asks a keeper to place them, and lets it end to have them removed:
//!
//! ```text
//! recorder   socketpair, run ----> keeper      fd 0 is its end of the socket
//!            request, program, executable --->
//!                                  bpf_link_create
//!            <--- errno or the link, which both now hold
//!            ...                   waits for the end of the socket
//!            closes link, socket   exits; as it was the last to hold the link, that removes it
//!            waits for it
//! ```
//!
//! A process that is on its way out takes no more signals (`prepare_signal` and `get_signal` in
//! `kernel/signal.c`), so who removes probes by ending cannot be interrupted, not even if all of a
//! container is killed. That the recorder holds the link too keeps probes in place when a keeper
//! is killed. What is left is a keeper that is killed while it places probes: the next one places the
//! same probes and so owns what that one left.
//!
//! Invariants: a keeper does one thing for one recorder, holds nothing else of it, and does not outlive it
//! by more than it takes to remove the probes. What it cannot understand ends it.

mod kept;
mod message;
mod serve;
mod socket;

pub(crate) use kept::Kept;
pub use kept::keepers_cpu_ns;
pub(crate) use message::{Place, Request};
pub use serve::{KEEPER_COMMAND, keep_probes};
