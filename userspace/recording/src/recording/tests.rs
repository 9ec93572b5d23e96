use std::fs;
use std::path::Path;

use escope_model::{Dictionary, FrameId, Run};

use super::{Recording, Rows};
use crate::check::check;
use crate::example::{self, place};
use crate::manifest::{Form, Manifest};
use crate::range::TimeRange;
use crate::tables::Table;
use crate::writer::{Writer, WriterOptions};

fn dictionary() -> Dictionary {
    let mut processes: Vec<_> = (0..4).map(|n| example::process(n, None)).collect();
    processes[3] = example::process(3, Some("late_name"));
    Dictionary {
        frames: (0..8).map(example::frame).collect(),
        stacks: (0..6).map(|n| (0..n).map(FrameId).collect()).collect(),
        processes,
        threads: vec![example::thread(0), example::thread(1)],
        ports: vec![
            example::port(0, false),
            example::port(1, true),
            example::port(2, false),
        ],
    }
}

fn check_contents(recording: &Recording, samples: u32) {
    assert_eq!(recording.dictionary().unwrap(), (dictionary(), vec![]));
    let rows = recording.samples().unwrap();
    assert_eq!(rows.problems(), []);
    let read: Vec<_> = rows.map(Result::unwrap).collect();
    assert_eq!(read, example::expected(samples));
    let losses: Vec<_> = recording.losses().unwrap().map(Result::unwrap).collect();
    assert_eq!(losses, [example::loss()]);
    let code: Vec<_> = recording.code().unwrap().map(Result::unwrap).collect();
    assert_eq!(code, [example::code()]);
    let series = recording.series(TimeRange::ALL).unwrap();
    let series: Vec<_> = series.map(Result::unwrap).collect();
    assert_eq!(series, [example::point(0), example::point(1)]);
    check_happenings(recording);
}

fn check_happenings(recording: &Recording) {
    let runs = recording.runs(TimeRange::ALL).unwrap();
    assert_eq!(read(runs), numbered(example::run));
    let messages = recording.messages(TimeRange::ALL).unwrap();
    assert_eq!(read(messages), numbered(example::message));
    let payloads = recording.payloads(TimeRange::ALL).unwrap();
    assert_eq!(read(payloads), numbered(example::payload));
    let lives = recording.lifecycle(TimeRange::ALL).unwrap();
    assert_eq!(read(lives), numbered(example::life));
    let collections = recording.gc(TimeRange::ALL).unwrap();
    assert_eq!(read(collections), numbered(example::collection));
    let natives = recording.native_calls(TimeRange::ALL).unwrap();
    assert_eq!(read(natives), numbered(example::native_call));
    let modules = recording.modules(TimeRange::ALL).unwrap();
    assert_eq!(read(modules), numbered(example::module_event));
    let ports = recording.port_events(TimeRange::ALL).unwrap();
    assert_eq!(read(ports), numbered(example::port_event));
    let dist = recording.dist(TimeRange::ALL).unwrap();
    assert_eq!(read(dist), numbered(example::dist_event));
    let states = recording.states(TimeRange::ALL).unwrap();
    assert_eq!(read(states), numbered(example::state));
    let checkpoints = recording.checkpoints(TimeRange::ALL).unwrap();
    assert_eq!(read(checkpoints), numbered(example::checkpoint));
    assert_eq!(
        read(recording.windows().unwrap()),
        numbered(example::window)
    );
    let off_cpu = recording.off_cpu(TimeRange::ALL).unwrap();
    assert_eq!(read(off_cpu), numbered(example::off_cpu));
}

fn read<R>(rows: Rows<R>) -> Vec<R> {
    assert_eq!(rows.problems(), []);
    rows.map(Result::unwrap).collect()
}

fn numbered<R>(row: fn(u32) -> R) -> Vec<R> {
    (0..example::HAPPENINGS).map(row).collect()
}

