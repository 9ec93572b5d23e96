use crate::check::check;
use crate::disk::failing::FailingDisk;
use crate::error::{Problem, RecordingError};
use crate::example::{self, place};
use crate::manifest::{EndedHow, Form, Manifest};
use crate::range::TimeRange;
use crate::recording::Recording;
use crate::reserve;
use crate::writer::{Writer, WriterOptions};

const RESERVE: u64 = reserve::BYTES as u64;

/// Three segments of samples.
fn options() -> WriterOptions {
    WriterOptions {
        segment_bytes: 8000,
        ..WriterOptions::default()
    }
}

#[test]
fn dying_at_any_step_loses_and_doubles_nothing() {
    let total = {
        let place = place();
        let disk = FailingDisk::dies_after(1_000_000);
        record_and_finish(&place.path, &disk).unwrap();
        1_000_000 - disk.operations_left()
    };
    let mut forms = Vec::new();
    for steps in 0..total {
        let place = place();
        let flushed = record_and_finish(&place.path, &FailingDisk::dies_after(steps));
        let Ok(recording) = Recording::open(&place.path) else {
            assert!(
                steps < 9,
                "died after {steps} steps, which is no more than creation"
            );
            continue;
        };
        forms.push(recording.manifest().form);
        let samples = example::read_samples(&place.path);
        let whole = samples.len() as u32;
        assert_eq!(
            samples,
            example::expected(whole),
            "died after {steps} steps"
        );
        let promised = flushed.unwrap_or_else(|flushed| flushed);
        assert!(
            whole >= promised,
            "died after {steps} steps: {whole} < {promised}"
        );
        let report = check(&place.path).unwrap();
        let dangling = report.problems.iter().find(|p| p.what.contains("refer to"));
        assert_eq!(dangling, None, "died after {steps} steps");
        if recording.manifest().form == Form::Parquet {
            assert_eq!(whole, 60);
            assert!(report.problems.len() <= 1, "{:?}", report.problems);
        }
    }
    assert!(forms.contains(&Form::Streams) && forms.contains(&Form::Parquet));
    assert!(forms.is_sorted_by_key(|form| *form == Form::Parquet));
}

/// How many samples were flushed when something failed, or all of them.
fn record_and_finish(path: &std::path::Path, disk: &FailingDisk) -> Result<u32, u32> {
    let disk = Box::new(disk.clone());
    let mut writer =
        Writer::create_on(disk, path, Manifest::default(), options()).map_err(|_| 0_u32)?;
    example::write_dictionary(&mut writer);
    for n in 0..60 {
        writer.sample(&example::sample(n));
        if n % 20 == 19 {
            writer.flush().map_err(|_| n - 19)?;
        }
    }
    writer.finish(&mut example::ended(60)).map_err(|_| 60_u32)?;
    Ok(60)
}

#[test]
fn a_disk_that_fills_up_while_finishing_keeps_the_streams() {
    let streams = {
        let place = place();
        let disk = FailingDisk::fills_after(1 << 30);
        let mut writer =
            Writer::create_on(Box::new(disk), &place.path, Manifest::default(), options()).unwrap();
        example::write_dictionary(&mut writer);
        example::write_samples(&mut writer, 0, 60);
        writer.bytes_written()
    };
    for room in [0, 100, 1000, 3000, 6000] {
        let place = place();
        let disk = FailingDisk::fills_after(streams + RESERVE + 4000 + room);
        let mut writer =
            Writer::create_on(Box::new(disk), &place.path, Manifest::default(), options()).unwrap();
        example::write_dictionary(&mut writer);
        example::write_samples(&mut writer, 0, 60);
        let error = writer.finish(&mut example::ended(60)).unwrap_err();
        assert!(
            matches!(&error, RecordingError::NotCompacted { source }
                if matches!(**source, RecordingError::DiskFull { .. })),
            "{error}"
        );
        let recording = Recording::open(&place.path).unwrap();
        assert_eq!(recording.manifest().form, Form::Streams);
        assert_eq!(example::read_samples(&place.path), example::expected(60));
        let parquet = std::fs::read_dir(&place.path).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().contains("parquet")
        });
        assert_eq!(parquet.count(), 0);
    }
}

#[test]
fn a_full_disk_still_says_what_it_did_not_take() {
    for room in [300, 2000, 5000, 9000, 14_000] {
        let place = place();
        let disk = Box::new(FailingDisk::fills_after(RESERVE + 2000 + room));
        let mut writer =
            Writer::create_on(disk, &place.path, Manifest::default(), options()).unwrap();
        example::write_dictionary(&mut writer);
        let mut manifest = example::ended(200);
        for n in 0..200 {
            writer.sample(&example::sample(n));
            if n % 20 == 19 && writer.flush().is_err() {
                break;
            }
        }
        let taken = example::read_samples(&place.path).len() as u64;
        let buffered = writer.samples.buffered() as u64;
        assert!(buffered > 0);
        manifest.totals.samples = taken + buffered;
        let error = writer.finish(&mut manifest).unwrap_err();
        assert!(matches!(error, RecordingError::DiskFull { .. }), "{error}");

        let recording = Recording::open(&place.path).unwrap();
        let told = recording.manifest();
        assert!(told.ended.is_some(), "the last manifest found no room");
        assert_eq!(told.totals.samples, taken);
        assert_eq!(lost(told, "unwritten"), buffered);
        every_event_is_there_or_lost(&recording);
        assert!(!place.path.join("reserve").exists());
        let ended = told.ended.as_ref().unwrap();
        assert_eq!(ended.how, EndedHow::Failed);
        let problems = check(&place.path).unwrap().problems;
        assert_eq!(problems.len(), told.losses.len(), "{problems:?}");
        let told = |problem: &Problem| problem.what.contains("could not be written");
        assert!(problems.iter().all(told), "{problems:?}");
    }
}

fn lost(manifest: &Manifest, place: &str) -> u64 {
    let mut losses = manifest.losses.iter();
    losses
        .find(|loss| loss.place == place)
        .map_or(0, |loss| loss.count)
}

fn every_event_is_there_or_lost(recording: &Recording) {
    let all = TimeRange::ALL;
    for (there, place) in [
        (recording.runs(all).unwrap().count(), "unwritten_runs"),
        (
            recording.messages(all).unwrap().count(),
            "unwritten_messages",
        ),
        (
            recording.payloads(all).unwrap().count(),
            "unwritten_payloads",
        ),
        (
            recording.lifecycle(all).unwrap().count(),
            "unwritten_lifecycle",
        ),
        (recording.gc(all).unwrap().count(), "unwritten_gc"),
        (recording.off_cpu(all).unwrap().count(), "unwritten_off_cpu"),
        (
            recording.native_calls(all).unwrap().count(),
            "unwritten_native_calls",
        ),
        (recording.modules(all).unwrap().count(), "unwritten_modules"),
        (
            recording.port_events(all).unwrap().count(),
            "unwritten_port_events",
        ),
        (recording.dist(all).unwrap().count(), "unwritten_dist"),
        (recording.states(all).unwrap().count(), "unwritten_states"),
        (
            recording.checkpoints(all).unwrap().count(),
            "unwritten_checkpoints",
        ),
    ] {
        let lost = lost(recording.manifest(), place);
        assert_eq!(
            there as u64 + lost,
            u64::from(example::HAPPENINGS),
            "{place}"
        );
    }
}
