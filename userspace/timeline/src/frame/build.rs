//! From rows to the frame of an instant.

use std::collections::BTreeMap;

use escope_model::{
    CheckpointRow, Collection, FrameId, Life, LifeEvent, Message, NativeCall, OffCpu, ProcId, Run,
    SchedulerId,
};
use rustc_hash::FxHashMap;

use super::doing::Beside;
use super::mailbox::{Lying, Mailbox, lies};
use super::{Alive, ExecutionFrame, Known, ProcessFrame};
use crate::gaps::Gaps;
use crate::rests::became_message;

/// Which instant, and how much of it.
#[derive(Debug, Clone, Copy)]
pub struct FrameScope<'a> {
    /// The instant: nanoseconds since the recording's start, one that was watched; see [`as_of`].
    pub at_ns: i64,
    /// Where events are missing.
    pub gaps: &'a Gaps,
    /// Whether runs were recorded.
    pub has_runs: bool,
    /// Whether processes that were new were seen when they first ran.
    pub has_births: bool,
    /// Whether the ends of processes were watched.
    pub has_ends: bool,
    /// Whether only some processes were watched. Of others there are the messages to and from those alone:
    /// what becomes of them is not seen.
    pub is_filtered: bool,
    /// Messages of a mailbox that are kept.
    pub mailbox_max: usize,
    /// Messages that are kept in all.
    pub messages_max: usize,
}

/// The last instant until then that was watched, if any was.
#[must_use]
pub fn as_of(gaps: &Gaps, at_ns: i64) -> Option<i64> {
    let at = u64::try_from(at_ns).ok()?;
    let gap = gaps.within(at, at.saturating_add(1)).next();
    if gap.is_none() {
        return Some(at_ns);
    }
    let spans = gaps.spans();
    let after = spans.partition_point(|gap| gap.0 <= at);
    let gap = after.checked_sub(1).and_then(|before| spans.get(before))?;
    i64::try_from(gap.0.checked_sub(1)?).ok()
}

#[derive(Debug, Default)]
struct OfProcess {
    spawned_ns: Option<i64>,
    ended_ns: Option<i64>,
    /// When something was seen of it until the instant, first and last.
    first_ns: Option<i64>,
    last_ns: Option<i64>,
    /// When after it, first.
    later_ns: Option<i64>,
    /// The same, besides its end.
    acted_later_ns: Option<i64>,
    run: Option<Run>,
    went_on_at: Option<FrameId>,
    next: Option<Run>,
    woken_ns: Option<i64>,
    collection: Option<Collection>,
    call: Option<NativeCall>,
    mailbox: Mailbox,
    checkpoint: Option<CheckpointRow>,
    /// Messages of `mailbox` that were there at the checkpoint, with those that came while it was read: it may have
    /// counted them.
    lay_then: u64,
}

/// Makes a frame of rows.
#[derive(Debug)]
pub struct FrameBuilder<'a> {
    scope: FrameScope<'a>,
    watched_since_ns: i64,
    gap_after_ns: Option<i64>,
    processes: FxHashMap<ProcId, OfProcess>,
    runs: BTreeMap<SchedulerId, Run>,
    off_cpu: BTreeMap<SchedulerId, OffCpu>,
    kept: usize,
    /// Since when whoever was there has been read.
    all_read_ns: Option<i64>,
}

