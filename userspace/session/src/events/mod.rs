//! Events of the VM: from the ring to rows.

mod names;
mod selection;
mod sites;

use std::collections::VecDeque;
use std::mem;

use escope_beam::memory::LiveMemory;
use escope_beam::probes::find_probes;
use escope_beam::{Signal, SignalAtoms, Vm, proc_path};
use escope_capture::{Batch, EventCapture, EventOptions, decode_event};
use escope_model::{
    Collection, HeapWords, Life, LifeEvent, Message, MessageKind, MessageShape, ProcId, Run,
    VmEvent, VmEventKind,
};
use escope_symbolizer::Symbolizer;
use escope_timeline::{
    CollectionRow, Collections, Entry, MessageRow, Messages, Reorder, RunRow, Runs, Sent,
};
use escope_wire::EventCounters;
use rustc_hash::{FxHashMap, FxHashSet};

pub use selection::EventSelection;

use crate::SessionError;
use crate::cost::monotonic_ns;
use crate::outcome::EventsSummary;
use crate::pipeline::Pipeline;
use crate::setup::slot;

/// How late an event may come out of the ring: as long as its thread may lose its CPU between
/// taking the time and reserving room, on a busy machine.
const LATE_NS: u64 = 100_000_000;
/// How many events are held back for that at most, some 120 bytes each.
const HELD_MAX: usize = 1 << 19;
/// How many records are taken out of the ring at once.
const FETCH_MAX: usize = 1 << 16;

/// What is known of a message besides who sent it to whom.
type Known = (MessageKind, u64);

/// Probes in a VM, and what they have seen.
pub(crate) struct Events {
    capture: EventCapture,
    batch: Batch,
    order: Reorder,
    ready: Vec<VmEvent>,
    atoms: SignalAtoms,
    runs: Runs<ProcId>,
    messages: Messages<ProcId, Known>,
    /// Processes by the addresses of their structs.
    at: FxHashMap<u64, ProcId>,
    /// What each had used after its last run.
    reductions: FxHashMap<ProcId, u64>,
    born: FxHashSet<ProcId>,
    ended: FxHashSet<ProcId>,
    /// Addresses and numbers of DOWN signals that are on their way, oldest first.
    downs: FxHashMap<ProcId, VecDeque<(u64, u64)>>,
    collections: Collections<ProcId>,
    /// Heaps before the collection that is open.
    heaps: FxHashMap<ProcId, u64>,
    /// Heaps after the one that ends with this event.
    after_words: Option<u64>,
    origin_ns: u64,
    /// Probes that the VM has no place for, and why.
    missing: Vec<String>,
    counters: EventCounters,
    /// Until when nothing was lost.
    whole_until_ns: u64,
    /// Where events are missing, from when until when, those that are still to be told.
    gaps: VecDeque<(u64, u64)>,
    gap_told_ns: u64,
    lost: u64,
    given_up: u64,
    rows: Rows,
}

/// Room for rows, kept between calls.
#[derive(Default)]
struct Rows {
    runs: Vec<RunRow<ProcId>>,
    messages: Vec<MessageRow<ProcId, Known>>,
    collections: Vec<CollectionRow<ProcId>>,
}

/// All that the heaps have room for.
fn words(heaps: &HeapWords) -> u64 {
    heaps.young.saturating_add(heaps.old)
}

impl Events {
    /// Finds where the probes go and loads their programs. Nothing is seen before
    /// [`Self::arm`].
    pub(crate) fn load(
        vm: &Vm,
        selection: EventSelection,
        ring_bytes: u32,
        origin_ns: u64,
    ) -> Result<Events, SessionError> {
        let found = find_probes(vm)?;
        let (sites, missing) = sites::sites(&found, selection);
        if sites.is_empty() {
            return Err(SessionError::NoProbes(missing.join("; ")));
        }
        let capture = EventCapture::load(EventOptions {
            config: sites::config(vm),
            schedulers: vm.schedulers()?.iter().map(slot).collect(),
            ring_bytes,
            binary: proc_path(vm.pid, "exe"),
            sites,
        })?;
        Ok(Events {
            capture,
            batch: Batch::default(),
            order: Reorder::new(LATE_NS).with_capacity(HELD_MAX),
            ready: Vec::new(),
            atoms: SignalAtoms::find(vm),
            runs: Runs::new(sites::state_bits(), origin_ns),
            messages: Messages::default(),
            at: FxHashMap::default(),
            reductions: FxHashMap::default(),
            born: FxHashSet::default(),
            ended: FxHashSet::default(),
            downs: FxHashMap::default(),
            collections: Collections::new(origin_ns),
            heaps: FxHashMap::default(),
            after_words: None,
            origin_ns,
            missing,
            counters: EventCounters::default(),
            whole_until_ns: origin_ns,
            gaps: VecDeque::new(),
            gap_told_ns: 0,
            lost: 0,
            given_up: 0,
            rows: Rows::default(),
        })
    }

