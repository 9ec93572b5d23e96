//! Spans of time.

/// A span of time; an end that is absent is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeRange {
    /// First nanosecond since the recording's start that is included.
    pub since_ns: Option<i64>,
    /// First nanosecond that is no longer included.
    pub until_ns: Option<i64>,
}

impl TimeRange {
    /// All of a recording.
    pub const ALL: TimeRange = TimeRange {
        since_ns: None,
        until_ns: None,
    };

    /// Whether an instant lies within.
    #[must_use]
    pub fn contains(&self, ts_ns: i64) -> bool {
        self.touches(ts_ns, ts_ns)
    }

    /// Whether any instant from `min_ns` to `max_ns`, both included, may lie within.
    pub(crate) fn touches(&self, min_ns: i64, max_ns: i64) -> bool {
        self.since_ns.is_none_or(|since| max_ns >= since)
            && self.until_ns.is_none_or(|until| min_ns < until)
    }
}
