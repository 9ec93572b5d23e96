//! All that is told of each process, side by side.

use escope_model::ProcId;
use rustc_hash::FxHashSet;

use super::{EventReport, Letters, Mailbox, PausesOf, PerKind, ProcessWork};

/// What a report has of one process. What is missing did not happen, or was not recorded.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfProcess<'a> {
    /// Its runs, and the time between them.
    pub work: Option<&'a ProcessWork>,
    /// What it sent.
    pub sent: Option<&'a PerKind>,
    /// What was sent to it.
    pub got: Option<&'a Letters>,
    /// What lay in its mailbox.
    pub mailbox: Option<&'a Mailbox>,
    /// Its collections.
    pub pauses: Option<&'a PausesOf>,
}

impl EventReport {
    /// The processes that ran, sent, got or collected something, in the order of their numbers.
    #[must_use]
    pub fn each(&self) -> Vec<(ProcId, OfProcess<'_>)> {
        let ran = self.work.processes().map(|(proc, _)| proc);
        let sent = self.mail.senders().map(|(proc, _)| proc);
        let got = self.mail.receivers().map(|(proc, _)| proc);
        let collected = self.pauses.processes().map(|(proc, _)| proc);
        let all: FxHashSet<ProcId> = ran.chain(sent).chain(got).chain(collected).collect();
        let mut all: Vec<ProcId> = all.into_iter().collect();
        all.sort_unstable();
        all.into_iter()
            .map(|proc| (proc, self.of_process(proc)))
            .collect()
    }

    /// What there is of one.
    #[must_use]
    pub fn of_process(&self, proc: ProcId) -> OfProcess<'_> {
        OfProcess {
            work: self.work.process(proc),
            sent: self.mail.sender(proc),
            got: self.mail.receiver(proc),
            mailbox: self.mail.mailbox(proc),
            pauses: self.pauses.process(proc),
        }
    }
}
