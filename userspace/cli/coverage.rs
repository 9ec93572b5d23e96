//! Which part of a recording events tell of.

use std::sync::Once;

use escope_model::{Dictionary, ProcId};
use escope_recording::{EndedHow, Recording, RecordingError, TimeRange};
use escope_timeline::{Gaps, Happening, Tables};
use serde_json::{Value, json};

use crate::say::say;
use crate::time;

/// The place of losses that leave gaps among events: its rows have their exact times.
pub(crate) const GAPS: &str = "event_ring_full";

/// From when to when, and where events are missing.
#[derive(Debug)]
pub(crate) struct Coverage {
    /// Nanoseconds since the recording's start.
    pub(crate) since_ns: u64,
    /// The first instant that is too late.
    pub(crate) until_ns: u64,
    pub(crate) gaps: Gaps,
    windows: Windows,
    /// What the VM has run in all, by its schedulers' counts; 0 where that is not known.
    all_reductions: u64,
    /// Events that happened while they were watched, and those of them that were recorded.
    happened: u64,
    recorded: u64,
    lost: u64,
    /// Those of processes that were not asked for.
    filtered: u64,
    /// All of the recording's time.
    whole_ns: u64,
    is_whole: bool,
}

impl Coverage {
    /// Of a part of a recording. One that lacks its end covers what it has.
    pub(crate) fn of(recording: &Recording, range: TimeRange) -> Result<Coverage, RecordingError> {
        let mut spans = Vec::new();
        for loss in recording.losses()? {
            let loss = loss?;
            if loss.place == GAPS {
                spans.push((since_start(loss.from_ns), since_start(loss.to_ns)));
            }
        }
        let mut windows = Windows::of(recording)?;
        let manifest = recording.manifest();
        let ended = manifest.ended.as_ref();
        let end_ns = match ended.filter(|ended| ended.how != EndedHow::Failed) {
            Some(ended) => since_start(ended.at_ns),
            None => last_ns(recording)?.saturating_add(1),
        };
        windows.clip(end_ns);
        let whole_ns = end_ns;
        // What is before the first window and after the last one is not of the events.
        let (first_ns, end_ns) = match windows.spans[..] {
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
            gaps: {
                spans.extend(windows.outside());
                Gaps::of(spans)
            },
            windows,
            all_reductions: counter("vm_reductions"),
            happened: counter("events_recorded").saturating_add(counter("events_lost")),
            recorded: counter("events_recorded"),
            lost: counter("events_lost"),
            filtered: counter("events_filtered"),
            whole_ns,
            is_whole: range == TimeRange::ALL,
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

    /// By what counts of events are to be multiplied to stand for the whole recording: the VM's
    /// work in all over its work while it was watched, both in reductions. Time would mislead,
    /// since what is watched is slower. `None` where all was watched, or that is not known.
    pub(crate) fn scale(&self) -> Option<f64> {
        let seen = self.windows.reductions?;
        let is_part = self.windows.spans.len() > 1
            || seen.saturating_mul(100) < self.all_reductions.saturating_mul(99);
        (is_part && seen > 0 && self.all_reductions > seen)
            .then(|| self.all_reductions as f64 / seen as f64)
    }

    /// What is to be known of windows, where they were not open most of the time.
    pub(crate) fn windowed(&self) -> Option<String> {
        let open = self.windows.spans.iter();
        let open_ns: u64 = open.map(|(from, to)| to.saturating_sub(*from)).sum();
        let scale = self.scale();
        if scale.is_none() && open_ns.saturating_mul(10) > self.whole_ns.saturating_mul(9)
            || self.windows.spans.is_empty()
        {
            return None;
        }
        let count = self.windows.spans.len();
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

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "from_ns": self.since_ns,
            "to_ns": self.until_ns,
            "seen_ns": self.seen_ns(),
            "windows": self.windows.spans.len(),
            "scale": self.scale(),
            "gaps": self.gap_count(),
            "in_gaps_ns": self.lost_ns(),
            "events_happened": self.happened,
            "events_recorded": self.recorded,
        })
    }
}

/// When events were watched.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    /// From when to when, in their order.
    spans: Vec<(u64, u64)>,
    /// What the VM has run in them, if that is known of all.
    reductions: Option<u64>,
}

impl Windows {
    pub(crate) fn of(recording: &Recording) -> Result<Windows, RecordingError> {
        let mut windows = Windows {
            reductions: Some(0),
            ..Windows::default()
        };
        for window in recording.windows()? {
            let window = window?;
            let span = (since_start(window.from_ns), since_start(window.to_ns));
            windows.spans.push(span);
            let sum = windows.reductions.zip(window.reductions);
            windows.reductions = sum.map(|(sum, more)| sum.saturating_add(more));
        }
        // One that was open when the recorder was killed: until the last that there is.
        let counters = &recording.manifest().totals.counters;
        if let (None, Some(&from_ns)) = (
            recording.manifest().ended.as_ref(),
            counters.get("event_window_open_ns"),
        ) && windows.spans.last().is_none_or(|last| last.1 <= from_ns)
        {
            windows.spans.push((from_ns, u64::MAX));
            windows.reductions = None;
        }
        Ok(windows)
    }

    /// Nothing is after the end.
    pub(crate) fn clip(&mut self, end_ns: u64) {
        for (from_ns, to_ns) in &mut self.spans {
            (*from_ns, *to_ns) = ((*from_ns).min(end_ns), (*to_ns).min(end_ns));
        }
    }

    /// The times before, between and after them. None where it is not known when they were, as
    /// of a recording that was cut short in the first.
    pub(crate) fn outside(&self) -> Vec<(u64, u64)> {
        let (Some(_), starts) = (self.spans.first(), self.spans.iter().map(|span| span.0)) else {
            return Vec::new();
        };
        let ends = std::iter::once(0).chain(self.spans.iter().map(|span| span.1));
        let gaps = ends.zip(starts.chain(std::iter::once(u64::MAX)));
        gaps.filter(|(from_ns, to_ns)| from_ns < to_ns).collect()
    }
}

/// A time of a recording that claims to be from before it counts as its start.
fn since_start(ns: i64) -> u64 {
    u64::try_from(ns).unwrap_or(0)
}

/// When the last row begins.
fn last_ns(recording: &Recording) -> Result<u64, RecordingError> {
    let mut last_ns = 0;
    for row in rows(recording, None)? {
        last_ns = last_ns.max(row?.begin_ns());
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
    };
    // Rows are read more than once, what is wrong with them is said once.
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let of_lives = tables.lives.problems().iter();
        let of_both = tables
            .runs
            .problems()
            .iter()
            .chain(tables.messages.problems());
        for problem in of_both.chain(of_lives).chain(tables.collections.problems()) {
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

/// What to call a sender, which may be none of this node's processes.
pub(crate) fn sender(dictionary: &Dictionary, proc: Option<ProcId>) -> String {
    proc.map_or_else(|| "outside".to_owned(), |proc| name(dictionary, proc))
}
