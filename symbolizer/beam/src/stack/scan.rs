//! Picking return addresses out of stack words.

use escope_model::Words;

/// Address ranges that hold JIT code: few, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JitRanges {
    ranges: Vec<(u64, u64)>,
    low: u64,
    high: u64,
}

impl JitRanges {
    /// From `(start, end)` pairs in any order.
    #[must_use]
    pub fn new(mut ranges: Vec<(u64, u64)>) -> JitRanges {
        ranges.retain(|(start, end)| start < end);
        ranges.sort_unstable();
        JitRanges {
            low: ranges.first().map_or(u64::MAX, |range| range.0),
            high: ranges.iter().map(|range| range.1).max().unwrap_or(0),
            ranges,
        }
    }

    /// Starts and ends, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }

    /// Whether an address is JIT code.
    #[must_use]
    pub fn contains(&self, address: u64) -> bool {
        if address < self.low || address >= self.high {
            return false;
        }
        self.ranges
            .iter()
            .any(|(start, end)| (*start..*end).contains(&address))
    }
}

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StackWalk {
    /// The last word, and no other, was the return address that every process starts with. A
    /// second one means that two copies of a stack were seen, which a garbage collection makes.
    pub reached_bottom: bool,
}

/// Appends the return addresses among `words`, leaf first, to `out`.
///
/// `normal_exit` is the value of `beam_normal_exit`: the bottom of each process's stack; it
/// is not appended. Words of an older, unwound frame can only lie in the topmost frame of
/// code that was interrupted between allocating and initialising it.
pub fn scan(words: Words<'_>, jit: &JitRanges, normal_exit: u64, out: &mut Vec<u64>) -> StackWalk {
    let begin = out.len();
    let span = jit.high.saturating_sub(jit.low);
    // Whether a word is a return address cannot be predicted, so there is no branch on it:
    // each word is written, and the next one over it unless it counts.
    out.resize(begin + words.len(), 0);
    let found = &mut out[begin..];
    let mut count = 0;
    for word in words.iter() {
        if let Some(place) = found.get_mut(count) {
            *place = word;
        }
        count += usize::from(word & 3 == 0 && word.wrapping_sub(jit.low) < span);
    }
    out.truncate(begin + count);
    if jit.ranges.len() > 1 {
        let mut kept = begin;
        for at in begin..out.len() {
            out[kept] = out[at];
            kept += usize::from(jit.contains(out[at]) || out[at] == normal_exit);
        }
        out.truncate(kept);
    }
    let exits = out[begin..]
        .iter()
        .filter(|&&word| word == normal_exit)
        .count();
    let ends_so = words.last() == Some(normal_exit) && out.last() == Some(&normal_exit);
    if exits > 1 || exits == 1 && !ends_so {
        let mut at = 0;
        out.retain(|&word| {
            at += 1;
            at <= begin || word != normal_exit
        });
    } else if exits == 1 {
        out.pop();
    }
    StackWalk {
        reached_bottom: ends_so && exits == 1 && normal_exit != 0,
    }
}

#[cfg(test)]
mod tests {
    use escope_model::Words;

    use super::{JitRanges, scan};

    fn bytes(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn return_addresses_are_told_from_terms() {
        let jit = JitRanges::new(vec![(0x1000, 0x2000), (0x8000, 0x9000)]);
        let exit = 0x1f00;
        // A boxed term inside the range has a tag; a header-like word lies outside.
        let stack = bytes(&[0x1100, 0x1102, 0x3b, 0x40, 0x8800, 0x1203, exit]);
        let mut found = Vec::new();
        let walk = scan(Words::new(&stack), &jit, exit, &mut found);
        assert_eq!(found, [0x1100, 0x8800]);
        assert!(walk.reached_bottom);
    }

    proptest::proptest! {
        /// The plain way, word by word.
        #[test]
        fn it_finds_what_a_plain_loop_finds(
            picks in proptest::collection::vec(0usize..9, 0..60),
            several: bool,
        ) {
            let exit = 0x1f00;
            let palette = [0x1100, 0x1104, 0x1102, 0x3b, 0x8800, 0x5000, exit, 0, u64::MAX << 2];
            let words: Vec<u64> = picks.iter().map(|&pick| palette[pick]).collect();
            let mut ranges = vec![(0x1000, 0x2000)];
            if several {
                ranges.push((0x8000, 0x9000));
            }
            let jit = JitRanges::new(ranges);
            let plain: Vec<u64> = words
                .iter()
                .copied()
                .filter(|word| word & 3 == 0 && jit.contains(*word) && *word != exit)
                .collect();
            let exits = words.iter().filter(|&&word| word == exit).count();
            let mut found = vec![7];
            let bytes = bytes(&words);
            let walk = scan(Words::new(&bytes), &jit, exit, &mut found);
            proptest::prop_assert_eq!(&found[1..], &plain[..]);
            let whole = words.last() == Some(&exit) && exits == 1;
            proptest::prop_assert_eq!(walk.reached_bottom, whole);
        }
    }

    #[test]
    fn a_stack_that_does_not_end_in_the_exit_is_incomplete() {
        let jit = JitRanges::new(vec![(0x1000, 0x2000)]);
        let mut found = Vec::new();
        let twice = bytes(&[0x1100, 0x1f00, 0x1f00]);
        assert!(!scan(Words::new(&twice), &jit, 0x1f00, &mut found).reached_bottom);
        let stack = bytes(&[0x1f00, 0x1100]);
        assert!(!scan(Words::new(&stack), &jit, 0x1f00, &mut found).reached_bottom);
        assert!(!scan(Words::default(), &jit, 0x1f00, &mut found).reached_bottom);
        assert!(!scan(Words::default(), &jit, 0, &mut found).reached_bottom);
    }
}
