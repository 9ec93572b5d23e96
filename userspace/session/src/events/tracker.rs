//! From events, in their order, to rows: who each is about, and the machines that pair begins
//! with ends.

use std::sync::Arc;

use escope_beam::memory::Memory;
use escope_beam::{Signal, SignalAtoms, Vm};
use escope_model::{
    CollectionKind, ExitReason, Heaps, Life, LifeEvent, MessageKind, MessageShape, ModuleAction,
    ModuleEvent, Payload, ProcId, SchedulerId, VmEvent, VmEventKind,
};
use escope_symbolizer::Symbolizer;
use escope_timeline::{Collections, Entry, Messages, NativeCalls, OffCpus, Runs, Sent};
use rustc_hash::{FxHashMap, FxHashSet};

use super::code::Purges;
use super::dist::Dist;
use super::downs::Downs;
use super::ended::Ended;
use super::names::{self, LOOKED_AT};
use super::natives::Natives;
use super::ports::Ports;
use super::reason;
use super::rows::{Collected, Known, Rows};
use super::said::{Said, SaidCounts, Told};
use super::silence::Evidence;
use super::sites;
use super::windows::Gap;
use crate::pipeline::Pipeline;

/// What is known of processes, runs, messages and collections that are under way.
pub(super) struct Tracker {
    /// Whether the ends of runs are seen: else there are no runs to be told, as a process that
    /// was seen to begin may have stopped at any time.
    has_ends: bool,
    atoms: SignalAtoms,
    runs: Runs<ProcId>,
    off_cpu: OffCpus<ProcId>,
    messages: Messages<ProcId, Known>,
    collections: Collections<ProcId>,
    native_calls: NativeCalls<ProcId>,
    /// Processes by the addresses of their structs.
    at: FxHashMap<u64, ProcId>,
    /// How many of them were found to be others by then.
    replaced: u64,
    /// Who had a name and who had none when all were learned.
    named: FxHashMap<ProcId, bool>,
    /// What each had used after its last run.
    reductions: FxHashMap<ProcId, u64>,
    born: FxHashSet<ProcId>,
    /// Who has asked not to be looked at, as far as was seen.
    sensitive: FxHashSet<ProcId>,
    ended: Ended,
    /// Where processes were met that were not seen to be spawned.
    met: Vec<u64>,
    /// DOWN signals that are on their way.
    downs: Downs,
    /// Since all processes were learned, nothing was missed: who is new was spawned since.
    has_all: bool,
    /// Heaps before the collections that are open.
    heaps: FxHashMap<ProcId, u64>,
    purges: Purges,
    ports: Ports,
    dist: Dist,
    origin_ns: u64,
    rows: Rows,
    said: Said,
}

impl Tracker {
    pub(super) fn new<M: Memory>(
        vm: &Vm<M>,
        natives: Natives,
        has_ends: bool,
        open_messages: usize,
        origin_ns: u64,
    ) -> Tracker {
        Tracker {
            has_ends,
            atoms: SignalAtoms::find(vm),
            runs: Runs::new(sites::state_bits(), origin_ns),
            off_cpu: OffCpus::new(origin_ns),
            messages: Messages::new(open_messages),
            collections: Collections::new(origin_ns),
            native_calls: NativeCalls::new(natives.returns(), origin_ns),
            at: FxHashMap::default(),
            replaced: 0,
            named: FxHashMap::default(),
            reductions: FxHashMap::default(),
            born: FxHashSet::default(),
            sensitive: FxHashSet::default(),
            ended: Ended::default(),
            met: Vec::new(),
            downs: Downs::default(),
            has_all: false,
            heaps: FxHashMap::default(),
            purges: Purges::default(),
            ports: Ports::new(vm, origin_ns),
            dist: Dist::default(),
            origin_ns,
            rows: Rows {
                natives,
                ..Rows::default()
            },
            said: Said::default(),
        }
    }

    /// What messages say is told too.
    pub(super) fn listen(&mut self, said: Said) {
        self.said = said;
    }

    /// A record of the ring that may have what a message says.
    pub(super) fn hear(&mut self, record: &[u8]) {
        self.said.keep(record);
    }

    /// How much was told of what messages said.
    pub(super) fn said(&self) -> SaidCounts {
        self.said.counts()
    }

