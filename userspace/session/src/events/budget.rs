//! When events may be watched: in windows, so that the VM pays no more than was agreed.
//!
//! Pure. A hit of a probe has a price, measured on this machine at the start; what was spent is
//! the hits times their prices. The VM's own account says what CPU time it had; a share of that
//! may be spent. A window is open for as long as there is something left, but not for less than
//! a least time, since to place and to remove probes takes some 50 ms and is work for the VM's
//! threads too. The next one opens when another such window can be paid.
//!
//! The share of what is spent is that of the VM's CPU time since the start, so that the first
//! window opens at once. A recording that is shorter than the first window needs to be paid off
//! costs more than was agreed, which the summary shows.

/// The least length of a window.
pub(super) const WINDOW_NS: u64 = 500_000_000;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Go on.
    Stay,
    /// Open a window.
    Open,
    /// Close it.
    Close,
}

/// The account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// Which share of the VM's CPU time may be spent; `None` for all that it takes.
    share: Option<f64>,
    opened_ns: Option<u64>,
    spent_at_open_ns: f64,
    /// What a window cost when it was at its least length.
    window_ns: f64,
}

impl Budget {
    pub(super) fn new(share: Option<f64>) -> Budget {
        Budget {
            share,
            opened_ns: None,
            spent_at_open_ns: 0.0,
            window_ns: 0.0,
        }
    }

    /// A window has been opened.
    pub(super) fn opened(&mut self, now_ns: u64, spent_ns: f64) {
        self.opened_ns = Some(now_ns);
        self.spent_at_open_ns = spent_ns;
    }

    /// It has been closed.
    pub(super) fn closed(&mut self, now_ns: u64, spent_ns: f64) {
        if let Some(opened_ns) = self.opened_ns.take() {
            let length_ns = now_ns.saturating_sub(opened_ns).max(1) as f64;
            let cost_ns = spent_ns - self.spent_at_open_ns;
            self.window_ns = cost_ns * (WINDOW_NS as f64 / length_ns).min(1.0);
        }
    }

    /// What to do now. `spent_ns` is what all hits have cost, `target_ns` the VM's CPU time since
    /// the start.
    pub(super) fn step(&self, now_ns: u64, spent_ns: f64, target_ns: u64) -> Step {
        let Some(share) = self.share else {
            return match self.opened_ns {
                Some(_) => Step::Stay,
                None => Step::Open,
            };
        };
        let allowed_ns = share * target_ns as f64;
        match self.opened_ns {
            Some(opened_ns) => {
                let is_due = now_ns.saturating_sub(opened_ns) >= WINDOW_NS;
                match is_due && spent_ns > allowed_ns {
                    true => Step::Close,
                    false => Step::Stay,
                }
            }
            None if spent_ns + self.window_ns <= allowed_ns => Step::Open,
            None => Step::Stay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Step, WINDOW_NS};

    /// Runs a VM that spends a share of its time in probes while a window is open; returns the
    /// share that it spent, and how many windows there were.
    fn run(share: Option<f64>, in_window: f64, seconds: u64) -> (f64, u32, u64) {
        let mut budget = Budget::new(share);
        let (mut spent, mut windows, mut open_since, mut shortest) = (0.0, 0, None, u64::MAX);
        let tick_ns = 10_000_000;
        for tick in 0..seconds * 100 {
            let now_ns = tick * tick_ns;
            if open_since.is_some() {
                spent += in_window * tick_ns as f64;
            }
            match (budget.step(now_ns, spent, now_ns), open_since) {
                (Step::Open, None) => {
                    open_since = Some(now_ns);
                    windows += 1;
                    budget.opened(now_ns, spent);
                }
                (Step::Close, Some(since)) => {
                    shortest = shortest.min(now_ns - since);
                    open_since = None;
                    budget.closed(now_ns, spent);
                }
                (Step::Stay, _) => {}
                (step, _) => panic!("{step:?} at {now_ns}"),
            }
        }
        let share = spent / (seconds * 1_000_000_000) as f64;
        (share, windows, shortest)
    }

    #[test]
    fn what_is_spent_is_what_was_agreed() {
        // A ping-pong that does nothing else but hit probes: 20 s for a window.
        let (share, windows, shortest) = run(Some(0.02), 0.95, 300);
        assert!((0.018..=0.02).contains(&share), "{share}");
        assert_eq!(windows, 12);
        assert!(shortest >= WINDOW_NS);
        let (share, ..) = run(Some(0.02), 0.5, 30);
        assert!((0.015..=0.02).contains(&share), "{share}");
    }

    #[test]
    fn what_costs_little_is_never_closed() {
        let (share, windows, _) = run(Some(0.02), 0.019, 60);
        assert_eq!(windows, 1);
        assert!(share > 0.018, "{share}");
        assert_eq!(run(None, 0.95, 60).1, 1);
    }

    #[test]
    fn the_first_window_opens_at_once() {
        let budget = Budget::new(Some(0.001));
        assert_eq!(budget.step(0, 0.0, 0), Step::Open);
        assert_eq!(Budget::new(None).step(0, 0.0, 0), Step::Open);
    }
}
