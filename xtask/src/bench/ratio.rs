//! Two things measured by turns, and how sure their ratio is.

/// Ratios of pairs that were measured one right after the other.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ratio {
    /// Pairs.
    pub(super) pairs: usize,
    /// The middle ratio.
    pub(super) median: f64,
    /// In which the median lies with 95 % confidence: a distribution-free interval from order
    /// statistics, by the binomial distribution of how many pairs lie below the median.
    pub(super) interval: (f64, f64),
    /// Between the first and the third quarter of the ratios.
    pub(super) spread: f64,
}

impl Ratio {
    /// Of at least six pairs; of fewer no interval of that confidence exists.
    pub(super) fn of(mut ratios: Vec<f64>) -> Option<Ratio> {
        ratios.retain(|ratio| ratio.is_finite());
        ratios.sort_unstable_by(f64::total_cmp);
        let pairs = ratios.len();
        let at = |index: usize| ratios.get(index).copied();
        let outside = order_below(pairs)?;
        Some(Ratio {
            pairs,
            median: (at((pairs - 1) / 2)? + at(pairs / 2)?) / 2.0,
            interval: (at(outside)?, at(pairs - 1 - outside)?),
            spread: at(pairs * 3 / 4)? - at(pairs / 4)?,
        })
    }
}

/// The largest k so that the chance of at most k of n pairs below the median is within 2.5 %.
fn order_below(pairs: usize) -> Option<usize> {
    let mut term = 0.5f64.powi(i32::try_from(pairs).ok()?);
    let (mut sum, mut found) = (0.0, None);
    for k in 0..pairs {
        sum += term;
        if sum > 0.025 {
            break;
        }
        found = Some(k);
        term *= (pairs - k) as f64 / (k + 1) as f64;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::Ratio;

    #[test]
    fn the_interval_is_that_of_the_sign_test() {
        // Tables of the sign test: of 20 pairs the 6th and the 15th.
        let ratio = Ratio::of((1..=20).map(f64::from).collect()).expect("enough pairs");
        assert_eq!(ratio.interval, (6.0, 15.0));
        assert!((ratio.median - 10.5).abs() < 1e-9);
        assert_eq!(Ratio::of(vec![1.0; 5]), None);
        let six = Ratio::of(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).expect("just enough");
        assert_eq!(six.interval, (1.0, 6.0));
    }
}
