//! Which events can be seen of a VM, and what that costs, before anybody asks for them.

use escope_beam::Vm;
use escope_beam::probes::find_probes;
use escope_capture::hit_prices;

use super::{EventSelection, possible, sites};
use crate::SessionError;

/// The kinds that are no presets of others.
const KINDS: [&str; 7] = ["sched", "msg", "proc", "gc", "code", "port", "dist"];

/// What of the events of a VM can be seen.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSupport {
    /// Each kind that can be asked for.
    pub kinds: Vec<KindSupport>,
    /// The least and the most that a hit of a probe costs the VM, in nanoseconds of CPU time, as
    /// measured on ourselves.
    pub hit_ns: (f64, f64),
}

/// One kind of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindSupport {
    /// As `--events` takes it.
    pub kind: &'static str,
    /// What of it cannot be seen, and why.
    pub missing: Vec<String>,
}

/// Finds where probes would go, and measures what a hit costs. Nothing of the VM is touched.
///
/// # Errors
/// When its executable cannot be read, or the kernel refuses such probes.
pub fn event_support(vm: &Vm) -> Result<EventSupport, SessionError> {
    let found = find_probes(vm)?;
    let mut all = Vec::new();
    let mut kinds = Vec::new();
    for kind in KINDS {
        let known = EventSelection::WORDS.iter().find(|(word, _)| *word == kind);
        let asked = known.map_or(EventSelection::default(), |(_, asked)| *asked);
        let (asked, mut missing) = possible(vm, asked);
        let (sites, lacks) = sites::sites(&found, asked, false);
        all.extend(sites);
        missing.extend(lacks);
        kinds.push(KindSupport { kind, missing });
    }
    let prices = hit_prices(&sites::config(vm), &all, &[])?;
    let measured = prices.0.into_iter().filter(|price| *price > 0.0);
    let hit_ns = measured.fold((f64::INFINITY, 0.0_f64), |(least, most), price| {
        (least.min(price), most.max(price))
    });
    Ok(EventSupport { kinds, hit_ns })
}
