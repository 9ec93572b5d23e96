//! Probes that were never hit although what they see must have happened: an attachment is believed
//! because of its hits, and the other probes and the VM's own account say which there must be.

use std::collections::BTreeMap;

use escope_capture::{EventSite, NativeSite};
use escope_wire::what;

/// In so many reductions per scheduler more than one process has had its turn: a turn is 4000 of them
/// (`CONTEXT_REDS` in `erl_vm.h`).
const MANY_REDUCTIONS: u64 = 50_000;
/// So many signals are not all of those that were there before, or that nobody looks at.
const MANY_SIGNALS: u64 = 10_000;

/// Whose probes are also hit when there is nothing to see.
const PASSES: [u32; 4] = [
    what::OUT,
    what::PORT_OPEN,
    what::PORT_INPUT,
    what::DIST_FRAGMENT,
];

/// What was seen while probes were placed.
pub(super) struct Seen<'a> {
    /// Hits by [`what`].
    pub(super) hits: &'a [u64; what::COUNT],
    /// What the VM has run meanwhile, in reductions.
    pub(super) reductions: u64,
    /// How many schedulers it has.
    pub(super) schedulers: u64,
}

/// What the probes of these sites see.
pub(super) fn armed(
    sites: &[EventSite],
    natives: &[NativeSite],
    switches: bool,
    said: bool,
) -> [bool; what::COUNT] {
    let mut armed = [false; what::COUNT];
    let mut arm = |kind: u32| {
        if let Some(armed) = armed.get_mut(kind as usize) {
            *armed = true;
        }
    };
    sites.iter().for_each(|site| arm(site.what));
    if sites.iter().any(|site| site.what == what::IN) {
        arm(what::BORN);
    }
    if sites.iter().any(|site| PASSES.contains(&site.what)) {
        arm(what::PASSED);
    }
    for site in natives {
        arm(what::NATIVE_CALL);
        if site.returns_of.is_some() {
            arm(what::NATIVE_RETURN);
        }
    }
    if said {
        arm(what::PAYLOAD);
    }
    if switches {
        arm(what::SWITCHED_OUT);
        arm(what::SWITCHED_IN);
    }
    armed
}

/// Hits by name, of all that are armed.
pub(super) fn named(
    armed: &[bool; what::COUNT],
    hits: &[u64; what::COUNT],
) -> BTreeMap<&'static str, u64> {
    let all = what::NAMES.into_iter().zip(armed).zip(hits);
    all.filter(|((_, armed), _)| **armed)
        .map(|((name, _), &hits)| (name, hits))
        .collect()
}

/// A kind of event that must have happened if another one did, more often than it may by chance.
struct Rule {
    silent: u32,
    other: u32,
    chance: Chance,
    /// What the other one shows.
    shows: &'static str,
}

/// How often the other one may have happened alone.
enum Chance {
    /// On every scheduler one may be between the two when probes are placed, and when they are
    /// removed.
    Pair,
    /// What is in queues may have been there, or stay.
    Queue,
}

const fn pair(silent: u32, other: u32, shows: &'static str) -> Rule {
    Rule {
        silent,
        other,
        chance: Chance::Pair,
        shows,
    }
}

const fn queue(silent: u32, other: u32, shows: &'static str) -> Rule {
    Rule {
        silent,
        other,
        chance: Chance::Queue,
        shows,
    }
}

const RULES: &[Rule] = &[
    pair(what::IN, what::OUT, "processes stopped running"),
    pair(what::OUT, what::IN, "processes began to run"),
    queue(what::ENQUEUE, what::DEQUEUE, "messages were received"),
    queue(what::DEQUEUE, what::ENQUEUE, "signals were sent"),
    pair(what::GC_START, what::GC_END, "collections ended"),
    pair(what::GC_END, what::GC_START, "collections began"),
    pair(
        what::HIBERNATE_START,
        what::HIBERNATE_END,
        "processes had hibernated",
    ),
    pair(
        what::HIBERNATE_END,
        what::HIBERNATE_START,
        "processes began to hibernate",
    ),
    pair(what::NATIVE_RETURN, what::NATIVE_CALL, "calls began"),
    pair(what::NATIVE_CALL, what::NATIVE_RETURN, "calls returned"),
    pair(
        what::SWITCHED_IN,
        what::SWITCHED_OUT,
        "schedulers lost their CPU",
    ),
    pair(
        what::SWITCHED_OUT,
        what::SWITCHED_IN,
        "schedulers got a CPU",
    ),
];

/// What is counted apart from a kind and seen by its probe too.
const PARTS: [(u32, u32); 2] = [(what::IN, what::BORN), (what::ENQUEUE, what::PAYLOAD)];

