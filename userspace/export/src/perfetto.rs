//! Perfetto's protobuf traces: <https://perfetto.dev/docs/reference/trace-packet-proto>.
//!
//! A file is a message `Trace`, which is nothing but its packets one after the other: so it is
//! written as it comes. All packets are of one sequence. The first clears its state and has the
//! clocks: times are those of `CLOCK_MONOTONIC`, and one reading of `CLOCK_REALTIME` beside it
//! tells wall time. Names, categories, frequent texts, frames and stacks are
//! interned: written once, with the first packet that needs them, and referred to by
//! number.
//!
//! Tracks are Perfetto's own and not OS processes and threads: those of pids and tids would show
//! numbers that mean nothing, and nest no further.
//! Packets are in the order in which they were told, not of time. Readers sort them
//! (`trace_processor` does so before it looks at an event); packets of one track and
//! one time keep their order.

use std::io::Write;

use escope_model::{Dictionary, FrameId, FrameKind, StackId};
use prost::Message;
use rustc_hash::FxHashMap;

use crate::ExportError;
use crate::timeline::{
    Arg, FlowEnd, Head, Instant, Plan, Sink, Slice, Teller, Track, TrackId, TrackKind, Value, whole,
};

mod intern;
mod proto;

#[cfg(test)]
mod tests;

use intern::Interned;
use proto::{BuiltinClock, EventType, FrameSort, Ordering, SiblingMerge};

/// The only sequence of a file.
const SEQUENCE: u32 = 1;

/// `TracePacket.SequenceFlags`.
const STATE_CLEARED: u32 = 1;
const NEEDS_STATE: u32 = 2;

/// Of field 1 of `Trace`, with a length.
const PACKET_KEY: u8 = 0x0a;

/// Begins a file: what [`Teller::tell`] gets then goes into it.
///
/// # Errors
/// When `out` fails.
pub fn begin<'a, W: Write>(
    plan: &'a Plan,
    dictionary: &'a Dictionary,
    head: &Head,
    out: W,
) -> Result<Teller<'a, Perfetto<'a, W>>, ExportError> {
    let mut sink = Perfetto {
        out,
        dictionary,
        start_ns: head.start_monotonic_ns,
        tracks: FxHashMap::default(),
        interned: Interned::default(),
        buffer: Vec::new(),
    };
    sink.clocks(head)?;
    Ok(Teller::new(plan, dictionary, sink))
}

/// A file that is being written.
#[derive(Debug)]
pub struct Perfetto<'a, W> {
    out: W,
    dictionary: &'a Dictionary,
    start_ns: u64,
    /// Their `uuid`s, from 1.
    tracks: FxHashMap<TrackId, u64>,
    interned: Interned,
    /// Of the packet that is written.
    buffer: Vec<u8>,
}

