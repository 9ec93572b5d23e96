//! The Trace Event Format, in JSON: read by `chrome://tracing`, Perfetto's UI, Speedscope and
//! others.
//!
//! "Trace Event Format", <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>:
//! an object whose `traceEvents` are one a line here: `M` names a track, `X` lasts, `i` is an
//! instant, `s` and `f` are the ends of a flow, `C` is a counter. A process of the
//! format is a group of tracks, a thread a track; `pid` and `tid` are numbers of ours. Times are
//! microseconds since the recording's start, with three decimals. `sf` of a sample is its stack:
//! a frame among `stackFrames`, which names the one that called it.
//!
//! An end of a flow belongs to what is on the track at its time: it follows the instant
//! that it is of.

use std::io::Write;

use escope_model::{Dictionary, FrameId, StackId};
use rustc_hash::FxHashMap;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::ExportError;
use crate::timeline::{
    Arg, FlowEnd, Head, Instant, Plan, Sink, Slice, Teller, Track, TrackId, TrackKind, Value, whole,
};

#[cfg(test)]
mod tests;

const EXPORTER: &str = concat!("escope-bpf ", env!("CARGO_PKG_VERSION"));

/// Where processes stand among all groups: in the place of the group that Perfetto has for them.
const FIRST_PROCESS: i32 = 1;

/// Where the groups stand that come after it.
const AFTER_PROCESSES: i32 = 2_000_000_000;

/// Begins a file: what [`Teller::tell`] gets then goes into it.
///
/// # Errors
/// When `out` fails.
pub fn begin<'a, W: Write>(
    plan: &'a Plan,
    dictionary: &'a Dictionary,
    head: &Head,
    mut out: W,
) -> Result<Teller<'a, ChromeTrace<'a, W>>, ExportError> {
    out.write_all(b"{\"displayTimeUnit\":\"ns\",\"otherData\":")?;
    let other = OtherData {
        vm: &head.title,
        recorded_by: EXPORTER,
        start: &head.start_realtime,
        start_realtime_ns: head.start_realtime_ns.to_string(),
        start_monotonic_ns: head.start_monotonic_ns.to_string(),
    };
    serde_json::to_writer(&mut out, &other)?;
    out.write_all(b",\n\"traceEvents\":[")?;
    let sink = ChromeTrace {
        out,
        dictionary,
        tracks: FxHashMap::default(),
        counters: FxHashMap::default(),
        last_id: 0,
        has_events: false,
        stacks: FxHashMap::default(),
        calls: FxHashMap::default(),
        frames: Vec::new(),
    };
    Ok(Teller::new(plan, dictionary, sink))
}

/// A file that is being written.
#[derive(Debug)]
pub struct ChromeTrace<'a, W> {
    out: W,
    dictionary: &'a Dictionary,
    tracks: FxHashMap<TrackId, Place>,
    /// Names and units.
    counters: FxHashMap<TrackId, (String, &'static str)>,
    /// The last `pid` or `tid` that was given: no two have one number, since readers look threads
    /// up by it alone.
    last_id: u32,
    has_events: bool,
    /// The innermost frame of each stack; none of one without frames.
    stacks: FxHashMap<StackId, Option<u32>>,
    /// By the frame that calls and the one that is called.
    calls: FxHashMap<(Option<u32>, FrameId), u32>,
    /// The same by number.
    frames: Vec<(Option<u32>, FrameId)>,
}

/// Where a track is.
#[derive(Debug, Clone, Copy)]
struct Place {
    pid: u32,
    tid: u32,
}

/// Numbers as text: they do not fit into a double.
#[derive(Serialize)]
struct OtherData<'a> {
    vm: &'a str,
    recorded_by: &'a str,
    start: &'a str,
    start_realtime_ns: String,
    start_monotonic_ns: String,
}

#[derive(Default, Serialize)]
struct Event<'a> {
    ph: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    pid: u32,
    tid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    /// Of an instant: how far it reaches, `t` the thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    /// Of a flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    /// What a flow binds to: `e`, what encloses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sf: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Args<'a>>,
}

