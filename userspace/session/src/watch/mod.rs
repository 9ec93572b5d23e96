//! Exact calls of a few Erlang functions, by hardware breakpoints at their entries.
//!
//! [`Watch::start`] finds the entries, loads the program and measures what a hit costs; nothing
//! of the target is touched before [`Watch::arm`]. [`Watch::run`] tells what is seen until the
//! time is up, the limit is reached or the target ends; [`Watch::finish`] removes everything and
//! adds up.
//!
//! Invariant: of the calls that the kernel has counted, each was told, or is counted as what it
//! is: not wanted, lost, unseen, or beyond the limit.

mod caller;
mod code;
mod options;
mod seen;
mod snapshots;
mod targets;
mod who;

use std::mem;
use std::time::{Duration, Instant};

use escope_beam::term::shallow;
use escope_beam::{Vm, read_threads};
use escope_capture::{Batch, Call, HitPrice, WatchCapture, decode_call};

pub use caller::{Called, Caller};
pub use options::{Condition, Immediate, WatchOptions};
pub use seen::{FunctionCount, Mark, Seen, WatchEnd, WatchSummary, WatchedCall};

pub use snapshots::{CallSnapshot, SnapshotState, SnapshotsWanted};

use crate::cost::monotonic_ns;
use crate::outcome::Stop;
use crate::setup::leave_no_core;
use crate::target_end::TargetEnd;
use crate::{Cost, SessionError};
use caller::Callers;
use code::Code;
use snapshots::Snapshots;
use targets::Targets;
use who::Processes;

/// How often the ring is looked at.
const EVERY: Duration = Duration::from_millis(10);
/// How late a call may come out of the ring: then those of several CPUs are put in order.
const LATE_NS: u64 = 50_000_000;
/// How often new threads are looked for.
const THREADS_EVERY: Duration = Duration::from_secs(1);
/// How many records are taken out of the ring at once.
const FETCH_MAX: usize = 1 << 14;
/// A call with many arguments: the ring has room for as many as the limit allows, up to a size.
const CALL_BYTES: u64 = 640;
const RING_BYTES_MAX: u64 = 64 << 20;
/// The same of one whose process is copied.
const COPY_BYTES: u64 = 96 << 10;

/// Functions that are watched.
pub struct Watch {
    vm: Vm,
    options: WatchOptions,
    capture: WatchCapture,
    code: Code,
    targets: Targets,
    callers: Callers,
    processes: Processes,
    snapshots: Option<Snapshots>,
    copying: Duration,
    batch: Batch,
    /// Calls that are held back, and what was told of each function.
    waiting: Vec<Call>,
    told: [(u64, u64); escope_wire::WATCH_FUNCTIONS],
    threads_next: Instant,
    target: TargetEnd,
    origin_ns: u64,
    /// Since the last breakpoint was removed.
    ended_ns: Option<u64>,
    cost_before: Cost,
}

impl Watch {
    /// Finds the functions, loads the program and measures what a hit costs.
    ///
    /// # Errors
    /// When a function cannot be watched, or the kernel refuses; nothing is left behind.
    pub fn start(mut vm: Vm, options: WatchOptions) -> Result<Watch, SessionError> {
        let cost_before = Cost::now();
        let target = TargetEnd::of(vm.pid);
        let mut code = Code::follow(&mut vm)?;
        let snapshots = options.snapshots.as_ref().map(|wanted| {
            leave_no_core();
            // A copy is read with the names that are known by then.
            code.read_all(&vm);
            Snapshots::new(&vm, wanted.state.clone())
        });
        let targets = Targets::find(&vm, &options.functions)?;
        let config = options::config(&vm, &options)?;
        let copies = config.copies_max.saturating_mul(COPY_BYTES);
        let ring_bytes = options.hits_max.saturating_mul(CALL_BYTES);
        let ring_bytes = ring_bytes.saturating_add(copies);
        let capture = WatchCapture::load(&config, ring_bytes.min(RING_BYTES_MAX) as u32)?;
        Ok(Watch {
            vm,
            options,
            capture,
            code,
            targets,
            callers: Callers::default(),
            processes: Processes::default(),
            snapshots,
            copying: Duration::ZERO,
            batch: Batch::default(),
            waiting: Vec::new(),
            told: Default::default(),
            threads_next: Instant::now(),
            target,
            origin_ns: monotonic_ns(),
            ended_ns: None,
            cost_before,
        })
    }

    /// The VM.
    #[must_use]
    pub fn vm(&self) -> &Vm {
        &self.vm
    }

    /// What a hit costs who makes it.
    #[must_use]
    pub fn price(&self) -> HitPrice {
        self.capture.price()
    }

    /// Why loads of code are not seen at once, if they are not.
    #[must_use]
    pub fn polls(&self) -> Option<&str> {
        self.code.polls()
    }