impl Seen<'_> {
    /// How often something was seen, whatever of it is counted apart.
    fn of(&self, kind: u32) -> u64 {
        let parts = PARTS.into_iter().filter(|(whole, _)| *whole == kind);
        let parts = parts.map(|(_, part)| self.hits[part as usize]);
        self.hits[kind as usize] + parts.sum::<u64>()
    }

    /// Which probes ought to have been hit and were not, a sentence each.
    pub(super) fn silent(&self, armed: &[bool; what::COUNT]) -> Vec<String> {
        let is_silent = |kind: u32| armed[kind as usize] && self.of(kind) == 0;
        let mut told = Vec::new();
        let worked = self.reductions > MANY_REDUCTIONS * self.schedulers.max(1);
        for kind in [what::IN, what::OUT] {
            if worked && is_silent(kind) {
                told.push(format!(
                    "the probe of {} was never hit, although the VM did {} reductions meanwhile",
                    what::NAMES[kind as usize],
                    self.reductions
                ));
            }
        }
        for rule in RULES {
            let others = self.of(rule.other);
            let chance = match rule.chance {
                Chance::Pair => 2 * self.schedulers,
                Chance::Queue => MANY_SIGNALS,
            };
            let is_known = worked && matches!(rule.silent, what::IN | what::OUT);
            if is_silent(rule.silent) && others > chance && !is_known {
                let or = match rule.chance {
                    Chance::Pair => "",
                    Chance::Queue => ": none of it was, or the probe does not work",
                };
                told.push(format!(
                    "the probe of {} was never hit, although {} {}{or}",
                    what::NAMES[rule.silent as usize],
                    others,
                    rule.shows
                ));
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::{Seen, named};
    use escope_wire::what;

    fn silent(armed: &[u32], hits: &[(u32, u64)], reductions: u64) -> Vec<String> {
        let (mut is_armed, mut counts) = ([false; what::COUNT], [0; what::COUNT]);
        armed
            .iter()
            .for_each(|&kind| is_armed[kind as usize] = true);
        hits.iter()
            .for_each(|&(kind, count)| counts[kind as usize] = count);
        let seen = Seen {
            hits: &counts,
            reductions,
            schedulers: 4,
        };
        seen.silent(&is_armed)
    }

    #[test]
    fn a_vm_that_works_schedules() {
        let armed = [what::IN, what::OUT];
        assert_eq!(silent(&armed, &[], 10_000).len(), 0, "it rested");
        let told = silent(&armed, &[(what::OUT, 1000)], 10_000_000);
        assert_eq!(
            told,
            [
                "the probe of schedule_in was never hit, although the VM did 10000000 reductions meanwhile"
            ]
        );
        assert_eq!(silent(&armed, &[], 10_000_000).len(), 2);
        let all = [(what::OUT, 1000), (what::IN, 1000)];
        assert!(silent(&armed, &all, 10_000_000).is_empty());
        // Nobody runs twice.
        let born = [(what::OUT, 1000), (what::BORN, 1000)];
        assert!(silent(&armed, &born, 10_000_000).is_empty());
        // Reductions could not be read.
        assert_eq!(silent(&armed, &[(what::OUT, 1000)], 0).len(), 1);
    }

    #[test]
    fn what_begins_ends() {
        let armed = [what::GC_START, what::GC_END, what::ENQUEUE, what::DEQUEUE];
        let told = silent(&armed, &[(what::GC_START, 9), (what::ENQUEUE, 500)], 0);
        assert_eq!(
            told,
            ["the probe of gc_end was never hit, although 9 collections began"]
        );
        // Each of four schedulers may have begun one before, and another one then.
        assert!(silent(&armed, &[(what::GC_START, 8)], 0).is_empty());
        let told = silent(&armed, &[(what::ENQUEUE, 20_000)], 0);
        assert!(told[0].contains("dequeue"), "{told:?}");
        // Nobody asked for collections.
        assert!(silent(&[what::ENQUEUE], &[(what::GC_START, 9)], 0).is_empty());
    }

    #[test]
    fn every_probe_that_is_placed_has_a_name() {
        let hits = [3; what::COUNT];
        let mut armed = [false; what::COUNT];
        armed[what::EXIT as usize] = true;
        armed[what::NATIVE_RETURN as usize] = true;
        let named = named(&armed, &hits);
        let named: Vec<_> = named.into_iter().collect();
        assert_eq!(named, [("exit", 3), ("native_return", 3)]);
        let mut names: Vec<_> = what::NAMES
            .into_iter()
            .filter(|it| !it.is_empty())
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
