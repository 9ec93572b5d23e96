//! What processes waited for between their runs, as rows come by.
//!
//! The same answer as [`ProcessRuns::delays`] gives for all rows of a process at once, with
//! nothing kept of it but its last run and the first message since.

use escope_model::{Fate, Message, MessageKind, ProcId, Run, SchedulerId};

use crate::delays::{Delay, ProcessRuns};
use crate::gaps::Gaps;
use crate::merged::since_start;
use crate::runs::RunRow;

/// What is known of a process since its last run began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rest {
    run: RunRow<ProcId>,
    woken: Option<Waker>,
}

/// The first message since a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waker {
    pub(crate) at_ns: u64,
    pub(crate) from: Option<ProcId>,
    pub(crate) kind: MessageKind,
}

impl Rest {
    /// Since a run.
    pub(crate) fn after(run: &Run) -> Rest {
        Rest {
            run: row(run),
            woken: None,
        }
    }

    /// When the run ended.
    pub(crate) fn since_ns(&self) -> u64 {
        self.run.end_ns
    }

    /// What ended a wait, if anything did.
    pub(crate) fn woken(&self) -> Option<Waker> {
        self.woken
    }

    /// A message was sent to the process. Messages come in the order of sending.
    pub(crate) fn on_message(&mut self, message: &Message) {
        let at_ns = since_start(message.sent_ns);
        if at_ns >= self.run.end_ns && became_message(message) {
            self.woken.get_or_insert(Waker {
                at_ns,
                from: message.from,
                kind: message.kind,
            });
        }
    }

    /// What the time until the process's next run was spent on.
    pub(crate) fn until_run(&self, next: &Run, gaps: &Gaps) -> Vec<Delay> {
        self.between(row(next), gaps)
    }

    /// The same until a time before which it did not run again.
    pub(crate) fn until(&self, ns: u64, gaps: &Gaps) -> Vec<Delay> {
        let next = RunRow {
            start_ns: ns,
            end_ns: ns,
            woken_by: None,
            cut: None,
            ..self.run
        };
        self.between(next, gaps)
    }

    fn between(&self, next: RunRow<ProcId>, gaps: &Gaps) -> Vec<Delay> {
        let woken = self.woken.map(|woken| woken.at_ns);
        let seen = ProcessRuns {
            runs: &[self.run, next],
            enqueued_ns: woken.as_slice(),
            gaps_ns: gaps.spans(),
        };
        seen.delays()
    }

    /// Where it last ran.
    pub(crate) fn scheduler(&self) -> SchedulerId {
        self.run.scheduler
    }
}

/// Whether what was put into a queue was a message, or became one. Of a reply to an alias, a
/// DOWN or an EXIT that was never received nobody knows.
pub(crate) fn became_message(message: &Message) -> bool {
    let may_be_signal = matches!(
        message.kind,
        MessageKind::Reply | MessageKind::Down | MessageKind::Exit
    );
    message.fate != Fate::Unknown || !may_be_signal
}

fn row(run: &Run) -> RunRow<ProcId> {
    let start_ns = since_start(run.start_ns);
    RunRow {
        who: run.proc,
        scheduler: run.scheduler,
        start_ns,
        end_ns: since_start(run.end_ns).max(start_ns),
        at: None,
        woken_by: run.woken_by,
        reductions: run.reductions,
        left_as: run.left_as,
        cut: run.cut,
    }
}
