//! Samples summed up by everything that a report or a picture may ask for.
//!
//! The only loop over samples. It touches no name: rows are keyed by ids, so a
//! sample costs one hash of a few words. Everything else walks the rows, of which
//! there are as many as distinct combinations of stack, process, thread, activity
//! and truncation.

use escope_model::{Activity, Dictionary, ProcId, Sample, SchedulerId, StackId, Truncation};
use rustc_hash::FxHashMap;

use crate::filter::{Filter, NameFilter, SampleFilter};
use crate::weight::Weight;

/// What samples of one row have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) stack: StackId,
    pub(crate) proc: Option<ProcId>,
    pub(crate) scheduler: Option<SchedulerId>,
    pub(crate) tid: u32,
    pub(crate) activity: Activity,
    pub(crate) truncated: Option<Truncation>,
}

/// Filtered samples, summed. Feed it samples, then build a `Report` or `Stacks`.
#[derive(Debug, Clone)]
pub struct Tally {
    filter: Filter,
    accepts: SampleFilter,
    rows: FxHashMap<Key, Weight>,
    seen: u64,
    span_ns: Option<(i64, i64)>,
}

impl Tally {
    /// An empty tally that will count what `filter` accepts.
    #[must_use]
    pub fn new(filter: Filter) -> Tally {
        Tally {
            accepts: SampleFilter::new(&filter),
            filter,
            rows: FxHashMap::default(),
            seen: 0,
            span_ns: None,
        }
    }

    /// Counts all of `samples` that `filter` accepts.
    #[must_use]
    pub fn of(samples: impl IntoIterator<Item = Sample>, filter: Filter) -> Tally {
        let mut tally = Tally::new(filter);
        tally.extend(samples);
        tally
    }

    /// Counts one sample, if the filter accepts its time and activity. Samples may
    /// come in any order.
    pub fn add(&mut self, sample: &Sample) {
        self.seen += 1;
        if !self.accepts.accepts(sample) {
            return;
        }
        let ts = sample.ts_ns;
        self.span_ns = Some(match self.span_ns {
            None => (ts, ts),
            Some((first, last)) => (first.min(ts), last.max(ts)),
        });
        let key = Key {
            stack: sample.stack,
            proc: sample.proc,
            scheduler: sample.scheduler,
            tid: sample.tid,
            activity: sample.activity,
            truncated: sample.truncated,
        };
        *self.rows.entry(key).or_default() += Weight::one(sample.weight_ns);
    }

    /// How many samples were offered, counted or not.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Times of the first and the last sample that the filter's time and activity
    /// accepted, nanoseconds since the recording's start.
    #[must_use]
    pub fn span_ns(&self) -> Option<(i64, i64)> {
        self.span_ns
    }

    /// The weight of all samples that pass the whole filter.
    #[must_use]
    pub fn total(&self, dictionary: &Dictionary) -> Weight {
        self.rows(dictionary).into_iter().map(|row| row.1).sum()
    }

    /// The rows that pass the whole filter, in the order of their ids.
    pub(crate) fn rows(&self, dictionary: &Dictionary) -> Vec<(Key, Weight)> {
        let mut names = NameFilter::new(&self.filter, dictionary);
        let mut rows: Vec<(Key, Weight)> = self
            .rows
            .iter()
            .filter(|(key, _)| names.accepts(key.proc, key.stack))
            .map(|(&key, &weight)| (key, weight))
            .collect();
        rows.sort_unstable_by_key(|row| row.0);
        rows
    }
}

impl Extend<Sample> for Tally {
    fn extend<I: IntoIterator<Item = Sample>>(&mut self, samples: I) {
        for sample in samples {
            self.add(&sample);
        }
    }
}
