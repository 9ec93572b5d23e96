//! Numbers that look random and are the same in every run.

/// A linear congruential generator (Knuth's MMIX constants); the upper half is used.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 32
    }

    /// Below `limit`, each number as likely as the next.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        ((self.next() * limit as u64) >> 32) as usize
    }

    /// Below `limit`, small numbers more often: half of all are in the lowest quarter.
    pub(super) fn skewed(&mut self, limit: usize) -> usize {
        let x = self.next();
        ((((x * x) >> 32) * limit as u64) >> 32) as usize
    }

    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}
