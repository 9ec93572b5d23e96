use std::fs;
use std::path::{Path, PathBuf};

use escope_model::Sample;
use proptest::prelude::*;

use super::{scan, segments};
use crate::example::{self, place};
use crate::manifest::Manifest;
use crate::recording::Recording;
use crate::tables::Table;
use crate::writer::{Writer, WriterOptions};

/// Writes samples in batches of 20 and gives back the segment.
fn segment(path: &Path, samples: u32) -> PathBuf {
    let mut writer = Writer::create(path, Manifest::default(), WriterOptions::default()).unwrap();
    example::write_dictionary(&mut writer);
    example::write_samples(&mut writer, 0, samples);
    segments(path, Table::Samples).unwrap().remove(0)
}

fn rows(file: &Path) -> (Vec<Sample>, usize) {
    let mut rows = Vec::new();
    let problems = scan::<Sample>(&[file.to_owned()], |_, _, batch| rows.extend(batch)).unwrap();
    (rows, problems.len())
}

#[test]
fn a_segment_cut_anywhere_gives_its_whole_batches() {
    let place = place();
    let file = segment(&place.path, 60);
    let bytes = fs::read(&file).unwrap();
    let all: Vec<Sample> = (0..60).map(example::sample).collect();
    let cut = place.path.join("cut");
    let mut counts = vec![];
    for length in 0..=bytes.len() {
        fs::write(&cut, &bytes[..length]).unwrap();
        let (read, problems) = rows(&cut);
        assert_eq!(read, all[..read.len()], "cut at {length}");
        assert!(problems <= 1);
        if counts.last() != Some(&read.len()) {
            counts.push(read.len());
        }
    }
    assert_eq!(counts, [0, 20, 40, 60]);
}

#[test]
fn a_tail_of_zeros_or_noise_costs_no_batch() {
    let place = place();
    let file = segment(&place.path, 40);
    let bytes = fs::read(&file).unwrap();
    for tail in [[0_u8; 100], [0xff; 100], [0x55; 100]] {
        fs::write(&file, [&bytes[..], &tail].concat()).unwrap();
        let (read, problems) = rows(&file);
        assert_eq!((read.len(), problems), (40, 1));
    }
}

#[test]
fn a_new_segment_starts_when_one_is_long_enough() {
    let place = place();
    let options = WriterOptions {
        segment_bytes: 1,
        ..WriterOptions::default()
    };
    let mut writer = Writer::create(&place.path, Manifest::default(), options).unwrap();
    example::write_samples(&mut writer, 0, 100);
    let found = segments(&place.path, Table::Samples).unwrap();
    assert_eq!(found.len(), 5);
    assert!(found[4].ends_with("samples.00004.arrows"));
    assert_eq!(example::read_samples(&place.path), example::expected(100));
    writer.finish(&mut Manifest::default()).unwrap();
    assert_eq!(example::read_samples(&place.path), example::expected(100));
}

#[test]
fn a_pipe_in_place_of_a_segment_is_refused() {
    let place = place();
    let file = segment(&place.path, 20);
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    let recording = Recording::open(&place.path).unwrap();
    let reason = recording.samples().unwrap_err().to_string();
    assert!(reason.contains("not a regular file"), "{reason}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_damage_makes_a_reader_panic(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..6),
        start in any::<bool>(),
    ) {
        thread_local! {
            static SEGMENT: (Vec<u8>, tempfile::TempDir) = {
                let place = place();
                let bytes = fs::read(segment(&place.path, 40)).unwrap();
                (bytes, tempfile::tempdir().unwrap())
            };
        }
        SEGMENT.with(|(bytes, dir)| {
            let mut bytes = bytes.clone();
            // Half of the cases damage the structure, which is at the start.
            let within = if start { 1500 } else { bytes.len() };
            for (index, bit) in flips {
                bytes[index.index(within)] ^= 1 << bit;
            }
            let file = dir.path().join("segment");
            fs::write(&file, &bytes).unwrap();
            let (read, _) = rows(&file);
            assert!(read.len() <= 40 * 8);
        });
    }
}

#[test]
fn a_column_that_is_unknown_is_ignored() {
    use arrow_array::{Int64Array, RecordBatch};
    use arrow_schema::{DataType, Field, Schema};
    use std::sync::Arc;

    use crate::tables::Row;

    let samples: Vec<Sample> = (0..10).map(example::sample).collect();
    let mut fields = vec![Field::new("novelty", DataType::Int64, true)];
    fields.extend(Sample::fields());
    let mut columns: Vec<arrow_array::ArrayRef> = vec![Arc::new(Int64Array::from(vec![1; 10]))];
    columns.extend(Sample::columns(&samples));
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &schema).unwrap();
    writer.write(&batch).unwrap();
    let place = place();
    fs::write(&place.path, writer.into_inner().unwrap()).unwrap();
    assert_eq!(rows(&place.path), (samples, 0));
}
