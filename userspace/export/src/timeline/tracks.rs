//! Which tracks there are, what they are called and where they stand.

use escope_model::{Dictionary, ProcId, SchedulerId};
use rustc_hash::FxHashMap;

use super::plan::Plan;

/// A track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TrackId {
    /// All schedulers.
    Schedulers,
    /// One.
    Scheduler(SchedulerId),
    /// When the thread of one had no CPU.
    OffCpu(SchedulerId),
    /// All processes.
    Processes,
    /// One: its runs, its life, its messages.
    Process(ProcId),
    /// The collections of one.
    Collections(ProcId),
    /// Its calls of BIFs and NIFs.
    NativeCalls(ProcId),
    /// The length of its mailbox.
    Mailbox(ProcId),
    /// Its samples.
    Samples(ProcId),
    /// A metric of a process, by number.
    Metric(ProcId, u32),
    /// All that is missing.
    Lost,
    /// When events were not watched.
    NotWatched,
    /// What is missing of one place, by number.
    Loss(u32),
    /// What belongs to no process.
    Outside,
    /// Messages that no process of this node sent.
    OutsideMessages,
    /// Code that no process loaded or purged.
    OutsideCode,
    /// Events of ports that belong to no process.
    OutsidePorts,
    /// Signals of other nodes that belong to no process.
    OutsideNodes,
    /// Samples of a thread that ran no process.
    OutsideSamples(u32),
    /// The VM as a whole.
    Vm,
    /// One of its metrics, by number.
    VmMetric(u32),
}

/// What can be on a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackKind {
    /// Nothing but other tracks below it.
    Group,
    /// Slices and instants.
    Events,
    /// Values of this unit, which may be unknown.
    Counter(Option<&'static str>),
}

/// A track, as it is declared.
#[derive(Debug, Clone)]
pub struct Track<'a> {
    /// Which.
    pub id: TrackId,
    /// The one that it is below.
    pub parent: Option<TrackId>,
    /// What it is called.
    pub name: &'a str,
    /// What is on it.
    pub kind: TrackKind,
    /// Its place among those below the same one, lowest first.
    pub rank: i32,
    /// What it is, where its name does not say it.
    pub about: Option<&'a str>,
}

impl TrackId {
    /// The one that it is below.
    #[must_use]
    pub fn parent(self) -> Option<TrackId> {
        match self {
            TrackId::Schedulers
            | TrackId::Processes
            | TrackId::Lost
            | TrackId::Outside
            | TrackId::Vm => None,
            TrackId::Scheduler(_) => Some(TrackId::Schedulers),
            TrackId::OffCpu(scheduler) => Some(TrackId::Scheduler(scheduler)),
            TrackId::Process(_) => Some(TrackId::Processes),
            TrackId::Collections(proc)
            | TrackId::NativeCalls(proc)
            | TrackId::Mailbox(proc)
            | TrackId::Samples(proc)
            | TrackId::Metric(proc, _) => Some(TrackId::Process(proc)),
            TrackId::Loss(_) | TrackId::NotWatched => Some(TrackId::Lost),
            TrackId::OutsideMessages
            | TrackId::OutsideCode
            | TrackId::OutsidePorts
            | TrackId::OutsideNodes
            | TrackId::OutsideSamples(_) => Some(TrackId::Outside),
            TrackId::VmMetric(_) => Some(TrackId::Vm),
        }
    }

    /// What can be on it.
    #[must_use]
    pub fn kind(self) -> TrackKind {
        match self {
            TrackId::Mailbox(_) => TrackKind::Counter(Some("messages")),
            TrackId::Metric(..) | TrackId::VmMetric(_) => TrackKind::Counter(None),
            it if it.parent().is_none() => TrackKind::Group,
            _ => TrackKind::Events,
        }
    }
}

/// What things of the target are called.
pub(super) struct Names<'a> {
    dictionary: &'a Dictionary,
    /// By number: what people call it, and the same with the pid.
    processes: Vec<(String, String)>,
    /// By number: function, and with file and line.
    frames: Vec<(String, String)>,
    ranks: FxHashMap<ProcId, i32>,
    metrics: Words,
    places: Words,
}

