//! Garbage collections: the longest, and what each process spent on them.

use escope_model::{Collection, ProcId};
use rustc_hash::FxHashMap;

use super::ReportScope;
use crate::merged::since_start;
use crate::spread::Spread;
use crate::worst::Worst;

/// The collections of one process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PausesOf {
    /// How many began in the part.
    pub count: u64,
    /// How long each of them took of which both ends were seen.
    pub took_ns: Spread,
    /// How long they took within the part, as far as that was seen.
    pub collecting_ns: u64,
    /// Of how many an end was not seen: how long these took is not known.
    pub cut: u64,
    /// The most words that its heaps took before one, where that is known.
    pub largest_words: Option<u64>,
}

/// A collection that took long.
pub type Pause = Collection;

/// All collections.
#[derive(Debug)]
pub struct Pauses {
    of: FxHashMap<ProcId, PausesOf>,
    /// All of them.
    pub all: PausesOf,
    /// The longest, by nanoseconds.
    pub longest: Worst<Pause>,
}

impl Pauses {
    pub(super) fn new(scope: &ReportScope<'_>) -> Pauses {
        Pauses {
            of: FxHashMap::default(),
            all: PausesOf::default(),
            longest: Worst::new(scope.worst),
        }
    }

    /// By process, in no order.
    pub fn processes(&self) -> impl Iterator<Item = (ProcId, &PausesOf)> {
        self.of.iter().map(|(&proc, of)| (proc, of))
    }

    /// Of one process, if it collected.
    #[must_use]
    pub fn process(&self, proc: ProcId) -> Option<&PausesOf> {
        self.of.get(&proc)
    }

    pub(super) fn add(&mut self, collection: &Collection, scope: &ReportScope<'_>) {
        let start_ns = since_start(collection.start_ns);
        let end_ns = since_start(collection.end_ns).max(start_ns);
        if !scope.wants(collection.proc) || end_ns < scope.since_ns {
            return;
        }
        let is_within = scope.contains(start_ns);
        let process = self.of.entry(collection.proc).or_default();
        for of in [process, &mut self.all] {
            of.collecting_ns += scope.clip(start_ns, end_ns);
            if !is_within {
                continue;
            }
            of.count += 1;
            match collection.cut {
                None => of.took_ns.add(end_ns - start_ns),
                Some(_) => of.cut += 1,
            }
            of.largest_words = of.largest_words.max(collection.before_words);
        }
        if is_within {
            self.longest.add(end_ns - start_ns, || *collection);
        }
    }
}