impl<'a> FrameBuilder<'a> {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(scope: FrameScope<'a>) -> FrameBuilder<'a> {
        let at = u64::try_from(scope.at_ns).unwrap_or(0);
        let spans = scope.gaps.spans();
        let after = spans.partition_point(|gap| gap.0 <= at);
        let before = after.checked_sub(1).and_then(|place| spans.get(place));
        let ns = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
        FrameBuilder {
            scope,
            watched_since_ns: before.map_or(0, |gap| ns(gap.1)),
            gap_after_ns: spans.get(after).map(|gap| ns(gap.0)),
            processes: FxHashMap::default(),
            runs: BTreeMap::new(),
            off_cpu: BTreeMap::new(),
            kept: 0,
            all_read_ns: None,
        }
    }

    /// From when on no run matters any more: events are missing then.
    #[must_use]
    pub fn runs_until_ns(&self) -> Option<i64> {
        self.gap_after_ns
    }

    /// A row of `lifecycle`: all of them, first of all.
    pub fn life(&mut self, life: &Life) {
        let at_ns = self.scope.at_ns;
        let of = self.processes.entry(life.proc).or_default();
        match life.event {
            LifeEvent::Spawn => of.spawned_ns = of.spawned_ns.or(Some(life.ts_ns)),
            LifeEvent::Exit => of.ended_ns = of.ended_ns.or(Some(life.ts_ns)),
            _ => {}
        }
        of.seen(life.ts_ns, at_ns, life.event != LifeEvent::Exit);
        if let (LifeEvent::Spawn, Some(parent)) = (life.event, life.other) {
            // Stamped when the child first runs, by when its parent may have ended.
            if life.ts_ns > at_ns {
                return;
            }
            let of = self.processes.entry(parent).or_default();
            if of.ended_ns.is_none() {
                of.seen(life.ts_ns, at_ns, true);
            }
        }
    }

    /// A row of `runs`, in the order in which they began.
    pub fn run(&mut self, run: &Run) {
        let at_ns = self.scope.at_ns;
        let of = self.processes.entry(run.proc).or_default();
        of.seen(run.start_ns, at_ns, true);
        if run.start_ns > at_ns {
            of.next.get_or_insert(*run);
            return;
        }
        of.seen(run.end_ns, at_ns, true);
        of.went_on_at = of.run.as_ref().and_then(|before| before.at);
        of.run = Some(*run);
        match run.end_ns > at_ns {
            true => self.runs.insert(run.scheduler, *run),
            false => self.runs.remove(&run.scheduler),
        };
    }

    /// A row of `checkpoints`, in the order in which they were read, after all runs.
    pub fn checkpoint(&mut self, row: &CheckpointRow) {
        let at_ns = self.scope.at_ns;
        let of = self.processes.entry(row.proc).or_default();
        // It may have been spawned while others were read.
        let there_ns = of
            .spawned_ns
            .map_or(row.from_ns, |ns| ns.max(row.from_ns).min(row.to_ns));
        // Who is there later was there before, if those that are new are seen.
        of.seen(there_ns, at_ns, self.scope.has_births);
        if row.to_ns <= at_ns {
            of.checkpoint = Some(*row);
        }
    }

    /// A checkpoint that was begun then was read to its end before the instant.
    pub fn all_read(&mut self, since_ns: i64) {
        self.all_read_ns = self.all_read_ns.max(Some(since_ns));
    }

    /// A row of `messages`, in the order of sending, after all runs and checkpoints. Returns whether it is
    /// kept.
    pub fn message(&mut self, message: &Message) -> bool {
        let at_ns = self.scope.at_ns;
        if message.sent_ns > at_ns {
            return false;
        }
        if let Some(from) = message.from {
            let of = self.processes.entry(from).or_default();
            of.seen(message.sent_ns, at_ns, true);
        }
        let of = self.processes.entry(message.to).or_default();
        of.seen(message.sent_ns, at_ns, true);
        if let Some(received_ns) = message.received_ns {
            of.seen(received_ns, at_ns, true);
        }
        let end_ns = of.rests_since_ns(self.watched_since_ns);
        if end_ns.is_some_and(|end_ns| message.sent_ns >= end_ns) && became_message(message) {
            of.woken_ns = of.woken_ns.or(Some(message.sent_ns));
        }
        // Of what was sent before events were missing nobody knows, unless it was seen to be received.
        let is_old = message.sent_ns < self.watched_since_ns && message.received_ns.is_none();
        let Some(is_sure) = lies(message, of.ended_ns, at_ns).filter(|_| !is_old) else {
            return false;
        };
        let is_sure = is_sure && (message.received_ns.is_some() || of.is_watched(&self.scope));
        let mailbox = &mut of.mailbox;
        match is_sure {
            true => {
                mailbox.sure += 1;
                let checkpoint = of.checkpoint.as_ref();
                let lay_then = checkpoint.is_some_and(|row| message.sent_ns < row.to_ns);
                of.lay_then += u64::from(lay_then);
                mailbox.oldest_ns = mailbox.oldest_ns.or(Some(message.sent_ns));
            }
            false => mailbox.unsure += 1,
        }
        let keeps =
            mailbox.first.len() < self.scope.mailbox_max && self.kept < self.scope.messages_max;
        if keeps {
            self.kept += 1;
            mailbox.first.push(Lying {
                message: message.clone(),
                is_sure,
            });
        }
        keeps
    }

    /// A row of `gc`.
    pub fn collection(&mut self, collection: &Collection) {
        let at_ns = self.scope.at_ns;
        if collection.start_ns > at_ns {
            return;
        }
        let of = self.processes.entry(collection.proc).or_default();
        of.seen(collection.start_ns, at_ns, true);
        of.seen(collection.end_ns, at_ns, true);
        if collection.end_ns > at_ns {
            of.collection = Some(*collection);
        }
    }

    /// A row of `native_calls`.
    pub fn call(&mut self, call: &NativeCall) {
        let at_ns = self.scope.at_ns;
        if call.start_ns > at_ns {
            return;
        }
        let of = self.processes.entry(call.proc).or_default();
        of.seen(call.start_ns, at_ns, true);
        if call.end_ns.is_some_and(|end_ns| end_ns > at_ns) {
            of.call = Some(*call);
        }
    }

    /// A row of `off_cpu`.
    pub fn off_cpu(&mut self, off_cpu: &OffCpu) {
        if off_cpu.start_ns <= self.scope.at_ns && off_cpu.end_ns > self.scope.at_ns {
            self.off_cpu.insert(off_cpu.scheduler, *off_cpu);
        }
    }

    /// No row comes any more.
    #[must_use]
    pub fn finish(mut self) -> ExecutionFrame {
        let mut processes = Vec::new();
        let (mut omitted, mut astray) = (0, 0);
        for (proc, of) in std::mem::take(&mut self.processes) {
            let lie = of.mailbox.sure + of.mailbox.unsure;
            match self.alive(&of) {
                Some((known, alive)) => {
                    omitted += of.mailbox.omitted();
                    processes.push(self.process(proc, of, known, alive));
                }
                None => astray += lie,
            }
        }
        processes.sort_by_key(|process| process.proc);
        ExecutionFrame {
            as_of_ns: self.scope.at_ns,
            watched_since_ns: self.watched_since_ns,
            processes,
            runs: self.runs,
            off_cpu: self.off_cpu,
            messages_omitted: omitted,
            astray,
        }
    }

    fn process(&self, proc: ProcId, of: OfProcess, known: Known, alive: Alive) -> ProcessFrame {
        let is_watched = of.is_watched(&self.scope);
        let beside = Beside {
            at_ns: self.scope.at_ns,
            watched_since_ns: self.watched_since_ns,
            has_runs: self.scope.has_runs,
            spawned_ns: of
                .spawned_ns
                .map(|ns| of.first_ns.map_or(ns, |first| first.min(ns))),
            last: of.run.as_ref(),
            next: of.next.as_ref(),
            checkpoint: of.checkpoint.as_ref().filter(|_| is_watched),
            woken_ns: of.woken_ns,
        };
        let (doing, is_by_checkpoint) = beside.doing();
        let mut mailbox = of.mailbox;
        if let Some(row) = of.checkpoint.filter(|_| is_by_checkpoint) {
            // Nothing was taken out of it since.
            let then = row.mailbox.or(row.mailbox_min).unwrap_or(0);
            mailbox.unseen = then.saturating_sub(of.lay_then);
        }
        ProcessFrame {
            proc,
            known,
            alive,
            doing,
            next_ns: of.next.as_ref().map(|next| next.start_ns),
            run: of.run,
            went_on_at: of.went_on_at,
            collection: of.collection,
            call: of.call,
            mailbox,
            checkpoint: of.checkpoint,
            is_by_checkpoint,
        }
    }

    /// Whether a process was there, and how that is known.
    fn alive(&self, of: &OfProcess) -> Option<(Known, Alive)> {
        let at_ns = self.scope.at_ns;
        let is_running = of.run.as_ref().is_some_and(|run| run.end_ns > at_ns);
        let alive = match (of.ended_ns.filter(|&ns| ns <= at_ns), of.later_ns) {
            // What it has begun to end with goes on until it leaves its scheduler.
            (Some(ended_ns), _) if is_running => Alive::Ending(ended_ns),
            (Some(_), _) => return None,
            (None, Some(_)) => Alive::Sure,
            (None, None) => match of.last_ns {
                Some(last_ns)
                    if !self.scope.has_ends
                        || !of.is_watched(&self.scope)
                        || last_ns < self.watched_since_ns =>
                {
                    // Whoever was still there would have been read with the others.
                    if self.all_read_ns.is_some_and(|since_ns| last_ns < since_ns) {
                        return None;
                    }
                    Alive::LastSeen(last_ns)
                }
                _ => Alive::Sure,
            },
        };
        let known = match (of.spawned_ns, of.first_ns, of.acted_later_ns) {
            // A spawn is stamped when the child first runs; who was sent something before was there.
            (Some(spawned_ns), Some(first_ns), _) if spawned_ns > at_ns => Known::Before(first_ns),
            (Some(spawned_ns), None, _) if spawned_ns > at_ns => return None,
            (Some(spawned_ns), _, _) => Known::Spawned(spawned_ns),
            (None, Some(first_ns), _) => Known::Before(first_ns),
            // Beyond a gap it may have been spawned in it.
            (None, None, Some(later_ns)) if self.gap_after_ns.is_none_or(|gap| later_ns < gap) => {
                Known::Later(later_ns)
            }
            (None, None, _) => return None,
        };
        Some((known, alive))
    }
}

impl OfProcess {
    /// Whether what it does was watched: who was not asked for has no runs.
    fn is_watched(&self, scope: &FrameScope<'_>) -> bool {
        !scope.is_filtered || self.run.is_some() || self.next.is_some()
    }

    /// Since when it rests that was not seen to run since events were last missing, else since its last run.
    fn rests_since_ns(&self, watched_since_ns: i64) -> Option<i64> {
        let run = self.run.as_ref().map(|run| run.end_ns);
        match (run, &self.checkpoint) {
            (Some(end_ns), _) if end_ns >= watched_since_ns => Some(end_ns),
            (_, Some(row)) => Some(row.from_ns),
            (end_ns, None) => end_ns,
        }
    }

    /// Something shows that it was there.
    fn seen(&mut self, ns: i64, at_ns: i64, acts: bool) {
        if ns <= at_ns {
            self.first_ns = Some(self.first_ns.map_or(ns, |first| first.min(ns)));
            self.last_ns = Some(self.last_ns.map_or(ns, |last| last.max(ns)));
            return;
        }
        let first = |of: Option<i64>| Some(of.map_or(ns, |first| first.min(ns)));
        self.later_ns = first(self.later_ns);
        if acts {
            self.acted_later_ns = first(self.acted_later_ns);
        }
    }
}
