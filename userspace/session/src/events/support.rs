//! Which events can be seen of a VM, and what that costs, before anybody asks for them.

use escope_beam::Vm;
use escope_beam::probes::{Missing, Site, find_probes};
use escope_capture::{EventSite, HitPrices, hit_prices};
use escope_wire::what;

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
    /// measured on ourselves; `None` where there is no probe.
    pub hit_ns: Option<(f64, f64)>,
    /// The same of a switch between threads, of which the kernel tells when runs are watched; why not
    /// where it does not.
    pub switch_ns: Result<f64, String>,
}

/// One kind of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindSupport {
    /// As `--events` takes it.
    pub kind: &'static str,
    /// How many places for its probes were found.
    pub places: usize,
    /// What of it cannot be seen, and why.
    pub missing: Vec<String>,
    /// Whether that is so because of the VM's release.
    pub is_of_release: bool,
}

/// Finds where probes would go, and measures what a hit costs. Nothing of the VM is touched.
///
/// # Errors
/// When its executable cannot be read, or the kernel refuses such probes.
pub fn event_support(vm: &Vm) -> Result<EventSupport, SessionError> {
    let found = find_probes(vm)?;
    let (kinds, all) = kinds(&found, |asked| possible(vm, asked));
    let config = sites::config(vm);
    let mut prices = hit_prices(&config, &all, &[])?;
    let hit_ns = range(&prices);
    let switches = prices.measure_switches(&config);
    let switch_ns = switches.map(|()| prices.0[what::SWITCHED_OUT as usize]);
    Ok(EventSupport {
        kinds,
        hit_ns,
        switch_ns: switch_ns.map_err(|error| error.to_string()),
    })
}

/// What there is of each kind, and the places of all of them.
fn kinds(
    found: &[Result<Site, Missing>],
    possible: impl Fn(EventSelection) -> (EventSelection, Vec<String>),
) -> (Vec<KindSupport>, Vec<EventSite>) {
    let (mut kinds, mut all) = (Vec::new(), Vec::new());
    for kind in KINDS {
        let known = EventSelection::WORDS.iter().find(|(word, _)| *word == kind);
        let asked = known.map_or(EventSelection::default(), |(_, asked)| *asked);
        let (asked, mut missing) = possible(asked);
        let is_of_release = !missing.is_empty();
        let (sites, lacks) = sites::sites(found, asked, false, false);
        missing.extend(lacks);
        let of_kind = sites.iter().filter(|site| is_of(kind, site.what));
        kinds.push(KindSupport {
            kind,
            places: of_kind.count(),
            missing,
            is_of_release,
        });
        all.extend(sites);
    }
    (kinds, all)
}

/// Whether what a probe sees is what was asked for: some are also placed for the sake of others.
fn is_of(kind: &str, seen: u32) -> bool {
    match seen {
        what::IN => matches!(kind, "sched" | "proc"),
        what::OUT => kind == "sched",
        what::ENQUEUE | what::DEQUEUE => kind == "msg",
        what::EXIT | what::REGISTER | what::UNREGISTER => kind == "proc",
        _ => true,
    }
}

fn range(prices: &HitPrices) -> Option<(f64, f64)> {
    let measured = prices.0.into_iter().filter(|price| *price > 0.0);
    measured.fold(None, |range, price| {
        let (least, most) = range.unwrap_or((price, price));
        Some((least.min(price), most.max(price)))
    })
}

#[cfg(test)]
mod tests {
    use escope_capture::HitPrices;
    use escope_wire::what;

    use super::{KINDS, kinds, range};

    #[test]
    fn of_a_vm_without_places_nothing_can_be_seen() {
        let (kinds, sites) = kinds(&[], |asked| (asked, Vec::new()));
        assert!(sites.is_empty());
        assert_eq!(kinds.len(), KINDS.len());
        for of in kinds {
            assert_eq!(of.places, 0, "{of:?}");
            assert!(!of.missing.is_empty(), "{of:?}");
        }
    }

    #[test]
    fn what_was_not_measured_has_no_price() {
        let mut prices = HitPrices([0.0; what::COUNT]);
        assert_eq!(range(&prices), None);
        (prices.0[3], prices.0[5]) = (2.0, 1.0);
        assert_eq!(range(&prices), Some((1.0, 2.0)));
    }
}
