//! How many samples a second one core decodes, walks, names and writes.
//!
//! The samples are a recorded raw stream: the bytes that the kernel half puts into its ring,
//! see [`support`]. Everything that a live capture does with them is done, in the same order,
//! by the same code; only the target's memory is an image. Time is the thread's CPU time, so
//! waiting for the disk does not count.
//!
//! - `decode`: bytes to events.
//! - `depth`, `modules`: decode, unwind C stacks, scan Erlang stacks, join and name them, find
//!   the process; growth over the depth of stacks and over how much code is loaded. The same
//!   stream again and again: every stack was seen, and is known if the cache still has it.
//! - `first_seen`: the same with a symbolizer that has seen nothing yet, over how many samples
//!   there are: what it reads once (kernel symbols, DWARF, names of code) and each new stack.
//! - `write`: the same as `depth`, and the rows to disk.

#![forbid(unsafe_code)]

#[allow(dead_code, reason = "the other benches use the rest")]
mod support;

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use escope_beam::memory::Image;
use escope_capture::decode;
use escope_model::RawEvent;
use escope_recording::{Manifest, Writer, WriterOptions};
use escope_symbolizer::{NewEntries, Symbolizer};

use support::{CpuTime, Shape, Stream, World};

const SAMPLES: usize = 10_000;
const DEPTH: usize = 30;
const MODULES: usize = 300;
/// A recording is flushed once a second; that many samples are a second's.
const FLUSH_SAMPLES: usize = 200_000;

fn shape(depth: usize) -> Shape {
    Shape {
        depth,
        samples: SAMPLES,
    }
}

/// Names all samples of a stream; returns something that depends on each.
fn name(symbolizer: &mut Symbolizer<Image>, stream: &Stream) -> u64 {
    let mut sum = 0;
    for record in stream.records() {
        if let Ok(RawEvent::Sample(raw)) = decode(record) {
            let sample = symbolizer.sample(&raw, 0, &|| true);
            sum += u64::from(sample.stack.0) + sample.activity as u64;
        }
    }
    sum
}

/// A symbolizer that knows the stream, which proves that all of it can be walked and named.
fn warm(world: &World, stream: &Stream) -> Symbolizer<Image> {
    let mut symbolizer = world.symbolizer();
    name(&mut symbolizer, stream);
    let seen = symbolizer.statistics();
    assert_eq!(seen.samples, SAMPLES as u64);
    assert_eq!(seen.with_process, seen.samples / 10 * 9);
    assert_eq!(seen.erlang_complete, seen.with_process);
    assert_eq!((seen.native_incomplete, seen.unnamed_erlang_frames), (0, 0));
    symbolizer
}

fn decoding(criterion: &mut Criterion<CpuTime>) {
    let world = World::new(MODULES);
    let stream = Stream::new(&world, shape(DEPTH));
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(SAMPLES as u64));
    group.bench_function(BenchmarkId::from_parameter(DEPTH), |bench| {
        bench.iter(|| {
            for record in stream.records() {
                black_box(decode(record).is_ok());
            }
        });
    });
    group.finish();
}

fn depths(criterion: &mut Criterion<CpuTime>) {
    let world = World::new(MODULES);
    let mut group = criterion.benchmark_group("depth");
    group.throughput(Throughput::Elements(SAMPLES as u64));
    group.sample_size(20);
    for depth in [10, 30, 100, 300, 1000] {
        let stream = Stream::new(&world, shape(depth));
        let mut symbolizer = warm(&world, &stream);
        group.bench_function(BenchmarkId::from_parameter(depth), |bench| {
            bench.iter(|| name(&mut symbolizer, &stream));
        });
    }
    group.finish();
}

fn modules(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("modules");
    group.throughput(Throughput::Elements(SAMPLES as u64));
    group.sample_size(20);
    for modules in [100, 300, 1000, 3000] {
        let world = World::new(modules);
        let stream = Stream::new(&world, shape(DEPTH));
        let mut symbolizer = warm(&world, &stream);
        group.bench_function(BenchmarkId::from_parameter(modules), |bench| {
            bench.iter(|| name(&mut symbolizer, &stream));
        });
    }
    group.finish();
}

fn first_seen(criterion: &mut Criterion<CpuTime>) {
    let world = World::new(MODULES);
    let mut group = criterion.benchmark_group("first_seen");
    group.sample_size(10);
    for samples in [SAMPLES, 5 * SAMPLES] {
        let shape = Shape {
            depth: DEPTH,
            samples,
        };
        let stream = Stream::new(&world, shape);
        group.throughput(Throughput::Elements(samples as u64));
        group.bench_function(BenchmarkId::from_parameter(samples), |bench| {
            bench.iter_batched(
                || world.symbolizer(),
                |mut symbolizer| {
                    name(&mut symbolizer, &stream);
                    symbolizer
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn writing(criterion: &mut Criterion<CpuTime>) {
    let world = World::new(MODULES);
    let stream = Stream::new(&world, shape(DEPTH));
    let mut symbolizer = warm(&world, &stream);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("bench.escope");
    let mut writer =
        Writer::create(&path, Manifest::default(), WriterOptions::default()).expect("a recording");
    let mut new = NewEntries::default();
    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::Elements(SAMPLES as u64));
    group.sample_size(20);
    group.bench_function(BenchmarkId::from_parameter(DEPTH), |bench| {
        bench.iter(|| {
            write(&mut symbolizer, &stream, &mut writer, &mut new);
            if writer.buffered_rows() >= FLUSH_SAMPLES {
                writer.flush().expect("room on the disk");
            }
        });
    });
    group.finish();
}

fn write(
    symbolizer: &mut Symbolizer<Image>,
    stream: &Stream,
    writer: &mut Writer,
    new: &mut NewEntries,
) {
    for record in stream.records() {
        let Ok(RawEvent::Sample(raw)) = decode(record) else {
            continue;
        };
        let sample = symbolizer.sample(&raw, 0, &|| true);
        symbolizer.take_new(new);
        for (id, frame) in new.frames.drain(..) {
            writer.frame(id, &frame);
        }
        for (id, frames) in new.stacks.drain(..) {
            writer.stack(id, &frames);
        }
        for process in new.processes.drain(..) {
            writer.process(&process);
        }
        writer.sample(&sample);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = decoding, depths, modules, first_seen, writing
}
criterion_main!(benches);
