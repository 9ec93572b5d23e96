//! How much: samples and the CPU time they stand for, always counted together.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// A number of samples and the CPU time they stand for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Weight {
    /// How many samples.
    pub samples: u64,
    /// CPU time they stand for, nanoseconds.
    pub cpu_ns: u64,
}

impl Weight {
    /// The weight of one sample.
    #[must_use]
    pub fn one(cpu_ns: u64) -> Weight {
        Weight { samples: 1, cpu_ns }
    }

    /// The number that `measure` asks for.
    #[must_use]
    pub fn get(self, measure: Measure) -> u64 {
        match measure {
            Measure::Samples => self.samples,
            Measure::CpuNs => self.cpu_ns,
        }
    }

    /// This CPU time as a fraction of another, 0 where the other is 0.
    #[must_use]
    pub fn share_of(self, whole: Weight) -> f64 {
        ratio(self.cpu_ns, whole.cpu_ns)
    }
}

/// Sums stay at the type's end instead of wrapping: weights come from files.
impl AddAssign for Weight {
    fn add_assign(&mut self, other: Weight) {
        self.samples = self.samples.saturating_add(other.samples);
        self.cpu_ns = self.cpu_ns.saturating_add(other.cpu_ns);
    }
}

impl Add for Weight {
    type Output = Weight;

    fn add(mut self, other: Weight) -> Weight {
        self += other;
        self
    }
}

impl Sum for Weight {
    fn sum<I: Iterator<Item = Weight>>(weights: I) -> Weight {
        weights.fold(Weight::default(), Add::add)
    }
}

/// Which of the two numbers of a [`Weight`] to draw or to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Number of samples.
    #[default]
    Samples,
    /// CPU time in nanoseconds.
    CpuNs,
}

/// `part / whole`, 0 where `whole` is 0.
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}