#[test]
fn both_forms_give_back_what_was_written() {
    let place = place();
    let mut writer =
        Writer::create(&place.path, Manifest::default(), WriterOptions::default()).unwrap();
    example::write_dictionary(&mut writer);
    example::write_samples(&mut writer, 0, 300);
    assert_eq!(writer.buffered_rows(), 0);

    let growing = Recording::open(&place.path).unwrap();
    assert_eq!(growing.manifest().form, Form::Streams);
    check_contents(&growing, 300);

    let finished = writer.finish(&mut example::ended(300)).unwrap();
    assert_eq!(finished.tables["samples"].rows, 300);
    let recording = Recording::open(&place.path).unwrap();
    assert_eq!(recording.manifest().form, Form::Parquet);
    assert_eq!(recording.manifest().ended, example::ended(300).ended);
    check_contents(&recording, 300);

    let mut names: Vec<_> = std::fs::read_dir(&place.path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut wanted: Vec<_> = Table::ALL
        .iter()
        .map(|table| format!("{}.parquet", table.name()))
        .collect();
    wanted.push("manifest.json".to_owned());
    wanted.sort();
    assert_eq!(names, wanted);
}

#[test]
fn an_empty_recording_reads_in_both_forms() {
    let place = place();
    let mut writer =
        Writer::create(&place.path, Manifest::default(), WriterOptions::default()).unwrap();
    writer.flush().unwrap();
    assert_eq!(example::read_samples(&place.path), []);
    writer.finish(&mut Manifest::default()).unwrap();
    assert_eq!(example::read_samples(&place.path), []);
    let (dictionary, problems) = Recording::open(&place.path).unwrap().dictionary().unwrap();
    assert_eq!((dictionary, problems), (Dictionary::default(), vec![]));
}

#[test]
fn a_time_range_gives_exactly_its_samples() {
    let place = place();
    let mut writer =
        Writer::create(&place.path, Manifest::default(), WriterOptions::default()).unwrap();
    example::write_samples(&mut writer, 0, 300);
    let range = TimeRange {
        since_ns: Some(1_000_000_000),
        until_ns: Some(1_500_000_000),
    };
    let mut wanted = example::expected(300);
    wanted.retain(|sample| range.contains(sample.ts_ns));
    assert!(!wanted.is_empty());
    let read = || -> Vec<_> {
        let recording = Recording::open(&place.path).unwrap();
        let rows = recording.samples_within(range).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert_eq!(read(), wanted);
    writer.finish(&mut Manifest::default()).unwrap();
    assert_eq!(read(), wanted);
}

#[test]
fn an_unfinished_recording_compacts_elsewhere() {
    let place = place();
    let mut writer =
        Writer::create(&place.path, Manifest::default(), WriterOptions::default()).unwrap();
    example::write_samples(&mut writer, 0, 100);
    drop(writer);
    let recording = Recording::open(&place.path).unwrap();
    let elsewhere = place.path.with_extension("tables");
    let tables = recording.compact_to(&elsewhere).unwrap();
    assert_eq!(tables.len(), Table::ALL.len());
    assert!(tables.iter().all(|table| table.files[0].is_file()));
    assert!(
        recording.compact_to(&elsewhere).is_ok(),
        "files are replaced"
    );
    assert_eq!(example::read_samples(&place.path), example::expected(100));
}

#[test]
fn a_time_range_gives_the_runs_that_began_in_it() {
    let place = place();
    let mut writer =
        Writer::create(&place.path, Manifest::default(), WriterOptions::default()).unwrap();
    // Each in a batch of its own, the last to end first.
    for n in (0..8).rev() {
        writer.run(&example::run(n));
        writer.flush().unwrap();
    }
    let range = TimeRange {
        since_ns: Some(1_000_000),
        until_ns: Some(4_000_000),
    };
    let begun = || -> Vec<Run> { read(Recording::open(&place.path).unwrap().runs(range).unwrap()) };
    let wanted: Vec<Run> = (1..4).map(example::run).collect();
    assert_eq!(begun(), wanted);
    writer.finish(&mut Manifest::default()).unwrap();
    assert_eq!(begun(), wanted);
}

/// Tables that format 1.0 has not.
const SINCE_1_1: [Table; 14] = [
    Table::Runs,
    Table::Messages,
    Table::Payloads,
    Table::Lifecycle,
    Table::Gc,
    Table::OffCpu,
    Table::NativeCalls,
    Table::Modules,
    Table::Ports,
    Table::PortEvents,
    Table::Dist,
    Table::States,
    Table::Checkpoints,
    Table::Windows,
];

/// Makes of a recording what format 1.0 would have made of it.
fn make_1_0(path: &Path) {
    for entry in fs::read_dir(path).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap();
        let table = name.split('.').next().unwrap();
        if SINCE_1_1.iter().any(|later| later.name() == table) {
            fs::remove_file(&file).unwrap();
        }
    }
    let manifest = path.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["format_version"]["minor"] = 0.into();
    let tables = json["tables"].as_object_mut().unwrap();
    tables.retain(|name, _| SINCE_1_1.iter().all(|later| later.name() != name));
    fs::write(&manifest, json.to_string()).unwrap();
}

fn check_1_0(recording: &Recording) {
    assert_eq!(recording.manifest().format_version.minor, 0);
    let without_ports = Dictionary {
        ports: Vec::new(),
        ..dictionary()
    };
    assert_eq!(recording.dictionary().unwrap(), (without_ports, vec![]));
    assert_eq!(read(recording.samples().unwrap()), example::expected(100));
    assert_eq!(read(recording.losses().unwrap()), [example::loss()]);
    assert_eq!(read(recording.runs(TimeRange::ALL).unwrap()), []);
    assert_eq!(read(recording.messages(TimeRange::ALL).unwrap()), []);
    assert_eq!(read(recording.payloads(TimeRange::ALL).unwrap()), []);
    assert_eq!(read(recording.lifecycle(TimeRange::ALL).unwrap()), []);
    assert_eq!(read(recording.gc(TimeRange::ALL).unwrap()), []);
    assert_eq!(read(recording.off_cpu(TimeRange::ALL).unwrap()), []);
    assert_eq!(read(recording.native_calls(TimeRange::ALL).unwrap()), []);
    assert_eq!(read(recording.modules(TimeRange::ALL).unwrap()), []);
    assert_eq!(read(recording.port_events(TimeRange::ALL).unwrap()), []);
    assert_eq!(read(recording.dist(TimeRange::ALL).unwrap()), []);
    assert_eq!(read(recording.states(TimeRange::ALL).unwrap()), []);
    assert_eq!(read(recording.checkpoints(TimeRange::ALL).unwrap()), []);
    assert_eq!(read(recording.windows().unwrap()), []);
    for of in recording.tables().unwrap() {
        assert_eq!(of.files.is_empty(), SINCE_1_1.contains(&of.table));
    }
    let elsewhere = recording.path().with_extension("tables");
    let compacted = recording.compact_to(&elsewhere).unwrap();
    assert!(compacted.iter().all(|of| of.files[0].is_file()));
}

#[test]
fn a_recording_of_format_1_0_opens_and_has_no_events() {
    let place = place();
    let mut writer =
        Writer::create(&place.path, Manifest::default(), WriterOptions::default()).unwrap();
    example::write_dictionary(&mut writer);
    example::write_samples(&mut writer, 0, 100);
    make_1_0(&place.path);
    check_1_0(&Recording::open(&place.path).unwrap());

    writer.finish(&mut example::ended(100)).unwrap();
    make_1_0(&place.path);
    check_1_0(&Recording::open(&place.path).unwrap());
    assert_eq!(check(&place.path).unwrap().problems, []);
}

#[test]
fn what_is_no_recording_is_refused_with_a_reason() {
    let place = place();
    let reason = |path: &std::path::Path| Recording::open(path).unwrap_err().to_string();
    assert!(reason(&place.path).contains("does not exist"));
    std::fs::create_dir(&place.path).unwrap();
    assert!(reason(&place.path).contains("is not a recording"));
    let file = place.path.join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(reason(&file).contains("is not a recording"));
}
