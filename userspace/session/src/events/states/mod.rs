//! What processes have when they come to rest: kept from the ring until their events have their turn,
//! then read, masked, and told if it has changed.
//!
//! What was copied is exact for the moment at which the process stopped. What had to be read of the
//! VM's memory, which goes on, is only if nothing there can have changed since: because the process has
//! not run, or, of what all processes share, because nothing of that was freed ([`crate::literals`]).

mod at_rest;
mod chosen;
mod rests;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use escope_beam::Vm;
use escope_beam::memory::Memory;
use escope_beam::state::{
    CopyReader, ProcessCopy, ProcessState, Reading, RestsSince, StateCode, StateOptions, TakenCopy,
};
use escope_beam::term::{Node, TermReader};
use escope_capture::{CopiedState, StateCopied, decode_state};
use escope_model::{ProcId, StateRow, StateSeen, StateSource, VmEvent, VmEventKind};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::cost::monotonic_ns;
use crate::literals::Literals;
use crate::options::StateLimits;
use crate::pipeline::Pipeline;
use at_rest::AtRest;
pub(super) use chosen::Chosen;
use rests::{Rests, Since};
pub(crate) use told::{Fingerprints, Told};

/// Names of records that are remembered.
const NAMELESS_MAX: usize = 16;

/// How often what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateCounts {
    /// Times at which a process came to rest.
    pub rests: u64,
    /// Of those, with a state that was told.
    pub told: u64,
    /// Of those, the same as before.
    pub unchanged: u64,
    /// Besides, of processes whose rest was not seen: read at a checkpoint.
    pub at_checkpoints: u64,
    /// Of those told, read in the VM's memory.
    pub live: u64,
    /// Of those told, not whole.
    pub cut: u64,
    /// Values that were masked.
    pub masked: u64,
    /// Of processes that have asked not to be looked at.
    pub withheld: u64,
    /// Not told: the process ran before all of it could be read.
    pub ran: u64,
    /// Not told: it could not be read.
    pub unreadable: u64,
    /// Not told: there was no room for it.
    pub dropped: u64,
}

/// What came of one rest.
#[derive(Debug)]
enum Read {
    State(Box<ProcessState>, StateSource),
    Not(StateSeen),
    /// The first, if the process did not run before a time; else the second.
    If(Box<(Read, Read)>, u64),
}

/// A rest, by when it began and the address of the process.
type Key = (u64, u64);

/// One of the processes whose states are told.
#[derive(Debug, Default)]
struct Process {
    proc: Option<ProcId>,
    rests: Rests,
    last: Told,
    /// A rest that is told when it is known until when it lasted.
    held: Option<(StateRow, Read)>,
}

/// What was copied of processes whose events are not told yet, and what is told of each.
pub(super) struct States {
    pub(super) chosen: Chosen,
    reader: CopyReader,
    options: StateOptions,
    literals: Literals,
    waiting: BTreeMap<Key, Box<[u8]>>,
    /// Of those, which have more than is copied.
    large: Vec<Key>,
    /// What was read of these meanwhile.
    live: BTreeMap<Key, Read>,
    bytes: usize,
    bytes_max: usize,
    /// By pid, as a term.
    processes: FxHashMap<u64, Process>,
    /// What is held back: until when each must not have run, and its pid.
    held: Vec<(u64, u64)>,
    /// What was read of those whose rest was not seen.
    at_rest: AtRest,
    /// Until when all events were seen.
    seen_ns: u64,
    node: Option<Node>,
    fingerprints: Fingerprints,
    counts: StateCounts,
    /// Names of records whose fields have no names here.
    nameless: BTreeSet<String>,
    origin_ns: u64,
}

