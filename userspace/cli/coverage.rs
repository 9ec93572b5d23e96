//! Which part of a recording events tell of.

use std::sync::Once;

use escope_model::{Dictionary, FrameId, Message, PortId, ProcId};
use escope_recording::{EndedHow, Events, Recording, RecordingError, TimeRange, Watched};
use escope_timeline::{Gaps, Happening, Tables, since_start};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::say::say;
use crate::time;

/// The place of losses that leave gaps among events: its rows have their exact times.
const GAPS: &str = "event_ring_full";

/// A time in which events are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    /// From when to when: nanoseconds since the recording's start.
    pub(crate) span: (u64, u64),
    /// How many were lost, and what that means; none where nothing was watched.
    pub(crate) lost: Option<(u64, String)>,
}

/// All times in which events are missing, in order.
pub(crate) fn missing(
    recording: &Recording,
    watched: &Watched,
) -> Result<Vec<Missing>, RecordingError> {
    let mut all = Vec::new();
    let mut losses = recording.losses()?;
    for loss in &mut losses {
        let loss = loss?;
        if loss.place == GAPS {
            all.push(Missing {
                span: (since_start(loss.from_ns), since_start(loss.to_ns)),
                lost: Some((loss.count, loss.meaning)),
            });
        }
    }
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        for problem in losses.problems() {
            say!("escope-bpf: warning: {problem}");
        }
    });
    let outside = watched.outside().into_iter();
    all.extend(outside.map(|span| Missing { span, lost: None }));
    all.sort_by_key(|missing| missing.span);
    Ok(all)
}

/// Where a recording ends; one that lacks its end, with what it has.
pub(crate) fn end_ns(recording: &Recording) -> Result<u64, RecordingError> {
    let ended = recording.manifest().ended.as_ref();
    match ended.filter(|ended| ended.how != EndedHow::Failed) {
        Some(ended) => Ok(since_start(ended.at_ns)),
        None => Ok(last_ns(recording)?.saturating_add(1)),
    }
}

/// An instant that is asked for, in nanoseconds since the recording's start.
///
/// # Errors
/// When it is no time, or none at which anything was recorded.
pub(crate) fn instant(recording: &Recording, at: &str) -> anyhow::Result<i64> {
    let start_ns = recording.manifest().clocks.start_realtime_ns;
    let at_ns = time::parse_point(at, start_ns).map_err(Failure::usage)?;
    let end_ns = i64::try_from(end_ns(recording)?).unwrap_or(i64::MAX);
    if !(0..end_ns).contains(&at_ns) {
        return Err(Failure::failed(format!(
            "nothing was recorded then: the recording ends at {}",
            time::point(end_ns)
        ))
        .into());
    }
    Ok(at_ns)
}

/// From when to when, and where events are missing.
#[derive(Debug)]
pub(crate) struct Coverage {
    /// Nanoseconds since the recording's start.
    pub(crate) since_ns: u64,
    /// The first instant that is too late.
    pub(crate) until_ns: u64,
    pub(crate) gaps: Gaps,
    watched: Watched,
    /// Events that happened while they were watched, and those of them that were recorded.
    happened: u64,
    recorded: u64,
    lost: u64,
    /// Those of processes that were not asked for.
    filtered: u64,
    /// All of the recording's time.
    whole_ns: u64,
    is_whole: bool,
    /// What was asked for and not seen, and why; and which probes were placed. `None` where the
    /// recording does not say.
    probes: Option<Events>,
}

impl Coverage {
    /// Of a part of a recording. One that lacks its end covers what it has.
    pub(crate) fn of(recording: &Recording, range: TimeRange) -> Result<Coverage, RecordingError> {
        let mut watched = recording.watched()?;
        let manifest = recording.manifest();
        let end_ns = end_ns(recording)?;
        watched.clip(end_ns);
        let missing = missing(recording, &watched)?;
        let whole_ns = end_ns;
        // What is before the first window and after the last one is not of the events.
        let (first_ns, end_ns) = match watched.windows[..] {
            [] => (0, end_ns),
            [first, .., last] => (first.0, last.1.min(end_ns)),
            [only] => (only.0, only.1.min(end_ns)),
        };
        let since_ns = range.since_ns.map_or(first_ns, since_start);
        let since_ns = since_ns.clamp(first_ns.min(end_ns), end_ns);
        let until_ns = range.until_ns.map_or(end_ns, since_start);
        let counter = |name: &str| manifest.totals.counters.get(name).copied().unwrap_or(0);
        Ok(Coverage {
            since_ns,
            until_ns: until_ns.clamp(since_ns, end_ns),
            gaps: Gaps::of(missing.iter().map(|missing| missing.span).collect()),
            watched,
            happened: counter("events_recorded").saturating_add(counter("events_lost")),
            recorded: counter("events_recorded"),
            lost: counter("events_lost"),
            filtered: counter("events_filtered"),
            whole_ns,
            is_whole: range == TimeRange::ALL,
            probes: manifest.events.clone(),
        })
    }

