//! What the rows of a recording add up to, by process and by scheduler.
//!
//! One pass over each table in the order of time, in bounded memory: a few numbers for each
//! process, and the messages that are under way.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use escope_model::{Collection, Fate, LeftAs, Message, ProcId, Run, SchedulerId};
use rustc_hash::FxHashMap;

/// What one process did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessSummary {
    /// Times that a scheduler ran it.
    pub runs: u64,
    /// For how long in all.
    pub running_ns: u64,
    /// Reductions of the runs whose end was seen.
    pub reductions: u64,
    /// How long it was ready to run and did not, as far as that was seen: after a run that ended
    /// because its time was up, and after the first message that it got while it waited.
    pub queued_ns: u64,
    /// The longest of these.
    pub queued_max_ns: u64,
    /// Messages that it sent.
    pub sent: u64,
    /// Messages that it took out of its mailbox.
    pub received: u64,
    /// Messages that it will never take out, since it ended.
    pub dropped: u64,
    /// How long those that it took out had lain there, in all.
    pub lain_ns: u64,
    /// The longest of these.
    pub lain_max_ns: u64,
    /// The most messages that lay in its mailbox at a time, of those that were seen sent.
    pub mailbox_max: u64,
    /// Garbage collections.
    pub collections: u64,
    /// For how long in all.
    pub collecting_ns: u64,
    /// The longest of these.
    pub collecting_max_ns: u64,
}

/// What one scheduler did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchedulerSummary {
    /// Times that it ran a process.
    pub runs: u64,
    /// For how long in all.
    pub running_ns: u64,
    /// Reductions of the runs whose end was seen.
    pub reductions: u64,
}

/// What is known of a process between two of its runs.
#[derive(Debug, Clone, Copy)]
struct Rest {
    since_ns: i64,
    left_as: Option<LeftAs>,
    /// When it got something to do.
    ready_ns: Option<i64>,
}

/// Sums of a recording.
#[derive(Debug, Default)]
pub struct Summary {
    processes: FxHashMap<ProcId, ProcessSummary>,
    schedulers: BTreeMap<SchedulerId, SchedulerSummary>,
}

impl Summary {
    /// Adds up runs and messages, each in the order of their beginning. Rows that cannot be read
    /// end it.
    ///
    /// # Errors
    /// The first error of a row.
    pub fn of<E>(
        runs: impl Iterator<Item = Result<Run, E>>,
        messages: impl Iterator<Item = Result<Message, E>>,
        collections: impl Iterator<Item = Result<Collection, E>>,
    ) -> Result<Summary, E> {
        let mut summary = Summary::default();
        let mut mail = Mail::default();
        let mut rests: FxHashMap<ProcId, Rest> = FxHashMap::default();
        let mut messages = messages.peekable();
        for run in runs {
            let run = run?;
            // What came before it may have woken it.
            while let Some(message) =
                messages.next_if(|next| !matches!(next, Ok(next) if next.sent_ns > run.start_ns))
            {
                let message = message?;
                wake(&mut rests, &message);
                mail.add(&message, &mut summary.processes);
            }
            summary.run(&run, &mut rests);
        }
        for message in messages {
            mail.add(&message?, &mut summary.processes);
        }
        for collection in collections {
            summary.collection(&collection?);
        }
        Ok(summary)
    }

    /// By process, in no order.
    pub fn processes(&self) -> impl Iterator<Item = (ProcId, &ProcessSummary)> {
        self.processes.iter().map(|(proc, of)| (*proc, of))
    }

    /// By scheduler, normal ones first.
    pub fn schedulers(&self) -> impl Iterator<Item = (SchedulerId, &SchedulerSummary)> {
        self.schedulers.iter().map(|(id, of)| (*id, of))
    }

    fn run(&mut self, run: &Run, rests: &mut FxHashMap<ProcId, Rest>) {
        let process = self.processes.entry(run.proc).or_default();
        let ran_ns = span(run.start_ns, run.end_ns);
        let reductions = u64::from(run.reductions.unwrap_or(0));
        process.runs += 1;
        process.running_ns += ran_ns;
        process.reductions += reductions;
        if let Some(rest) = rests.get(&run.proc) {
            let ready_ns = match rest.left_as {
                Some(LeftAs::Runnable) => Some(rest.since_ns),
                Some(LeftAs::Waiting) => rest.ready_ns,
                _ => None,
            };
            let queued_ns = ready_ns.map_or(0, |ready_ns| span(ready_ns, run.start_ns));
            process.queued_ns += queued_ns;
            process.queued_max_ns = process.queued_max_ns.max(queued_ns);
        }
        let rest = Rest {
            since_ns: run.end_ns,
            left_as: run.left_as,
            ready_ns: None,
        };
        rests.insert(run.proc, rest);
        let scheduler = self.schedulers.entry(run.scheduler).or_default();
        scheduler.runs += 1;
        scheduler.running_ns += ran_ns;
        scheduler.reductions += reductions;
    }

