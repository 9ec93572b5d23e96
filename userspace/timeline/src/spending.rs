//! What one process spent its time on.
//!
//! Each instant from when it is seen first until it is seen last has one answer, a [`Spent`], so
//! that the sums add up to the observed time exactly:
//!
//! | when | it is |
//! |---|---|
//! | in a run on a normal scheduler | `Running`, or `Collecting` within a collection |
//! | in a run on a dirty one | `Dirty`, or `Collecting` |
//! | in any of these, and the scheduler's thread had no CPU | `Blocked`, or `Preempted` once it could have gone on |
//! | between two runs | by [`DelayKind`](crate::DelayKind) |
//! | from its `spawn` until its first run | `RunQueue`: `erl_create_process` makes it ready |
//! | before its first run, if its `spawn` was not seen | `Before` |
//! | from its last run until its exit, or the end | as between runs, but for what it still waits for |
//! | where events are missing and nothing else is told | `Gap` |
//!
//! It is observed from its `spawn`, if that was seen, until its exit, or the end of its last run
//! if that is later; else as long as the part that is asked for. (A recorder that notices a
//! process when it first runs tells its `spawn` then, and the queue before that is not observed.)

use std::collections::BTreeMap;

use escope_model::{
    Collection, Cut, FrameId, LeftAs, Life, LifeEvent, MessageKind, OffCpu, ProcId, Run,
    SchedulerKind,
};
use rustc_hash::FxHashMap;

use crate::at_least::AtLeast;
use crate::delays::{Delay, DelayKind};
use crate::gaps::Gaps;
use crate::merged::{Happening, since_start};
use crate::rests::Rest;

macro_rules! spent {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What some time was spent on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Spent { $($(#[$doc])* $variant,)* }

        impl Spent {
            /// All there are.
            pub const ALL: &'static [Spent] = &[$(Spent::$variant,)*];

            /// Its name in reports.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Spent::$variant => $text,)* }
            }
        }
    };
}

spent! {
    /// Running on a normal scheduler.
    Running = "running",
    /// Running on a dirty scheduler.
    Dirty = "dirty",
    /// Collecting garbage, on whatever scheduler.
    Collecting = "gc",
    /// A scheduler runs it, and the kernel has no CPU for that scheduler's thread.
    Preempted = "preempted",
    /// A scheduler runs it, and that scheduler's thread waits in the kernel: for a page, a lock, a
    /// system call.
    Blocked = "blocked",
    /// Ready to run, and no scheduler runs it.
    RunQueue = "run_queue",
    /// Waiting for a message or a timeout.
    Waiting = "waiting",
    /// First waiting, until a timeout or something else of which it is not seen when, and then for
    /// a scheduler.
    Woken = "waiting_then_run_queue",
    /// Suspended, and then waiting for a scheduler.
    Suspended = "suspended",
    /// Waiting for a dirty scheduler, or for a normal one on the way back.
    DirtyQueue = "dirty_queue",
    /// Anything, before its first run: it was there, but nothing of it was seen yet.
    Before = "before_first_run",
    /// Between runs on its way out.
    Exiting = "exiting",
    /// Events are missing.
    Gap = "gap",
    /// Not known, though no event is known to be missing.
    Unknown = "unknown",
}

/// Where a process left schedulers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Departures {
    /// How often, and in which state; those whose state is not known are in `count` only.
    pub left_as: BTreeMap<LeftAs, u64>,
    /// How often.
    pub count: u64,
    /// How long it did not run after that, as far as that was seen.
    pub away_ns: u64,
    /// The longest of these of which all was seen.
    pub away_max_ns: u64,
    /// Those of which the end was not seen: events went missing, or the part ended.
    pub away_at_least: AtLeast,
    /// What it spent that time on.
    pub away: BTreeMap<Spent, u64>,
}

/// Waits that ended with a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WaitsFor {
    /// How many.
    pub count: u64,
    /// How long in all.
    pub waited_ns: u64,
    /// The longest.
    pub waited_max_ns: u64,
}

/// Some time of a process. Stretches follow each other without a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Nanoseconds since the recording's start.
    pub start_ns: u64,
    /// The same; after `start_ns`.
    pub end_ns: u64,
    /// On what.
    pub spent: Spent,
}

