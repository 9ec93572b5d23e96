//! Sets that are no maps, which `supervisor` uses for temporary children of a `simple_one_for_one`
//! where `sets:new/0` makes them: `#set{size, ..., segs}`, whose segments are tuples of buckets, which
//! are lists of elements (`lib/stdlib/src/sets.erl`, the same in OTP 25 to 29).

use crate::memory::Memory;
use crate::state::evidence::Evidence;
use crate::term::small;

/// Buckets of a segment, and more segments than a set has room for.
const BUCKETS: usize = 16;
const SEGMENTS_MAX: u64 = 1 << 20;

/// So many elements at most, and how many more there are; `None` where this is no set.
pub(super) fn elements<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    set: u64,
    most: usize,
) -> Option<(Vec<u64>, usize)> {
    let set = evidence.record(set, "set")?;
    let [_, size, .., segments] = set.as_slice() else {
        return None;
    };
    let size = usize::try_from(small(*size)?).ok()?;
    let mut elements = Vec::new();
    for segment in evidence.elements(*segments, SEGMENTS_MAX)? {
        let buckets = evidence.elements(segment, BUCKETS as u64)?;
        for bucket in buckets {
            let left = most.saturating_sub(elements.len());
            if left == 0 {
                break;
            }
            elements.extend(evidence.list(bucket, size)?.into_iter().take(left));
        }
    }
    let missing = size.checked_sub(elements.len())?;
    (missing == 0 || elements.len() == most).then_some((elements, missing))
}
