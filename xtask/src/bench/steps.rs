//! What stands out within one window: stretches in which a unit of work cost several times as much as it
//! otherwise did.
//!
//! A recorder within a budget watches for a part of a second and rests for many. Then what it costs is in
//! that part, and how much more a unit costs there can be told by the rest of the same window, however the
//! machine drifts from one window to the next. What it costs beyond that, and less than stands out, is not
//! in it: that is in the whole window against others, as far as noise lets it be seen.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::statistics::median;
use super::vm::{Mark, Works};

/// What stands out costs so many times what the median step does: on a ping-pong, events cost twenty times as
/// much as messages, and others who use the machine hardly more than double what they cost.
const OUTSTANDING: f64 = 3.0;

/// Lets a time pass in steps of this length; what was done in each.
pub(super) fn pass(load: &mut dyn Works, length: Duration, step: Duration) -> Result<Vec<Mark>> {
    let (start, mut last) = (Instant::now(), load.mark()?);
    let mut steps = Vec::new();
    while start.elapsed() + step <= length {
        sleep(step);
        let now = load.mark()?;
        steps.push(now.since(last));
        last = now;
    }
    sleep(length.saturating_sub(start.elapsed()));
    Ok(steps)
}

/// CPU time for a unit of work in all steps, of what it is without what stands out. A step beside one that
/// stands out may have a part of it.
pub(super) fn excess(steps: &[Mark]) -> Option<f64> {
    let costs: Vec<f64> = steps.iter().map(|step| step.per_unit()).collect();
    let level = median(&costs)?;
    let is_outstanding = |place: usize| {
        let around = costs.get(place.saturating_sub(1)..costs.len().min(place + 2));
        around.is_some_and(|costs| costs.iter().any(|cost| *cost > OUTSTANDING * level))
    };
    let outstanding = (0..).zip(steps).filter(|(place, _)| is_outstanding(*place));
    let extra = outstanding.map(|(_, step)| step.cpu_ns as f64 - step.units as f64 * level);
    let all: f64 = steps.iter().map(|step| step.cpu_ns as f64).sum();
    let extra: f64 = extra.sum();
    (all > extra).then(|| all / (all - extra))
}

#[cfg(test)]
mod tests {
    use super::{Mark, excess};

    #[test]
    fn what_stands_out_is_more_than_the_rest() {
        let step = |units: u64, cpu_ns: u64| Mark {
            units,
            cpu_ns,
            all_cpu_ns: cpu_ns,
            peers_cpu_ns: 0,
        };
        // Noise does not stand out.
        let mut steps = vec![
            step(100, 1000),
            step(100, 2000),
            step(100, 1000),
            step(100, 1000),
        ];
        assert_eq!(excess(&steps), Some(1.0));
        // A unit costs ten times as much: 1000 of 6500 are for ten units, which are worth 100, and of the one
        // beside it 500 are too much.
        steps.extend([step(10, 1000), step(100, 1500), step(100, 1000)]);
        let ratio = excess(&steps).expect("a ratio");
        assert!((ratio - 8500.0 / 7100.0).abs() < 1e-9, "{ratio}");
        assert_eq!(excess(&[]), None);
    }
}
