//! The few largest of many.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Keeps the values with the largest keys; of equal ones those that came first.
#[derive(Debug, Clone)]
pub struct Worst<T> {
    room: usize,
    came: u64,
    kept: BTreeMap<(u64, Reverse<u64>), T>,
}

impl<T> Worst<T> {
    /// Keeps at most `room` of them.
    #[must_use]
    pub fn new(room: usize) -> Worst<T> {
        Worst {
            room,
            came: 0,
            kept: BTreeMap::new(),
        }
    }

    /// One more; `value` is asked for only if it is to be kept for now.
    pub fn add(&mut self, key: u64, value: impl FnOnce() -> T) {
        self.came += 1;
        let is_full = self.kept.len() >= self.room;
        let least = self.kept.first_key_value().map_or(0, |(least, _)| least.0);
        if self.room == 0 || is_full && key <= least {
            return;
        }
        self.kept.insert((key, Reverse(self.came)), value());
        if self.kept.len() > self.room {
            self.kept.pop_first();
        }
    }

    /// Those that are kept with their keys, the largest first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.kept.iter().rev().map(|(key, value)| (key.0, value))
    }

    /// How many came in all.
    #[must_use]
    pub fn came(&self) -> u64 {
        self.came
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Worst;

    proptest! {
        #[test]
        fn they_are_the_first_of_the_sorted_ones(
            keys in prop::collection::vec(0..20u64, 0..60),
            room in 0..10usize,
        ) {
            let mut worst = Worst::new(room);
            keys.iter().enumerate().for_each(|(at, &key)| worst.add(key, || at));
            let mut sorted: Vec<(u64, usize)> =
                keys.iter().enumerate().map(|(at, &key)| (key, at)).collect();
            sorted.sort_by_key(|&(key, at)| (std::cmp::Reverse(key), at));
            sorted.truncate(room);
            let kept: Vec<(u64, usize)> = worst.iter().map(|(key, &at)| (key, at)).collect();
            prop_assert_eq!(kept, sorted);
            prop_assert_eq!(worst.came(), keys.len() as u64);
        }
    }
}