    /// Learns which processes there are, and what they are called.
    pub(super) fn learn<M: Memory>(&mut self, symbolizer: &mut Symbolizer<M>) {
        let learned = names::learn(symbolizer, &mut self.dist, &mut self.downs);
        self.has_all = learned.is_some();
        for process in learned.into_iter().flatten() {
            self.at.insert(process.address, process.proc);
            if process.is_sensitive {
                self.sensitive.insert(process.proc);
            }
            if let (Some(is_named), true) = (process.is_named, self.named.len() < LOOKED_AT) {
                self.named.insert(process.proc, is_named);
            }
        }
    }

    /// Looks who is still there of those that were met, and who has a name, for what that shows.
    pub(super) fn look<M: Memory>(&self, symbolizer: &Symbolizer<M>, evidence: &mut Evidence) {
        // Of a VM that has ended nobody is there.
        if let Some(gone) = names::gone(symbolizer, &self.at) {
            evidence.gone += gone;
            let born = |who| self.born.contains(&who);
            let (named, unnamed) = names::renamed(symbolizer, &self.at, &self.named, &born);
            evidence.named += named;
            evidence.unnamed += unnamed;
        }
    }

    /// What was seen that shows what else there must have been.
    pub(super) fn shows(&self, evidence: &mut Evidence) {
        evidence.gone += self.replaced;
        evidence.unpurged += self.purges.unpurged();
        let [inputs, outputs] = self.ports.unseen();
        evidence.unseen_inputs += inputs;
        evidence.unseen_outputs += outputs;
    }

    /// Between these times events are missing: nothing that is open can be told from what comes.
    pub(super) fn gap(&mut self, from_ns: u64, to_ns: u64, why: Gap) {
        self.runs.gap(from_ns, to_ns, &mut self.rows.runs);
        self.off_cpu.gap(from_ns, to_ns, &mut self.rows.off_cpu);
        match why {
            // What is in mailboxes then stays there as far as anybody knows.
            Gap::Ended => self.messages.finish(&mut self.rows.messages),
            Gap::Closed | Gap::Lossy => self.messages.gap(&mut self.rows.messages),
        }
        self.collections
            .gap(from_ns, to_ns, &mut self.rows.collections);
        self.native_calls
            .gap(from_ns, to_ns, &mut self.rows.native_calls);
        // Those of runs that are missing are nobody's.
        self.reductions.clear();
        self.heaps.clear();
        self.born.clear();
        self.purges.gap();
        self.ports.gap();
        // Others may have come to live there. Before the first window it was just learned.
        if from_ns > 0 {
            self.at.clear();
            self.downs.gap();
            self.has_all = false;
            self.dist.gap();
        }
    }

    /// Reads what those are called that were met since the last call.
    pub(super) fn meet<M: Memory>(&mut self, symbolizer: &mut Symbolizer<M>) {
        let (at, ended) = (&self.at, &self.ended);
        self.met
            .retain(|address| at.get(address).is_none_or(|who| !ended.knows(*who)));
        if !self.met.is_empty() {
            let met = names::meet(symbolizer, &mut self.dist, &mut self.met);
            self.sensitive.extend(met);
        }
    }

    /// How many messages were given up for want of room.
    pub(super) fn evicted(&self) -> u64 {
        self.messages.evicted()
    }

    /// How many calls and returns of BIFs and NIFs are of nobody that is known.
    pub(super) fn native_unplaced(&self) -> u64 {
        self.native_calls.unplaced()
    }

    /// Nothing will come any more.
    pub(super) fn finish<M: Memory>(&mut self, end_ns: u64, pipeline: &mut Pipeline<M>) {
        self.runs.finish(end_ns, &mut self.rows.runs);
        self.off_cpu.finish(end_ns, &mut self.rows.off_cpu);
        self.messages.finish(&mut self.rows.messages);
        self.collections.finish(end_ns, &mut self.rows.collections);
        self.native_calls
            .finish(end_ns, &mut self.rows.native_calls);
        self.write(end_ns, pipeline, &|| true);
    }

