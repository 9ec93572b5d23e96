//! What a process waited for between two runs.
//!
//! Runs alone do not say it: a process that left as waiting is put into a run queue
//! when something wakes it, which no run shows. A message does, whether or not the
//! `receive` that it waits in will match it (`erts_proc_notify_new_message`): so until the
//! first one that was put into its queue it waited, and from then on it was ready to run.
//! Without one a timeout woke it (`receive ... after`), or something else that is not
//! seen; when, nobody knows. Nor is it known where it timed out and a message came too: either
//! may have been first.
//!
//! A mere signal, as a monitor or a link, does not end the wait: a scheduler handles it in
//! `erts_schedule` and does not run the process for it.

use escope_model::{Cut, LeftAs, WokenBy};

use crate::runs::RunRow;

/// What is known of one process, each in the order of time.
#[derive(Debug, Clone, Copy)]
pub struct ProcessRuns<'a, P> {
    /// Its runs.
    pub runs: &'a [RunRow<P>],
    /// When a message was put into its queue, received or not, or a signal that became
    /// one: `CLOCK_MONOTONIC` nanoseconds.
    pub enqueued_ns: &'a [u64],
    /// From when to when events are missing.
    pub gaps_ns: &'a [(u64, u64)],
}

/// Some time between two runs. Those of two runs follow each other without a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// `CLOCK_MONOTONIC` nanoseconds.
    pub start_ns: u64,
    /// The same; after `start_ns`.
    pub end_ns: u64,
    /// What it was spent on.
    pub kind: DelayKind,
    /// Events are missing from its end on, so that it was at least so long. What follows
    /// it is unknown.
    pub is_cut: bool,
}

impl Delay {
    /// How long it took, or at least did.
    #[must_use]
    pub fn took_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }
}

/// What a process that does not run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DelayKind {
    /// A message or a timeout.
    Waiting,
    /// A scheduler: it was ready to run.
    RunQueue,
    /// First a timeout or the like, then a scheduler; what woke it, or when, was not seen.
    Woken,
    /// To be resumed, and then a scheduler.
    Suspended,
    /// A scheduler of the other sort: on its way to a dirty one, or back.
    Dirty,
    /// That cannot be told: events are missing, or it is exiting.
    Unknown,
}

impl<P: Copy> ProcessRuns<'_, P> {
    /// The time between each run and the next, in order. Of runs that are not in the
    /// order of time, or that follow at once, there is none.
    #[must_use]
    pub fn delays(&self) -> Vec<Delay> {
        let mut delays = Vec::new();
        for pair in self.runs.windows(2) {
            if let [before, after] = pair {
                self.between(before, after, &mut delays);
            }
        }
        delays
    }

    fn between(&self, before: &RunRow<P>, after: &RunRow<P>, delays: &mut Vec<Delay>) {
        let (start_ns, end_ns) = (before.end_ns, after.start_ns);
        if end_ns <= start_ns {
            return;
        }
        // Where an end was not seen, what is between is not the time between two runs.
        let is_whole = !matches!(before.cut, Some(Cut::End | Cut::Both))
            && !matches!(after.cut, Some(Cut::Start | Cut::Both));
        let sure_ns = if is_whole {
            self.first_gap(start_ns, end_ns).unwrap_or(end_ns)
        } else {
            start_ns
        };
        let mut from_ns = start_ns;
        let mut until = |ns: u64, kind: DelayKind| {
            if from_ns < ns {
                let start_ns = from_ns;
                delays.push(Delay {
                    start_ns,
                    end_ns: ns,
                    kind,
                    is_cut: kind != DelayKind::Unknown && ns == sure_ns && sure_ns < end_ns,
                });
                from_ns = ns;
            }
        };
        let first_message = self
            .first_enqueue(start_ns, sure_ns)
            .filter(|_| after.woken_by != Some(WokenBy::Timeout));
        match (before.left_as, first_message) {
            (Some(LeftAs::Waiting), Some(woken_ns)) => {
                until(woken_ns, DelayKind::Waiting);
                until(sure_ns, DelayKind::RunQueue);
            }
            (Some(LeftAs::Waiting), None) => until(sure_ns, DelayKind::Woken),
            (Some(LeftAs::Runnable), _) => until(sure_ns, DelayKind::RunQueue),
            (Some(LeftAs::Suspended), _) => until(sure_ns, DelayKind::Suspended),
            (Some(LeftAs::Dirty), _) => until(sure_ns, DelayKind::Dirty),
            (Some(LeftAs::Exiting) | None, _) => {}
        }
        until(end_ns, DelayKind::Unknown);
    }

    /// Where the first gap begins that reaches between two times. What follows it is
    /// not sure either: the process may have run in it.
    fn first_gap(&self, start_ns: u64, end_ns: u64) -> Option<u64> {
        let ends_later = self.gaps_ns.partition_point(|gap| gap.1 <= start_ns);
        let &(from_ns, _) = self.gaps_ns.get(ends_later)?;
        (from_ns < end_ns).then_some(from_ns.max(start_ns))
    }

    fn first_enqueue(&self, start_ns: u64, end_ns: u64) -> Option<u64> {
        let first = self.enqueued_ns.partition_point(|&ns| ns < start_ns);
        let &ns = self.enqueued_ns.get(first)?;
        (ns < end_ns).then_some(ns)
    }
}