impl States {
    pub(super) fn new(
        vm: &Vm,
        chosen: Chosen,
        limits: &StateLimits,
        bytes_max: usize,
        origin_ns: u64,
    ) -> States {
        let mut literals = Literals::find(vm);
        literals.look(vm, monotonic_ns());
        States {
            chosen,
            reader: CopyReader::new(limits.state.clone()),
            options: limits.state.clone(),
            literals,
            waiting: BTreeMap::new(),
            large: Vec::new(),
            live: BTreeMap::new(),
            bytes: 0,
            bytes_max,
            processes: FxHashMap::default(),
            held: Vec::new(),
            at_rest: AtRest::default(),
            seen_ns: 0,
            node: None,
            fingerprints: Fingerprints::default(),
            counts: StateCounts::default(),
            nameless: BTreeSet::new(),
            origin_ns,
        }
    }

    /// Keeps what was copied in a record, if anything was.
    pub(super) fn keep(&mut self, record: &[u8]) {
        let Some(state) = decode_state(record) else {
            return;
        };
        let key = (state.monotonic_ns, state.address);
        if matches!(state.copied, StateCopied::TooLarge) {
            self.large.push(key);
        }
        // Of what was reserved the end is empty.
        let used = state.used_bytes().min(record.len());
        let used = record.get(..used).unwrap_or(record);
        // That it came to rest is told nevertheless.
        let used: Box<[u8]> = match self.bytes + used.len() > self.bytes_max {
            true => Box::default(),
            false => used.into(),
        };
        self.bytes += used.len();
        if let Some(before) = self.waiting.insert(key, used) {
            self.bytes -= before.len();
        }
    }

    pub(super) fn counts(&self) -> StateCounts {
        self.counts
    }

    /// Names of records that were told and whose fields have no names here.
    pub(super) fn nameless(&self) -> Vec<String> {
        self.nameless.iter().cloned().collect()
    }

    /// Reads those that have more than is copied, as long as they rest, and looks at what others depend
    /// on.
    pub(super) fn look<M: Memory>(&mut self, pipeline: &mut Pipeline<M>) {
        let vm = pipeline.symbolizer.vm();
        self.literals.look(vm, monotonic_ns());
        let mut taken = Vec::new();
        let mut room = self.bytes_max;
        // All of them first: each may run again at any time.
        for key in std::mem::take(&mut self.large) {
            let record = self.waiting.get(&key);
            let Some(state) = record.and_then(|record| decode_state(record)) else {
                continue;
            };
            let copy = copy_of(&state, &[]);
            let read = match CopyReader::rests_since(vm, &copy) {
                RestsSince::No => None,
                rests => TakenCopy::take(vm, state.process, room)
                    .map(|taken| (taken, rests.min(CopyReader::rests_since(vm, &copy)))),
            };
            match read {
                Some((copy, rests)) if rests != RestsSince::No => {
                    let bytes = copy.pieces.iter().map(|(_, bytes)| bytes.len());
                    room = room.saturating_sub(bytes.sum());
                    taken.push((key, copy, rests, monotonic_ns()));
                }
                _ => drop(self.live.insert(key, Read::Not(StateSeen::Ran))),
            }
        }
        for (key, copy, rests, read_ns) in taken {
            let Some(record) = self.waiting.get(&key) else {
                continue;
            };
            let Some(state) = decode_state(record) else {
                continue;
            };
            let pieces = copy.pieces();
            let of = copy_of(&state, &pieces);
            let name = name_of(pipeline, &state);
            let (reader, literals) = (&self.reader, &mut self.literals);
            let read = pipeline.symbolizer.with_code(|vm, code| {
                code.set_time(state.monotonic_ns);
                let how = (&of, copy.is_all);
                read_copy((reader, literals), vm, code, how, name.as_deref())
            });
            let read = read.later();
            let read = match rests {
                RestsSince::Yes => read,
                _ => read.unless_run_before(read_ns, Read::Not(StateSeen::Ran)),
            };
            self.live.insert(key, read);
        }
    }

