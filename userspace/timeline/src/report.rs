//! What the events of a recording add up to, for a reader: who sent and got most, what
//! lay longest, which calls were slow, who collected, how schedulers were used, who came
//! and went.
//!
//! One pass over all tables in the order of time. Nothing is kept of a row but what it adds
//! to: some hundred bytes for each process that did something, and for each message and
//! call that is under way at a time. So it grows with processes and with what is open,
//! not with rows.
//!
//! What began before the part that is asked for is read as well, for it lies in mailboxes,
//! runs and is called when that part begins. Where events are missing, nothing is told
//! that reaches into that time: calls that are open then are given up, and time between
//! runs is unknown from there on. What was not seen to end is in no percentile: what lasted
//! at least so long is counted apart, as [`AtLeast`](crate::AtLeast).

mod calls;
mod dist;
mod each;
mod lives;
mod mail;
mod modules;
mod natives;
mod pauses;
mod ports;
mod sizes;
mod work;

use std::fmt;

use escope_model::ProcId;

use crate::gaps::Gaps;
use crate::merged::Happening;

pub use calls::{CallTimes, Calls, CallsTo};
pub use dist::{Dist, DistOf, Signals};
pub use each::OfProcess;
pub use lives::{Life, Lives, Reason};
pub use mail::{Lain, Letters, Mail, Mailbox, PerKind};
pub use modules::{ModuleOf, Modules};
pub use natives::{CallsOf, CallsOfFunction, Natives};
pub use pauses::{Pause, Pauses, PausesOf};
pub use ports::{Given, PortOf, Ports};
pub use sizes::{Sizes, Weights};
pub use work::{ProcessWork, SchedulerWork, Work};

/// Which part of a recording, and of whom.
pub struct ReportScope<'a> {
    /// From when on, nanoseconds since the recording's start.
    pub since_ns: u64,
    /// The first instant that is too late; the end of the recording at the latest.
    pub until_ns: u64,
    /// Where events are missing.
    pub gaps: Gaps,
    /// How many of the worst single messages, calls and collections are kept.
    pub worst: usize,
    /// Whose rows count: of a message or call that of either side. `None` asks for those that are
    /// of no process.
    pub wanted: &'a dyn Fn(Option<ProcId>) -> bool,
}

impl fmt::Debug for ReportScope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportScope")
            .field("since_ns", &self.since_ns)
            .field("until_ns", &self.until_ns)
            .field("gaps", &self.gaps)
            .finish_non_exhaustive()
    }
}

impl ReportScope<'_> {
    /// How much of it was seen.
    #[must_use]
    pub fn seen_ns(&self) -> u64 {
        let lasted_ns = self.until_ns.saturating_sub(self.since_ns);
        lasted_ns - self.gaps.lost_ns(self.since_ns, self.until_ns)
    }

    fn contains(&self, ns: u64) -> bool {
        self.since_ns <= ns && ns < self.until_ns
    }

    /// Until when everything was seen that came after a time.
    fn seen_from(&self, ns: u64) -> u64 {
        let gap = self.gaps.within(ns, self.until_ns).next();
        gap.map_or(self.until_ns, |gap| gap.0)
    }

    /// The part of a span that lies within.
    fn clip(&self, from_ns: u64, to_ns: u64) -> u64 {
        let (from_ns, to_ns) = (from_ns.max(self.since_ns), to_ns.min(self.until_ns));
        to_ns.saturating_sub(from_ns)
    }

    fn wants(&self, proc: ProcId) -> bool {
        (self.wanted)(Some(proc))
    }

    fn wants_either(&self, one: Option<ProcId>, other: ProcId) -> bool {
        one.is_some_and(|one| self.wants(one)) || self.wants(other)
    }
}

/// How many rows there are of each table before the end of the part that is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowsRead {
    /// Of `runs`.
    pub runs: u64,
    /// Of `messages`.
    pub messages: u64,
    /// Of `lifecycle`.
    pub lives: u64,
    /// Of `gc`.
    pub collections: u64,
    /// Of `off_cpu`.
    pub off_cpu: u64,
    /// Of `modules`.
    pub modules: u64,
    /// Of `port_events`.
    pub ports: u64,
    /// Of `dist`.
    pub dist: u64,
}

impl RowsRead {
    /// Whether there is anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == RowsRead::default()
    }
}

/// Sums of events.
#[derive(Debug)]
pub struct EventReport {
    /// What there was to read.
    pub rows: RowsRead,
    /// Messages and mailboxes.
    pub mail: Mail,
    /// Calls and their replies.
    pub calls: Calls,
    /// Garbage collections.
    pub pauses: Pauses,
    /// Schedulers and those that they ran.
    pub work: Work,
    /// Processes that came and went.
    pub lives: Lives,
    /// Modules that were loaded and purged.
    pub modules: Modules,
    /// What ports and processes gave each other.
    pub ports: Ports,
    /// What went to other nodes and came from them.
    pub dist: Dist,
}

impl EventReport {
    /// Adds up all rows that begin before the end of the part, in the order of
    /// [`Tables::merged`](crate::Tables::merged).
    ///
    /// # Errors
    /// The first error of a row.
    pub fn of<E>(
        rows: impl Iterator<Item = Result<Happening, E>>,
        scope: &ReportScope<'_>,
    ) -> Result<EventReport, E> {
        let mut report = EventReport {
            rows: RowsRead::default(),
            mail: Mail::new(scope),
            calls: Calls::new(scope),
            pauses: Pauses::new(scope),
            work: Work::default(),
            lives: Lives::default(),
            modules: Modules::default(),
            ports: Ports::default(),
            dist: Dist::default(),
        };
        for row in rows {
            let row = row?;
            let at_ns = row.begin_ns();
            if at_ns >= scope.until_ns {
                break;
            }
            report.add(&row, at_ns, scope);
        }
        report.mail.finish(scope);
        report.calls.finish(scope);
        report.work.finish(scope);
        Ok(report)
    }

    fn add(&mut self, row: &Happening, at_ns: u64, scope: &ReportScope<'_>) {
        self.calls.advance(at_ns);
        self.mail.advance(at_ns, scope);
        match row {
            Happening::Life(life) => {
                self.rows.lives += 1;
                self.mail.on_life(life, scope);
                self.calls.on_life(life);
                self.work.on_life(life);
                self.lives.add(life, scope);
            }
            Happening::Run(run) => {
                self.rows.runs += 1;
                self.calls.on_run(run);
                self.work.on_run(run, scope);
            }
            Happening::Collection(collection) => {
                self.rows.collections += 1;
                self.pauses.add(collection, scope);
            }
            Happening::OffCpu(off_cpu) => {
                self.rows.off_cpu += 1;
                self.work.on_off_cpu(off_cpu, scope);
            }
            Happening::Module(event) => {
                self.rows.modules += 1;
                self.modules.add(event, scope);
            }
            Happening::Port(event) => {
                self.rows.ports += 1;
                self.ports.add(event, scope);
            }
            Happening::Dist(event) => {
                self.rows.dist += 1;
                self.dist.add(event, scope);
            }
            Happening::Message(message) => {
                self.rows.messages += 1;
                self.work.on_message(message);
                self.mail.add(message, scope);
                self.calls.on_message(message, scope);
            }
        }
    }
}

#[cfg(test)]
mod tests;
