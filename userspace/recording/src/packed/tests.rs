use std::fs;

use escope_model::Sample;
use proptest::prelude::*;

use super::{PackedTable, packed_path};
use crate::example::{self, place};
use crate::manifest::{Manifest, TableFile};
use crate::range::TimeRange;
use crate::tables::Table;
use crate::writer::{Writer, WriterOptions};

/// A samples file of several pages.
fn samples_file() -> Vec<u8> {
    let place = place();
    let mut writer =
        Writer::create(&place.path, Manifest::default(), WriterOptions::default()).unwrap();
    for n in 0..500 {
        writer.sample(&example::sample(n));
    }
    writer.finish(&mut Manifest::default()).unwrap();
    fs::read(packed_path(&place.path, Table::Samples)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The checksum would catch these; here it is made to agree, as a forger would.
    #[test]
    fn no_forged_file_makes_a_reader_panic(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..6),
        end in any::<bool>(),
    ) {
        thread_local! {
            static FILE: (Vec<u8>, tempfile::TempDir) =
                (samples_file(), tempfile::tempdir().unwrap());
        }
        FILE.with(|(bytes, dir)| {
            let mut bytes = bytes.clone();
            // Half of the cases damage the structure, which is at the end.
            let from = if end { bytes.len() - 1500 } else { 0 };
            for (index, bit) in flips {
                let at = from + index.index(bytes.len() - from);
                bytes[at] ^= 1 << bit;
            }
            let path = dir.path().join("file");
            fs::write(&path, &bytes).unwrap();
            let stated = TableFile {
                rows: 500,
                bytes: bytes.len() as u64,
                crc32: crc32fast::hash(&bytes),
            };
            let Ok(mut table) = PackedTable::open::<Sample>(&path, &stated, TimeRange::ALL) else {
                return;
            };
            while let Some(Ok(_)) = table.next::<Sample>() {}
        });
    }
}

/// Prints what a sample costs in a recording like that of a busy VM: two schedulers a
/// CPU, few hot stacks and a long tail, ticks that drift.
#[test]
#[ignore = "prints a measurement: run with --ignored --nocapture"]
fn bytes_of_a_sample() {
    use escope_model::{Activity, ProcId, SchedulerId, SchedulerKind, StackId};
    let mut state = 1_u64;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for (stacks, processes) in [(1000, 50), (20_000, 5000)] {
        let place = place();
        let mut writer =
            Writer::create(&place.path, Manifest::default(), WriterOptions::default()).unwrap();
        let count = 1_000_000_u32;
        let started = std::time::Instant::now();
        for n in 0..count {
            let cpu = random(8) as u32;
            let skewed = |r: u64, of: u64| (r * r / of * r / of) as u32;
            writer.sample(&Sample {
                ts_ns: i64::from(n / 8) * 10_101_010
                    + i64::from(cpu) * 1_200_000
                    + random(40_000) as i64,
                cpu,
                tid: 4000 + cpu,
                scheduler: Some(SchedulerId {
                    kind: SchedulerKind::Normal,
                    number: 1 + cpu as u16,
                }),
                proc: (random(10) > 0).then(|| ProcId(skewed(random(processes), processes))),
                stack: StackId(skewed(random(stacks), stacks)),
                activity: Activity::ALL[random(5) as usize],
                weight_ns: 10_101_010,
                truncated: None,
            });
            if n % 1000 == 999 {
                writer.flush().unwrap();
            }
        }
        let stream = writer.bytes_written();
        let recorded = started.elapsed();
        let finished = writer.finish(&mut Manifest::default()).unwrap();
        let compacted = started.elapsed() - recorded;
        let reading = std::time::Instant::now();
        assert_eq!(example::read_samples(&place.path).len(), count as usize);
        println!(
            "{stacks} stacks: {:.1} bytes a sample as a stream, {:.2} as Parquet; \
             recorded in {recorded:?}, compacted in {compacted:?}, read in {:?}",
            stream as f64 / f64::from(count),
            finished.tables["samples"].bytes as f64 / f64::from(count),
            reading.elapsed(),
        );
        let file = fs::File::open(packed_path(&place.path, Table::Samples)).unwrap();
        let reader =
            parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        for column in reader.metadata().row_group(0).columns() {
            let bytes =
                column.compressed_size() as f64 / reader.metadata().row_group(0).num_rows() as f64;
            let encodings: Vec<_> = column.encodings().collect();
            println!("  {}: {bytes:.3} {encodings:?}", column.column_path());
        }
    }
}
