use std::collections::BTreeMap;
use std::fmt::Write as _;

use prost::Message;

use super::{begin, proto};
use crate::timeline::kit::{Rows, dictionary, head, message, shop};

fn written(rows: &Rows) -> Vec<proto::TracePacket> {
    let (plan, dictionary) = (rows.plan(), dictionary());
    let mut out = Vec::new();
    let mut teller = begin(&plan, &dictionary, &head(), &mut out).expect("it is in memory");
    rows.all()
        .for_each(|row| teller.tell(&row).expect("it is in memory"));
    teller.finish().expect("it is in memory");
    let trace = proto::Trace::decode(out.as_slice()).expect("it is a trace");
    trace.packet
}

/// What was interned so far, and how it reads.
#[derive(Default)]
struct Reader {
    texts: BTreeMap<(&'static str, u64), String>,
    frames: BTreeMap<u64, String>,
    stacks: BTreeMap<u64, Vec<u64>>,
    tracks: BTreeMap<u64, String>,
}

impl Reader {
    fn learn(&mut self, data: &proto::InternedData) {
        let names = [
            ("category", &data.event_categories),
            ("name", &data.event_names),
            ("annotation", &data.debug_annotation_names),
        ];
        for (sort, entries) in names {
            for entry in entries {
                let name = entry.name.clone().expect("it has a name");
                self.text(sort, entry.iid, name);
            }
        }
        let strings = [
            ("function", &data.function_names),
            ("path", &data.mapping_paths),
            ("file", &data.source_paths),
            ("text", &data.debug_annotation_string_values),
        ];
        for (sort, entries) in strings {
            for entry in entries {
                let bytes = entry.str.clone().expect("it has a text");
                let text = String::from_utf8(bytes).expect("it is text");
                self.text(sort, entry.iid, text);
            }
        }
        for mapping in &data.mappings {
            let path = self.get("path", mapping.path_string_ids[0]).to_owned();
            self.text("mapping", mapping.iid, path);
        }
        for frame in &data.frames {
            let mut text = self
                .get("function", frame.function_name_id.unwrap())
                .to_owned();
            if let Some(iid) = frame.source_path_iid {
                let _ = write!(
                    text,
                    " {}:{}",
                    self.get("file", iid),
                    frame.line_number.unwrap()
                );
            }
            if let Some(iid) = frame.mapping_id {
                let _ = write!(text, " in {}", self.get("mapping", iid));
            }
            assert!(self.frames.insert(frame.iid.unwrap(), text).is_none());
        }
        for stack in &data.callstacks {
            let old = self
                .stacks
                .insert(stack.iid.unwrap(), stack.frame_ids.clone());
            assert!(old.is_none());
        }
    }

    fn text(&mut self, sort: &'static str, iid: Option<u64>, text: String) {
        let iid = iid.expect("it has a number");
        assert_ne!(iid, 0, "0 is no number");
        assert_eq!(
            self.texts.insert((sort, iid), text),
            None,
            "it is written once"
        );
    }

    fn get(&self, sort: &'static str, iid: u64) -> &str {
        &self.texts[&(sort, iid)]
    }

