use std::fs;
use std::path::{Path, PathBuf};

use escope_model::{
    Collection, DistEvent, FrameId, Life, Message, ModuleEvent, OffCpu, PortEvent, PortId,
    PortInfo, ProcId, Run,
};
use proptest::prelude::*;

use super::check;
use crate::example::{self, Place, place};
use crate::manifest::Manifest;
use crate::packed::packed_path;
use crate::range::TimeRange;
use crate::recording::Recording;
use crate::stream::segments;
use crate::tables::Table;
use crate::writer::{Writer, WriterOptions};

fn writer(path: &Path) -> Writer {
    let mut writer = Writer::create(path, Manifest::default(), WriterOptions::default()).unwrap();
    example::write_dictionary(&mut writer);
    example::write_samples(&mut writer, 0, 100);
    writer
}

fn finished() -> Place {
    let place = place();
    writer(&place.path)
        .finish(&mut example::ended(100))
        .unwrap();
    place
}

fn problems(path: &Path) -> Vec<String> {
    let report = check(path).unwrap();
    report.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_finished_recording_has_no_problems() {
    let place = finished();
    let report = check(&place.path).unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(report.rows[&Table::Samples], 100);
    assert_eq!(report.rows[&Table::Processes], 4);
    for table in [
        Table::Runs,
        Table::Messages,
        Table::Payloads,
        Table::Lifecycle,
        Table::Gc,
        Table::OffCpu,
        Table::NativeCalls,
        Table::Modules,
        Table::PortEvents,
        Table::Dist,
        Table::Checkpoints,
        Table::Windows,
    ] {
        assert_eq!(report.rows[&table], u64::from(example::HAPPENINGS));
    }
    assert_eq!(report.covered_ns, Some(1_000_000_000));
    assert!(report.ended.is_some());
}

#[test]
fn a_cut_recording_says_how_far_it_goes() {
    let place = place();
    drop(writer(&place.path));
    let segment = segments(&place.path, Table::Samples).unwrap().remove(0);
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes[..bytes.len() - 9]).unwrap();
    let problems = problems(&place.path);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("samples.00000.arrows: cut in the middle of a batch"));
    assert!(problems[1].contains("readable up to 1.0 s"), "{problems:?}");
}

#[test]
fn lost_dictionary_entries_are_counted() {
    let place = place();
    drop(writer(&place.path));
    let frames = segments(&place.path, Table::Frames).unwrap().remove(0);
    fs::remove_file(frames).unwrap();
    let problems = problems(&place.path);
    assert!(
        problems
            .iter()
            .any(|p| p.contains("5 rows refer to frames")),
        "{problems:?}"
    );
    let (dictionary, _) = Recording::open(&place.path).unwrap().dictionary().unwrap();
    assert_eq!(dictionary.frames.len(), 0);
}

#[test]
fn events_of_what_is_not_there_are_counted() {
    let place = place();
    let mut writer = writer(&place.path);
    writer.run(&Run {
        proc: ProcId(4),
        at: Some(FrameId(8)),
        ..example::run(1)
    });
    writer.message(&Message {
        from: Some(ProcId(4)),
        to: ProcId(5),
        ..example::message(1)
    });
    writer.life(&Life {
        other: Some(ProcId(4)),
        ..example::life(0)
    });
    writer.collection(&Collection {
        proc: ProcId(9),
        ..example::collection(0)
    });
    writer.off_cpu(&OffCpu {
        proc: Some(ProcId(9)),
        ..example::off_cpu(0)
    });
    writer.port(&PortInfo {
        owner: Some(ProcId(4)),
        ..example::port(2, true)
    });
    writer.port_event(&PortEvent {
        port: PortId(3),
        proc: Some(ProcId(4)),
        ..example::port_event(0)
    });
    writer.dist(&DistEvent {
        proc: Some(ProcId(4)),
        ..example::dist_event(0)
    });
    writer.module(&ModuleEvent {
        proc: Some(ProcId(4)),
        ..example::module_event(0)
    });
    writer.finish(&mut example::ended(100)).unwrap();
    let mut problems = problems(&place.path);
    problems.sort();
    assert_eq!(
        problems,
        [
            "dist: 1 rows refer to processes that are not there",
            "gc: 1 rows refer to processes that are not there",
            "lifecycle: 1 rows refer to processes that are not there",
            "messages: 1 rows refer to processes that are not there",
            "modules: 1 rows refer to processes that are not there",
            "off_cpu: 1 rows refer to processes that are not there",
            "port_events: 1 rows refer to ports that are not there",
            "port_events: 1 rows refer to processes that are not there",
            "ports: 1 rows refer to processes that are not there",
            "runs: 1 rows refer to frames that are not there",
            "runs: 1 rows refer to processes that are not there",
        ]
    );
}

