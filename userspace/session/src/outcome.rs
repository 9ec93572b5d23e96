//! How a recording goes, and what came of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use escope_capture::Clock;
use escope_model::{Loss, Window};
use escope_recording::EndedHow;
use escope_symbolizer::Statistics;
use escope_wire::Counters;

use crate::{CheckpointCounts, Cost, SaidCounts, SessionError, StateCounts};

/// Tells a running recorder to stop; shared with signal handlers.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Stops the recorder at its next look.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The flag itself, for a signal handler.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How it goes, about ten times a second.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Since the start.
    pub elapsed: Duration,
    /// Samples so far.
    pub samples: u64,
    /// Samples lost so far.
    pub lost: u64,
    /// What the recorder has used since the start.
    pub cpu_ns: u64,
    /// What is on disk.
    pub bytes_written: u64,
}

/// The same CPU time, told by two: when both were last known, which is up to a second before
/// the end of a target that exits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// For how long one sample stands.
    pub period_ns: u64,
    /// CPU time that the target used since the timers were started, by the kernel's accounts.
    pub target_cpu_ns: u64,
    /// CPU time that the samples stood for then.
    pub sampled_cpu_ns: u64,
}

/// What came of the events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventsSummary {
    /// Hits of probes.
    pub attempts: u64,
    /// Of those, recorded.
    pub recorded: u64,
    /// Of those, lost.
    pub lost: u64,
    /// Of those recorded, with memory that could not be read.
    pub unreadable: u64,
    /// Of those, of processes that nobody asked for.
    pub filtered: u64,
    /// Of those, of processes that began to run and had run before, where only births are told.
    pub had_run: u64,
    /// Calls of BIFs and NIFs among those recorded.
    pub native_calls: u64,
    /// Calls and returns of processes that could not be told. They are in no row.
    pub native_unplaced: u64,
    /// Messages of which nothing more is told, for want of memory.
    pub evicted: u64,
    /// Processes that were asked for and that there was no room to remember.
    pub wanted_full: u64,
    /// Processes that kept the probes and were killed by others. What was watched stayed so.
    pub keepers_killed: u64,
    /// Events that could not be put in order, for want of memory.
    pub out_of_order: u64,
    /// What was asked for and is not there, and why.
    pub missing: Vec<String>,
    /// Hits by what the probe sees, of all probes that were placed.
    pub hits: BTreeMap<&'static str, u64>,
    /// When they were watched.
    pub windows: WindowsSummary,
    /// What messages said.
    pub said: SaidCounts,
    /// What processes had, where somebody has asked.
    pub states: Option<StateCounts>,
    /// Names of records among that whose fields have no names here, so that no secret of theirs is known by
    /// its name.
    pub nameless: Vec<String>,
    /// How often they were copied, by how much there is room for.
    pub copies: Vec<Copies>,
}

/// Copies of processes that came to rest.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Copies {
    /// How many bytes there is room for.
    pub bytes: u32,
    /// How many copies there were.
    pub count: u64,
    /// What one of a process that has as much costs, the event included, in nanoseconds.
    pub price_ns: f64,
}

/// When events were watched, and at what price.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WindowsSummary {
    /// Which share of the VM's CPU time they might cost; `None` for all that they do.
    pub share: Option<f64>,
    /// What a hit costs, by [`escope_wire::what`], in nanoseconds.
    pub prices_ns: escope_capture::HitPrices,
    /// How many windows there were.
    pub count: u64,
    /// How long they were open.
    pub open_ns: u64,
    /// What the VM has run in them, in reductions, where that could be read.
    pub reductions: u64,
    /// What it has run in all.
    pub all_reductions: Option<u64>,
    /// CPU time that the VM used in them.
    pub target_cpu_ns: u64,
    /// CPU time that it used in all.
    pub all_target_cpu_ns: u64,
    /// What all hits have cost it, by their prices.
    pub cost_ns: u64,
    /// Since when one is open, in nanoseconds since the recording's start.
    pub open_from_ns: Option<u64>,
}