    /// Places the probes, and learns which processes there are.
    pub(crate) fn arm(&mut self, pipeline: &mut Pipeline) -> Result<(), SessionError> {
        self.capture.arm()?;
        names::learn(&mut pipeline.symbolizer, &mut self.at);
        Ok(())
    }

    pub(crate) fn disarm(&mut self) {
        self.capture.disarm();
    }

    /// What the kernel half had counted when it was last asked.
    pub(crate) fn counters(&self) -> &EventCounters {
        &self.counters
    }

    pub(crate) fn summary(&self) -> EventsSummary {
        EventsSummary {
            attempts: self.counters.attempts.iter().sum(),
            recorded: self.counters.recorded.iter().sum(),
            missing: self.missing.clone(),
        }
    }

    /// How many events were lost since the last call, and how many more were given up because
    /// what was lost lay among them.
    pub(crate) fn take_losses(&mut self) -> (u64, u64) {
        (mem::take(&mut self.lost), mem::take(&mut self.given_up))
    }

    /// Looks whether all that happened is in the ring or was taken out of it. Where not, pairs
    /// cannot be told: of which begin is this the end?
    fn look_for_losses(&mut self) -> Result<(), SessionError> {
        let now_ns = monotonic_ns();
        let counters = self.capture.counters()?;
        let lost = |counters: &EventCounters| counters.ring_full.iter().sum::<u64>();
        let new = lost(&counters).saturating_sub(lost(&self.counters));
        self.counters = counters;
        if new > 0 {
            self.lost += new;
            // Losses while they were counted are seen the next time, which then begins here.
            self.gaps.push_back((self.whole_until_ns, monotonic_ns()));
        }
        self.whole_until_ns = now_ns;
        Ok(())
    }

    /// Whether an event lies where others are missing. Called in the order of time.
    fn is_in_gap(&mut self, at_ns: u64) -> bool {
        while let Some(&(from_ns, to_ns)) = self.gaps.front() {
            if at_ns <= from_ns {
                return false;
            }
            if self.gap_told_ns < to_ns {
                self.gap_told_ns = to_ns;
                self.runs.gap(from_ns, to_ns, &mut self.rows.runs);
                self.messages.gap(&mut self.rows.messages);
                // Those of runs that are missing are nobody's.
                self.reductions.clear();
                let rows = &mut self.rows.collections;
                self.collections.gap(from_ns, to_ns, rows);
            }
            if at_ns <= to_ns {
                return true;
            }
            self.gaps.pop_front();
        }
        false
    }

    /// Takes what there is out of the ring. Returns whether there may be more.
    pub(crate) fn fetch(&mut self) -> Result<bool, SessionError> {
        let fetched = self.capture.fetch(FETCH_MAX, &mut self.batch)?;
        self.look_for_losses()?;
        for record in self.batch.records() {
            let (born, event) = decode_event(record).map_err(escope_capture::CaptureError::from)?;
            if let Some(born) = born {
                self.order.push(born, &mut self.ready);
            }
            self.order.push(event, &mut self.ready);
        }
        self.batch.clear();
        Ok(fetched >= FETCH_MAX)
    }

    /// Turns what was fetched into rows. All code that was registered before it must be known:
    /// `sound` is as in [`Symbolizer::sample`].
    pub(crate) fn write(&mut self, pipeline: &mut Pipeline, sound: &dyn Fn() -> bool) {
        for event in mem::take(&mut self.ready) {
            self.event(&event, pipeline, sound);
        }
    }

