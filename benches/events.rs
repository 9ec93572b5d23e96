//! How many events a second one core decodes, puts in order, turns into runs and messages and
//! writes: `write`, from a raw stream as the kernel half puts it into its ring, see [`support`];
//! over how many events there are, and over how many processes. Everything that a live capture
//! does with the bytes is done, by the same code; only the target's memory is an image. Time is
//! the thread's CPU time, so waiting for the disk does not count.

#![forbid(unsafe_code)]

#[allow(dead_code, reason = "the other benches use the rest")]
mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use escope_recording::{Manifest, Writer, WriterOptions};
use escope_session::{EventLimits, EventReplay};

use support::{CpuTime, EventStream, ROUND, World};

const MODULES: usize = 300;
/// What is taken out of the ring at once.
const FETCH: usize = 10_000;
/// A recording is flushed once a second; that many events are a busy second's.
const FLUSH: usize = 500_000;

/// Replays a stream into a recording; returns how many rows there were.
fn replay(world: &World, stream: &EventStream) -> usize {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("bench.escope");
    let writer =
        Writer::create(&path, Manifest::default(), WriterOptions::default()).expect("a recording");
    let limits = EventLimits::default();
    let mut replay = EventReplay::new(world.symbolizer(), writer, &limits, 0);
    let (mut since, mut rows) = (0, 0);
    for chunk in stream.chunks(FETCH) {
        for (_, record) in chunk {
            replay.record(record).expect("a record");
        }
        let until = chunk.iter().map(|(ns, _)| *ns).max().unwrap_or(0);
        replay.until(until.saturating_sub(10_000));
        since += chunk.len();
        if since >= FLUSH {
            since = 0;
            rows += replay.writer().buffered_rows();
            replay.writer().flush().expect("room on the disk");
        }
    }
    let mut writer = replay.finish(u64::MAX >> 1);
    rows += writer.buffered_rows();
    writer.flush().expect("room on the disk");
    rows
}

fn write(criterion: &mut Criterion<CpuTime>) {
    let world = World::new(MODULES);
    let mut group = criterion.benchmark_group("write");
    group.sample_size(10);
    for (pairs, events) in [(100, 1_000_000), (100, 10_000_000), (10_000, 1_000_000)] {
        let stream = EventStream::new(&world, pairs, events / ROUND);
        // Each message is a row, and each run.
        assert!(replay(&world, &stream) >= stream.len() / 2 - 8 * pairs);
        group.throughput(Throughput::Elements(stream.len() as u64));
        let name = format!("{events} events, {} processes", 2 * pairs);
        group.bench_function(BenchmarkId::from_parameter(name), |bench| {
            bench.iter(|| replay(&world, &stream));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = write
}
criterion_main!(benches);
