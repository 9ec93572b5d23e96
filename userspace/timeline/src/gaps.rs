//! Where events are missing.

/// Spans of time in which events are missing, in order and apart from each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gaps(Vec<(u64, u64)>);

impl Gaps {
    /// Spans in any order, which may overlap: nanoseconds since the recording's start.
    #[must_use]
    pub fn of(mut spans: Vec<(u64, u64)>) -> Gaps {
        spans.retain(|&(from_ns, to_ns)| from_ns < to_ns);
        spans.sort_unstable();
        let mut apart: Vec<(u64, u64)> = Vec::with_capacity(spans.len());
        for (from_ns, to_ns) in spans {
            match apart.last_mut() {
                Some(last) if from_ns <= last.1 => last.1 = last.1.max(to_ns),
                _ => apart.push((from_ns, to_ns)),
            }
        }
        Gaps(apart)
    }

    /// All of them.
    #[must_use]
    pub fn spans(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// Those that have a part in a span, cut to it.
    pub fn within(&self, from_ns: u64, to_ns: u64) -> impl Iterator<Item = (u64, u64)> {
        let first = self.0.partition_point(|gap| gap.1 <= from_ns);
        let gaps = self.0.get(first..).unwrap_or(&[]).iter();
        gaps.take_while(move |gap| gap.0 < to_ns)
            .map(move |gap| (gap.0.max(from_ns), gap.1.min(to_ns)))
            .filter(|gap| gap.0 < gap.1)
    }

    /// How much of a span they take.
    #[must_use]
    pub fn lost_ns(&self, from_ns: u64, to_ns: u64) -> u64 {
        self.within(from_ns, to_ns).map(|gap| gap.1 - gap.0).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Gaps;

    proptest! {
        #[test]
        fn an_instant_is_in_a_gap_if_it_was_in_one(
            spans in prop::collection::vec((0..40u64, 0..40u64), 0..6),
            from_ns in 0..40u64,
            to_ns in 0..40u64,
        ) {
            let gaps = Gaps::of(spans.clone());
            let is_in = |ns: u64| spans.iter().any(|gap| gap.0 <= ns && ns < gap.1);
            let lost = (from_ns..to_ns).filter(|&ns| is_in(ns)).count() as u64;
            prop_assert_eq!(gaps.lost_ns(from_ns, to_ns), lost);
            for pair in gaps.spans().windows(2) {
                prop_assert!(pair[0].1 < pair[1].0);
            }
        }
    }
}
