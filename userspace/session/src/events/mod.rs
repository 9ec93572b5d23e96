//! Events of the VM: from the ring to rows, in windows that its budget allows.

mod at_rest;
mod budget;
mod code;
mod dist;
mod downs;
mod ended;
mod names;
mod natives;
mod ports;
mod reason;
mod replay;
mod rows;
mod said;
mod selection;
mod silence;
mod sites;
mod states;
mod support;
mod tracker;
mod wanted;
mod windows;

use std::mem;
use std::os::fd::BorrowedFd;

use escope_beam::memory::LiveMemory;
use escope_beam::probes::find_probes;
use escope_beam::{Vm, proc_path};
use escope_capture::{
    Batch, CaptureError, EventCapture, EventOptions, HitPrices, decode_event, hit_prices,
};
use escope_model::{SchedulerKind, VmEvent, VmEventKind};
use escope_symbolizer::Symbolizer;
use escope_timeline::Reorder;
use escope_wire::{
    EventCounters, EventRecord, PAYLOAD_BYTES, PAYLOAD_PIECE_BYTES, PAYLOAD_PIECES, PayloadHead,
    STATE_BYTES, what,
};

pub use replay::EventReplay;
pub use said::SaidCounts;
pub use selection::EventSelection;
pub(crate) use sites::copy_layout;
pub use states::StateCounts;
pub(crate) use states::{Fingerprints, Told};
pub use support::{EventSupport, KindSupport, event_support};
pub use wanted::{Wanted, WantedProcess};

use crate::SessionError;
use crate::cost::monotonic_ns;
use crate::options::{EventLimits, WantedNatives};
use crate::outcome::{Copies, EventsSummary};
use crate::pipeline::Pipeline;
use crate::setup::slot;
use natives::Natives;
use said::Said;
use silence::{Armed, Evidence, NativeSeen};
use states::{Chosen, States};
use tracker::Tracker;
use windows::{Gap, Windows, events_of};

/// How many records are taken out of the ring at once, at most.
const FETCH_MAX: usize = 1 << 16;

/// The same where so much is copied of messages: no more than a ring holds.
fn fetch_max(payload_bytes: u32, ring_bytes: u32) -> usize {
    let heads = size_of::<EventRecord>() + size_of::<PayloadHead>();
    let record = heads + PAYLOAD_PIECES * PAYLOAD_PIECE_BYTES + payload_bytes as usize;
    match payload_bytes {
        0 => FETCH_MAX,
        _ => FETCH_MAX.min(ring_bytes as usize / record).max(16),
    }
}

/// The same where processes are copied. Most are not as large as they may be.
fn fetch_max_of_states(ring_bytes: u32) -> usize {
    let large = STATE_BYTES.iter().max().copied().unwrap_or(1);
    (4 * u64::from(ring_bytes) / u64::from(large)).max(64) as usize
}

/// Of a selection, what the VM's layout allows, and what it does not.
fn possible(vm: &Vm, selection: EventSelection) -> (EventSelection, Vec<String>) {
    let (knows_ports, knows_dist) = (vm.layout.port.is_some(), vm.layout.dist.is_some());
    let mut missing = Vec::new();
    if selection.port && !knows_ports {
        let what = "where ports have what is known of them is not known of this release";
        missing.push(what.to_owned());
    }
    if selection.dist && !knows_dist {
        let what = "where what is sent to other nodes lies is not known of this release";
        missing.push(what.to_owned());
    }
    let possible = EventSelection {
        port: selection.port && knows_ports,
        dist: selection.dist && knows_dist,
        ..selection
    };
    (possible, missing)
}

/// How often processes were copied, and at what price.
fn copies(hits: &[u64; what::COUNT], prices_ns: &[f64; what::COUNT]) -> Vec<Copies> {
    let classes = STATE_BYTES.into_iter().zip(what::STATE_FIRST as usize..);
    let copies = classes.map(|(bytes, kind)| Copies {
        bytes,
        count: hits.get(kind).copied().unwrap_or(0),
        price_ns: prices_ns.get(kind).copied().unwrap_or(0.0),
    });
    copies.collect()
}