impl<'a> Names<'a> {
    pub(super) fn new(dictionary: &'a Dictionary, plan: &Plan) -> Names<'a> {
        let processes = dictionary.processes.iter().map(|process| {
            let name = process.display_name();
            let full = match name.ends_with(&process.pid) {
                true => name.clone(),
                false => format!("{name} {}", process.pid),
            };
            (name, full)
        });
        let frames = dictionary.frames.iter().map(|frame| {
            let name = frame.name();
            let place = frame
                .location()
                .map(|location| format!("{name} {location}"));
            let place = place.unwrap_or_else(|| name.clone());
            (name, place)
        });
        Names {
            dictionary,
            processes: processes.collect(),
            frames: frames.collect(),
            ranks: plan.ranks(),
            metrics: Words::default(),
            places: Words::default(),
        }
    }

    /// What people call a process.
    pub(super) fn process(&self, proc: ProcId) -> &str {
        let names = self.processes.get(proc.index());
        names.map_or("unknown process", |(name, _)| name)
    }

    /// The same with its pid, which tells it from others of this name.
    pub(super) fn process_in_full(&self, proc: ProcId) -> &str {
        let names = self.processes.get(proc.index());
        names.map_or("unknown process", |(_, full)| full)
    }

    /// Its pid.
    pub(super) fn pid(&self, proc: ProcId) -> Option<&str> {
        Some(&self.dictionary.process(proc)?.pid)
    }

    /// A function.
    pub(super) fn function(&self, frame: escope_model::FrameId) -> Option<&str> {
        let (name, _) = self.frames.get(frame.index())?;
        Some(name)
    }

    /// A function with file and line, where they are known.
    pub(super) fn place(&self, frame: escope_model::FrameId) -> Option<&str> {
        let (_, place) = self.frames.get(frame.index())?;
        Some(place)
    }

    /// The number of a metric.
    pub(super) fn metric(&mut self, name: &str) -> u32 {
        self.metrics.number(name)
    }

    /// The number of a place where something was lost.
    pub(super) fn lost_at(&mut self, place: &str) -> u32 {
        self.places.number(place)
    }

    /// What a track is called.
    ///
    /// Those above all others are shown in the order of these names: Perfetto's UI has no other
    /// order for them (`viz/summary/track_event.sql`, v54).
    pub(super) fn track(&self, id: TrackId) -> String {
        match id {
            TrackId::Schedulers => "BEAM schedulers".to_owned(),
            TrackId::Scheduler(scheduler) => scheduler.to_string(),
            TrackId::Processes => "Erlang processes".to_owned(),
            TrackId::Process(proc) => match self.dictionary.process(proc) {
                Some(_) => self.process_in_full(proc).to_owned(),
                None => format!("process {}", proc.0),
            },
            TrackId::OffCpu(scheduler) => format!("{scheduler} without a CPU"),
            TrackId::Collections(_) => "garbage collections".to_owned(),
            TrackId::NativeCalls(_) => "BIFs and NIFs".to_owned(),
            TrackId::Mailbox(_) => "mailbox".to_owned(),
            TrackId::Samples(_) => "CPU samples".to_owned(),
            TrackId::Metric(_, number) | TrackId::VmMetric(number) => {
                self.metrics.word(number).to_owned()
            }
            TrackId::Lost => "Lost".to_owned(),
            TrackId::NotWatched => "events not watched".to_owned(),
            TrackId::Loss(number) => self.places.word(number).to_owned(),
            TrackId::Outside => "Outside of processes".to_owned(),
            TrackId::OutsideMessages => "messages from outside".to_owned(),
            TrackId::OutsideCode => "code".to_owned(),
            TrackId::OutsidePorts => "ports".to_owned(),
            TrackId::OutsideNodes => "other nodes".to_owned(),
            TrackId::OutsideSamples(tid) => {
                let thread = self.dictionary.thread(tid);
                let name = thread.map(|thread| match thread.scheduler {
                    Some(scheduler) => scheduler.to_string(),
                    None => thread.name.clone(),
                });
                let name = name.as_deref().unwrap_or("thread");
                format!("CPU samples of {name} ({tid})")
            }
            TrackId::Vm => "VM".to_owned(),
        }
    }

    /// Its place among those below the same one.
    pub(super) fn rank(&self, id: TrackId) -> i32 {
        match id {
            TrackId::Schedulers | TrackId::Collections(_) | TrackId::OutsideMessages => 0,
            TrackId::Processes | TrackId::Mailbox(_) => 1,
            TrackId::Lost | TrackId::Samples(_) => 2,
            TrackId::Outside => 3,
            TrackId::NotWatched | TrackId::NativeCalls(_) | TrackId::OutsideCode => -1,
            TrackId::OutsidePorts => -2,
            TrackId::OutsideNodes => -3,
            TrackId::Vm => 4,
            TrackId::Scheduler(it) | TrackId::OffCpu(it) => {
                (it.kind as i32) << 16 | i32::from(it.number)
            }
            TrackId::Process(proc) => self.ranks.get(&proc).copied().unwrap_or(i32::MAX),
            TrackId::Metric(_, number) => 3_i32.saturating_add_unsigned(number),
            TrackId::Loss(number) | TrackId::VmMetric(number) => {
                0_i32.saturating_add_unsigned(number)
            }
            TrackId::OutsideSamples(tid) => 1_i32.saturating_add_unsigned(tid),
        }
    }

    /// What it is, where its name does not say it.
    pub(super) fn about(id: TrackId) -> Option<&'static str> {
        match id {
            TrackId::Processes => Some("Those that ran longest first."),
            TrackId::OffCpu(_) => Some(
                "When the kernel ran this scheduler's thread on no CPU: it was preempted, or \
                 blocked while it ran a process, or asleep.",
            ),
            TrackId::Mailbox(_) => Some(
                "How many messages lie in it, of those that were seen sent and of which it is \
                 known what became of them.",
            ),
            TrackId::Lost => Some(
                "Between when how much is missing. In a gap nothing is told: what is not there may \
                 have happened all the same.",
            ),
            TrackId::NotWatched => Some(
                "No window was open: runs, messages, lives and collections of that time are not \
                 known. Samples go on, mailboxes keep the last length that was known.",
            ),
            TrackId::OutsideMessages => {
                Some("Sent by ports, timers, other nodes or the VM itself.")
            }
            TrackId::OutsideSamples(_) => Some("Taken while this thread ran no process."),
            _ => None,
        }
    }
}

/// Words by number. There are few; past [`MAX_WORDS`] all others share one.
#[derive(Default)]
struct Words {
    words: Vec<String>,
    numbers: FxHashMap<String, u32>,
}

/// A recording of ours has some ten.
const MAX_WORDS: usize = 1000;

impl Words {
    fn number(&mut self, word: &str) -> u32 {
        if let Some(&number) = self.numbers.get(word) {
            return number;
        }
        let number = self.words.len();
        if number < MAX_WORDS {
            self.words.push(word.to_owned());
            self.numbers.insert(word.to_owned(), number as u32);
        }
        number as u32
    }

    fn word(&self, number: u32) -> &str {
        self.words
            .get(number as usize)
            .map_or("others", |word| word)
    }
}