#[test]
fn what_ends_before_it_begins_is_a_problem() {
    let place = place();
    let mut writer = writer(&place.path);
    writer.run(&Run {
        end_ns: 999_999,
        ..example::run(1)
    });
    writer.message(&Message {
        received_ns: Some(0),
        ..example::message(1)
    });
    writer.collection(&Collection {
        end_ns: -1,
        ..example::collection(0)
    });
    writer.off_cpu(&OffCpu {
        end_ns: -1,
        ..example::off_cpu(0)
    });
    // What takes no time is fine.
    writer.collection(&Collection {
        end_ns: 0,
        ..example::collection(0)
    });
    writer.finish(&mut example::ended(100)).unwrap();
    let mut problems = problems(&place.path);
    problems.sort();
    assert_eq!(
        problems,
        [
            "gc: 1 rows end before they begin",
            "messages: 1 rows end before they begin",
            "off_cpu: 1 rows end before they begin",
            "runs: 1 rows end before they begin",
        ]
    );
}

#[test]
fn what_was_seen_lasts_until_the_last_span_ends() {
    let place = place();
    let mut writer = writer(&place.path);
    writer.run(&Run {
        end_ns: 2_500_000_000,
        ..example::run(1)
    });
    writer.flush().unwrap();
    assert_eq!(check(&place.path).unwrap().covered_ns, Some(2_500_000_000));
}

#[test]
fn damaged_and_missing_files_are_named() {
    let place = finished();
    let samples = packed_path(&place.path, Table::Samples);
    let mut bytes = fs::read(&samples).unwrap();
    bytes[100] ^= 1;
    fs::write(&samples, &bytes).unwrap();
    fs::remove_file(packed_path(&place.path, Table::Losses)).unwrap();
    let problems = problems(&place.path);
    let has = |text: &str| assert!(problems.iter().any(|p| p.contains(text)), "{problems:?}");
    has("its checksum is wrong");
    has("the file is missing");
    has("0 rows are readable, the manifest counts 100");
}

#[test]
fn leftovers_are_mentioned() {
    let place = finished();
    fs::write(place.path.join("samples.00000.arrows"), "junk").unwrap();
    assert!(problems(&place.path)[0].contains("1 files of an interrupted compaction"));
    assert_eq!(example::read_samples(&place.path), example::expected(100));
}

/// Every file of a recording in each form.
fn files(place: &Place) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(&place.path).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Reads everything there is.
fn read_all(path: &Path) {
    let _ = check(path);
    if let Ok(recording) = Recording::open(path) {
        let _ = recording.dictionary();
        let _ = recording.tables();
        let _ = recording.losses().map(Iterator::count);
        let _ = recording.code().map(Iterator::count);
        let _ = recording.series(TimeRange::ALL).map(Iterator::count);
        let _ = recording.runs(TimeRange::ALL).map(Iterator::count);
        let _ = recording.messages(TimeRange::ALL).map(Iterator::count);
        let _ = recording.payloads(TimeRange::ALL).map(Iterator::count);
        let _ = recording.lifecycle(TimeRange::ALL).map(Iterator::count);
        let _ = recording.gc(TimeRange::ALL).map(Iterator::count);
        let _ = recording.windows().map(Iterator::count);
        let _ = recording.off_cpu(TimeRange::ALL).map(Iterator::count);
        let _ = recording.samples().map(Iterator::count);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_damage_to_any_file_makes_a_reader_panic(
        which in any::<prop::sample::Index>(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..4),
        growing in any::<bool>(),
    ) {
        thread_local! {
            static FORMS: [Place; 2] = {
                let streams = place();
                drop(writer(&streams.path));
                [finished(), streams]
            };
        }
        FORMS.with(|forms| {
            let place = &forms[usize::from(growing)];
            let files = files(place);
            let (path, good) = &files[which.index(files.len())];
            let mut bad = good.clone();
            for (index, bit) in flips {
                bad[index.index(good.len())] ^= 1 << bit;
            }
            fs::write(path, &bad).unwrap();
            read_all(&place.path);
            fs::write(path, good).unwrap();
            assert!(Recording::open(&place.path).is_ok());
        });
    }
}