/// Probes in a VM, and what they have seen.
pub(crate) struct Events {
    capture: EventCapture,
    batch: Batch,
    order: Reorder,
    ready: Vec<VmEvent>,
    /// Until when all that was seen is there, or was before.
    ordered_until_ns: u64,
    tracker: Tracker,
    windows: Windows,
    /// Probes that the VM has no place for, and why.
    missing: Vec<String>,
    /// What the others see.
    armed: Armed,
    /// What shows that they ought to have been hit.
    evidence: Evidence,
    /// How many schedulers the VM has, of all kinds.
    schedulers: u64,
    counters: EventCounters,
    /// How many records came out of the ring.
    recorded: u64,
    /// How many of them are calls of BIFs and NIFs.
    native_calls: u64,
    /// Until when nothing was lost.
    whole_until_ns: u64,
    /// Between when how many were lost.
    lost: Vec<Lost>,
    given_up: u64,
    /// How many records were begun and never ended, of all and since that was told.
    unwritten: u64,
    unwritten_new: u64,
    /// How many events may wait to be named.
    ready_max: usize,
    /// The BIFs and NIFs whose calls are seen.
    natives: Vec<String>,
    natives_seen: Vec<NativeSeen>,
    wanted: Option<Wanted>,
    states: Option<States>,
    /// Processes whose states are asked for, and that there was no room to remember.
    unremembered: u64,
    /// How many records are taken out of the ring at once.
    fetch_max: usize,
}

/// Counts a call or a return by its function; returns how many calls it is.
fn note_native(seen: &mut [NativeSeen], what: &VmEventKind) -> u64 {
    let (function, calls, returns) = match *what {
        VmEventKind::NativeCall { function, .. } => (function, 1, 0),
        VmEventKind::NativeReturn { function } => (function, 0, 1),
        _ => return 0,
    };
    if let Some(seen) = seen.get_mut(function as usize) {
        seen.calls += calls;
        seen.came_back += returns;
    }
    calls
}

/// Whether a run ended on a dirty scheduler.
fn ends_on_dirty(event: &VmEvent) -> bool {
    let is_out = matches!(event.what, VmEventKind::Out { .. });
    is_out && (event.scheduler).is_some_and(|(kind, _)| kind != SchedulerKind::Normal)
}

/// Events that were lost between two `CLOCK_MONOTONIC` times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lost {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    pub(crate) count: u64,
}