    /// An event. One that lies where others are missing is told of nothing that has a begin and
    /// an end; returns whether it was left out therefore.
    pub(super) fn on<M: Memory>(
        &mut self,
        event: &VmEvent,
        gap: Option<Gap>,
        pipeline: &mut Pipeline<M>,
        sound: &dyn Fn() -> bool,
    ) -> bool {
        let at_ns = event.monotonic_ns;
        let left_out = match gap {
            None => false,
            Some(Gap::Lossy) => {
                is_of_a_pair(&event.what) || self.native_calls.is_of_a_pair(&event.what)
            }
            Some(Gap::Closed | Gap::Ended) => true,
        };
        if !left_out {
            self.tell(event, pipeline);
        } else if let VmEventKind::Enqueue {
            receiver,
            receiver_pid,
            ..
        } = event.what
            && let Some(to) = pipeline.symbolizer.process(receiver_pid, receiver)
        {
            // It lies there when the next window opens.
            self.at.insert(receiver, to);
            self.downs.doubt(to);
        }
        // Of what was told nothing is there any more.
        if let VmEventKind::Enqueue { message, .. } = event.what {
            self.said.forget(at_ns, message);
        }
        self.write(at_ns, pipeline, sound);
        for pid in self.ended.forgettable(at_ns) {
            pipeline.symbolizer.forget(pid);
        }
        left_out
    }

    fn tell<M: Memory>(&mut self, event: &VmEvent, pipeline: &mut Pipeline<M>) {
        let at_ns = event.monotonic_ns;
        if let Some((kind, number)) = event.scheduler {
            let running = self.runs.running(SchedulerId { kind, number });
            self.off_cpu.on(event, running, &mut self.rows.off_cpu);
        }
        match event.what {
            VmEventKind::SwitchedOut { .. } | VmEventKind::SwitchedIn { .. } => {}
            VmEventKind::Born {
                parent,
                call,
                linked,
                monitored,
            } => self.born(event, (parent, call), (linked, monitored), pipeline),
            VmEventKind::In { .. } | VmEventKind::Out { .. } => {
                let who = self.who(event, &mut pipeline.symbolizer);
                let event = &self.with_signals(event, who);
                if self.has_ends {
                    self.runs.on(event, who, &mut self.rows.runs);
                }
                self.rows.collected = Collected::default();
                self.collections.on(event, who, &mut self.rows.collections);
            }
            VmEventKind::Enqueue {
                receiver,
                receiver_pid,
                from,
                message,
                shape,
                size_words,
            } => {
                let symbolizer = &mut pipeline.symbolizer;
                if let Some(to) = symbolizer.process(receiver_pid, receiver) {
                    self.seen_at(receiver, to);
                    let from = symbolizer.process(from, 0);
                    let what = (message, shape, size_words);
                    self.enqueue(at_ns, (from, to), what, pipeline);
                }
            }
            VmEventKind::Dequeue { message } => {
                if let Some(who) = self.owner(event.process, &pipeline.symbolizer) {
                    self.dequeue(at_ns, message, who);
                }
            }
            VmEventKind::Exit { reason } => self.exit(event, &reason, pipeline),
            VmEventKind::Register { name } => {
                self.name(event, LifeEvent::Register, name, pipeline);
            }
            VmEventKind::Unregister { name } => {
                self.name(event, LifeEvent::Unregister, name, pipeline);
            }
            VmEventKind::NativeCall { .. } | VmEventKind::NativeReturn { .. } => {
                let who = self.who(event, &mut pipeline.symbolizer);
                self.native_calls
                    .on(event, who, &mut self.rows.native_calls);
            }
            VmEventKind::CollectionStart(heaps) => self.collect(event, &heaps, pipeline),
            VmEventKind::CollectionEnd(heaps) => self.collected(event, &heaps, pipeline),
            VmEventKind::CodeLoad { module } => {
                self.purges.loaded(module);
                let module = pipeline.symbolizer.vm().atom(module);
                let told = module.map(|module| (ModuleAction::Load, module));
                self.module(event, told, pipeline);
            }
            VmEventKind::CodePurge { module, step } => {
                let told = self.purges.step(pipeline.symbolizer.vm(), module, step);
                self.module(event, told, pipeline);
            }
            VmEventKind::PortOpen { .. }
            | VmEventKind::PortClose { .. }
            | VmEventKind::PortOutput { .. }
            | VmEventKind::PortInput { .. } => {
                let by = self.who(event, &mut pipeline.symbolizer);
                self.ports.on(event, by, pipeline);
            }
            VmEventKind::DistSend { .. } => {
                // The VM itself may send for a process.
                let by = pipeline.symbolizer.process(event.pid, event.process);
                if let (true, Some(who)) = (event.process != 0, by) {
                    self.seen_at(event.process, who);
                }
                self.dist.on(event, by, self.origin_ns, pipeline);
            }
            VmEventKind::DistFragment { .. } | VmEventKind::DistReceive { .. } => {
                self.dist.on(event, None, self.origin_ns, pipeline);
            }
        }
    }