    /// How long it is without what is missing.
    pub(crate) fn seen_ns(&self) -> u64 {
        (self.until_ns - self.since_ns) - self.lost_ns()
    }

    fn lost_ns(&self) -> u64 {
        self.gaps.lost_ns(self.since_ns, self.until_ns)
    }

    fn gap_count(&self) -> usize {
        self.gaps.within(self.since_ns, self.until_ns).count()
    }

    /// `6.14 s`, `5.90 s seen of 6.14 s`.
    pub(crate) fn seen(&self) -> String {
        let lasted = time::show(self.until_ns - self.since_ns);
        match self.lost_ns() {
            0 => lasted,
            _ => format!("{} seen of {lasted}", time::show(self.seen_ns())),
        }
    }

    /// What is missing, if anything is.
    pub(crate) fn missing(&self) -> Option<String> {
        let lost = self.lost;
        match (self.gap_count(), lost) {
            (0, 0) => None,
            (0, _) => Some(format!(
                "{lost} events were lost, none of them in this part"
            )),
            (gaps, 0) => Some(format!(
                "{} in {gaps} gaps between windows: what reaches into a gap is told up to it, or \
                 as unknown",
                time::show(self.lost_ns()),
            )),
            (gaps, _) => Some(format!(
                "{} in {gaps} gaps, where {lost} of {} events were lost in all: what reaches into \
                 a gap is told up to it, or as unknown",
                time::show(self.lost_ns()),
                self.happened,
            )),
        }
    }

    /// By what counts of events are to be multiplied to stand for the whole recording. `None`
    /// where all was watched, or that is not known.
    pub(crate) fn scale(&self) -> Option<f64> {
        self.watched.scale().filter(|&scale| scale > 1.0)
    }

    /// What is to be known of windows, where they were not open most of the time.
    pub(crate) fn windowed(&self) -> Option<String> {
        let open_ns = self.watched.open_ns();
        let scale = self.scale();
        if scale.is_none() && open_ns.saturating_mul(10) > self.whole_ns.saturating_mul(9)
            || self.watched.windows.is_empty()
        {
            return None;
        }
        let count = self.watched.windows.len();
        let open = time::show(open_ns);
        let stand = match (scale, self.is_whole) {
            (Some(scale), true) => format!(
                "with {:.2} % of the VM's work in reductions: counts stand for {scale:.1} times as \
                 many in the whole recording",
                100.0 / scale
            ),
            (Some(scale), false) => {
                format!("with {:.2} % of the VM's work in reductions", 100.0 / scale)
            }
            (None, _) if self.watched.scale().is_some() => {
                "with practically all of the VM's work".to_owned()
            }
            (None, _) => "what part of the VM's work that is is not known".to_owned(),
        };
        Some(format!(
            "watched in {count} windows of {open} in all, {stand}; outside of them nothing was"
        ))
    }

    /// What else is not in it.
    pub(crate) fn filtered(&self) -> Option<String> {
        (self.filtered > 0).then(|| {
            format!(
                "only some processes were asked for: {} events of others were left out",
                self.filtered
            )
        })
    }

    /// All that is to be known beside what is told, a line each.
    pub(crate) fn notes(&self) -> Vec<String> {
        let unseen = |why| format!("events that could not be seen: {why}");
        [self.windowed(), self.missing(), self.filtered()]
            .into_iter()
            .flatten()
            .chain(self.unseen().iter().map(unseen))
            .collect()
    }

    fn unseen(&self) -> &[String] {
        self.probes.as_ref().map_or(&[], |events| &events.unseen)
    }

    /// Whether a probe was placed, if that is known.
    pub(crate) fn has_probe(&self, name: &str) -> Option<bool> {
        let hits = self.probes.as_ref().map(|events| &events.hits);
        hits.map(|hits| hits.contains_key(name))
    }