impl Events {
    /// Finds where the probes go, loads their programs and measures what a hit costs. Nothing is
    /// seen before [`Self::keep_to_budget`].
    pub(crate) fn load(
        symbolizer: &Symbolizer<LiveMemory>,
        selection: EventSelection,
        natives: &WantedNatives,
        limits: &EventLimits,
        origin_ns: u64,
    ) -> Result<Events, SessionError> {
        let vm = symbolizer.vm();
        let natives = Natives::find(vm, natives)?;
        let found = find_probes(vm)?;
        let is_filtered = limits.processes.is_some();
        let (possible, not_known) = possible(vm, selection);
        let has_states = limits.states.is_some();
        let (sites, mut missing) = sites::sites(&found, possible, is_filtered, has_states);
        missing.extend(not_known);
        missing.extend(natives.notes());
        let native_sites = natives.sites(vm.frame_pointers);
        let native_names = natives.names();
        let natives_seen = natives.seen();
        if sites.is_empty() && native_sites.is_empty() {
            return Err(SessionError::NoProbes(missing.join("; ")));
        }
        let mut config = sites::config(vm);
        config.births_only = u32::from(sites::only_births(possible, is_filtered));
        // What messages say only of processes that were named.
        let payload = limits.payload.as_ref().filter(|_| is_filtered);
        if let Some(payload) = payload {
            let bytes = payload.bytes.next_multiple_of(8);
            config.payload_bytes = bytes.clamp(*PAYLOAD_BYTES.start(), *PAYLOAD_BYTES.end());
        }
        let there = match &limits.processes {
            Some(processes) => processes.resolve(vm, &mut config, &mut missing)?,
            None => Vec::new(),
        };
        let mut resting = Vec::new();
        let states = match &limits.states {
            None => None,
            Some(states) => {
                let is_module = |name: &str| symbolizer.has_module(name);
                let (chosen, there) = Chosen::resolve(&states.wanted, vm, &is_module, &mut config)?;
                sites::copy_states(vm, &mut config, possible, chosen.by_calls())?;
                resting = there;
                // As much again as the ring holds.
                let bytes = limits.ring_bytes as usize;
                Some(States::new(vm, chosen, states, bytes, origin_ns))
            }
        };
        let mut prices = hit_prices(&config, &sites, &native_sites);
        let mut switches = selection.sched;
        if let (true, Ok(prices)) = (switches, prices.as_mut())
            && let Err(error) = prices.measure_switches(&config)
        {
            // Runs are seen as well as ever.
            missing.push(format!("when schedulers have no CPU: {error}"));
            switches = false;
        }
        let prices = match (prices, limits.share) {
            (Ok(prices), _) => prices,
            // Whatever they cost, not all of them would be seen.
            (Err(error @ (CaptureError::OneThread | CaptureError::NoHits)), _) => {
                return Err(error.into());
            }
            // Nothing depends on them.
            (Err(error), None) => {
                missing.push(format!("what hits cost: {error}"));
                HitPrices([0.0; what::COUNT])
            }
            (Err(error), Some(_)) => return Err(error.into()),
        };
        let said = config.payload_bytes > 0;
        let armed = silence::armed(&sites, &native_sites, switches, said, has_states);
        let schedulers = vm.schedulers()?;
        let capture = EventCapture::load(EventOptions {
            config,
            schedulers: schedulers.iter().map(slot).collect(),
            ring_bytes: limits.ring_bytes,
            binary: proc_path(vm.pid, "exe"),
            sites,
            natives: native_sites,
            wanted: there,
            states: resting,
            bare: limits.bare,
            switches,
        })?;
        let mut tracker = Tracker::new(
            vm,
            natives,
            armed.kinds[what::OUT as usize] && possible.sched,
            limits.open_messages,
            origin_ns,
        );
        if let Some(payload) = payload {
            // As much again as the ring holds.
            let bytes = limits.ring_size() as usize;
            tracker.listen(Said::new(payload.redaction.clone(), bytes));
        }
        Ok(Events {
            capture,
            batch: Batch::default(),
            order: Reorder::new(limits.held),
            ready: Vec::new(),
            ordered_until_ns: 0,
            tracker,
            windows: Windows::new(vm, limits.share, prices, origin_ns)?,
            missing,
            armed,
            evidence: Evidence::default(),
            schedulers: schedulers.len() as u64,
            counters: EventCounters::default(),
            recorded: 0,
            native_calls: 0,
            whole_until_ns: origin_ns,
            lost: Vec::new(),
            given_up: 0,
            unwritten: 0,
            unwritten_new: 0,
            ready_max: limits.held,
            natives: native_names,
            natives_seen,
            wanted: limits.processes.clone(),
            fetch_max: match &states {
                Some(_) => fetch_max_of_states(limits.ring_size()),
                None => FETCH_MAX,
            }
            .min(fetch_max(config.payload_bytes, limits.ring_size())),
            unremembered: 0,
            states,
        })
    }

    /// Opens a window, or closes it, as the budget wants.
    pub(crate) fn keep_to_budget(&mut self, pipeline: &mut Pipeline) -> Result<(), SessionError> {
        let vm = pipeline.symbolizer.vm();
        match self.windows.step(vm, &self.counters.attempts) {
            budget::Step::Stay => Ok(()),
            budget::Step::Open => self.open(pipeline),
            budget::Step::Close => self.close(pipeline),
        }
    }

