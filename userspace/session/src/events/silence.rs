//! Probes that were never hit although what they see must have happened: an attachment is believed
//! because of its hits, and the other probes and the VM's own account say which there must be.

use std::collections::BTreeMap;

use escope_beam::probes::Probe;
use escope_capture::{EventSite, NativeSite};
use escope_wire::{SITES, what};

use super::sites;

/// In so many reductions per scheduler more than one process has had its turn: a turn is 4000 of them
/// (`CONTEXT_REDS` in `erl_vm.h`).
const MANY_REDUCTIONS: u64 = 50_000;
/// So many signals are not all of those that were there before, or that nobody looks at.
const MANY_SIGNALS: u64 = 10_000;

/// Whose probes are also hit when there is nothing to see.
const PASSES: [u32; 6] = [
    what::OUT,
    what::REGISTER,
    what::UNREGISTER,
    what::PORT_OPEN,
    what::PORT_INPUT,
    what::DIST_FRAGMENT,
];

/// What was seen while probes were placed.
pub(super) struct Seen<'a> {
    /// Hits by [`what`].
    pub(super) hits: &'a [u64; what::COUNT],
    /// Hits of probes that are counted apart, by their numbers.
    pub(super) sites: &'a [u64; SITES],
    /// What the VM has run meanwhile, in reductions.
    pub(super) reductions: u64,
    /// How many schedulers it has.
    pub(super) schedulers: u64,
    /// What else shows that probes ought to have been hit.
    pub(super) evidence: Evidence,
}

/// What shows that something has happened, besides the probe that should have seen it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
    /// Runs that ended on dirty schedulers.
    pub(super) dirty_ends: u64,
    /// Ports that were watched from their beginning to their end and by the VM's own account gave bytes
    /// to processes, or got some, of which nothing was seen.
    pub(super) unseen_inputs: u64,
    pub(super) unseen_outputs: u64,
    /// Modules that were loaded for the third time since one was purged: a VM has two of each.
    pub(super) unpurged: u64,
    /// Pieces of code that the VM has announced while a window was open.
    pub(super) announced: u64,
    /// Processes that were met and are not there any more.
    pub(super) gone: u64,
    /// Processes that have a name and had none, and those that have none any more.
    pub(super) named: u64,
    pub(super) unnamed: u64,
}

/// What was seen of a BIF or NIF.
#[derive(Debug, Clone, Default)]
pub(super) struct NativeSeen {
    pub(super) name: String,
    /// Whether its returns are watched.
    pub(super) returns: bool,
    pub(super) calls: u64,
    pub(super) came_back: u64,
}

/// Which probes are placed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Armed {
    /// By what they see.
    pub(super) kinds: [bool; what::COUNT],
    /// By number, of those that are counted apart.
    pub(super) sites: [bool; SITES],
}

impl Default for Armed {
    fn default() -> Self {
        Armed {
            kinds: [false; what::COUNT],
            sites: [false; SITES],
        }
    }
}