    /// Whether all processes that were new were seen when they first ran: not where some were left out, as
    /// nobody had asked for them.
    pub(crate) fn has_births(&self) -> bool {
        let mut probes = ["schedule_in", "schedule_in_first"].iter();
        self.filtered == 0 && probes.any(|probe| self.has_probe(probe) == Some(true))
    }

    /// Whether ends of processes were watched.
    pub(crate) fn has_ends(&self) -> bool {
        let mut probes = ["exit", "exit_with_reason"].iter();
        probes.any(|probe| self.has_probe(probe) == Some(true))
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "from_ns": self.since_ns,
            "to_ns": self.until_ns,
            "seen_ns": self.seen_ns(),
            "windows": self.watched.windows.len(),
            "scale": self.scale(),
            "gaps": self.gap_count(),
            "in_gaps_ns": self.lost_ns(),
            "events_happened": self.happened,
            "events_recorded": self.recorded,
            "events_unseen": self.unseen(),
        })
    }
}

/// When the last row begins, or the last run ends.
fn last_ns(recording: &Recording) -> Result<u64, RecordingError> {
    let mut last_ns = 0;
    for row in rows(recording, None)? {
        let row = row?;
        last_ns = last_ns.max(row.begin_ns());
        if let Happening::Run(run) = row {
            last_ns = last_ns.max(since_start(run.end_ns));
        }
    }
    for call in recording.native_calls(TimeRange::ALL)? {
        last_ns = last_ns.max(since_start(call?.start_ns));
    }
    for row in recording.checkpoints(TimeRange::ALL)? {
        last_ns = last_ns.max(since_start(row?.to_ns));
    }
    for row in recording.states(TimeRange::ALL)? {
        last_ns = last_ns.max(since_start(row?.ts_ns));
    }
    Ok(last_ns)
}

/// All rows of events that begin before a time, in the order in which they do.
pub(crate) fn rows(
    recording: &Recording,
    until_ns: Option<u64>,
) -> Result<impl Iterator<Item = Result<Happening, RecordingError>> + use<>, RecordingError> {
    let range = TimeRange {
        since_ns: None,
        until_ns: until_ns.map(|ns| i64::try_from(ns).unwrap_or(i64::MAX)),
    };
    let tables = Tables {
        runs: recording.runs(range)?,
        messages: recording.messages(range)?,
        lives: recording.lifecycle(range)?,
        collections: recording.gc(range)?,
        off_cpu: recording.off_cpu(range)?,
        modules: recording.modules(range)?,
        ports: recording.port_events(range)?,
        dist: recording.dist(range)?,
    };
    let calls = recording.native_calls(range)?;
    // Rows are read more than once, what is wrong with them is said once.
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let of_lives = tables.lives.problems().iter();
        let of_both = tables
            .runs
            .problems()
            .iter()
            .chain(tables.messages.problems());
        let of_threads = tables.off_cpu.problems().iter();
        let of_calls = calls.problems().iter();
        let of_all = of_both.chain(of_lives).chain(of_threads).chain(of_calls);
        let of_others = tables.modules.problems().iter();
        let of_others = of_others.chain(tables.ports.problems());
        let of_others = of_others.chain(tables.dist.problems());
        for problem in of_all.chain(tables.collections.problems()).chain(of_others) {
            say!("escope-bpf: warning: {problem}");
        }
    });
    Ok(tables.merged())
}

/// What to call a process.
pub(crate) fn name(dictionary: &Dictionary, proc: ProcId) -> String {
    let process = dictionary.process(proc);
    process.map_or_else(|| format!("process {}", proc.0), |it| it.display_name())
}

/// What to call a port.
pub(crate) fn port(dictionary: &Dictionary, port: PortId) -> String {
    let known = dictionary.port(port);
    known.map_or_else(|| format!("port {}", port.0), |it| it.display_name())
}

/// What to call a sender, which may be none of this node's processes.
pub(crate) fn sender(dictionary: &Dictionary, proc: Option<ProcId>) -> String {
    proc.map_or_else(|| "outside".to_owned(), |proc| name(dictionary, proc))
}

/// Where in the code.
pub(crate) fn place(dictionary: &Dictionary, at: Option<FrameId>) -> Option<String> {
    let frame = dictionary.frame(at?)?;
    Some(match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!("{} {file}:{line}", frame.name()),
        _ => frame.name(),
    })
}

/// Kind and tag of a message.
pub(crate) fn what(message: &Message) -> String {
    match message.tag.as_deref() {
        Some(tag) => format!("{} {tag}", message.kind.as_str()),
        None => message.kind.as_str().to_owned(),
    }
}
