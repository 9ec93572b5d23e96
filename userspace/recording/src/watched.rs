//! When the events of a recording were watched, and what part of the VM's work that was.

use crate::error::RecordingError;
use crate::recording::Recording;

/// The windows of a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// From when to when events were watched, in order: nanoseconds since the start. None where
    /// it is not known when they were, as of a recording that was cut short in the first, or
    /// has no events.
    pub windows: Vec<(u64, u64)>,
    /// What the VM has run in them, in reductions, if that is known of all.
    pub reductions: Option<u64>,
    /// What it has run in all since the first one opened, if that is known.
    pub vm_reductions: Option<u64>,
}

impl Recording {
    /// When its events were watched.
    ///
    /// # Errors
    /// If the windows cannot be read.
    pub fn watched(&self) -> Result<Watched, RecordingError> {
        let mut watched = Watched {
            reductions: Some(0),
            ..Watched::default()
        };
        for window in self.windows()? {
            let window = window?;
            let [from_ns, to_ns] =
                [window.from_ns, window.to_ns].map(|ns| u64::try_from(ns).unwrap_or(0));
            watched.windows.push((from_ns, to_ns));
            let sum = watched.reductions.zip(window.reductions);
            watched.reductions = sum.map(|(sum, more)| sum.saturating_add(more));
        }
        let manifest = self.manifest();
        let counters = &manifest.totals.counters;
        watched.vm_reductions = counters.get("vm_reductions").copied();
        // One that was open when the recorder was killed: until the last that there is.
        if let (None, Some(&from_ns)) = (
            manifest.ended.as_ref(),
            counters.get("event_window_open_ns"),
        ) && watched.windows.last().is_none_or(|last| last.1 <= from_ns)
        {
            watched.windows.push((from_ns, u64::MAX));
            watched.reductions = None;
        }
        Ok(watched)
    }
}

impl Watched {
    /// Nothing is after the end.
    pub fn clip(&mut self, end_ns: u64) {
        for (from_ns, to_ns) in &mut self.windows {
            (*from_ns, *to_ns) = ((*from_ns).min(end_ns), (*to_ns).min(end_ns));
        }
    }

    /// How long they were open in all.
    #[must_use]
    pub fn open_ns(&self) -> u64 {
        let windows = self.windows.iter();
        let open = windows.map(|(from_ns, to_ns)| to_ns.saturating_sub(*from_ns));
        open.fold(0, u64::saturating_add)
    }

    /// The times before, between and after them.
    #[must_use]
    pub fn outside(&self) -> Vec<(u64, u64)> {
        let (Some(_), starts) = (
            self.windows.first(),
            self.windows.iter().map(|window| window.0),
        ) else {
            return Vec::new();
        };
        let ends = std::iter::once(0).chain(self.windows.iter().map(|window| window.1));
        let gaps = ends.zip(starts.chain(std::iter::once(u64::MAX)));
        gaps.filter(|(from_ns, to_ns)| from_ns < to_ns).collect()
    }

    /// By what counts of events are to be multiplied to stand for the whole recording: the VM's
    /// work in all over its work while it was watched, both in reductions. Time would mislead,
    /// since what is watched is slower. 1 where practically all of it was watched; `None` where
    /// that is not known.
    #[must_use]
    pub fn scale(&self) -> Option<f64> {
        let (seen, all) = (self.reductions?, self.vm_reductions?);
        let is_part = self.windows.len() > 1 || seen.saturating_mul(100) < all.saturating_mul(99);
        match is_part && all > seen {
            true if seen == 0 => None,
            true => Some(all as f64 / seen as f64),
            false => Some(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Watched;

    fn watched(windows: usize, reductions: Option<u64>, vm_reductions: Option<u64>) -> Watched {
        let windows = (0..windows as u64).map(|n| (100 * n + 10, 100 * n + 60));
        Watched {
            windows: windows.collect(),
            reductions,
            vm_reductions,
        }
    }

    #[test]
    fn counts_stand_for_the_work_that_was_not_watched() {
        let scale = |windows, seen, all| watched(windows, seen, all).scale();
        assert_eq!(scale(3, Some(50), Some(200)), Some(4.0));
        assert_eq!(scale(1, Some(50), Some(200)), Some(4.0));
        // Up to a hundredth of what one window saw is its beginning and end.
        assert_eq!(scale(1, Some(199), Some(200)), Some(1.0));
        assert_eq!(scale(2, Some(199), Some(200)), Some(200.0 / 199.0));
        assert_eq!(scale(1, Some(0), Some(200)), None);
        assert_eq!(scale(1, None, Some(200)), None);
        assert_eq!(scale(1, Some(50), None), None);
    }

    #[test]
    fn all_that_is_no_window_is_outside() {
        let mut two = watched(2, None, None);
        assert_eq!(two.outside(), [(0, 10), (60, 110), (160, u64::MAX)]);
        assert_eq!(two.open_ns(), 100);
        two.clip(130);
        assert_eq!(two.open_ns(), 70);
        assert_eq!(watched(0, None, None).outside(), []);
    }
}