impl EventsSummary {
    /// As the manifest has them.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let windows = &self.windows;
        let all = windows.all_reductions;
        let counters = [
            ("event_attempts", self.attempts),
            ("events_recorded", self.recorded),
            ("events_lost", self.lost),
            ("events_filtered", self.filtered),
            ("events_had_run", self.had_run),
            ("events_unreadable", self.unreadable),
            ("events_out_of_order", self.out_of_order),
            ("native_calls_recorded", self.native_calls),
            ("native_calls_unplaced", self.native_unplaced),
            ("messages_evicted", self.evicted),
            ("wanted_full", self.wanted_full),
            ("keepers_killed", self.keepers_killed),
            ("event_windows", windows.count),
            ("event_windows_ns", windows.open_ns),
            ("event_windows_reductions", windows.reductions),
            ("event_cost_ns", windows.cost_ns),
        ];
        let said = &self.said;
        let payloads = [
            ("payloads_told", said.told),
            ("payloads_cut", said.cut),
            ("payloads_masked", said.masked),
            ("payloads_withheld", said.withheld),
            ("payloads_unreadable", said.unreadable),
            ("payloads_dropped", said.dropped),
        ];
        // Where nobody has asked for any there are none.
        let payloads = payloads
            .into_iter()
            .filter(|_| *said != SaidCounts::default());
        let states = self.states.iter().flat_map(|states| {
            [
                ("states_rests", states.rests),
                ("states_told", states.told),
                ("states_unchanged", states.unchanged),
                ("states_live", states.live),
                ("states_cut", states.cut),
                ("states_masked", states.masked),
                ("states_at_checkpoints", states.at_checkpoints),
                ("states_withheld", states.withheld),
                ("states_ran", states.ran),
                ("states_unreadable", states.unreadable),
                ("states_dropped", states.dropped),
            ]
        });
        let counters = counters.into_iter();
        let open = windows.open_from_ns;
        counters
            .chain(all.map(|reductions| ("vm_reductions", reductions)))
            .chain(payloads)
            .chain(states)
            .chain(open.map(|from_ns| ("event_window_open_ns", from_ns)))
    }
}

impl WindowsSummary {
    pub(crate) fn add(&mut self, window: &Window) {
        self.count += 1;
        self.open_ns += window.to_ns.saturating_sub(window.from_ns).max(0) as u64;
        self.reductions += window.reductions.unwrap_or(0);
        self.target_cpu_ns += window.target_cpu_ns;
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The recording.
    pub path: PathBuf,
    /// How it ended.
    pub ended: EndedHow,
    /// Why, where that needs saying.
    pub note: Option<String>,
    /// How long it lasted.
    pub duration: Duration,
    /// Which clock samples were taken by.
    pub clock: Clock,
    /// Kernel half's counters.
    pub counters: Counters,
    /// Events of the VM: hits of probes, and what they are called that had no place.
    pub events: Option<EventsSummary>,
    /// What was read of all processes.
    pub checkpoints: CheckpointCounts,
    /// What the symbolizer saw.
    pub statistics: Statistics,
    /// Distinct frames, stacks, processes.
    pub distinct: (usize, usize, usize),
    /// From the call of [`crate::Recorder::start`] to the first sample.
    pub first_sample: Option<Duration>,
    /// What the recorder used from the start of the recording on.
    pub cost: Cost,
    /// Size of the finished recording.
    pub bytes: u64,
    /// How code loading was followed, when not exactly.
    pub code_note: Option<String>,
    /// What was lost, a row per kind.
    pub losses: Vec<Loss>,
    /// The samples beside the kernel's own accounts; `None` if those could not be read.
    pub checked: Option<Checked>,
    /// Why the recording could not be completed; what was written before opens.
    pub problem: Option<Arc<SessionError>>,
}