    /// An event that has its turn. Where others are missing what it shows is not told.
    pub(super) fn on<M: Memory>(
        &mut self,
        event: &VmEvent,
        is_missing: bool,
        pipeline: &mut Pipeline<M>,
    ) {
        self.seen_ns = event.monotonic_ns;
        match event.what {
            VmEventKind::Born { .. } => self.chosen.born(event.process),
            VmEventKind::In { .. } if !is_missing => {
                self.let_go(event.pid, event.monotonic_ns, pipeline);
                if let Some(process) = self.processes.get_mut(&event.pid) {
                    process.rests.runs(event.monotonic_ns);
                }
            }
            VmEventKind::Out { .. } => {
                let key = (event.monotonic_ns, event.process);
                let Some(record) = self.waiting.remove(&key) else {
                    return;
                };
                self.bytes -= record.len();
                let live = self.live.remove(&key);
                if !is_missing {
                    self.rest(event, &record, live, pipeline);
                }
            }
            VmEventKind::Exit { .. } => {
                self.let_go(event.pid, event.monotonic_ns, pipeline);
                if let Some(mut process) = self.processes.remove(&event.pid) {
                    let since = process.rests.ends();
                    self.mark(
                        process.proc,
                        event.monotonic_ns,
                        StateSeen::Ended,
                        since,
                        pipeline,
                    );
                }
            }
            _ => {}
        }
    }

    /// At the begin of a window: forgets who has ended unseen.
    pub(super) fn keep_only(&mut self, there: &[(u64, u64)]) {
        let there: FxHashSet<u64> = there.iter().map(|(pid, _)| *pid).collect();
        self.processes.retain(|pid, _| there.contains(pid));
    }

    /// From a time on events are missing.
    pub(super) fn gap<M: Memory>(&mut self, at_ns: u64, pipeline: &mut Pipeline<M>) {
        let mut held: Vec<(Option<ProcId>, u64)> = (self.processes.iter())
            .filter(|(_, process)| process.held.is_some())
            .map(|(pid, process)| (process.proc, *pid))
            .collect();
        held.sort_unstable();
        for (_, pid) in held {
            self.let_go(pid, at_ns, pipeline);
        }
        let mut cut = Vec::new();
        for process in self.processes.values_mut() {
            if let Some(since) = process.rests.gap() {
                cut.push((process.proc, since));
            }
        }
        cut.sort_by_key(|(proc, _)| *proc);
        for (proc, since) in cut {
            self.mark(proc, at_ns, StateSeen::Unseen, since, pipeline);
        }
    }

    fn mark<M: Memory>(
        &self,
        proc: Option<ProcId>,
        at_ns: u64,
        seen: StateSeen,
        since: Since,
        pipeline: &mut Pipeline<M>,
    ) {
        if let Some(proc) = proc {
            pipeline.state(StateRow {
                runs: since.runs,
                began_ns: since.began_ns.map(|ns| self.since_origin(ns)),
                ..StateRow::mark(self.since_origin(at_ns), proc, seen)
            });
        }
    }

    /// A process has come to rest.
    fn rest<M: Memory>(
        &mut self,
        event: &VmEvent,
        record: &[u8],
        live: Option<Read>,
        pipeline: &mut Pipeline<M>,
    ) {
        let Some(proc) = pipeline.symbolizer.process(event.pid, event.process) else {
            return;
        };
        let read = match (live, decode_state(record)) {
            (Some(read), _) => read,
            (None, Some(state)) => self.read(&state, pipeline),
            (None, None) => Read::Not(StateSeen::NoRoom),
        };
        if self.node.is_none() {
            self.node = TermReader::new(pipeline.symbolizer.vm()).this_node();
        }
        let process = self.processes.entry(event.pid).or_default();
        process.proc = Some(proc);
        let since = process.rests.rests();
        let VmEventKind::Out {
            reductions, before, ..
        } = event.what
        else {
            return;
        };
        let row = StateRow {
            reductions: before.saturating_add(u64::from(reductions)),
            runs: since.runs,
            began_ns: since
                .began_ns
                .map(|ns| ns.saturating_sub(self.origin_ns) as i64),
            ..StateRow::mark(
                event.monotonic_ns.saturating_sub(self.origin_ns) as i64,
                proc,
                StateSeen::Unreadable,
            )
        };
        let before = process.held.is_some();
        if before {
            self.let_go(event.pid, event.monotonic_ns, pipeline);
        }
        let Some(process) = self.processes.get_mut(&event.pid) else {
            return;
        };
        let rested_ns = read.needs();
        process.held = Some((row, read));
        match rested_ns {
            Some(rested_ns) => self.held.push((rested_ns, event.pid)),
            None => self.let_go(event.pid, event.monotonic_ns, pipeline),
        }
    }

