//! A recording of calls of BIFs and NIFs and of no other events is told of like any other.

use std::path::Path;

use escope_model::{Frame, FrameId, FrameKind, NativeCall, ProcId, ProcessInfo, Window};
use escope_recording::{Ended, EndedHow, Manifest, Writer, WriterOptions};

use crate::support::{escope, temp_dir};

/// A millisecond.
const MS: i64 = 1_000_000;
/// How many of each there are by default.
const ROWS: u32 = 20;

/// A recording of 100 ms in which `ets:insert/2` was asked for, and each of so many processes
/// called it one time more than the one before, for a microsecond each.
fn made(path: &str, processes: u32) {
    let mut manifest = Manifest::default();
    manifest.options.calls = vec!["ets:insert/2".to_owned()];
    manifest.options.call_times = true;
    let options = WriterOptions::default();
    let mut writer = Writer::create(Path::new(path), manifest.clone(), options).unwrap();
    let frame = |kind, module: &str, function: &str, arity| Frame {
        kind,
        module: Some(module.into()),
        arity: Some(arity),
        ..Frame::marker(function)
    };
    writer.frame(FrameId(0), &frame(FrameKind::Bif, "ets", "insert", 2));
    writer.frame(FrameId(1), &frame(FrameKind::Erlang, "shop", "buy", 1));
    for proc in 0..processes {
        writer.process(&ProcessInfo {
            proc: ProcId(proc),
            pid: format!("<0.{}.0>", 100 + proc),
            name: Some(format!("buyer_{proc}")),
            label: None,
            initial_call: None,
            parent: None,
        });
        for call in 0..=proc {
            let start_ns = i64::from(proc) * MS + i64::from(call) * 10_000;
            writer.native_call(&NativeCall {
                proc: ProcId(proc),
                scheduler: None,
                start_ns,
                end_ns: Some(start_ns + 1_000),
                function: FrameId(0),
                caller: Some(FrameId(1)),
                cut: None,
            });
        }
    }
    writer.window(&Window {
        from_ns: 0,
        to_ns: 100 * MS,
        ..Window::default()
    });
    manifest.ended = Some(Ended {
        how: EndedHow::Duration,
        at_ns: 100 * MS,
        note: None,
    });
    writer.finish(&mut manifest).unwrap();
}

#[test]
fn timeline_and_report_say_who_called() {
    let folder = temp_dir();
    let path = folder.path("made.escope");
    made(&path, ROWS + 5);
    let timeline = escope(&["timeline", &path]).success().stdout;
    let of = |name: &str| {
        let starts = format!("ets:insert/2 by {name} ");
        timeline.lines().find(|line| line.starts_with(&starts))
    };
    assert!(
        of("buyer_24").is_some_and(|line| line.contains(" 25 ")),
        "{timeline}"
    );
    assert!(of("buyer_4").is_none(), "{timeline}");
    assert!(timeline.contains("and 5 more: -n shows them"), "{timeline}");
    assert!(!timeline.contains("reductions"), "{timeline}");

    let one = escope(&["timeline", &path, "--process", "buyer_1"]);
    let one = one.success().stdout;
    let told = "buyer_1 called ets:insert/2 from shop:buy/1, which took 1.0 µs";
    assert_eq!(one.matches(told).count(), 2, "{one}");

    // All of them are there for programs, and the same ones.
    let json = |command: &str| {
        escope(&[command, &path, "--format=json", "-n=100"])
            .success()
            .json()
    };
    let (timeline, report) = (json("timeline"), json("report"));
    let calls = &timeline["native_processes"];
    assert_eq!(calls, &report["events"]["native_processes"]);
    assert_eq!(calls["rows"].as_array().unwrap().len(), 25);
    assert_eq!(calls["rows"][0]["calls"], 25);
    assert_eq!(report["events"]["covers"]["native_calls"], 325);
    let few = escope(&["timeline", &path, "--format=json"])
        .success()
        .json();
    assert_eq!(few["native_processes"], *calls);
}

#[test]
fn that_nobody_called_is_said() {
    let folder = temp_dir();
    let path = folder.path("made.escope");
    made(&path, 0);
    let timeline = escope(&["timeline", &path]);
    assert_eq!(timeline.code, Some(1), "{timeline:#?}");
    assert!(
        timeline.stderr.contains("nobody called ets:insert/2"),
        "{timeline:#?}"
    );
    let report = escope(&["report", &path]).success().stdout;
    assert!(
        report.contains("up to its end 0 calls of BIFs and NIFs"),
        "{report}"
    );
}
