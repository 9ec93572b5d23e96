//! What a few measurements say, and how sure that is.

use serde::{Deserialize, Serialize};

/// Fewer say nothing.
pub(super) const LEAST: usize = 6;
/// How often the measurements are drawn anew.
const RESAMPLES: usize = 4000;
/// So much of what comes out lies outside of the interval, on each side.
const TAIL: f64 = 0.025;

/// The middle of several measurements, and how far it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Estimate {
    /// Measurements.
    pub(super) count: usize,
    pub(super) median: f64,
    /// In which the median lies with 95 % confidence: the percentiles of the medians of as many
    /// measurements drawn from these with replacement (the bootstrap). The draws are always the
    /// same, so the same measurements say the same.
    pub(super) low: f64,
    pub(super) high: f64,
    /// Between the first and the third quarter of the measurements.
    pub(super) spread: f64,
}

impl Estimate {
    /// Of at least [`LEAST`] numbers; those that are none are left out.
    pub(super) fn of(values: &[f64]) -> Option<Estimate> {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        if sorted.len() < LEAST {
            return None;
        }
        sorted.sort_unstable_by(f64::total_cmp);
        let mut draws = Draws(0x9e37_79b9_7f4a_7c15);
        let mut medians: Vec<f64> = (0..RESAMPLES).map(|_| draws.median_of(&sorted)).collect();
        medians.sort_unstable_by(f64::total_cmp);
        Some(Estimate {
            count: sorted.len(),
            median: quantile(&sorted, 0.5),
            low: quantile(&medians, TAIL),
            high: quantile(&medians, 1.0 - TAIL),
            spread: quantile(&sorted, 0.75) - quantile(&sorted, 0.25),
        })
    }

    /// What was measured once, or is a sum: nothing is known of its spread.
    pub(super) fn once(value: f64) -> Estimate {
        Estimate {
            count: 1,
            median: value,
            low: value,
            high: value,
            spread: 0.0,
        }
    }

    /// As much wider on both sides.
    pub(super) fn widened(self, by: f64) -> Estimate {
        Estimate {
            low: self.low - by,
            high: self.high + by,
            ..self
        }
    }

    /// Whether it has an interval.
    pub(super) fn is_interval(self) -> bool {
        self.count > 1
    }
}

/// The median of a few, of which there may be fewer than an estimate needs.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    (!sorted.is_empty()).then(|| quantile(&sorted, 0.5))
}

/// Of sorted numbers, between neighbours in proportion; not a number where there are none.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * sorted.len().saturating_sub(1) as f64;
    let below = sorted.get(at.floor() as usize).copied();
    let above = sorted.get(at.ceil() as usize).copied();
    match (below, above) {
        (Some(below), Some(above)) => below + (above - below) * at.fract(),
        _ => f64::NAN,
    }
}

/// Numbers that are as good as random (SplitMix64).
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn median_of(&mut self, values: &[f64]) -> f64 {
        let mut drawn: Vec<f64> = (0..values.len())
            .filter_map(|_| values.get((self.next() % values.len() as u64) as usize))
            .copied()
            .collect();
        drawn.sort_unstable_by(f64::total_cmp);
        quantile(&drawn, 0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::{Estimate, median};

    #[test]
    fn the_interval_holds_the_median_and_is_within_the_measurements() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        let estimate = Estimate::of(&values).expect("enough");
        assert_eq!((estimate.count, estimate.median), (20, 10.5));
        assert!((estimate.spread - 9.5).abs() < 1e-9);
        // By the sign test the 6th and the 15th.
        assert!((5.0..=7.5).contains(&estimate.low), "{estimate:?}");
        assert!((13.5..=16.0).contains(&estimate.high), "{estimate:?}");
        assert_eq!(Estimate::of(&values), Some(estimate));
    }

    #[test]
    fn few_and_odd_numbers_say_nothing() {
        assert_eq!(Estimate::of(&[1.0; 5]), None);
        assert_eq!(
            Estimate::of(&[1.0, 1.0, 1.0, 1.0, 1.0, f64::NAN, f64::INFINITY]),
            None
        );
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, f64::NAN, 1.0]), Some(2.0));
        let same = Estimate::of(&[2.0; 6]).expect("just enough");
        assert_eq!((same.low, same.median, same.high), (2.0, 2.0, 2.0));
    }
}
