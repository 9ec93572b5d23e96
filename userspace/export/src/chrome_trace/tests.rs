use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::begin;
use crate::timeline::kit::{HOSTILE, Rows, dictionary, head, message, shop};

fn written(rows: &Rows) -> String {
    let (plan, dictionary) = (rows.plan(), dictionary());
    let mut out = Vec::new();
    let mut teller = begin(&plan, &dictionary, &head(), &mut out).expect("it is in memory");
    rows.all()
        .for_each(|row| teller.tell(&row).expect("it is in memory"));
    teller.finish().expect("it is in memory");
    String::from_utf8(out).expect("it is text")
}

fn parsed(rows: &Rows) -> Value {
    serde_json::from_str(&written(rows)).expect("it is JSON")
}

#[test]
fn a_trace_matches_its_golden() {
    let version = env!("CARGO_PKG_VERSION");
    insta::assert_snapshot!(written(&shop()).replace(version, "VERSION"));
}

#[test]
fn a_trace_without_samples_has_no_frames() {
    let mut rows = shop();
    rows.samples.clear();
    assert_eq!(parsed(&rows).get("stackFrames"), None);
    assert_eq!(
        parsed(&Rows::default())["traceEvents"],
        Value::Array(Vec::new())
    );
}

/// Each track has its own place, and every event is on one that is named.
#[test]
fn every_event_is_on_a_track_with_a_name() {
    let value = parsed(&shop());
    let mut names: BTreeMap<(u64, u64), String> = BTreeMap::new();
    let mut tids = BTreeSet::new();
    for event in value["traceEvents"].as_array().unwrap() {
        let place = (
            event["pid"].as_u64().unwrap(),
            event["tid"].as_u64().unwrap(),
        );
        match event["name"].as_str().unwrap() {
            sort @ ("process_name" | "thread_name") => {
                if sort == "thread_name" {
                    assert!(tids.insert(place.1), "{event}");
                }
                let name = event["args"]["name"].as_str().unwrap().to_owned();
                assert_eq!(names.insert(place, name), None, "{event}");
            }
            _ => assert!(names.contains_key(&place), "{event}"),
        }
    }
    let events = value["traceEvents"].as_array().unwrap();
    let registered = events
        .iter()
        .find(|event| event["args"]["event"] == "register");
    assert_eq!(registered.unwrap()["args"]["name"], HOSTILE);
}

/// The frames of a stack lead from the innermost to the outermost.
#[test]
fn a_sample_leads_to_its_frames() {
    let value = parsed(&shop());
    let frames = &value["stackFrames"];
    let samples = value["traceEvents"].as_array().unwrap().iter();
    let samples = samples.filter(|event| event["cat"] == "sample");
    let stacks = samples.map(|sample| {
        let mut at = &sample["sf"];
        let mut names = Vec::new();
        while let Some(number) = at.as_u64() {
            let frame = &frames[number.to_string()];
            names.push(frame["name"].as_str().unwrap());
            at = &frame["parent"];
        }
        names.join(" < ")
    });
    let outer = "gen_server:handle_msg/7 < gen_server:loop/7";
    let inner = format!("erts_garbage_collect < {outer}");
    assert_eq!(stacks.collect::<Vec<_>>(), [outer, &inner, outer, ""]);
    assert_eq!(frames.as_object().unwrap().len(), 3);
}

#[test]
fn times_are_microseconds_with_all_their_digits() {
    let rows = Rows {
        messages: vec![message(0, 1, 1, Ok(86_400_000_000_001))],
        ..Rows::default()
    };
    let text = written(&rows);
    assert!(text.contains("\"ts\":0.001,"), "{text}");
    assert!(text.contains("\"ts\":86400000000.001,"), "{text}");
}