    /// Tells what was held back, of processes that are known to have rested long enough.
    pub(super) fn tell<M: Memory>(&mut self, pipeline: &mut Pipeline<M>) {
        let seen_ns = self.seen_ns;
        let (known, held) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(rested_ns, _)| *rested_ns <= seen_ns);
        self.held = held;
        for (rested_ns, pid) in known {
            // A later rest of the same process may be held by now.
            let held = self.processes.get(&pid).and_then(|it| it.held.as_ref());
            if held.and_then(|(_, read)| read.needs()) == Some(rested_ns) {
                self.let_go(pid, seen_ns, pipeline);
            }
        }
    }

    /// Tells a rest that has lasted until a time at least.
    fn let_go<M: Memory>(&mut self, pid: u64, until_ns: u64, pipeline: &mut Pipeline<M>) {
        let Some(process) = self.processes.get_mut(&pid) else {
            return;
        };
        let Some((row, read)) = process.held.take() else {
            return;
        };
        let rows = match read.known(until_ns) {
            Ok((state, source)) => {
                found_nameless(&mut self.nameless, &state.nameless);
                let how = (self.node.as_ref(), &self.fingerprints);
                process.last.rows(&row, &state, source, how)
            }
            Err(seen) => vec![StateRow { seen, ..row }],
        };
        self.count(&rows);
        for row in rows {
            pipeline.state(row);
        }
    }

    /// What a process has, by what was copied of it.
    fn read<M: Memory>(&mut self, state: &CopiedState<'_>, pipeline: &mut Pipeline<M>) -> Read {
        let (pieces, is_all) = match &state.copied {
            StateCopied::Pieces(pieces, is_all) => (pieces, *is_all),
            StateCopied::Sensitive => return Read::Not(StateSeen::Sensitive),
            StateCopied::NoRoom => return Read::Not(StateSeen::NoRoom),
            // It was read as one that has more than is copied, or will never be.
            StateCopied::TooLarge => return Read::Not(StateSeen::Ran),
            StateCopied::Unreadable => return Read::Not(StateSeen::Unreadable),
        };
        let copy = copy_of(state, pieces);
        let name = name_of(pipeline, state);
        let (reader, literals) = (&self.reader, &mut self.literals);
        pipeline.symbolizer.with_code(|vm, code| {
            code.set_time(state.monotonic_ns);
            read_copy(
                (reader, literals),
                vm,
                code,
                (&copy, is_all),
                name.as_deref(),
            )
        })
    }

    fn count(&mut self, rows: &[StateRow]) {
        let counts = &mut self.counts;
        counts.rests += 1;
        let Some(first) = rows.first() else { return };
        counts.masked += u64::from(first.masked);
        match first.seen {
            StateSeen::Exact | StateSeen::Cut => {
                counts.told += 1;
                let is_cut = rows.iter().any(|row| row.seen == StateSeen::Cut);
                counts.cut += u64::from(is_cut);
                counts.unchanged += u64::from(first.term.is_none());
                counts.live += u64::from(first.source == Some(StateSource::Live));
            }
            StateSeen::Sensitive => counts.withheld += 1,
            StateSeen::Ran => counts.ran += 1,
            StateSeen::NoRoom => counts.dropped += 1,
            StateSeen::Unreadable | StateSeen::Unseen | StateSeen::Ended => {
                counts.unreadable += 1;
            }
        }
    }

    fn since_origin(&self, ns: u64) -> i64 {
        ns.saturating_sub(self.origin_ns) as i64
    }
}

impl Read {
    /// The same, if the process has not run before a time; else another.
    fn unless_run_before(self, rested_ns: u64, otherwise: Read) -> Read {
        Read::If(Box::new((self, otherwise)), rested_ns)
    }