    fn event(&self, event: &proto::TrackEvent) -> String {
        let track = &self.tracks[&event.track_uuid.expect("it is on a track")];
        let sort = ["?", "begin", "end", "instant", "counter"][event.r#type.unwrap() as usize];
        let mut text = format!("{sort:<8} on {track:?}");
        let name = event.name_iid.map(|iid| self.get("name", iid));
        if let Some(name) = name.or(event.name.as_deref()) {
            let _ = write!(text, ": {name:?}");
        }
        for iid in &event.category_iids {
            let _ = write!(text, " [{}]", self.get("category", *iid));
        }
        for arg in &event.debug_annotations {
            let name = self.get("annotation", arg.name_iid.unwrap());
            let _ = write!(text, "\n                {name} = ");
            let interned = arg.string_value_iid.map(|iid| self.get("text", iid));
            let _ = match (arg.uint_value, interned.or(arg.string_value.as_deref())) {
                (Some(number), None) => write!(text, "{number}"),
                (None, Some(value)) => write!(text, "{value:?}"),
                both => panic!("{both:?}"),
            };
        }
        for (sort, ids) in [
            ("from", &event.flow_ids),
            ("to", &event.terminating_flow_ids),
        ] {
            for id in ids {
                let _ = write!(text, "\n                flow {id} {sort} here");
            }
        }
        if let Some(iid) = event.callstack_iid {
            let frames = self.stacks[&iid]
                .iter()
                .map(|frame| self.frames[frame].as_str());
            let frames: Vec<&str> = frames.collect();
            let _ = write!(text, "\n                in {}", frames.join(" > "));
        }
        if let Some(value) = event.counter_value {
            let _ = write!(text, " = {value}");
        }
        if let Some(value) = event.double_counter_value {
            let _ = write!(text, " = {value:?}");
        }
        text
    }

    fn track(&mut self, track: &proto::TrackDescriptor) -> String {
        let name = track.name.clone().expect("it has a name");
        let uuid = track.uuid.expect("it has a number");
        assert_ne!(uuid, 0, "0 is the track of those that have none");
        let parent = track.parent_uuid.map(|parent| self.tracks[&parent].clone());
        let mut text = format!("track {name:?}, rank {}", track.sibling_order_rank.unwrap());
        if let Some(parent) = parent {
            let _ = write!(text, ", below {parent:?}");
        }
        if let Some(counter) = &track.counter {
            let _ = write!(text, ", counts {:?}", counter.unit_name);
        }
        assert_eq!(self.tracks.insert(uuid, name), None);
        text
    }
}

fn read(packets: &[proto::TracePacket]) -> String {
    let mut reader = Reader::default();
    let mut text = String::new();
    for packet in packets {
        assert_eq!(packet.trusted_packet_sequence_id, Some(1));
        if let Some(data) = &packet.interned_data {
            reader.learn(data);
        }
        if let Some(track) = &packet.track_descriptor {
            let _ = writeln!(text, "{}", reader.track(track));
        }
        if let Some(event) = &packet.track_event {
            assert_eq!(packet.sequence_flags, Some(2), "it needs what is interned");
            let at = packet.timestamp.unwrap() - head().start_monotonic_ns;
            let _ = writeln!(text, "{at:>10} {}", reader.event(event));
        }
    }
    text
}

#[test]
fn a_trace_matches_its_golden() {
    insta::assert_snapshot!(read(&written(&shop())));
}

#[test]
fn the_first_packet_clears_the_state_and_sets_the_clocks() {
    let packets = written(&shop());
    let first = &packets[0];
    assert_eq!(first.sequence_flags, Some(3));
    assert_eq!(first.first_packet_on_sequence, Some(true));
    let defaults = first.trace_packet_defaults.unwrap();
    let snapshot = first.clock_snapshot.as_ref().unwrap();
    // 3 is CLOCK_MONOTONIC, 1 is CLOCK_REALTIME.
    assert_eq!(defaults.timestamp_clock_id, Some(3));
    assert_eq!(snapshot.primary_trace_clock, Some(3));
    let clocks: Vec<_> = snapshot
        .clocks
        .iter()
        .map(|it| (it.clock_id, it.timestamp))
        .collect();
    let expected = [(3, 5_000_000_000_000), (1, 1_750_000_000_000_000_000)];
    assert_eq!(clocks, expected.map(|(id, ns)| (Some(id), Some(ns))));
    let later = packets
        .iter()
        .skip(1)
        .filter(|it| it.sequence_flags.unwrap_or(0) & 1 != 0);
    assert_eq!(later.count(), 0);
}

/// What is too long or one too many is written out, and reads the same.
#[test]
fn a_name_that_is_not_interned_is_written_out() {
    let long = "long".repeat(1000);
    let mut rows = Rows::default();
    for msg in 0..3 {
        let mut message = message(msg, 1, msg as i64, Ok(10));
        message.tag = Some(long.clone());
        rows.messages.push(message);
    }
    let packets = written(&rows);
    let names = packets
        .iter()
        .filter_map(|it| it.track_event.as_ref()?.name.clone());
    assert_eq!(names.filter(|name| name.ends_with(&long)).count(), 6);
    assert_eq!(
        read(&packets).matches(&format!("tag = {long:?}")).count(),
        6
    );
}

/// The time of a hostile recording may be any.
#[test]
fn times_before_the_clock_began_are_its_beginning() {
    let rows = Rows {
        messages: vec![message(0, 1, i64::MIN, Ok(i64::MAX))],
        ..Rows::default()
    };
    let packets = written(&rows);
    let times = packets.iter().filter_map(|it| it.timestamp);
    let most = 5_000_000_000_000 + i64::MAX as u64;
    assert_eq!(times.collect::<Vec<_>>(), [0, 0, most, most]);
}