/// Arguments of an event.
enum Args<'a> {
    Known(&'a [Arg<'a>]),
    Name(&'a str),
    SortIndex(i32),
    Value(&'a str, f64),
}

impl Serialize for Args<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Args::Known(args) => {
                for (name, value) in *args {
                    match value {
                        Value::Number(number) => map.serialize_entry(name, number)?,
                        Value::Text(text) | Value::Unique(text) => {
                            map.serialize_entry(name, text)?;
                        }
                    }
                }
            }
            Args::Name(name) => map.serialize_entry("name", name)?,
            Args::SortIndex(index) => map.serialize_entry("sort_index", index)?,
            Args::Value(unit, value) => match whole(*value) {
                Some(whole) => map.serialize_entry(unit, &whole)?,
                None => map.serialize_entry(unit, value)?,
            },
        }
        map.end()
    }
}

/// A frame of `stackFrames`.
#[derive(Serialize)]
struct StackFrame<'a> {
    category: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<u32>,
}

fn micros(ns: i64) -> f64 {
    ns as f64 / 1000.0
}

impl<W: Write> ChromeTrace<'_, W> {
    fn write(&mut self, event: &Event<'_>) -> Result<(), ExportError> {
        let before: &[u8] = if self.has_events { b",\n" } else { b"\n" };
        self.has_events = true;
        self.out.write_all(before)?;
        Ok(serde_json::to_writer(&mut self.out, event)?)
    }

    fn metadata(
        &mut self,
        name: &'static str,
        Place { pid, tid }: Place,
        args: Args<'_>,
    ) -> Result<(), ExportError> {
        self.write(&Event {
            ph: "M",
            name,
            pid,
            tid,
            args: Some(args),
            ..Event::default()
        })
    }

    fn place(&self, track: TrackId) -> Place {
        let place = self.tracks.get(&track).copied();
        place.unwrap_or(Place { pid: 0, tid: 0 })
    }

    /// A process of the format.
    fn group(&mut self, track: &Track<'_>, rank: i32) -> Result<u32, ExportError> {
        let pid = self.next_id();
        let place = Place { pid, tid: 0 };
        self.metadata("process_name", place, Args::Name(track.name))?;
        self.metadata("process_sort_index", place, Args::SortIndex(rank))?;
        Ok(pid)
    }

    /// A thread of the format.
    fn thread(&mut self, place: Place, name: &str, rank: i32) -> Result<(), ExportError> {
        self.metadata("thread_name", place, Args::Name(name))?;
        self.metadata("thread_sort_index", place, Args::SortIndex(rank))
    }

    fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.saturating_add(1);
        self.last_id
    }

    /// The number of a stack's innermost frame.
    fn innermost(&mut self, stack: StackId) -> Option<u32> {
        if let Some(&innermost) = self.stacks.get(&stack) {
            return innermost;
        }
        let mut innermost = None;
        for &frame in self.dictionary.stack(stack).iter().rev() {
            let call = (innermost, frame);
            let next = self.frames.len() as u32;
            let number = *self.calls.entry(call).or_insert(next);
            if number == next {
                self.frames.push(call);
            }
            innermost = Some(number);
        }
        self.stacks.insert(stack, innermost);
        innermost
    }

    fn stack_frames(&mut self) -> Result<(), ExportError> {
        self.out.write_all(b",\n\"stackFrames\":{")?;
        for (number, &(parent, frame)) in self.frames.iter().enumerate() {
            let frame = self.dictionary.frame(frame);
            let name = frame.map_or_else(|| "unknown frame".to_owned(), |frame| frame.name());
            let shown = StackFrame {
                category: frame.map_or("unknown", |frame| frame.kind.as_str()),
                name: &name,
                parent,
            };
            let comma = if number == 0 { "" } else { "," };
            write!(self.out, "{comma}\n\"{number}\":")?;
            serde_json::to_writer(&mut self.out, &shown)?;
        }
        Ok(self.out.write_all(b"\n}")?)
    }
}

