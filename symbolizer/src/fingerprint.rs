//! Long lists known by 128 bits.
//!
//! Stacks may be thousands of steps deep, and a recording may hold very many: keeping each one
//! only to recognise it would cost the recorder its memory. Two of a billion distinct stacks
//! share a fingerprint with a probability below 10^-20; the seed is random, so that a target
//! cannot easily make two that do.

use std::hash::{BuildHasher, RandomState};

use twox_hash::XxHash3_128;
use zerocopy::{Immutable, IntoBytes};

/// Makes fingerprints that are comparable with each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fingerprints {
    seed: u64,
}

impl Default for Fingerprints {
    fn default() -> Self {
        Fingerprints {
            seed: RandomState::new().hash_one(0u8),
        }
    }
}

impl Fingerprints {
    /// The fingerprint of a list.
    pub(crate) fn of<T: IntoBytes + Immutable>(self, list: &[T]) -> u128 {
        XxHash3_128::oneshot_with_seed(self.seed, list.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::Fingerprints;

    #[test]
    fn equal_lists_and_no_others_are_equal() {
        let prints = Fingerprints::default();
        assert_eq!(prints.of(&[1u64, 2]), prints.of(&[1u64, 2]));
        assert_ne!(prints.of(&[1u64, 2]), prints.of(&[2u64, 1]));
        assert_ne!(prints.of(&[1u64]), prints.of(&[1u64, 0]));
        assert_ne!(prints.of::<u64>(&[]), prints.of(&[0u64]));
    }
}
