//! Whether a figure is where it must be, by a rule that was there before the figure.
//!
//! A figure is judged by its interval, not by its median: it has reached its target if all of the
//! interval has, and missed it if none of it has. What lies across the target is too noisy to
//! judge, and so is all that was measured on a machine that others used, or on which the VM that
//! nobody watched did not cost the same from window to window.

use serde::{Deserialize, Serialize};

use super::statistics::Estimate;

/// So much of the machine's CPU time others may use during a measurement.
pub(super) const OTHERS_MAX: f64 = 0.10;
/// So much of it the host may keep for itself.
pub(super) const STOLEN_MAX: f64 = 0.02;

/// Where a figure must land.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// It is told for its own sake.
    None,
}

/// How calm the machine was, by what was measured while nobody watched.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Calm {
    /// Each window in which nobody watched against its neighbours: 1 on a calm machine.
    pub(super) quiet: Option<Estimate>,
    /// Share of the machine's CPU time that neither the load nor who watched it used.
    pub(super) others: f64,
    /// Share that the host did not give to this machine, if it is a virtual one.
    pub(super) stolen: f64,
}

impl Calm {
    /// Why nothing can be judged.
    pub(super) fn objection(&self) -> Option<String> {
        if self.others > OTHERS_MAX {
            return Some(format!(
                "others used {:.0} % of the machine",
                100.0 * self.others
            ));
        }
        (self.stolen > STOLEN_MAX)
            .then(|| format!("the host kept {:.0} % of the CPUs", 100.0 * self.stolen))
    }

    /// How far from the truth the windows without a watcher are: by so much intervals are widened.
    fn bias(&self) -> f64 {
        self.quiet.map_or(0.0, |quiet| (quiet.median - 1.0).abs())
    }
}

/// What a figure is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Reached,
    Missed,
    /// Too noisy to judge, and why.
    Noisy(String),
    /// There is no target.
    Told,
}

impl Verdict {
    /// Of a figure that is a ratio, or is not compared with what the VM costs alone (`calm` without
    /// quiet windows).
    pub(super) fn of(figure: Estimate, target: Target, calm: Option<&Calm>) -> Verdict {
        if target == Target::None {
            return Verdict::Told;
        }
        if let Some(why) = calm.and_then(Calm::objection) {
            return Verdict::Noisy(why);
        }
        let bias = calm.map_or(0.0, Calm::bias);
        let sure = figure.widened(bias);
        let (reached, missed) = match target {
            Target::AtMost(limit) => (sure.high <= limit, sure.low > limit),
            Target::AtLeast(limit) => (sure.low >= limit, sure.high < limit),
            Target::None => (false, false),
        };
        match (reached, missed) {
            (true, _) => Verdict::Reached,
            (_, true) => Verdict::Missed,
            _ => Verdict::Noisy("the interval lies across the target".to_owned()),
        }
    }

    /// For a table.
    pub(super) fn words(&self) -> String {
        match self {
            Verdict::Reached => "reached".to_owned(),
            Verdict::Missed => "**missed**".to_owned(),
            Verdict::Noisy(why) => format!("too noisy to judge: {why}"),
            Verdict::Told => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Calm, Target, Verdict};
    use crate::bench::statistics::Estimate;

    fn between(low: f64, high: f64) -> Estimate {
        Estimate {
            count: 10,
            median: f64::midpoint(low, high),
            low,
            high,
            spread: 0.0,
        }
    }

    #[test]
    fn the_interval_decides() {
        let of = |low, high| Verdict::of(between(low, high), Target::AtMost(1.005), None);
        assert_eq!(of(0.999, 1.004), Verdict::Reached);
        assert_eq!(of(1.006, 1.02), Verdict::Missed);
        assert!(matches!(of(1.0, 1.01), Verdict::Noisy(_)));
        let least = Verdict::of(between(18.0, 30.0), Target::AtLeast(20.0), None);
        assert!(matches!(least, Verdict::Noisy(_)));
        assert_eq!(
            Verdict::of(between(1.0, 2.0), Target::None, None),
            Verdict::Told
        );
    }

    #[test]
    fn a_restless_machine_judges_nothing_but_what_is_clear() {
        let calm = |quiet: f64, others, stolen| Calm {
            quiet: Some(between(quiet, quiet)),
            others,
            stolen,
        };
        let of = |calm| Verdict::of(between(0.999, 1.003), Target::AtMost(1.005), Some(&calm));
        assert_eq!(of(calm(1.0, 0.0, 0.0)), Verdict::Reached);
        assert!(matches!(of(calm(0.995, 0.0, 0.0)), Verdict::Noisy(_)));
        assert!(matches!(of(calm(1.0, 0.3, 0.0)), Verdict::Noisy(_)));
        assert!(matches!(of(calm(1.0, 0.0, 0.1)), Verdict::Noisy(_)));
        let clear = Verdict::of(
            between(1.4, 1.5),
            Target::AtMost(1.005),
            Some(&calm(0.98, 0.0, 0.0)),
        );
        assert_eq!(clear, Verdict::Missed);
    }
}