    fn module<M: Memory>(
        &mut self,
        event: &VmEvent,
        told: Option<(ModuleAction, Arc<str>)>,
        pipeline: &mut Pipeline<M>,
    ) {
        let Some((action, module)) = told else {
            return;
        };
        let proc = self.who(event, &mut pipeline.symbolizer);
        pipeline.module(&ModuleEvent {
            ts_ns: self.since_origin(event.monotonic_ns),
            proc,
            event: action,
            module: module.to_string(),
        });
    }

    /// The process that an event is about.
    fn who<M: Memory>(
        &mut self,
        event: &VmEvent,
        symbolizer: &mut Symbolizer<M>,
    ) -> Option<ProcId> {
        let who = symbolizer.process(event.pid, event.process)?;
        self.seen_at(event.process, who);
        Some(who)
    }

    /// The process whose struct is at an address. Of one that was not seen there since the last
    /// gap the pid is read now.
    fn owner<M: Memory>(&mut self, address: u64, symbolizer: &Symbolizer<M>) -> Option<ProcId> {
        if let Some(&who) = self.at.get(&address) {
            return Some(who);
        }
        let who = symbolizer.process_at(address)?;
        self.at.insert(address, who);
        Some(who)
    }

    /// A process is at an address; returns whether that is new.
    fn seen_at(&mut self, address: u64, who: ProcId) -> bool {
        let before = self.at.insert(address, who);
        let is_new = before != Some(who);
        // Whose place it was has ended.
        self.replaced += u64::from(is_new && before.is_some());
        if is_new {
            self.met.push(address);
            // All that it ever got was seen.
            if self.has_all {
                self.downs.has_none(who);
            }
        }
        is_new
    }

    /// Reductions of a run with those of signals that a scheduler has handled before it for the
    /// process: `erts_schedule` puts them on its account without running it.
    fn with_signals(&mut self, event: &VmEvent, who: Option<ProcId>) -> VmEvent {
        let mut event = *event;
        if let (
            VmEventKind::Out {
                reductions, before, ..
            },
            Some(who),
        ) = (&mut event.what, who)
        {
            let after = before.saturating_add(u64::from(*reductions));
            if let Some(last) = self.reductions.insert(who, after)
                && let Some(since) = after.checked_sub(last)
            {
                *reductions = u32::try_from(since).unwrap_or(*reductions);
            }
            if self.ended.knows(who) {
                self.reductions.remove(&who);
            }
        }
        event
    }

    fn born<M: Memory>(
        &mut self,
        event: &VmEvent,
        (parent, call): (u64, [u64; 3]),
        (linked, monitored): (bool, bool),
        pipeline: &mut Pipeline<M>,
    ) {
        let symbolizer = &mut pipeline.symbolizer;
        let Some(proc) = symbolizer.born(event.pid, event.process, parent, call) else {
            return;
        };
        // What it calls itself it says once it has run: it is asked in any case.
        if !self.seen_at(event.process, proc) {
            self.met.push(event.process);
        }
        // It may leave before it has done anything, and is then seen for the first time again.
        if self.ended.knows(proc) || !self.born.insert(proc) {
            return;
        }
        let by = symbolizer.process(parent, 0);
        self.life(event, proc, LifeEvent::Spawn, (by, None, None), pipeline);
        for (tied, what) in [(linked, LifeEvent::Link), (monitored, LifeEvent::Monitor)] {
            if let (true, Some(by)) = (tied, by) {
                self.life(event, by, what, (Some(proc), None, None), pipeline);
            }
        }
    }