    /// Nothing more will come.
    pub(crate) fn finish(&mut self, end_ns: u64, pipeline: &mut Pipeline) {
        self.order.finish(&mut self.ready);
        self.write(pipeline, &|| true);
        self.runs.finish(end_ns, &mut self.rows.runs);
        self.messages.finish(&mut self.rows.messages);
        self.collections.finish(end_ns, &mut self.rows.collections);
        self.write_rows(end_ns, pipeline, &|| true);
    }

    fn event(&mut self, event: &VmEvent, pipeline: &mut Pipeline, sound: &dyn Fn() -> bool) {
        let at_ns = event.monotonic_ns;
        let is_in_gap = self.is_in_gap(at_ns);
        match event.what {
            VmEventKind::In { .. }
            | VmEventKind::Out { .. }
            | VmEventKind::Enqueue { .. }
            | VmEventKind::Dequeue { .. }
            | VmEventKind::CollectionStart(_)
            | VmEventKind::CollectionEnd(_)
                if is_in_gap =>
            {
                self.given_up += 1;
            }
            VmEventKind::Born { parent, call } => self.born(event, parent, call, pipeline),
            VmEventKind::In { .. } | VmEventKind::Out { .. } => {
                let who = self.who(event, &mut pipeline.symbolizer);
                let event = &self.with_signals(event, who);
                self.runs.on(event, who, &mut self.rows.runs);
                self.collections.on(event, who, &mut self.rows.collections);
            }
            VmEventKind::Enqueue {
                receiver,
                receiver_pid,
                from,
                message,
                shape,
                ..
            } => {
                let symbolizer = &mut pipeline.symbolizer;
                if let Some(to) = symbolizer.process(receiver_pid, receiver) {
                    self.at.insert(receiver, to);
                    let from = symbolizer.process(from, 0);
                    self.enqueue(at_ns, (from, to), (message, shape), pipeline);
                }
            }
            VmEventKind::Dequeue { message } => {
                if let Some(&who) = self.at.get(&event.process) {
                    self.dequeue(at_ns, message, who);
                }
            }
            VmEventKind::Exit { reason } => self.exit(event, &reason, pipeline),
            VmEventKind::Register { name, whose } => {
                let other = pipeline.symbolizer.process(whose, 0);
                self.name(event, LifeEvent::Register, name, other, pipeline);
            }
            VmEventKind::Unregister { name } => {
                let other = self.at.get(&event.process).copied();
                self.name(event, LifeEvent::Unregister, name, other, pipeline);
            }
            VmEventKind::CollectionStart(heaps) => {
                if let Some(who) = self.who(event, &mut pipeline.symbolizer) {
                    self.heaps.entry(who).or_insert(words(&heaps));
                    let rows = &mut self.rows.collections;
                    self.collections.on(event, Some(who), rows);
                }
            }
            VmEventKind::CollectionEnd(heaps) => {
                if let Some(who) = self.who(event, &mut pipeline.symbolizer) {
                    self.after_words = Some(words(&heaps));
                    let rows = &mut self.rows.collections;
                    self.collections.on(event, Some(who), rows);
                }
            }
        }
        self.write_rows(at_ns, pipeline, sound);
    }