    fn open(&mut self, pipeline: &mut Pipeline) -> Result<(), SessionError> {
        let is_first = self.windows.is_first();
        let from_ns = monotonic_ns();
        match self.capture.arm() {
            // No memory or no pid for one more process, as there was for others: later, maybe.
            Err(CaptureError::NoKeeper(error)) if !is_first => {
                let why = format!("in some windows, as none could be opened: {error}");
                if !self.missing.contains(&why) {
                    self.missing.push(why);
                }
                return Ok(());
            }
            armed => armed?,
        }
        // Those that came while no window was open.
        if let Some(processes) = &self.wanted {
            let there = processes.there(pipeline.symbolizer.vm())?;
            self.capture.want(&there)?;
        }
        if let Some(states) = &mut self.states {
            let there = states.chosen.there(pipeline.symbolizer.vm())?;
            self.unremembered += self.capture.want_only_states(&there)?;
            states.keep_only(&there);
        }
        if is_first {
            self.tracker.learn(&mut pipeline.symbolizer);
            // What was seen meanwhile is before the window, and takes the room of what is in it.
            while self.fetch_once()?.0 >= self.fetch_max {}
        }
        if let Err(error) = self.count_losses(from_ns) {
            self.capture.disarm();
            return Err(error);
        }
        self.whole_until_ns = monotonic_ns();
        pipeline.count_code(Some(self.whole_until_ns));
        self.windows
            .opened(pipeline.symbolizer.vm(), &self.counters);
        Ok(())
    }

    /// Whether the first window has been opened.
    pub(crate) fn has_begun(&self) -> bool {
        !self.windows.is_first()
    }

    /// Whether a window is open.
    pub(crate) fn is_watching(&self) -> bool {
        self.windows.is_open()
    }

    /// Removes the probes. What is in the ring is still to be fetched.
    fn close(&mut self, pipeline: &mut Pipeline) -> Result<(), SessionError> {
        self.close_for(pipeline, Gap::Closed)
    }

    /// The same at the end of the recording.
    pub(crate) fn end(&mut self, pipeline: &mut Pipeline) -> Result<(), SessionError> {
        self.windows.ended(pipeline.symbolizer.vm());
        self.close_for(pipeline, Gap::Ended)
    }

    fn close_for(&mut self, pipeline: &mut Pipeline, why: Gap) -> Result<(), SessionError> {
        if !self.windows.is_open() {
            self.capture.disarm();
            return Ok(());
        }
        self.look_for_evidence(pipeline);
        let vm = pipeline.symbolizer.vm();
        // What was lost until then is of this window.
        let to_ns = monotonic_ns();
        let looked = self.look_for_losses();
        self.windows.closing(vm, &self.counters, to_ns, why);
        // Whatever else fails.
        self.capture.disarm();
        looked?;
        self.count_losses(to_ns)?;
        self.windows.closed(&self.counters);
        Ok(())
    }

    /// Looks for what shows that probes were not hit that ought to have been, while they are in place.
    fn look_for_evidence(&mut self, pipeline: &mut Pipeline) {
        self.evidence.announced += pipeline.announced();
        pipeline.count_code(None);
        // Once, and only where there is a doubt: it takes some milliseconds.
        let hits = &self.counters.attempts;
        let silent = |kind: u32| self.armed.kinds[kind as usize] && hits[kind as usize] == 0;
        let is_doubtful = silent(what::EXIT) && silent(what::FAILED)
            || silent(what::REGISTER)
            || silent(what::UNREGISTER);
        if self.windows.is_first_open() && is_doubtful {
            self.tracker.look(&pipeline.symbolizer, &mut self.evidence);
        }
    }