    fn collection(&mut self, collection: &Collection) {
        let process = self.processes.entry(collection.proc).or_default();
        let took_ns = span(collection.start_ns, collection.end_ns);
        process.collections += 1;
        process.collecting_ns += took_ns;
        process.collecting_max_ns = process.collecting_max_ns.max(took_ns);
    }
}

/// A process that waits is ready from its first message on.
fn wake(rests: &mut FxHashMap<ProcId, Rest>, message: &Message) {
    if let Some(rest) = rests.get_mut(&message.to)
        && message.sent_ns >= rest.since_ns
    {
        rest.ready_ns.get_or_insert(message.sent_ns);
    }
}

/// Mailboxes over time.
#[derive(Default)]
struct Mail {
    /// When messages that were seen sent are taken out, and whose they are.
    leaves: BinaryHeap<Reverse<(i64, ProcId)>>,
    lengths: FxHashMap<ProcId, u64>,
}

impl Mail {
    fn add(&mut self, message: &Message, processes: &mut FxHashMap<ProcId, ProcessSummary>) {
        while let Some(&Reverse((at_ns, to))) = self.leaves.peek()
            && at_ns <= message.sent_ns
        {
            self.leaves.pop();
            let length = self.lengths.entry(to).or_default();
            *length = length.saturating_sub(1);
        }
        if let Some(from) = message.from {
            processes.entry(from).or_default().sent += 1;
        }
        let process = processes.entry(message.to).or_default();
        match (message.received_ns, message.fate) {
            (Some(received_ns), _) => {
                let lain_ns = span(message.sent_ns, received_ns);
                process.received += 1;
                process.lain_ns += lain_ns;
                process.lain_max_ns = process.lain_max_ns.max(lain_ns);
                self.leaves.push(Reverse((received_ns, message.to)));
            }
            (None, Fate::Dropped) => process.dropped += 1,
            // Whether it became a message was not seen.
            (None, Fate::Unknown) => return,
            (None, _) => {}
        }
        let length = self.lengths.entry(message.to).or_default();
        *length += 1;
        process.mailbox_max = process.mailbox_max.max(*length);
    }
}

fn span(from_ns: i64, to_ns: i64) -> u64 {
    u64::try_from(to_ns.saturating_sub(from_ns)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use escope_model::{
        Fate, LeftAs, Message, MessageKind, ProcId, Run, SchedulerId, SchedulerKind,
    };

    use super::{ProcessSummary, Summary};

    const A: ProcId = ProcId(1);
    const B: ProcId = ProcId(2);

    fn run(proc: ProcId, start_ns: i64, end_ns: i64, left_as: LeftAs) -> Run {
        Run {
            proc,
            scheduler: SchedulerId {
                kind: SchedulerKind::Normal,
                number: 1,
            },
            start_ns,
            end_ns,
            reductions: Some(10),
            left_as: Some(left_as),
            at: None,
            cut: None,
        }
    }

    fn message(sent_ns: i64, received_ns: Option<i64>) -> Message {
        Message {
            msg: 0,
            from: Some(A),
            to: B,
            kind: MessageKind::Message,
            tag: None,
            sent_ns,
            received_ns,
            fate: received_ns.map_or(Fate::Waiting, |_| Fate::Received),
        }
    }

    fn summary(runs: &[Run], messages: &[Message]) -> Summary {
        let ok = |row: &Run| Ok::<_, Infallible>(*row);
        let messages = messages.iter().cloned().map(Ok);
        let summary = Summary::of(runs.iter().map(ok), messages, std::iter::empty());
        summary.expect("nothing fails")
    }

    fn of(summary: &Summary, proc: ProcId) -> ProcessSummary {
        let mut all = summary.processes();
        *all.find(|(other, _)| *other == proc).expect("there").1
    }

    #[test]
    fn a_process_that_waits_is_queued_from_its_first_message_on() {
        let runs = [
            run(B, 0, 10, LeftAs::Waiting),
            run(A, 20, 50, LeftAs::Waiting),
            run(B, 70, 80, LeftAs::Runnable),
            run(B, 95, 99, LeftAs::Waiting),
        ];
        let messages = [message(30, Some(71)), message(40, Some(72))];
        let summary = summary(&runs, &messages);
        let b = of(&summary, B);
        assert_eq!((b.queued_ns, b.queued_max_ns), (40 + 15, 40));
        assert_eq!((b.runs, b.running_ns, b.reductions), (3, 24, 30));
        assert_eq!(of(&summary, A).queued_ns, 0);
        assert_eq!(of(&summary, A).sent, 2);
    }

    #[test]
    fn a_mailbox_is_as_long_as_what_lies_in_it_at_once() {
        let messages = [
            message(10, Some(15)),
            message(20, Some(60)),
            message(30, None),
            message(40, Some(50)),
            message(70, Some(71)),
        ];
        let b = of(&summary(&[], &messages), B);
        assert_eq!(b.mailbox_max, 3);
        assert_eq!(
            (b.received, b.lain_ns, b.lain_max_ns),
            (4, 5 + 40 + 10 + 1, 40)
        );
    }
}
