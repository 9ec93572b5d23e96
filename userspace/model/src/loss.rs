//! What is missing from a recording. Loss is data.

use serde::{Deserialize, Serialize};

/// One kind of loss over one span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Start of the span, nanoseconds since the recording's start.
    pub from_ns: i64,
    /// End of the span.
    pub to_ns: i64,
    /// Permanent machine name of the place, such as `ring_full`.
    pub place: String,
    /// How many.
    pub count: u64,
    /// What it means for the reader, one sentence.
    pub meaning: String,
    /// What would prevent it, one sentence.
    pub remedy: String,
}
