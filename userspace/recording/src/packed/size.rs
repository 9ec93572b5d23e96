//! What rows cost on disk.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use escope_model::{
    Activity, Fate, Message, MessageKind, ProcId, Sample, SchedulerId, SchedulerKind, StackId,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{PackedTable, packed_path, write_table};
use crate::disk::RealDisk;
use crate::error::RecordingError;
use crate::example::{self, place};
use crate::manifest::{Manifest, TableFile};
use crate::range::TimeRange;
use crate::tables::Table;
use crate::writer::{Writer, WriterOptions};

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

/// Prints what each column of a file takes.
fn print_columns(path: &Path) {
    let file = File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let group = reader.metadata().row_group(0);
    for column in group.columns() {
        let bytes = column.compressed_size() as f64 / group.num_rows() as f64;
        let encodings: Vec<_> = column.encodings().collect();
        println!("  {}: {bytes:.3} {encodings:?}", column.column_path());
    }
}

const MESSAGES: u64 = 1_000_000;

/// Messages of a busy VM, a million a second: 200 processes, 8 kinds, 20 tags.
struct Messages {
    random: Random,
    next: u64,
    sent_ns: i64,
}

impl Messages {
    fn message(&mut self) -> Message {
        let random = &mut self.random;
        let msg = self.next;
        self.next += 1;
        self.sent_ns += 500 + random.below(1000) as i64;
        let received = random.below(100) > 0;
        let waited_ns = 5000 + random.below(60_000) as i64;
        Message {
            msg,
            from: (random.below(50) > 0).then(|| ProcId(random.below(200) as u32)),
            to: ProcId(random.below(200) as u32),
            kind: MessageKind::ALL[random.below(8) as usize],
            tag: (random.below(20) > 0).then(|| format!("a_tag_{}", random.below(20))),
            sent_ns: self.sent_ns,
            received_ns: received.then_some(self.sent_ns + waited_ns),
            fate: if received {
                Fate::Received
            } else {
                Fate::Waiting
            },
            // Of each shape some sizes are common, and some messages carry data.
            size_words: match random.below(20) {
                0 => None,
                1 => Some(random.below(5000) as u32),
                _ => Some(4 + 2 * random.below(16) as u32),
            },
        }
    }
}

impl Iterator for Messages {
    type Item = Result<Vec<Message>, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let count = (MESSAGES - self.next).min(50_000);
        (count > 0).then(|| Ok((0..count).map(|_| self.message()).collect()))
    }
}

fn write_messages(folder: &Path) -> TableFile {
    let messages = Messages {
        random: Random(1),
        next: 0,
        sent_ns: 0,
    };
    write_table::<Message>(&RealDisk, folder, messages).unwrap()
}

#[test]
fn a_message_takes_at_most_twelve_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let file = write_messages(folder.path());
    let bytes = file.bytes as f64 / MESSAGES as f64;
    println!(
        "{bytes:.2} bytes a message, written in {:?}",
        started.elapsed()
    );
    let path = packed_path(folder.path(), Table::Messages);
    print_columns(&path);
    assert_eq!(file.rows, MESSAGES);
    assert!(bytes <= 12.0, "{bytes:.2} bytes a message");

    // A span of time in the middle is read without the rest of the file.
    let range = TimeRange {
        since_ns: Some(500_000_000),
        until_ns: Some(500_001_000),
    };
    let mut table = PackedTable::open::<Message>(&path, &file, range).unwrap();
    let mut rows = 0;
    while let Some(chunk) = table.next::<Message>() {
        rows += chunk.unwrap().len() as u64;
    }
    assert!((1..MESSAGES / 3).contains(&rows), "{rows} rows were read");
}

/// Prints what a sample costs in a recording like that of a busy VM: two schedulers a
/// CPU, few hot stacks and a long tail, ticks that drift.
#[test]
#[ignore = "prints a measurement: run with --ignored --nocapture"]
fn bytes_of_a_sample() {
    let mut state = Random(1);
    let mut random = |below| state.below(below);
    for (stacks, processes) in [(1000, 50), (20_000, 5000)] {
        let place = place();
        let mut writer =
            Writer::create(&place.path, Manifest::default(), WriterOptions::default()).unwrap();
        let count = 1_000_000_u32;
        let started = Instant::now();
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
        let reading = Instant::now();
        assert_eq!(example::read_samples(&place.path).len(), count as usize);
        println!(
            "{stacks} stacks: {:.1} bytes a sample as a stream, {:.2} as Parquet; \
             recorded in {recorded:?}, compacted in {compacted:?}, read in {:?}",
            stream as f64 / f64::from(count),
            finished.tables["samples"].bytes as f64 / f64::from(count),
            reading.elapsed(),
        );
        print_columns(&packed_path(&place.path, Table::Samples));
    }
}