/// What one process spent its time on, made of rows in the order of their beginnings.
///
/// Keeps sums, by place in the code and by who ended its waits, and no rows.
#[derive(Debug)]
pub struct Spending<'a> {
    proc: ProcId,
    gaps: &'a Gaps,
    begin_ns: u64,
    until_ns: u64,
    /// Until when all is told.
    told_ns: u64,
    is_born: bool,
    ended_ns: Option<u64>,
    last: Option<(Run, Rest)>,
    /// Collections that may reach into what is not told yet.
    collections: Vec<(u64, u64)>,
    sums: BTreeMap<Spent, u64>,
    departures: FxHashMap<Option<FrameId>, Departures>,
    waits: FxHashMap<(Option<ProcId>, MessageKind), WaitsFor>,
    /// Runs that began within the part.
    pub runs: u64,
    /// Reductions of those whose end was seen.
    pub reductions: u64,
}

impl<'a> Spending<'a> {
    /// Nothing is known of the process yet. Only what lies from `since_ns` until before
    /// `until_ns` counts; rows from before are wanted all the same.
    #[must_use]
    pub fn new(proc: ProcId, (since_ns, until_ns): (u64, u64), gaps: &'a Gaps) -> Spending<'a> {
        Spending {
            proc,
            gaps,
            begin_ns: since_ns,
            until_ns: until_ns.max(since_ns),
            told_ns: since_ns,
            is_born: false,
            ended_ns: None,
            last: None,
            collections: Vec::new(),
            sums: BTreeMap::new(),
            departures: FxHashMap::default(),
            waits: FxHashMap::default(),
            runs: 0,
            reductions: 0,
        }
    }

    /// Takes the next row, of whomever. Passes on the stretches that it completes.
    pub fn on(&mut self, row: &Happening, tell: &mut dyn FnMut(Stretch)) {
        match row {
            Happening::Run(run) if run.proc == self.proc => self.run(run, tell),
            Happening::Collection(collection) if collection.proc == self.proc => {
                self.collection(collection);
            }
            Happening::OffCpu(off_cpu) if off_cpu.proc == Some(self.proc) => {
                self.off_cpu(off_cpu, tell);
            }
            Happening::Message(message) if message.to == self.proc => {
                if let Some((_, rest)) = &mut self.last {
                    rest.on_message(message);
                }
            }
            Happening::Life(life) if life.proc == self.proc => self.life(life),
            _ => {}
        }
    }

    /// No row comes any more.
    pub fn finish(&mut self, tell: &mut dyn FnMut(Stretch)) {
        let last = self.last.take();
        let ended_ns = self.ended_ns.map(|ended_ns| {
            let last_ns = last.as_ref().map_or(0, |(_, rest)| rest.since_ns());
            ended_ns.max(last_ns)
        });
        let end_ns = ended_ns.unwrap_or(u64::MAX).min(self.until_ns);
        self.until_ns = end_ns.max(self.told_ns);
        match last {
            None => self.before_first(self.until_ns, true, tell),
            Some((run, rest)) => {
                self.tell_run(&run, u64::MAX, tell);
                let delays = rest.until(self.until_ns, self.gaps);
                // Nothing ran it since, so that a timeout is not known to have woken it.
                let delays = delays.into_iter().map(|delay| match delay.kind {
                    DelayKind::Woken => Delay {
                        kind: DelayKind::Waiting,
                        ..delay
                    },
                    _ => delay,
                });
                let is_whole = ended_ns.is_some_and(|ended_ns| ended_ns <= self.until_ns);
                self.away(&run, &rest, (delays.collect(), is_whole), tell);
                self.tell_unknown(self.until_ns, tell);
            }
        }
    }

    /// From when to when it was observed, once that is finished.
    #[must_use]
    pub fn observed_ns(&self) -> (u64, u64) {
        (self.begin_ns, self.told_ns)
    }

    /// How long it spent on something.
    #[must_use]
    pub fn spent_ns(&self, on: Spent) -> u64 {
        self.sums.get(&on).copied().unwrap_or(0)
    }

    /// Where it left schedulers, in no order; without a place where that is not known.
    pub fn departures(&self) -> impl Iterator<Item = (Option<FrameId>, &Departures)> {
        self.departures.iter().map(|(&at, of)| (at, of))
    }

    /// Whose messages ended its waits, by sender and kind, in no order.
    pub fn waits(&self) -> impl Iterator<Item = ((Option<ProcId>, MessageKind), &WaitsFor)> {
        self.waits.iter().map(|(&by, of)| (by, of))
    }

    fn life(&mut self, life: &Life) {
        let at_ns = since_start(life.ts_ns);
        match life.event {
            LifeEvent::Spawn if self.last.is_none() && self.sums.is_empty() => {
                self.is_born = true;
                self.begin_ns = self.begin_ns.max(at_ns).min(self.until_ns);
                self.told_ns = self.begin_ns;
            }
            LifeEvent::Exit => self.ended_ns = self.ended_ns.or(Some(at_ns)),
            _ => {}
        }
    }

    fn collection(&mut self, collection: &Collection) {
        let start_ns = since_start(collection.start_ns);
        // One that begins outside of a run contradicts it, or its run is missing.
        if let Some((_, rest)) = &self.last
            && start_ns < rest.since_ns()
        {
            let end_ns = since_start(collection.end_ns).max(start_ns);
            self.collections.push((start_ns, end_ns));
        }
    }

    /// All that is told of its run until then is known, since rows come in the order in which
    /// they begin.
    fn off_cpu(&mut self, off_cpu: &OffCpu, tell: &mut dyn FnMut(Stretch)) {
        let Some((run, _)) = self.last else { return };
        let start_ns = since_start(off_cpu.start_ns);
        let end_ns = since_start(run.end_ns);
        // One that begins outside of a run contradicts it, or its run is missing.
        if run.scheduler != off_cpu.scheduler || start_ns >= end_ns {
            return;
        }
        self.tell_run(&run, start_ns, tell);
        let ready_ns = since_start(off_cpu.ready_from_ns());
        self.tell(ready_ns.min(end_ns), Spent::Blocked, tell);
        let until_ns = since_start(off_cpu.end_ns);
        self.tell(until_ns.min(end_ns), Spent::Preempted, tell);
    }

    fn run(&mut self, run: &Run, tell: &mut dyn FnMut(Stretch)) {
        let start_ns = since_start(run.start_ns);
        match self.last.take() {
            None => {
                let is_seen = !matches!(run.cut, Some(Cut::Start | Cut::Both));
                self.before_first(start_ns, is_seen, tell);
            }
            Some((last, rest)) => {
                self.tell_run(&last, u64::MAX, tell);
                let delays = rest.until_run(run, self.gaps);
                self.away(&last, &rest, (delays, true), tell);
            }
        }
        // Whatever rows say, time is told once.
        self.tell_unknown(start_ns, tell);
        if (self.begin_ns..self.until_ns).contains(&start_ns) {
            self.runs += 1;
            self.reductions += u64::from(run.reductions.unwrap_or(0));
        }
        self.last = Some((*run, Rest::after(run)));
    }

    fn before_first(&mut self, to_ns: u64, is_seen: bool, tell: &mut dyn FnMut(Stretch)) {
        let spent = match self.is_born {
            true if is_seen => Spent::RunQueue,
            true => Spent::Unknown,
            false => Spent::Before,
        };
        self.tell_until_gap(to_ns, spent, tell);
    }

    /// A run, with the collections in it, up to a time.
    fn tell_run(&mut self, run: &Run, until_ns: u64, tell: &mut dyn FnMut(Stretch)) {
        let start_ns = since_start(run.start_ns);
        let end_ns = since_start(run.end_ns).max(start_ns).min(until_ns);
        let spent = match run.scheduler.kind {
            SchedulerKind::Normal => Spent::Running,
            _ => Spent::Dirty,
        };
        for (from_ns, to_ns) in std::mem::take(&mut self.collections) {
            self.tell(from_ns.min(end_ns), spent, tell);
            self.tell(to_ns.min(end_ns), Spent::Collecting, tell);
            if to_ns > end_ns {
                self.collections.push((from_ns, to_ns));
            }
        }
        self.tell(end_ns, spent, tell);
    }

    /// The time after a run, and whether what follows it is the next one, or the process's end.
    fn away(
        &mut self,
        run: &Run,
        rest: &Rest,
        (delays, is_ended): (Vec<Delay>, bool),
        tell: &mut dyn FnMut(Stretch),
    ) {
        let left_ns = rest.since_ns();
        let is_seen = !matches!(run.cut, Some(Cut::End | Cut::Both));
        let counts = is_seen && (self.begin_ns..self.until_ns).contains(&left_ns);
        let mut is_whole = is_ended;
        let before: Vec<u64> = Spent::ALL.iter().map(|&on| self.spent_ns(on)).collect();
        for delay in delays {
            let from_ns = self.told_ns;
            match delay.kind {
                DelayKind::Waiting => {
                    self.tell(delay.end_ns, Spent::Waiting, tell);
                    self.waited(rest, delay.end_ns, self.told_ns.saturating_sub(from_ns));
                }
                DelayKind::RunQueue => self.tell(delay.end_ns, Spent::RunQueue, tell),
                DelayKind::Woken => self.tell(delay.end_ns, Spent::Woken, tell),
                DelayKind::Suspended => self.tell(delay.end_ns, Spent::Suspended, tell),
                DelayKind::Dirty => self.tell(delay.end_ns, Spent::DirtyQueue, tell),
                DelayKind::Unknown if run.left_as == Some(LeftAs::Exiting) => {
                    self.tell_until_gap(delay.end_ns, Spent::Exiting, tell);
                }
                DelayKind::Unknown => {
                    is_whole = false;
                    self.tell_unknown(delay.end_ns, tell);
                }
            }
        }
        if !counts {
            return;
        }
        let departures = self.departures.entry(run.at).or_default();
        departures.count += 1;
        if let Some(left_as) = run.left_as {
            *departures.left_as.entry(left_as).or_default() += 1;
        }
        let mut away_ns = 0;
        for (&on, before) in Spent::ALL.iter().zip(before) {
            let now = self.sums.get(&on).copied().unwrap_or(0);
            if now > before {
                // What was not watched is no answer to how long it was away.
                if on != Spent::Gap {
                    away_ns += now - before;
                }
                *departures.away.entry(on).or_default() += now - before;
            }
        }
        departures.away_ns += away_ns;
        match is_whole {
            true => departures.away_max_ns = departures.away_max_ns.max(away_ns),
            false => departures.away_at_least.add(away_ns),
        }
    }

    /// A wait ended, if a message did that.
    fn waited(&mut self, rest: &Rest, end_ns: u64, waited_ns: u64) {
        let Some(woken) = rest.woken().filter(|woken| woken.at_ns == end_ns) else {
            return;
        };
        if waited_ns == 0 {
            return;
        }
        let waits = self.waits.entry((woken.from, woken.kind)).or_default();
        waits.count += 1;
        waits.waited_ns += waited_ns;
        waits.waited_max_ns = waits.waited_max_ns.max(waited_ns);
    }

    /// What is so until events are missing.
    fn tell_until_gap(&mut self, to_ns: u64, spent: Spent, tell: &mut dyn FnMut(Stretch)) {
        let gap = self.gaps.within(self.told_ns, to_ns).next();
        self.tell(gap.map_or(to_ns, |gap| gap.0), spent, tell);
        self.tell_unknown(to_ns, tell);
    }

    fn tell_unknown(&mut self, to_ns: u64, tell: &mut dyn FnMut(Stretch)) {
        if to_ns <= self.told_ns {
            return;
        }
        let gaps = self.gaps;
        for (from_ns, until_ns) in gaps.within(self.told_ns, to_ns) {
            self.tell(from_ns, Spent::Unknown, tell);
            self.tell(until_ns, Spent::Gap, tell);
        }
        self.tell(to_ns, Spent::Unknown, tell);
    }

    /// The only place where time is told: from where it was told to, once.
    fn tell(&mut self, to_ns: u64, spent: Spent, tell: &mut dyn FnMut(Stretch)) {
        let (start_ns, end_ns) = (self.told_ns, to_ns.min(self.until_ns));
        if start_ns >= end_ns {
            return;
        }
        self.told_ns = end_ns;
        *self.sums.entry(spent).or_default() += end_ns - start_ns;
        tell(Stretch {
            start_ns,
            end_ns,
            spent,
        });
    }
}

#[cfg(test)]
mod tests;