#[cfg(test)]
mod tests {
    use escope_model::{Cut, LeftAs, WokenBy};
    use proptest::prelude::*;

    use super::{Delay, DelayKind, ProcessRuns};
    use crate::kit::normal;
    use crate::runs::RunRow;

    fn run(start_ns: u64, end_ns: u64, left_as: LeftAs) -> RunRow<char> {
        RunRow {
            who: 'a',
            scheduler: normal(1),
            start_ns,
            end_ns,
            at: Some(0x50),
            woken_by: None,
            reductions: Some(7),
            left_as: Some(left_as),
            cut: None,
        }
    }

    fn cut(start_ns: u64, end_ns: u64, cut: Cut) -> RunRow<char> {
        RunRow {
            cut: Some(cut),
            ..run(start_ns, end_ns, LeftAs::Waiting)
        }
    }

    /// Delays as (start, end, kind) between runs.
    fn delays(
        runs: &[RunRow<char>],
        enqueued_ns: &[u64],
        gaps_ns: &[(u64, u64)],
    ) -> Vec<(u64, u64, DelayKind)> {
        let seen = ProcessRuns {
            runs,
            enqueued_ns,
            gaps_ns,
        };
        let delays = seen.delays().into_iter();
        delays.map(|it| (it.start_ns, it.end_ns, it.kind)).collect()
    }

    #[test]
    fn the_first_message_ends_the_wait_and_begins_the_queue() {
        let runs = [run(0, 10, LeftAs::Waiting), run(50, 60, LeftAs::Waiting)];
        assert_eq!(
            delays(&runs, &[5, 40, 45, 55], &[]),
            [(10, 40, DelayKind::Waiting), (40, 50, DelayKind::RunQueue)]
        );
        // It came while the process was about to wait.
        assert_eq!(delays(&runs, &[10], &[]), [(10, 50, DelayKind::RunQueue)]);
    }

    #[test]
    fn what_woke_it_unseen_leaves_open_when() {
        let runs = [run(0, 10, LeftAs::Waiting), run(50, 60, LeftAs::Waiting)];
        assert_eq!(delays(&runs, &[9, 50], &[]), [(10, 50, DelayKind::Woken)]);
    }

    #[test]
    fn a_timeout_is_not_told_as_a_wait_for_a_message_that_came_too() {
        let mut runs = [run(0, 10, LeftAs::Waiting), run(50, 60, LeftAs::Waiting)];
        for (woken_by, expected) in [
            (Some(WokenBy::Timeout), vec![(10, 50, DelayKind::Woken)]),
            (
                Some(WokenBy::Signal),
                vec![(10, 40, DelayKind::Waiting), (40, 50, DelayKind::RunQueue)],
            ),
        ] {
            runs[1].woken_by = woken_by;
            assert_eq!(delays(&runs, &[40], &[]), expected);
        }
        // What woke it for the run before says nothing of this wait.
        runs[0].woken_by = Some(WokenBy::Timeout);
        assert_eq!(delays(&runs, &[40], &[]).len(), 2);
    }

    #[test]
    fn the_state_that_it_left_in_says_the_rest() {
        let of = |left_as| delays(&[run(0, 10, left_as), run(50, 60, left_as)], &[40], &[]);
        assert_eq!(of(LeftAs::Runnable), [(10, 50, DelayKind::RunQueue)]);
        assert_eq!(of(LeftAs::Suspended), [(10, 50, DelayKind::Suspended)]);
        assert_eq!(of(LeftAs::Dirty), [(10, 50, DelayKind::Dirty)]);
        assert_eq!(of(LeftAs::Exiting), [(10, 50, DelayKind::Unknown)]);
    }

    #[test]
    fn only_what_a_gap_ends_is_cut() {
        let runs = [run(0, 10, LeftAs::Waiting), run(50, 60, LeftAs::Waiting)];
        let cut = |enqueued_ns: &[u64], gaps_ns: &[(u64, u64)]| -> Vec<bool> {
            let seen = ProcessRuns {
                runs: &runs,
                enqueued_ns,
                gaps_ns,
            };
            seen.delays().iter().map(|it| it.is_cut).collect()
        };
        assert_eq!(cut(&[40], &[]), [false, false]);
        // It waited until 20 and was ready from then on, for how long is not known.
        assert_eq!(cut(&[20], &[(30, 35)]), [false, true, false]);
        assert_eq!(cut(&[40], &[(30, 35)]), [true, false]);
        assert_eq!(cut(&[40], &[(5, 11)]), [false]);
        assert_eq!(cut(&[40], &[(50, 55)]), [false, false]);
    }