impl<W: Write> Perfetto<'_, W> {
    fn clocks(&mut self, head: &Head) -> Result<(), ExportError> {
        let clock = |clock: BuiltinClock, timestamp: u64| proto::Clock {
            clock_id: Some(clock as u32),
            timestamp: Some(timestamp),
        };
        let realtime = u64::try_from(head.start_realtime_ns).unwrap_or(0);
        self.write(proto::TracePacket {
            clock_snapshot: Some(proto::ClockSnapshot {
                clocks: vec![
                    clock(BuiltinClock::Monotonic, head.start_monotonic_ns),
                    clock(BuiltinClock::Realtime, realtime),
                ],
                primary_trace_clock: Some(BuiltinClock::Monotonic as i32),
            }),
            trace_packet_defaults: Some(proto::TracePacketDefaults {
                timestamp_clock_id: Some(BuiltinClock::Monotonic as u32),
            }),
            sequence_flags: Some(STATE_CLEARED | NEEDS_STATE),
            first_packet_on_sequence: Some(true),
            ..proto::TracePacket::default()
        })
    }

    /// Writes a packet, and with it what was interned for it.
    fn write(&mut self, mut packet: proto::TracePacket) -> Result<(), ExportError> {
        packet.trusted_packet_sequence_id = Some(SEQUENCE);
        packet.interned_data = self.interned.take();
        self.buffer.clear();
        self.buffer.push(PACKET_KEY);
        // A `Vec` has always room.
        let _ = packet.encode_length_delimited(&mut self.buffer);
        Ok(self.out.write_all(&self.buffer)?)
    }

    fn event(&mut self, ts_ns: i64, event: proto::TrackEvent) -> Result<(), ExportError> {
        self.write(proto::TracePacket {
            timestamp: Some(self.start_ns.saturating_add_signed(ts_ns)),
            track_event: Some(event),
            sequence_flags: Some(NEEDS_STATE),
            ..proto::TracePacket::default()
        })
    }

    /// What all events have in common.
    fn on(&self, track: TrackId, event: EventType) -> proto::TrackEvent {
        proto::TrackEvent {
            r#type: Some(event as i32),
            track_uuid: self.tracks.get(&track).copied(),
            ..proto::TrackEvent::default()
        }
    }

    fn named(
        &mut self,
        track: TrackId,
        event: EventType,
        (category, name): (&'static str, &str),
        args: &[Arg<'_>],
    ) -> proto::TrackEvent {
        let mut event = self.on(track, event);
        event.category_iids = vec![self.interned.category(category)];
        match self.interned.name(name) {
            Some(iid) => event.name_iid = Some(iid),
            None => event.name = Some(name.to_owned()),
        }
        event.debug_annotations = args.iter().map(|arg| self.annotation(arg)).collect();
        event
    }

    fn annotation(&mut self, (name, value): &Arg<'_>) -> proto::DebugAnnotation {
        let mut annotation = proto::DebugAnnotation {
            name_iid: Some(self.interned.annotation(name)),
            ..proto::DebugAnnotation::default()
        };
        match *value {
            Value::Number(number) => annotation.uint_value = Some(number),
            Value::Unique(text) => annotation.string_value = Some(text.to_owned()),
            Value::Text(text) => match self.interned.text(text) {
                Some(iid) => annotation.string_value_iid = Some(iid),
                None => annotation.string_value = Some(text.to_owned()),
            },
        }
        annotation
    }

    /// The number of a stack; none of one without frames, which readers count as an error.
    fn callstack(&mut self, stack: StackId) -> Option<u64> {
        let frames = self.dictionary.stack(stack);
        let dictionary = self.dictionary;
        let known = frames
            .iter()
            .filter_map(|&id| Some((id, dictionary.frame(id)?)));
        let known: Vec<(FrameId, &escope_model::Frame)> = known.collect();
        if known.is_empty() {
            return None;
        }
        let StackId(number) = stack;
        let iid = u64::from(number) + 1;
        if self.interned.is_new_stack(stack) {
            for &(id, frame) in &known {
                self.interned.frame(id, frame, sort(frame.kind));
            }
            // Outermost first.
            let frame_ids = known.iter().rev().map(|(id, _)| u64::from(id.0) + 1);
            self.interned.stack(iid, frame_ids.collect());
        }
        Some(iid)
    }
}

fn sort(kind: FrameKind) -> FrameSort {
    match kind {
        FrameKind::Erlang => FrameSort::Jit,
        FrameKind::Helper => FrameSort::Runtime,
        FrameKind::Bif | FrameKind::Nif | FrameKind::Native => FrameSort::Native,
        FrameKind::Kernel => FrameSort::Kernel,
        FrameKind::Marker => FrameSort::Unknown,
    }
}

impl<W: Write> Sink for Perfetto<'_, W> {
    fn track(&mut self, track: &Track<'_>) -> Result<(), ExportError> {
        let uuid = self.tracks.len() as u64 + 1;
        self.tracks.insert(track.id, uuid);
        let parent = track.parent.and_then(|parent| self.tracks.get(&parent));
        let counter = match track.kind {
            TrackKind::Counter(unit) => Some(proto::CounterDescriptor {
                unit_name: unit.map(str::to_owned),
            }),
            TrackKind::Group | TrackKind::Events => None,
        };
        self.write(proto::TracePacket {
            track_descriptor: Some(proto::TrackDescriptor {
                uuid: Some(uuid),
                parent_uuid: parent.copied(),
                name: Some(track.name.to_owned()),
                description: track.about.map(str::to_owned),
                child_ordering: match track.kind {
                    TrackKind::Counter(_) => None,
                    TrackKind::Group | TrackKind::Events => Some(Ordering::Explicit as i32),
                },
                sibling_order_rank: Some(track.rank),
                sibling_merge_behavior: Some(SiblingMerge::None as i32),
                counter,
            }),
            ..proto::TracePacket::default()
        })
    }

    fn slice(&mut self, slice: &Slice<'_>) -> Result<(), ExportError> {
        let what = (slice.category, slice.name);
        let begin = self.named(slice.track, EventType::SliceBegin, what, slice.args);
        self.event(slice.start_ns, begin)?;
        let end = self.on(slice.track, EventType::SliceEnd);
        self.event(slice.end_ns, end)
    }

    fn instant(&mut self, instant: &Instant<'_>) -> Result<(), ExportError> {
        let what = (instant.category, instant.name);
        let mut event = self.named(instant.track, EventType::Instant, what, instant.args);
        if let Some(flow) = instant.flow {
            match flow.end {
                FlowEnd::Out => event.flow_ids = vec![flow.id],
                FlowEnd::In => event.terminating_flow_ids = vec![flow.id],
            }
        }
        if let Some(stack) = instant.stack
            && let Some(iid) = self.callstack(stack)
        {
            event.callstack_iid = Some(iid);
        }
        self.event(instant.ts_ns, event)
    }

    fn counter(&mut self, track: TrackId, ts_ns: i64, value: f64) -> Result<(), ExportError> {
        let mut event = self.on(track, EventType::Counter);
        // Whole numbers are a byte or two.
        match whole(value) {
            Some(whole) => event.counter_value = Some(whole),
            None => event.double_counter_value = Some(value),
        }
        self.event(ts_ns, event)
    }

    fn finish(&mut self) -> Result<(), ExportError> {
        Ok(self.out.flush()?)
    }
}
