//! Those who watch a VM: we and our peers, each begun and ended by the same two calls.

mod bpftrace;
mod child;
mod escope;
mod inside;
mod perf;
mod polled;

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

pub(super) use bpftrace::Bpftrace;
pub(super) use child::{Observer, Says};
pub(super) use escope::Escope;
pub(super) use inside::Inside;
pub(super) use perf::Perf;
pub(super) use polled::Snapshots;

use super::vm::Works;

/// Somebody who watches for a time.
pub(super) trait Watcher {
    /// For people.
    fn name(&self) -> String;

    /// Returns once it watches.
    fn begin(&mut self, load: &mut dyn Works) -> Result<()>;

    /// Processes of the machine that watch now.
    fn pids(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Returns once all is written and nobody watches any more.
    fn end(&mut self, load: &mut dyn Works) -> Result<Seen>;
}

/// What somebody did and used, from the beginning to the end. Zero is also what is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Seen {
    /// Until it watched.
    pub(super) begun_after_ns: u64,
    /// From being told to end until it had.
    pub(super) ended_after_ns: u64,
    /// Of its processes outside of the VM.
    pub(super) cpu_ns: u64,
    pub(super) peak_rss_bytes: u64,
    /// Samples and events.
    pub(super) records: u64,
    pub(super) lost: u64,
    /// Of what it wrote.
    pub(super) bytes: u64,
    /// For how long it watched before and after the window.
    pub(super) around_ns: u64,
    /// What else it counts.
    pub(super) counts: BTreeMap<String, u64>,
}

impl Seen {
    /// For how long it watched before and after the window, in seconds.
    pub(super) fn around_s(&self) -> f64 {
        self.around_ns as f64 / 1e9
    }
}