    #[test]
    fn beside_an_end_that_was_not_seen_nothing_is_known() {
        let whole = run(50, 60, LeftAs::Waiting);
        let unknown = [(10, 50, DelayKind::Unknown)];
        assert_eq!(delays(&[cut(0, 10, Cut::End), whole], &[40], &[]), unknown);
        assert_eq!(delays(&[cut(0, 10, Cut::Both), whole], &[40], &[]), unknown);
        let runs = [run(0, 10, LeftAs::Runnable), cut(50, 60, Cut::Start)];
        assert_eq!(delays(&runs, &[40], &[]), unknown);
        let runs = [cut(0, 10, Cut::Start), cut(50, 60, Cut::End)];
        let known = [(10, 40, DelayKind::Waiting), (40, 50, DelayKind::RunQueue)];
        assert_eq!(delays(&runs, &[40], &[]), known);
    }

    #[test]
    fn from_a_gap_on_nothing_is_sure() {
        let runs = [run(0, 10, LeftAs::Waiting), run(50, 60, LeftAs::Waiting)];
        assert_eq!(
            delays(&runs, &[20, 40], &[(5, 8), (30, 35), (45, 46)]),
            [
                (10, 20, DelayKind::Waiting),
                (20, 30, DelayKind::RunQueue),
                (30, 50, DelayKind::Unknown),
            ]
        );
        assert_eq!(
            delays(&runs, &[40], &[(5, 11)]),
            [(10, 50, DelayKind::Unknown)]
        );
        assert_eq!(
            delays(&runs, &[40], &[(5, 10), (50, 90)]),
            [(10, 40, DelayKind::Waiting), (40, 50, DelayKind::RunQueue)]
        );
    }

    proptest! {
        #[test]
        fn every_instant_between_two_runs_is_told_once_and_rightly(
            program in prop::collection::vec(
                (0..9u64, 0..9u64, 0..5usize, 0..3usize),
                0..12,
            ),
            mut enqueued_ns in prop::collection::vec(0..150u64, 0..12),
            gaps in prop::collection::vec((1..60u64, 1..9u64), 0..3),
        ) {
            enqueued_ns.sort_unstable();
            let mut now = 0;
            let runs: Vec<RunRow<char>> = program.iter().map(|&(idle, busy, left_as, woken_by)| {
                let start = now + idle;
                now = start + busy;
                RunRow {
                    woken_by: WokenBy::ALL.get(woken_by).copied(),
                    ..run(start, now, LeftAs::ALL[left_as])
                }
            }).collect();
            let mut end = 0;
            let gaps_ns: Vec<(u64, u64)> = gaps.iter().map(|&(pause, length)| {
                end += pause + length;
                (end - length, end)
            }).collect();
            let seen = ProcessRuns { runs: &runs, enqueued_ns: &enqueued_ns, gaps_ns: &gaps_ns };
            let delays = seen.delays();
            for ns in 0..now {
                let told: Vec<&Delay> =
                    delays.iter().filter(|it| it.start_ns <= ns && ns < it.end_ns).collect();
                let before = runs.iter().rev().find(|run| run.end_ns <= ns);
                let next = runs.iter().find(|run| ns < run.end_ns.max(run.start_ns));
                let expected = match (before, next) {
                    (Some(before), Some(next)) if ns < next.start_ns => {
                        let since = before.end_ns;
                        let lost = gaps_ns.iter().any(|gap| gap.0 <= ns && since < gap.1);
                        let until = |it: &&u64| since <= **it && **it < next.start_ns;
                        let cut = gaps_ns.iter().filter(|gap| since < gap.1).map(|gap| gap.0).min();
                        let known = |it: &&u64| cut.is_none_or(|cut| **it < cut);
                        let first = enqueued_ns.iter().filter(until).find(known);
                        Some(match (lost, before.left_as, first) {
                            (true, ..) | (_, Some(LeftAs::Exiting) | None, _) => DelayKind::Unknown,
                            (_, Some(LeftAs::Waiting), _)
                                if next.woken_by == Some(WokenBy::Timeout) => DelayKind::Woken,
                            (_, Some(LeftAs::Waiting), None) => DelayKind::Woken,
                            (_, Some(LeftAs::Waiting), Some(&first)) if ns < first => DelayKind::Waiting,
                            (_, Some(LeftAs::Waiting | LeftAs::Runnable), _) => DelayKind::RunQueue,
                            (_, Some(LeftAs::Suspended), _) => DelayKind::Suspended,
                            (_, Some(LeftAs::Dirty), _) => DelayKind::Dirty,
                        })
                    }
                    _ => None,
                };
                prop_assert_eq!(told.len(), usize::from(expected.is_some()), "at {}", ns);
                prop_assert_eq!(told.first().map(|it| it.kind), expected, "at {}", ns);
            }
        }
    }
}
