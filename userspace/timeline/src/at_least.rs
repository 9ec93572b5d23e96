//! What was longer than it could be seen.

/// Spans whose end was not seen: each took at least as long as is known of it. So they are
/// in no percentile, which would take them for whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AtLeast {
    /// How many.
    pub count: u64,
    /// How long they took at least, in all.
    pub sum_ns: u64,
    /// How long at least the longest took.
    pub max_ns: u64,
}

impl AtLeast {
    /// One more.
    pub fn add(&mut self, ns: u64) {
        self.merge(&AtLeast {
            count: 1,
            sum_ns: ns,
            max_ns: ns,
        });
    }

    /// All of others.
    pub fn merge(&mut self, other: &AtLeast) {
        self.count += other.count;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }
}