    /// Places the breakpoints; returns in how many threads.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn arm(&mut self) -> Result<usize, SessionError> {
        self.origin_ns = monotonic_ns();
        let threads = self.threads();
        self.targets.arm(&mut self.capture, &threads)?;
        self.threads_next = Instant::now() + THREADS_EVERY;
        Ok(self.targets.threads())
    }

    /// Any of them may become a scheduler's for all we know.
    fn threads(&self) -> Vec<u32> {
        let threads = read_threads(self.vm.pid);
        threads.into_iter().map(|thread| thread.tid).collect()
    }

    /// Tells what is seen until it ends. `elapsed` and hits so far go to `progress`.
    ///
    /// # Errors
    /// When the kernel or who is told fails.
    pub fn run<E: From<SessionError>>(
        &mut self,
        stop: &Stop,
        mut tell: impl FnMut(Vec<Seen>) -> Result<(), E>,
        mut progress: impl FnMut(Duration, u64),
    ) -> Result<WatchEnd, E> {
        let started = Instant::now();
        loop {
            let exited = self.target.wait(EVERY);
            let mut seen = self.drain()?;
            // Looked at before it is told, which may take long.
            let end = match () {
                () if exited => Some(WatchEnd::TargetExited),
                () if self.capture.taken() >= self.options.hits_max => Some(WatchEnd::Limit),
                () if self.has_all() => Some(WatchEnd::Snapshots),
                () if stop.is_set() => Some(WatchEnd::Interrupted),
                () => {
                    let is_over = |duration| started.elapsed() >= duration;
                    let is_over = self.options.duration.is_some_and(is_over);
                    is_over.then_some(WatchEnd::Duration)
                }
            };
            if end.is_some() {
                seen.extend(self.last()?);
            }
            if !seen.is_empty() {
                tell(seen)?;
            }
            progress(started.elapsed(), self.capture.taken());
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// Whether processes were copied as often as was asked for.
    fn has_all(&self) -> bool {
        let wanted = self.options.snapshots.as_ref();
        wanted.is_some_and(|wanted| self.capture.copies_taken() >= u64::from(wanted.count))
    }

    /// Adds up. Everything is removed from the kernel.
    ///
    /// # Errors
    /// When the kernel does not tell what it has counted.
    pub fn finish(mut self) -> Result<WatchSummary, SessionError> {
        // Where telling has failed they are still there.
        self.disarm()?;
        let counters = self.capture.counters()?;
        let hits = self.capture.hits()?;
        let functions = self.options.functions.iter().enumerate();
        let functions = functions.map(|(at, function)| {
            let of = |counts: &[u64]| counts.get(at).copied().unwrap_or(0);
            let (seen, foreign) = self.told.get(at).copied().unwrap_or_default();
            let ran = of(&counters.hits) + of(&counters.beyond);
            FunctionCount {
                function: function.clone(),
                hits: of(&hits),
                seen,
                foreign,
                filtered: of(&counters.filtered),
                // What was recorded and never told counts as lost, too.
                lost: of(&counters.hits)
                    .saturating_sub(of(&counters.filtered))
                    .saturating_sub(seen + foreign),
                unseen: of(&hits).saturating_sub(ran),
                beyond: of(&counters.beyond),
            }
        });
        let ended_ns = self.ended_ns.unwrap_or_else(monotonic_ns);
        let now = Cost::now();
        Ok(WatchSummary {
            elapsed: Duration::from_nanos(ended_ns.saturating_sub(self.origin_ns)),
            functions: functions.collect(),
            price: self.capture.price(),
            copying: self.copying,
            threads: self.targets.threads(),
            cost: Cost {
                cpu_ns: now.cpu_ns.saturating_sub(self.cost_before.cpu_ns),
                ..now
            },
        })
    }

    fn disarm(&mut self) -> Result<(), SessionError> {
        self.ended_ns.get_or_insert_with(monotonic_ns);
        Ok(self.capture.disarm_all()?)
    }

    /// Takes what there is. What is younger than others may still be waits.
    fn drain(&mut self) -> Result<Vec<Seen>, SessionError> {
        let until_ns = monotonic_ns().saturating_sub(LATE_NS);
        self.fetch()?;
        if let Some(snapshots) = &mut self.snapshots {
            snapshots.look(&self.vm);
        }
        // After the calls: the code that they lie in was announced before.
        let mut seen = self.follow()?;
        if Instant::now() >= self.threads_next {
            let threads = self.threads();
            self.targets.arm(&mut self.capture, &threads)?;
            self.threads_next = Instant::now() + THREADS_EVERY;
        }
        self.tell(until_ns, &mut seen);
        Ok(seen)
    }

    /// Removes the breakpoints and takes all that is left.
    fn last(&mut self) -> Result<Vec<Seen>, SessionError> {
        self.disarm()?;
        self.fetch()?;
        let mut seen = self.follow()?;
        self.tell(u64::MAX, &mut seen);
        Ok(seen)
    }

    fn fetch(&mut self) -> Result<(), SessionError> {
        loop {
            let fetched = self.capture.fetch(FETCH_MAX, &mut self.batch)?;
            for record in self.batch.records() {
                let call = decode_call(record).map_err(escope_capture::CaptureError::from)?;
                self.waiting.push(call);
            }
            self.batch.clear();
            if fetched < FETCH_MAX {
                return Ok(());
            }
        }
    }

    /// Follows code that was loaded, with the breakpoints.
    fn follow(&mut self) -> Result<Vec<Seen>, SessionError> {
        let changes = self.code.take(&self.vm)?;
        if changes.is_empty() || self.ended_ns.is_some() {
            return Ok(Vec::new());
        }
        let threads = self.threads();
        let mut seen = Vec::new();
        for change in changes {
            let marks = self
                .targets
                .follow(&self.vm, &mut self.capture, &threads, &change)?;
            for (function, change) in marks {
                let mark = self.mark(function, change);
                seen.push(Seen::Mark(mark));
            }
        }
        Ok(seen)
    }

    fn mark(&self, function: usize, change: targets::Followed) -> Mark {
        match change {
            targets::Followed::Moved { loaded_ns } => Mark::Moved {
                function,
                loaded: self.since_origin(loaded_ns),
                watched: self.since_origin(monotonic_ns()),
            },
            targets::Followed::Gone { at_ns, why } => Mark::Gone {
                function,
                at: self.since_origin(at_ns),
                why,
            },
        }
    }

    fn since_origin(&self, at_ns: u64) -> Duration {
        Duration::from_nanos(at_ns.saturating_sub(self.origin_ns))
    }

    /// Names the calls that are older than a time.
    fn tell(&mut self, until_ns: u64, seen: &mut Vec<Seen>) {
        self.waiting.sort_by_key(|call| call.monotonic_ns);
        let ready = self
            .waiting
            .partition_point(|call| call.monotonic_ns <= until_ns);
        let later = self.waiting.split_off(ready);
        for call in mem::replace(&mut self.waiting, later) {
            let is_it = self.is_it(&call);
            if let Some((told, foreign)) = self.told.get_mut(call.function) {
                *told += u64::from(is_it);
                *foreign += u64::from(!is_it);
            }
            if is_it {
                let call = self.call(&call);
                seen.push(Seen::Call(Box::new(call)));
            }
        }
    }

    /// Whether what was hit was the function, and not what has taken its place since. Code
    /// without a name is what it was.
    fn is_it(&mut self, call: &Call) -> bool {
        let Some(wanted) = self.options.functions.get(call.function) else {
            return false;
        };
        let located = self.code.locate(&self.vm, call.ip, call.monotonic_ns);
        located.is_none_or(|located| {
            *located.module.name == *wanted.module
                && located.function().is_some_and(|function| {
                    *function.name == *wanted.function && function.arity == Some(wanted.arity)
                })
        })
    }

    fn call(&mut self, call: &Call) -> WatchedCall {
        let vm = &self.vm;
        let mfa = self.options.functions.get(call.function);
        let at_ns = call.monotonic_ns;
        let caller = match (mfa, call.return_address) {
            (Some(mfa), Some(address)) => self.callers.of(
                (vm, &mut self.code),
                (call.function, mfa, call.ip),
                (address, at_ns),
            ),
            _ => Caller::Unknown,
        };
        let process = self.options.processes.then(|| self.processes.of(vm, call));
        let atom = |term| vm.atom(term);
        let text = |argument: &escope_capture::CallArgument| {
            shallow(argument.term, argument.boxed, (&vm.layout, &vm.pids), atom)
        };
        let arguments = (self.options.arguments && !call.sensitive)
            .then(|| call.arguments.iter().map(text).collect::<Vec<_>>());
        let arity = mfa.map_or(0, |mfa| mfa.arity);
        let process = process.flatten();
        let name = process.as_ref().and_then(|process| process.name.as_deref());
        let snapshot = call.copy.as_ref().and_then(|copy| {
            let snapshots = self.snapshots.as_mut()?;
            snapshots.read((vm, self.code.map()), (call, name), copy)
        });
        if let Some(copy) = &call.copy {
            self.copying += Duration::from_nanos(copy.took_ns);
        }
        WatchedCall {
            at: self.since_origin(at_ns),
            function: call.function,
            snapshot,
            no_room: call.no_room,
            process,
            caller,
            arguments_missing: arguments
                .as_ref()
                .map_or(0, |shown| arity.saturating_sub(shown.len() as u32)),
            arguments,
        }
    }
}
