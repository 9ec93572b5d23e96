use std::os::unix::fs::PermissionsExt;

use super::{Writer, WriterOptions};
use crate::disk::failing::FailingDisk;
use crate::error::RecordingError;
use crate::example::{self, place};
use crate::manifest::Manifest;
use crate::recording::Recording;
use crate::reserve;

fn create(path: &std::path::Path) -> Result<Writer, RecordingError> {
    Writer::create(path, Manifest::default(), WriterOptions::default())
}

#[test]
fn a_taken_path_or_a_missing_parent_is_refused() {
    let place = place();
    create(&place.path).unwrap();
    assert!(matches!(
        create(&place.path),
        Err(RecordingError::Exists { .. })
    ));
    let orphan = place.path.join("missing/test.escope");
    assert!(matches!(
        create(&orphan),
        Err(RecordingError::ParentMissing { .. })
    ));
}

#[test]
fn a_recording_is_private() {
    let place = place();
    let mut writer = create(&place.path).unwrap();
    example::write_dictionary(&mut writer);
    example::write_samples(&mut writer, 0, 20);
    let check = || {
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(place.path.clone()), 0o700);
        for entry in std::fs::read_dir(&place.path).unwrap() {
            assert_eq!(mode(entry.unwrap().path()), 0o600);
        }
    };
    check();
    writer.finish(&mut Manifest::default()).unwrap();
    check();
}

#[test]
fn a_full_disk_is_an_error_that_a_later_flush_survives() {
    for room in [300, 2000, 5000, 9000, 12_000] {
        let place = place();
        let disk = FailingDisk::fills_after(reserve::BYTES as u64 + 2000 + room);
        let mut writer = Writer::create_on(
            Box::new(disk.clone()),
            &place.path,
            Manifest::default(),
            WriterOptions::default(),
        )
        .unwrap();
        example::write_dictionary(&mut writer);
        let mut failed = 0;
        for n in 0..200 {
            writer.sample(&example::sample(n));
            if n % 20 == 19
                && let Err(e) = writer.flush()
            {
                assert!(matches!(e, RecordingError::DiskFull { .. }), "{e}");
                failed += 1;
                let read = example::read_samples(&place.path);
                assert!(read.len() + writer.buffered_rows() > n as usize);
            }
        }
        assert!(failed > 0);
        disk.free(1 << 20);
        writer.flush().unwrap();
        assert_eq!(example::read_samples(&place.path), example::expected(200));
        writer.finish(&mut Manifest::default()).unwrap();
        assert_eq!(example::read_samples(&place.path), example::expected(200));
        let (_, problems) = Recording::open(&place.path).unwrap().dictionary().unwrap();
        assert_eq!(problems, []);
    }
}

#[test]
fn rows_are_buffered_until_a_flush() {
    let place = place();
    let mut writer = create(&place.path).unwrap();
    example::write_dictionary(&mut writer);
    let buffered = writer.buffered_rows();
    let dictionary = 8 + 6 + 5 + 4 + 2 + 1 + 2 + 1;
    assert_eq!(buffered, dictionary + 13 * example::HAPPENINGS as usize);
    writer.flush().unwrap();
    assert_eq!(writer.buffered_rows(), 0);
    assert!(writer.bytes_written() > 1000);
}