/// What the probes of these sites see.
pub(super) fn armed(
    sites: &[EventSite],
    natives: &[NativeSite],
    switches: bool,
    said: bool,
    states: bool,
) -> Armed {
    let mut armed = Armed::default();
    let mut arm = |kind: u32| {
        if let Some(armed) = armed.kinds.get_mut(kind as usize) {
            *armed = true;
        }
    };
    sites.iter().for_each(|site| arm(site.what));
    if sites.iter().any(|site| site.what == what::IN) {
        arm(what::BORN);
    }
    if sites.iter().any(|site| site.what == what::EXIT) {
        arm(what::FAILED);
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
    if states {
        (what::STATE_FIRST..=what::STATE_NONE).for_each(&mut arm);
    }
    if switches {
        arm(what::SWITCHED_OUT);
        arm(what::SWITCHED_IN);
    }
    for site in sites.iter().filter(|site| site.number > 0) {
        if let Some(armed) = armed.sites.get_mut(site.number as usize) {
            *armed = true;
        }
    }
    armed
}

/// Hits, with those at which a process was copied among those at which one stops.
pub(super) fn with_states(hits: &[u64; what::COUNT]) -> [u64; what::COUNT] {
    let mut all = *hits;
    let states = what::STATE_FIRST as usize..=what::STATE_NONE as usize;
    all[what::OUT as usize] += hits.get(states).unwrap_or_default().iter().sum::<u64>();
    all
}

/// Hits by name, of all that are armed.
pub(super) fn named(armed: &Armed, hits: &[u64; what::COUNT]) -> BTreeMap<&'static str, u64> {
    let all = what::NAMES.into_iter().zip(armed.kinds).zip(hits);
    all.filter(|((_, armed), _)| *armed)
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
    queue(what::PORT_OPEN, what::PORT_CLOSE, "ports were closed"),
    queue(what::PORT_CLOSE, what::PORT_OPEN, "ports were opened"),
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
const PARTS: [(u32, u32); 3] = [
    (what::IN, what::BORN),
    (what::EXIT, what::FAILED),
    (what::ENQUEUE, what::PAYLOAD),
];

/// Where processes begin to run on dirty schedulers.
const DIRTY: [Probe; 3] = [Probe::DirtyNif, Probe::DirtyBif, Probe::DirtySystemTask];

impl Seen<'_> {
    /// How often something was seen, whatever of it is counted apart.
    fn of(&self, kind: u32) -> u64 {
        let parts = PARTS.into_iter().filter(|(whole, _)| *whole == kind);
        let parts = parts.map(|(_, part)| self.hits[part as usize]);
        self.hits[kind as usize] + parts.sum::<u64>()
    }

    /// Hits of a probe that is counted apart.
    fn at(&self, probe: Probe) -> u64 {
        self.sites[sites::number(probe)]
    }

    fn dirty(&self) -> u64 {
        DIRTY.into_iter().map(|probe| self.at(probe)).sum()
    }

    /// The same without what other probes of its kind have seen.
    fn of_its_own(&self, kind: u32) -> u64 {
        match kind {
            what::IN => self.of(kind).saturating_sub(self.dirty()),
            _ => self.of(kind),
        }
    }

    /// Which probes ought to have been hit and were not, a sentence each.
    pub(super) fn silent(&self, armed: &Armed) -> Vec<String> {
        let mut told = self.of_kinds(&armed.kinds);
        told.extend(self.of_sites(armed));
        told.extend(self.by_evidence(&armed.kinds));
        told
    }

    fn of_kinds(&self, armed: &[bool; what::COUNT]) -> Vec<String> {
        let is_silent = |kind: u32| armed[kind as usize] && self.of_its_own(kind) == 0;
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
            let others = match rule.silent {
                what::IN => self.of(rule.other).saturating_sub(self.dirty()),
                _ => self.of(rule.other),
            };
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

    /// Of probes that share a kind, those that were never hit where what they alone see is missing.
    fn of_sites(&self, armed: &Armed) -> Vec<String> {
        let chance = 2 * self.schedulers;
        let evidence = &self.evidence;
        let silent = |wanted: &dyn Fn(Probe) -> bool| -> Option<String> {
            let counted = sites::COUNTED.iter().enumerate();
            let silent = counted.filter(|(at, (probe, _))| {
                armed.sites[at + 1] && self.sites[at + 1] == 0 && wanted(*probe)
            });
            let names: Vec<&str> = silent.map(|(_, (_, function))| *function).collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let mut told = Vec::new();
        let mut tell = |kind: u32, wanted: &dyn Fn(Probe) -> bool, shows: String| {
            if let Some(places) = silent(wanted) {
                let kind = what::NAMES[kind as usize];
                told.push(format!(
                    "of the probes of {kind} those in {places} were never hit, although {shows}"
                ));
            }
        };
        if evidence.dirty_ends > self.dirty() + chance {
            let shows = format!(
                "{} runs ended on dirty schedulers, of which {} were seen to begin",
                evidence.dirty_ends,
                self.dirty()
            );
            tell(what::IN, &|probe| DIRTY.contains(&probe), shows);
        }
        if evidence.unseen_inputs > chance {
            let shows = format!(
                "{} ports gave data to processes, by the VM's own count, of which nothing was seen",
                evidence.unseen_inputs
            );
            tell(what::PORT_INPUT, &is_input, shows);
        }
        let whole = self.hits[what::DIST_RECEIVE as usize];
        if whole > chance {
            let shows = format!("{whole} signals from other nodes were whole");
            tell(
                what::DIST_FRAGMENT,
                &|probe| probe == Probe::DistArrive,
                shows,
            );
        }
        let suspended = self.at(Probe::DistSuspend);
        if suspended > chance {
            let shows = format!("{suspended} times who sent was suspended");
            tell(what::DIST_SEND, &|probe| probe == Probe::DistSend, shows);
        }
        told
    }

    /// BIFs and NIFs of which calls or returns alone were seen, where others have both.
    pub(super) fn of_natives(&self, natives: &[NativeSeen]) -> Vec<String> {
        let chance = 2 * self.schedulers;
        let hit = |kind: u32| self.hits[kind as usize] > 0;
        let natives = natives.iter().filter(|native| native.returns);
        natives
            .filter_map(|native| {
                let NativeSeen {
                    name,
                    calls,
                    came_back,
                    ..
                } = native;
                if hit(what::NATIVE_RETURN) && *came_back == 0 && *calls > chance {
                    return Some(format!(
                        "returns of {name} were never seen, although it was called {calls} times"
                    ));
                }
                (hit(what::NATIVE_CALL) && *calls == 0 && *came_back > chance).then(|| {
                    format!(
                        "calls of {name} were never seen, although it returned {came_back} times"
                    )
                })
            })
            .collect()
    }

    /// Probes that are the only ones of their kinds, by what shows itself elsewhere.
    fn by_evidence(&self, armed: &[bool; what::COUNT]) -> Vec<String> {
        let Evidence {
            unseen_outputs,
            unpurged,
            announced,
            gone,
            named,
            unnamed,
            ..
        } = self.evidence;
        let parts = self.hits[what::DIST_FRAGMENT as usize];
        let last_parts = self.at(Probe::DistArrive).saturating_sub(parts);
        let shown = [
            (what::EXIT, gone, "processes that were met are gone"),
            (what::REGISTER, named, "processes got a name"),
            (
                what::UNREGISTER,
                unnamed,
                "processes that live have lost theirs",
            ),
            (
                what::CODE_LOAD,
                announced,
                "pieces of code were announced: none of them was put in place, or the probe does not work",
            ),
            (
                what::CODE_PURGE,
                unpurged,
                "modules were loaded for the third time",
            ),
            (
                what::PORT_OUTPUT,
                unseen_outputs,
                "ports got data, by the VM's own count",
            ),
            (
                what::DIST_RECEIVE,
                last_parts,
                "times the last part of a signal from another node arrived",
            ),
        ];
        let chance = 2 * self.schedulers;
        let silent = shown.into_iter().filter(|&(kind, count, _)| {
            armed[kind as usize] && self.of(kind) == 0 && count > chance
        });
        silent
            .map(|(kind, count, shows)| {
                let kind = what::NAMES[kind as usize];
                format!("the probe of {kind} was never hit, although {count} {shows}")
            })
            .collect()
    }
}

fn is_input(probe: Probe) -> bool {
    matches!(
        probe,
        Probe::PortBytes
            | Probe::PortBinary
            | Probe::PortVector
            | Probe::PortTerm
            | Probe::PortTermTo
            | Probe::PortIdTerm
            | Probe::PortIdTermTo
    )
}

#[cfg(test)]
mod tests {
    use super::{Armed, Evidence, NativeSeen, Seen, named};
    use escope_beam::probes::Probe;
    use escope_wire::{SITES, what};

    use crate::events::sites;

    fn silent(armed: &[u32], hits: &[(u32, u64)], reductions: u64) -> Vec<String> {
        by_sites(armed, hits, &[], Evidence::default(), reductions)
    }

    /// The same with probes that are counted apart: all of those that are named are placed.
    fn by_sites(
        armed: &[u32],
        hits: &[(u32, u64)],
        at: &[(Probe, u64)],
        evidence: Evidence,
        reductions: u64,
    ) -> Vec<String> {
        let (mut placed, mut counts) = (Armed::default(), [0; what::COUNT]);
        let mut counts_at = [0; SITES];
        armed
            .iter()
            .for_each(|&kind| placed.kinds[kind as usize] = true);
        hits.iter()
            .for_each(|&(kind, count)| counts[kind as usize] = count);
        for &(probe, count) in at {
            placed.sites[sites::number(probe)] = true;
            counts_at[sites::number(probe)] = count;
        }
        let seen = Seen {
            hits: &counts,
            sites: &counts_at,
            reductions,
            schedulers: 4,
            evidence,
        };
        seen.silent(&placed)
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
    fn a_probe_is_not_heard_for_another_one_of_its_kind() {
        let armed = [what::IN, what::OUT];
        let dirty = [
            (Probe::DirtyNif, 50),
            (Probe::DirtyBif, 0),
            (Probe::DirtySystemTask, 0),
        ];
        let evidence = |dirty_ends| Evidence {
            dirty_ends,
            ..Evidence::default()
        };
        // Runs on dirty schedulers alone are seen to begin.
        let hits = [(what::IN, 50), (what::OUT, 1000)];
        let told = by_sites(&armed, &hits, &dirty, evidence(50), 0);
        assert_eq!(
            told,
            ["the probe of schedule_in was never hit, although 950 processes stopped running"]
        );
        let hits = [(what::IN, 1000), (what::OUT, 1000)];
        assert!(by_sites(&armed, &hits, &dirty, evidence(58), 0).is_empty());
        let told = by_sites(&armed, &hits, &dirty, evidence(90), 0);
        assert_eq!(
            told,
            [
                "of the probes of schedule_in those in erts_call_dirty_bif, erts_execute_dirty_system_task \
                 were never hit, although 90 runs ended on dirty schedulers, of which 50 were seen to begin"
            ]
        );
    }

    #[test]
    fn what_the_vm_counts_itself_was_seen_or_a_probe_is_silent() {
        let evidence = Evidence {
            unseen_inputs: 9,
            unseen_outputs: 9,
            ..Evidence::default()
        };
        let armed = [what::PORT_INPUT, what::PORT_OUTPUT];
        let at = [(Probe::PortBytes, 7), (Probe::PortBinary, 0)];
        let hits = [(what::PORT_INPUT, 7)];
        let told = by_sites(&armed, &hits, &at, evidence, 0);
        let [input, output] = &told[..] else {
            panic!("{told:?}");
        };
        assert!(input.contains("port_input those in driver_output_binary were never hit"));
        assert!(output.contains("port_output was never hit, although 9 ports got data"));
        // All of them are alive.
        let at = [(Probe::PortBytes, 7), (Probe::PortBinary, 1)];
        assert_eq!(by_sites(&armed, &hits, &at, evidence, 0).len(), 1);
    }

    #[test]
    fn a_signal_from_another_node_arrives_and_is_whole() {
        let armed = [what::DIST_FRAGMENT, what::DIST_RECEIVE, what::DIST_SEND];
        let none = Evidence::default();
        // A large one in 40 parts.
        let hits = [(what::DIST_FRAGMENT, 39)];
        assert!(by_sites(&armed, &hits, &[(Probe::DistArrive, 40)], none, 0).is_empty());
        let told = by_sites(&armed, &hits, &[(Probe::DistArrive, 60)], none, 0);
        assert!(
            told[0].contains("dist_receive was never hit, although 21 times"),
            "{told:?}"
        );
        let hits = [(what::DIST_RECEIVE, 20)];
        let told = by_sites(&armed, &hits, &[(Probe::DistArrive, 0)], none, 0);
        assert!(told[0].contains("erts_prepare_dist_ext"), "{told:?}");
    }

    #[test]
    fn a_function_is_not_heard_for_another_one() {
        let native = |name: &str, calls, came_back| NativeSeen {
            name: name.to_owned(),
            returns: true,
            calls,
            came_back,
        };
        let mut hits = [0; what::COUNT];
        hits[what::NATIVE_CALL as usize] = 60;
        hits[what::NATIVE_RETURN as usize] = 60;
        let seen = Seen {
            hits: &hits,
            sites: &[0; SITES],
            reductions: 0,
            schedulers: 4,
            evidence: Evidence::default(),
        };
        let silent = [
            native("a:b/1", 30, 30),
            native("c:d/2", 30, 0),
            native("e:f/3", 0, 30),
            native("g:h/4", 8, 0),
            NativeSeen {
                returns: false,
                ..native("i:j/5", 30, 0)
            },
        ];
        assert_eq!(
            seen.of_natives(&silent),
            [
                "returns of c:d/2 were never seen, although it was called 30 times",
                "calls of e:f/3 were never seen, although it returned 30 times"
            ]
        );
    }

    #[test]
    fn what_is_not_there_any_more_has_ended() {
        let evidence = Evidence {
            gone: 9,
            named: 9,
            unnamed: 9,
            unpurged: 9,
            announced: 9,
            ..Evidence::default()
        };
        let kinds = [
            what::EXIT,
            what::REGISTER,
            what::UNREGISTER,
            what::CODE_LOAD,
            what::CODE_PURGE,
        ];
        assert_eq!(by_sites(&kinds, &[], &[], evidence, 0).len(), kinds.len());
        // Each of them was hit, nobody asked for any, or it may be chance.
        let hits = kinds.map(|kind| (kind, 1));
        assert!(by_sites(&kinds, &hits, &[], evidence, 0).is_empty());
        assert!(by_sites(&[], &[], &[], evidence, 0).is_empty());
        let few = Evidence {
            gone: 8,
            ..Evidence::default()
        };
        assert!(by_sites(&kinds, &[], &[], few, 0).is_empty());
        let told = by_sites(&kinds, &[], &[], Evidence { gone: 9, ..few }, 0);
        assert_eq!(
            told,
            ["the probe of exit was never hit, although 9 processes that were met are gone"]
        );
    }

    #[test]
    fn every_probe_that_is_placed_has_a_name() {
        let hits = [3; what::COUNT];
        let mut armed = Armed::default();
        armed.kinds[what::EXIT as usize] = true;
        armed.kinds[what::NATIVE_RETURN as usize] = true;
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