impl<W: Write> Sink for ChromeTrace<'_, W> {
    fn track(&mut self, track: &Track<'_>) -> Result<(), ExportError> {
        let parent = track.parent.map(|parent| self.place(parent));
        let place = match (track.id, parent) {
            // Only its processes show.
            (TrackId::Processes, _) => Place { pid: 0, tid: 0 },
            (TrackId::Process(_), _) => {
                let rank = track
                    .rank
                    .saturating_add(FIRST_PROCESS)
                    .min(AFTER_PROCESSES);
                let pid = self.group(track, rank)?;
                // The main thread: the one of this number.
                let place = Place { pid, tid: pid };
                self.thread(place, "runs, messages and life", -1)?;
                place
            }
            (_, None) => {
                let rank = match track.rank {
                    rank @ ..FIRST_PROCESS => rank,
                    rank => rank.saturating_add(AFTER_PROCESSES),
                };
                let pid = self.group(track, rank)?;
                Place { pid, tid: 0 }
            }
            (_, Some(Place { pid, .. })) => match track.kind {
                TrackKind::Group | TrackKind::Events => {
                    let tid = self.next_id();
                    let place = Place { pid, tid };
                    self.thread(place, track.name, track.rank)?;
                    place
                }
                // Counters belong to a process of the format and have no thread.
                TrackKind::Counter(unit) => {
                    let counter = (track.name.to_owned(), unit.unwrap_or("value"));
                    self.counters.insert(track.id, counter);
                    Place { pid, tid: 0 }
                }
            },
        };
        self.tracks.insert(track.id, place);
        Ok(())
    }

    fn slice(&mut self, slice: &Slice<'_>) -> Result<(), ExportError> {
        let Place { pid, tid } = self.place(slice.track);
        self.write(&Event {
            ph: "X",
            name: slice.name,
            cat: Some(slice.category),
            pid,
            tid,
            ts: Some(micros(slice.start_ns)),
            dur: Some(micros(slice.end_ns.saturating_sub(slice.start_ns))),
            args: Some(Args::Known(slice.args)),
            ..Event::default()
        })
    }

    fn instant(&mut self, instant: &Instant<'_>) -> Result<(), ExportError> {
        let Place { pid, tid } = self.place(instant.track);
        let sf = instant.stack.and_then(|stack| self.innermost(stack));
        let ts = Some(micros(instant.ts_ns));
        self.write(&Event {
            ph: "i",
            name: instant.name,
            cat: Some(instant.category),
            pid,
            tid,
            ts,
            s: Some("t"),
            sf,
            args: Some(Args::Known(instant.args)),
            ..Event::default()
        })?;
        let Some(flow) = instant.flow else {
            return Ok(());
        };
        let (ph, bp) = match flow.end {
            FlowEnd::Out => ("s", None),
            FlowEnd::In => ("f", Some("e")),
        };
        // Both ends of a flow have one category and name.
        let sort = flow.sort.as_str();
        self.write(&Event {
            ph,
            name: sort,
            cat: Some(sort),
            pid,
            tid,
            ts,
            id: Some(flow.id),
            bp,
            ..Event::default()
        })
    }

    fn counter(&mut self, track: TrackId, ts_ns: i64, value: f64) -> Result<(), ExportError> {
        let Place { pid, tid } = self.place(track);
        // Taken out while it is written.
        let counter = self.counters.remove(&track);
        let (name, unit) = counter.unwrap_or_default();
        let written = self.write(&Event {
            ph: "C",
            name: &name,
            pid,
            tid,
            ts: Some(micros(ts_ns)),
            // What is no number becomes null, which JSON has.
            args: Some(Args::Value(unit, value)),
            ..Event::default()
        });
        self.counters.insert(track, (name, unit));
        written
    }

    fn finish(&mut self) -> Result<(), ExportError> {
        self.out.write_all(b"\n]")?;
        if !self.frames.is_empty() {
            self.stack_frames()?;
        }
        self.out.write_all(b"}\n")?;
        Ok(self.out.flush()?)
    }
}