    fn enqueue<M: Memory>(
        &mut self,
        at_ns: u64,
        (from, to): (Option<ProcId>, ProcId),
        (address, shape, size_words): (u64, MessageShape, Option<u32>),
        pipeline: &mut Pipeline<M>,
    ) {
        let signal = self.atoms.signal(&shape);
        let (entry, kind, tag) = match signal {
            Signal::Message(kind, tag) => (Entry::Message, kind, tag),
            Signal::MayBecomeMessage(kind) => (Entry::MayBecomeMessage, kind, 0),
            Signal::Life(_) | Signal::Other => (Entry::Signal, MessageKind::Message, 0),
        };
        let is_told = |who: &ProcId| !self.sensitive.contains(who) && !hides(pipeline, *who);
        let what = Known {
            kind,
            tag: match is_told(&to)
                && from.as_ref().is_none_or(is_told)
                && !hides_tag(pipeline, tag)
            {
                true => tag,
                false => 0,
            },
            // What carries a message to an alias has more in its fragment than that.
            size_words: size_words.filter(|_| entry == Entry::Message),
        };
        if let (Signal::Life(event), Some(from)) = (signal, from) {
            let life = Life {
                ts_ns: self.since_origin(at_ns),
                proc: from,
                event,
                other: Some(to),
                name: None,
                reason: None,
            };
            pipeline.life(&life);
        }
        let sent = Sent {
            at_ns,
            address,
            from,
            to,
            entry,
            what,
        };
        let evicted = self.messages.evicted();
        let msg = self.messages.on_enqueue(sent, &mut self.rows.messages);
        if self.messages.evicted() > evicted {
            // It lies there still: what its receiver takes may be that one.
            self.downs.gap();
            self.has_all = false;
        }
        if let Some(msg) = msg
            && let Some((seen, text, masked)) =
                self.tell_said((at_ns, address), (from, to), pipeline)
        {
            pipeline.payload(&Payload {
                msg,
                sent_ns: self.since_origin(at_ns),
                seen,
                text,
                masked,
            });
        }
        if let (Signal::MayBecomeMessage(MessageKind::Down), Some(msg)) = (signal, msg) {
            self.downs.sent(to, address, msg);
        }
    }

    /// What a message said that was sent at a time and lies at an address.
    fn tell_said<M: Memory>(
        &mut self,
        message: (u64, u64),
        (from, to): (Option<ProcId>, ProcId),
        pipeline: &Pipeline<M>,
    ) -> Option<Told> {
        let symbolizer = &pipeline.symbolizer;
        let modules = [from, Some(to)].map(|who| symbolizer.module(who?));
        self.said.tell(message, &modules, symbolizer.vm())
    }

    /// A message is taken out: one that was seen sent, or that the VM made of a DOWN.
    fn dequeue(&mut self, at_ns: u64, mut address: u64, who: ProcId) {
        if self.messages.knows(address) {
            self.downs.taken(who, address);
        } else if let Some((down, msg)) = self.downs.made(who)
            && self.messages.is_open(down, msg)
        {
            address = down;
        }
        let rows = &mut self.rows.messages;
        self.messages.on_dequeue(at_ns, address, who, rows);
    }

    fn exit<M: Memory>(
        &mut self,
        event: &VmEvent,
        reason: &ExitReason,
        pipeline: &mut Pipeline<M>,
    ) {
        // Of one that was forgotten meanwhile nobody is known by that pid.
        if self.ended.has_told(event.pid) {
            return;
        }
        let Some(who) = self.who(event, &mut pipeline.symbolizer) else {
            return;
        };
        // It comes back as often as there is more to do.
        if !self.ended.note(who, event.pid, event.monotonic_ns) {
            return;
        }
        let rows = &mut self.rows.messages;
        self.messages.on_exit(who, event.monotonic_ns, rows);
        self.rows.collected = Collected::default();
        self.collections
            .on(event, Some(who), &mut self.rows.collections);
        self.downs.doubt(who);
        self.heaps.remove(&who);
        self.born.remove(&who);
        self.sensitive.remove(&who);
        self.dist.ended(who);
        let vm = pipeline.symbolizer.vm();
        let reason = match hides(pipeline, who) {
            true => reason::class(reason, &|term| vm.atom(term)),
            false => reason::text(reason, (&|term| vm.atom(term), vm.redaction.as_ref())),
        };
        let told = (None, None, Some(reason));
        self.life(event, who, LifeEvent::Exit, told, pipeline);
    }