    /// Until when the process must not have run for this to be as it is meant.
    fn needs(&self) -> Option<u64> {
        match self {
            Read::If(either, rested_ns) => either.0.needs().max(Some(*rested_ns)),
            Read::State(..) | Read::Not(_) => None,
        }
    }

    /// The same of a copy that the kernel half has not made.
    fn later(self) -> Read {
        match self {
            Read::State(state, _) => Read::State(state, StateSource::Live),
            Read::If(either, rested_ns) => {
                let (read, otherwise) = *either;
                Read::If(Box::new((read.later(), otherwise.later())), rested_ns)
            }
            Read::Not(seen) => Read::Not(seen),
        }
    }

    /// What is known if the process did not run before a time.
    fn known(self, until_ns: u64) -> Result<(Box<ProcessState>, StateSource), StateSeen> {
        match self {
            Read::State(state, source) => Ok((state, source)),
            Read::Not(seen) => Err(seen),
            Read::If(either, rested_ns) => match rested_ns <= until_ns {
                true => either.0.known(until_ns),
                false => either.1.known(until_ns),
            },
        }
    }
}

/// Reads a copy, and proves that what it depends on was as it is.
fn read_copy<M: Memory>(
    (reader, literals): (&CopyReader, &mut Literals),
    vm: &Vm<M>,
    code: &mut StateCode,
    (copy, is_all): (&ProcessCopy<'_>, bool),
    name: Option<&str>,
) -> Read {
    let told = |reading| match reading {
        Reading::Exact(state) => Read::State(state, StateSource::Copy),
        Reading::Sensitive => Read::Not(StateSeen::Sensitive),
        Reading::Ran(_) | Reading::Gone | Reading::Unreadable(_) => {
            Read::Not(StateSeen::Unreadable)
        }
    };
    // Binaries outside of the heap are its own until it runs.
    let rests = CopyReader::rests_since(vm, copy);
    let (reading, touched) = reader.read(vm, code, copy, name, rests != RestsSince::No);
    if !touched.off_heap && !touched.shared {
        return told(reading);
    }
    let rests = rests.min(CopyReader::rests_since(vm, copy));
    if rests == RestsSince::Yes {
        return told(reading);
    }
    // Without what is its own, and may be another's by now.
    let mut rest = || match (touched.shared && !is_all, touched.off_heap) {
        (true, _) => Read::Not(StateSeen::Ran),
        (false, off_heap) => {
            let holds = !touched.shared || holds(literals, vm, code);
            match (holds, off_heap) {
                (false, _) => Read::Not(StateSeen::Ran),
                (true, true) => told(reader.read(vm, code, copy, name, false).0),
                (true, false) => told(reading.clone()),
            }
        }
    };
    let otherwise = rest();
    match rests {
        RestsSince::No => otherwise,
        _ => told(reading).unless_run_before(monotonic_ns(), otherwise),
    }
}

/// Whether what processes share is as it was when the copy was made.
fn holds<M: Memory>(literals: &mut Literals, vm: &Vm<M>, code: &StateCode) -> bool {
    literals.hold_since(vm, code.time(), monotonic_ns())
}

fn copy_of<'a>(state: &CopiedState<'a>, pieces: &'a [(u64, &'a [u8])]) -> ProcessCopy<'a> {
    ProcessCopy {
        address: state.address,
        pid: state.pid,
        process: state.process,
        pieces,
        reductions: state.reductions,
    }
}

/// What a process is registered as.
fn name_of<M: Memory>(pipeline: &mut Pipeline<M>, state: &CopiedState<'_>) -> Option<String> {
    let symbolizer = &mut pipeline.symbolizer;
    let proc = symbolizer.process(state.pid, state.address)?;
    symbolizer.name(proc).map(str::to_owned)
}

/// Remembers names of records whose fields have none here.
fn found_nameless(known: &mut BTreeSet<String>, new: &[String]) {
    if known.len() < NAMELESS_MAX {
        known.extend(new.iter().cloned());
    }
}
