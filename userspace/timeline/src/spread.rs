//! How a quantity is spread: count, sum, largest, and quantiles to within one percent.
//!
//! There is one for each of thousands of processes, most of which have few values. So the
//! counts are sparse: one for each range of values that occurs. A range is as wide as
//! the 128th part of its power of two, and below 128 as one value (the scheme of
//! HdrHistogram, whose arrays would take kilobytes each).

use std::collections::BTreeMap;

/// How many ranges a power of two has, as a power of two.
const PRECISION: u32 = 7;

/// Values by their size. Takes room for as many ranges as occur, at most some 7400.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread {
    ranges: BTreeMap<u16, u64>,
    count: u64,
    sum: u64,
    max: u64,
}

impl Spread {
    /// One more value.
    pub fn add(&mut self, value: u64) {
        *self.ranges.entry(range(value)).or_default() += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        self.max = self.max.max(value);
    }

    /// All values of another one.
    pub fn merge(&mut self, other: &Spread) {
        for (&range, &count) in &other.ranges {
            *self.ranges.entry(range).or_default() += count;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The largest, exactly; 0 if there is none.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The value that so many of a thousand do not exceed (nearest rank): never less than
    /// that, and more by less than a hundredth of it. 0 if there is none.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> u64 {
        let rank = u128::from(self.count) * u128::from(per_mille);
        let rank = rank.div_ceil(1000).max(1);
        let mut below = 0;
        for (&range, &count) in &self.ranges {
            below += u128::from(count);
            if below >= rank {
                return last_of(range).min(self.max);
            }
        }
        self.max
    }
}

fn range(value: u64) -> u16 {
    let Some(power) = value.checked_ilog2().filter(|&power| power >= PRECISION) else {
        return value as u16;
    };
    let shift = power - PRECISION;
    let part = (value >> shift) & ((1 << PRECISION) - 1);
    ((u64::from(shift + 1) << PRECISION) | part) as u16
}

/// The largest value of a range.
fn last_of(range: u16) -> u64 {
    let (shift, part) = (u64::from(range >> PRECISION), u64::from(range));
    let part = part & ((1 << PRECISION) - 1);
    match shift.checked_sub(1) {
        None => part,
        Some(shift) => {
            let first = ((1 << PRECISION) | part) << shift;
            first + ((1 << shift) - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Spread, last_of, range};

    fn value() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0..64u32).prop_map(|(value, shift)| value >> shift)
    }

    #[test]
    fn nothing_has_no_quantiles() {
        let spread = Spread::default();
        assert_eq!(
            (spread.quantile(500), spread.max(), spread.sum()),
            (0, 0, 0)
        );
    }

    #[test]
    fn ranges_follow_each_other_without_a_hole() {
        let mut first = 0u64;
        for number in 0..=range(u64::MAX) {
            assert_eq!((range(first), range(last_of(number))), (number, number));
            if number < range(u64::MAX) {
                first = last_of(number) + 1;
            }
        }
        assert_eq!(last_of(range(u64::MAX)), u64::MAX);
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_values(
            values in prop::collection::vec(value(), 1..200),
            split in 0..200usize,
            per_mille in 0..=1000u64,
        ) {
            let (mut one, mut other) = (Spread::default(), Spread::default());
            let split = split.min(values.len());
            values[..split].iter().for_each(|&value| one.add(value));
            values[split..].iter().for_each(|&value| other.add(value));
            one.merge(&other);
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let rank = (sorted.len() as u64 * per_mille).div_ceil(1000).max(1);
            let exact = sorted[rank as usize - 1];
            let told = one.quantile(per_mille);
            prop_assert!(exact <= told && told - exact <= exact / 128, "{} {}", exact, told);
            prop_assert_eq!(one.max(), sorted[sorted.len() - 1]);
            prop_assert_eq!(one.count(), sorted.len() as u64);
            prop_assert_eq!(one.quantile(1000), one.max());
        }
    }
}