    fn name<M: Memory>(
        &mut self,
        event: &VmEvent,
        what: LifeEvent,
        name: u64,
        pipeline: &mut Pipeline<M>,
    ) {
        let Some(text) = pipeline.symbolizer.vm().atom(name) else {
            return;
        };
        let Some(proc) = self.who(event, &mut pipeline.symbolizer) else {
            return;
        };
        let name = text.to_string();
        match what {
            LifeEvent::Register => {
                self.dist.register(name.clone(), (proc, event.process));
                names::registered(&mut pipeline.symbolizer, proc, name.clone());
            }
            _ => self.dist.unregister(&name),
        }
        // That one who has ended has no name any more goes without saying.
        if !self.ended.knows(proc) {
            self.life(event, proc, what, (None, Some(name), None), pipeline);
        }
    }

    fn collect<M: Memory>(&mut self, event: &VmEvent, heaps: &Heaps, pipeline: &mut Pipeline<M>) {
        if let Some(who) = self.who(event, &mut pipeline.symbolizer) {
            self.heaps.entry(who).or_insert(words(heaps));
            self.rows.collected = Collected::default();
            let rows = &mut self.rows.collections;
            self.collections.on(event, Some(who), rows);
        }
    }

    fn collected<M: Memory>(&mut self, event: &VmEvent, heaps: &Heaps, pipeline: &mut Pipeline<M>) {
        if let Some(who) = self.who(event, &mut pipeline.symbolizer) {
            self.rows.collected = Collected {
                before_words: self.heaps.remove(&who),
                after_words: Some(words(heaps)),
                kind: Some(kind(heaps)),
            };
            let rows = &mut self.rows.collections;
            self.collections.on(event, Some(who), rows);
        }
    }

    fn life<M: Memory>(
        &mut self,
        event: &VmEvent,
        proc: ProcId,
        what: LifeEvent,
        (other, name, reason): (Option<ProcId>, Option<String>, Option<String>),
        pipeline: &mut Pipeline<M>,
    ) {
        pipeline.life(&Life {
            ts_ns: self.since_origin(event.monotonic_ns),
            proc,
            event: what,
            other,
            name,
            reason,
        });
    }

    fn write<M: Memory>(
        &mut self,
        at_ns: u64,
        pipeline: &mut Pipeline<M>,
        sound: &dyn Fn() -> bool,
    ) {
        self.rows.write((self.origin_ns, at_ns), pipeline, sound);
    }

    fn since_origin(&self, ns: u64) -> i64 {
        ns.saturating_sub(self.origin_ns) as i64
    }
}

/// Whether nothing but shapes may be told of a process.
fn hides<M: Memory>(pipeline: &Pipeline<M>, who: ProcId) -> bool {
    let symbolizer = &pipeline.symbolizer;
    let redaction = symbolizer.vm().redaction.as_ref();
    // Asked of each message: who it is is looked up only where that matters.
    let redaction = redaction.filter(|redaction| redaction.hides_modules());
    redaction.is_some_and(|redaction| redaction.may_hide(symbolizer.module(who)))
}

/// Whether the first word of a message, an atom's term, is one that must not be told.
fn hides_tag<M: Memory>(pipeline: &Pipeline<M>, tag: u64) -> bool {
    let vm = pipeline.symbolizer.vm();
    let redaction = vm
        .redaction
        .as_ref()
        .filter(|redaction| redaction.hides_words());
    redaction.is_some_and(|redaction| vm.atom(tag).is_some_and(|word| redaction.hides_word(&word)))
}

/// Whether something else begins or ends what this ends or begins.
fn is_of_a_pair(what: &VmEventKind) -> bool {
    matches!(
        what,
        VmEventKind::In { .. }
            | VmEventKind::Out { .. }
            | VmEventKind::Enqueue { .. }
            | VmEventKind::Dequeue { .. }
            | VmEventKind::CollectionStart(_)
            | VmEventKind::CollectionEnd(_)
            | VmEventKind::SwitchedOut { .. }
            | VmEventKind::SwitchedIn { .. }
    )
}

/// All that the heaps have room for.
fn words(heaps: &Heaps) -> u64 {
    heaps.young.saturating_add(heaps.old)
}

/// A major collection resets the count of minor ones (`major_collection` in `erl_gc.c`), a minor
/// one adds to it.
fn kind(after: &Heaps) -> CollectionKind {
    match after {
        Heaps {
            hibernates: true, ..
        } => CollectionKind::Hibernation,
        Heaps {
            minor_collections: 0,
            ..
        } => CollectionKind::Major,
        _ => CollectionKind::Minor,
    }
}