    /// Counts what was lost since a time outside of windows, where nothing is told.
    fn count_losses(&mut self, from_ns: u64) -> Result<(), SessionError> {
        let counters = self.capture.counters()?;
        let lost = |counters: &EventCounters| counters.ring_full.iter().sum::<u64>();
        let count = lost(&counters).saturating_sub(lost(&self.counters));
        self.counters = counters;
        if count > 0 {
            let to_ns = monotonic_ns();
            self.lost.push(Lost {
                from_ns,
                to_ns,
                count,
            });
        }
        Ok(())
    }

    /// Wakes who waits for it, where something has to be read at once.
    pub(crate) fn wakes(&self) -> Option<BorrowedFd<'_>> {
        self.states.as_ref().map(|_| self.capture.waker())
    }

    /// The BIFs and NIFs whose calls are seen.
    pub(crate) fn natives(&self) -> &[String] {
        &self.natives
    }

    pub(crate) fn summary(&mut self, vm: &Vm) -> EventsSummary {
        let counters = &self.counters;
        let windows = self.windows.told(vm, &counters.attempts);
        let hits = silence::with_states(&counters.attempts);
        let mut evidence = self.evidence;
        self.tracker.shows(&mut evidence);
        if self.wanted.is_some() {
            // What ports give to others is not told.
            (evidence.unseen_inputs, evidence.unseen_outputs) = (0, 0);
        }
        let seen = silence::Seen {
            hits: &hits,
            sites: &counters.sites,
            reductions: windows.reductions,
            schedulers: self.schedulers,
            evidence,
        };
        let mut missing = self.missing.clone();
        missing.extend(seen.silent(&self.armed));
        missing.extend(seen.of_natives(&self.natives_seen));
        let left_out = counters.filtered.iter().sum();
        let (filtered, had_run) = match self.wanted {
            Some(_) => (left_out, 0),
            None => (0, left_out),
        };
        EventsSummary {
            attempts: events_of(&counters.attempts),
            recorded: self.recorded,
            lost: counters.ring_full.iter().sum::<u64>() + self.unwritten,
            unreadable: counters.unreadable.iter().sum(),
            filtered,
            had_run,
            native_calls: self.native_calls,
            native_unplaced: self.tracker.native_unplaced(),
            evicted: self.tracker.evicted(),
            wanted_full: counters.wanted_full + self.unremembered,
            keepers_killed: self.capture.keepers_killed(),
            out_of_order: self.order.late(),
            missing,
            hits: silence::named(&self.armed, &counters.attempts),
            said: self.tracker.said(),
            states: self.states.as_ref().map(States::counts),
            nameless: self
                .states
                .as_ref()
                .map(States::nameless)
                .unwrap_or_default(),
            copies: match self.states {
                Some(_) => copies(&counters.attempts, &windows.prices_ns.0),
                None => Vec::new(),
            },
            windows,
        }
    }

    /// The windows that were closed since the last call, for the recording.
    pub(crate) fn take_windows(&mut self) -> Vec<escope_model::Window> {
        self.windows.take_rows()
    }

    /// Which events were lost since the last call, and how many more were given up because
    /// what was lost lay among them.
    pub(crate) fn take_losses(&mut self) -> (Vec<Lost>, u64) {
        (mem::take(&mut self.lost), mem::take(&mut self.given_up))
    }

    /// How many were begun and never ended since the last call.
    pub(crate) fn take_unwritten(&mut self) -> u64 {
        mem::take(&mut self.unwritten_new)
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
            // Losses while they were counted are seen the next time, which then begins here.
            let (from_ns, to_ns) = (self.whole_until_ns, monotonic_ns());
            self.windows.lost(from_ns, to_ns);
            match self.lost.last_mut() {
                Some(last) if last.to_ns >= from_ns => {
                    last.to_ns = to_ns;
                    last.count += new;
                }
                _ => self.lost.push(Lost {
                    from_ns,
                    to_ns,
                    count: new,
                }),
            }
        }
        self.whole_until_ns = now_ns;
        Ok(())
    }

    /// Whether what was fetched must be written before anything more is.
    pub(crate) fn is_full(&self) -> bool {
        self.ready.len() >= self.ready_max
    }

    /// Whether the ring has records that are not written yet, when nobody begins one any more.
    pub(crate) fn has_unwritten(&self) -> bool {
        self.capture.left() > 0
    }

    /// Passes over one of them, which is lost then. Returns whether that can be.
    pub(crate) fn pass_over(&mut self) -> bool {
        self.windows.lost(self.whole_until_ns, monotonic_ns());
        self.unwritten += 1;
        self.unwritten_new += 1;
        self.capture.pass_over()
    }

    /// Takes what there is out of the ring. Returns whether there may be more.
    pub(crate) fn fetch(&mut self) -> Result<bool, SessionError> {
        // They cannot be named yet: what there is no room for stays in the ring, which counts.
        if self.is_full() {
            return Ok(false);
        }
        let (records, whole_until_ns) = self.fetch_once()?;
        self.look_for_losses()?;
        if let Some(whole_until_ns) = whole_until_ns {
            self.order.flush_until(whole_until_ns, &mut self.ready);
            self.ordered_until_ns = whole_until_ns;
        }
        Ok(records >= self.fetch_max)
    }

    fn fetch_once(&mut self) -> Result<(usize, Option<u64>), SessionError> {
        let fetched = self.capture.fetch(self.fetch_max, &mut self.batch)?;
        let mut problem = None;
        for record in self.batch.records() {
            match decode_event(record) {
                Ok((born, event)) => {
                    self.recorded += 1;
                    self.native_calls += note_native(&mut self.natives_seen, &event.what);
                    self.evidence.dirty_ends += u64::from(ends_on_dirty(&event));
                    if let Some(born) = born {
                        self.order.push(born, &mut self.ready);
                    }
                    self.order.push(event, &mut self.ready);
                    self.tracker.hear(record);
                    if let Some(states) = &mut self.states {
                        states.keep(record);
                    }
                }
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        self.batch.clear();
        match problem {
            Some(error) => Err(escope_capture::CaptureError::from(error).into()),
            None => Ok((fetched.records, fetched.whole_until_ns)),
        }
    }

    /// Turns what was fetched into rows. All code that was registered before it must be known:
    /// `sound` is as in `Symbolizer::sample`.
    pub(crate) fn write(&mut self, pipeline: &mut Pipeline, sound: &dyn Fn() -> bool) {
        let mut ready = mem::take(&mut self.ready);
        if let Some(states) = &mut self.states {
            states.look(pipeline);
        }
        for event in ready.drain(..) {
            self.tell_at_rest(event.monotonic_ns, pipeline);
            let gap = self.gap_at(event.monotonic_ns, pipeline);
            if let Some(states) = &mut self.states {
                states.on(&event, gap.is_some(), pipeline);
            }
            let left_out = self.tracker.on(&event, gap, pipeline, sound);
            self.given_up += u64::from(left_out && gap == Some(Gap::Lossy));
        }
        self.ready = ready;
        self.tell_at_rest(self.ordered_until_ns, pipeline);
        self.tracker.meet(&mut pipeline.symbolizer);
        if let Some(states) = &mut self.states {
            states.tell(pipeline);
            let newly = states.chosen.newly(pipeline.symbolizer.vm());
            self.unremembered += self.capture.want_states(&newly);
        }
    }

    /// Nothing more will come.
    pub(crate) fn finish(&mut self, end_ns: u64, pipeline: &mut Pipeline) {
        self.order.finish(&mut self.ready);
        self.ordered_until_ns = u64::MAX;
        self.write(pipeline, &|| true);
        self.gap_at(end_ns, pipeline);
        self.tracker.finish(end_ns, pipeline);
    }
}