    /// The process that an event is about.
    fn who(&mut self, event: &VmEvent, symbolizer: &mut Symbolizer<LiveMemory>) -> Option<ProcId> {
        let who = symbolizer.process(event.pid, event.process)?;
        self.at.insert(event.process, who);
        Some(who)
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
        }
        event
    }

    fn born(&mut self, event: &VmEvent, parent: u64, call: [u64; 3], pipeline: &mut Pipeline) {
        let symbolizer = &mut pipeline.symbolizer;
        let Some(proc) = symbolizer.born(event.pid, event.process, parent, call) else {
            return;
        };
        self.at.insert(event.process, proc);
        // Signals may have reached it before; and it may leave before it has done anything.
        if self.born.insert(proc) {
            let other = symbolizer.process(parent, 0);
            self.life(event, proc, LifeEvent::Spawn, (other, None, None), pipeline);
        }
    }

    fn enqueue(
        &mut self,
        at_ns: u64,
        (from, to): (Option<ProcId>, ProcId),
        (address, shape): (u64, MessageShape),
        pipeline: &mut Pipeline,
    ) {
        let signal = self.atoms.signal(&shape);
        let (entry, what) = match signal {
            Signal::Message(kind, tag) => (Entry::Message, (kind, tag)),
            Signal::MayBecomeMessage(kind) => (Entry::MayBecomeMessage, (kind, 0)),
            Signal::Life(_) | Signal::Other => (Entry::Signal, (MessageKind::Message, 0)),
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
        let msg = self.messages.on_enqueue(sent, &mut self.rows.messages);
        if let (Signal::MayBecomeMessage(MessageKind::Down), Some(msg)) = (signal, msg) {
            self.downs.entry(to).or_default().push_back((address, msg));
        }
    }

    /// A message is taken out. The signal DOWN becomes a message of its own where its reason is
    /// no more than a word (`convert_to_down_message` in `erl_proc_sig_queue.c`): what was never
    /// seen sent is then the oldest of those.
    fn dequeue(&mut self, at_ns: u64, mut address: u64, who: ProcId) {
        if !self.messages.knows(address)
            && let Some(downs) = self.downs.get_mut(&who)
        {
            while let Some((down, msg)) = downs.pop_front() {
                if self.messages.is_open(down, msg) {
                    address = down;
                    break;
                }
            }
        }
        let rows = &mut self.rows.messages;
        self.messages.on_dequeue(at_ns, address, who, rows);
    }

    fn exit(&mut self, event: &VmEvent, reason: &MessageShape, pipeline: &mut Pipeline) {
        let Some(who) = self.who(event, &mut pipeline.symbolizer) else {
            return;
        };
        // It comes back as often as there is more to do.
        if !self.ended.insert(who) {
            return;
        }
        self.born.remove(&who);
        let rows = &mut self.rows.messages;
        self.messages.on_exit(who, event.monotonic_ns, rows);
        self.collections
            .on(event, Some(who), &mut self.rows.collections);
        self.downs.remove(&who);
        let reason = names::reason(pipeline.symbolizer.vm(), reason);
        self.life(
            event,
            who,
            LifeEvent::Exit,
            (None, None, Some(reason)),
            pipeline,
        );
    }

    fn name(
        &mut self,
        event: &VmEvent,
        what: LifeEvent,
        name: u64,
        whose: Option<ProcId>,
        pipeline: &mut Pipeline,
    ) {
        let text = pipeline.symbolizer.vm().atom(name);
        if let (Some(proc), Some(text)) = (whose, text) {
            let name = Some(text.to_string());
            self.life(event, proc, what, (None, name, None), pipeline);
        }
    }

    fn life(
        &mut self,
        event: &VmEvent,
        proc: ProcId,
        what: LifeEvent,
        (other, name, reason): (Option<ProcId>, Option<String>, Option<String>),
        pipeline: &mut Pipeline,
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

    fn write_rows(&mut self, at_ns: u64, pipeline: &mut Pipeline, sound: &dyn Fn() -> bool) {
        let mut rows = mem::take(&mut self.rows);
        for row in rows.runs.drain(..) {
            let symbolizer = &mut pipeline.symbolizer;
            let at = row.at.map(|at| symbolizer.place(at, at_ns, sound));
            pipeline.run(&Run {
                proc: row.who,
                scheduler: row.scheduler,
                start_ns: self.since_origin(row.start_ns),
                end_ns: self.since_origin(row.end_ns),
                reductions: row.reductions,
                left_as: row.left_as,
                at,
                cut: row.cut,
            });
        }
        for row in rows.messages.drain(..) {
            let (kind, tag) = row.sent.what;
            let tag = pipeline.symbolizer.vm().atom(tag);
            let message = Message {
                msg: row.msg,
                from: row.sent.from,
                to: row.sent.to,
                kind,
                tag: tag.map(|tag| tag.to_string()),
                sent_ns: self.since_origin(row.sent.at_ns),
                received_ns: row.received_ns.map(|ns| self.since_origin(ns)),
                fate: row.fate,
            };
            pipeline.message(&message);
        }
        for row in rows.collections.drain(..) {
            pipeline.collection(&Collection {
                proc: row.who,
                start_ns: self.since_origin(row.start_ns),
                end_ns: self.since_origin(row.end_ns),
                before_words: self.heaps.remove(&row.who),
                after_words: self.after_words.take(),
                cut: row.cut,
            });
        }
        self.after_words = None;
        self.rows = rows;
    }

    fn since_origin(&self, ns: u64) -> i64 {
        ns.saturating_sub(self.origin_ns) as i64
    }
}
