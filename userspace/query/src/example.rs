//! A small recording to test with, every number of which is known.

use std::path::PathBuf;

use escope_model::{
    Activity, Frame, FrameId, FrameKind, Loss, Mfa, ProcId, ProcessInfo, Sample, SchedulerId,
    SchedulerKind, StackId, ThreadInfo, ThreadKind, Truncation,
};
use escope_recording::{
    Clocks, CodeAction, CodeEvent, Manifest, Recording, SeriesPoint, Writer, WriterOptions,
};

use crate::sql::Sql;

/// A name with everything that printing must escape.
pub(crate) const ODD_NAME: &str = "a \"b\", c\nd";

/// A recording, removed at the end.
pub(crate) struct Place {
    _dir: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl Place {
    pub(crate) fn open(&self) -> Sql {
        Sql::open(&Recording::open(&self.path).unwrap()).unwrap()
    }
}

/// One that ended, with the samples of [`samples`].
pub(crate) fn finished() -> Place {
    let (place, writer) = growing(&samples());
    writer.finish(&mut manifest()).unwrap();
    place
}

/// It started at 2026-01-02 03:04:05 UTC.
fn manifest() -> Manifest {
    Manifest {
        clocks: Clocks::new(0, 1_767_323_045_000_000_000),
        ..Manifest::default()
    }
}

/// One that is still being written.
pub(crate) fn growing(samples: &[Sample]) -> (Place, Writer) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.escope");
    let mut writer = Writer::create(&path, Manifest::default(), WriterOptions::default()).unwrap();
    write_dictionary(&mut writer);
    for sample in samples {
        writer.sample(sample);
    }
    writer.flush().unwrap();
    (Place { _dir: dir, path }, writer)
}

/// Six samples over three seconds.
pub(crate) fn samples() -> Vec<Sample> {
    let sample = |ts_ms: i64, number, proc, stack, activity, weight_ms: u64| Sample {
        ts_ns: ts_ms * 1_000_000,
        cpu: u32::from(number) - 1,
        tid: 100 + u32::from(number),
        scheduler: Some(SchedulerId {
            kind: SchedulerKind::Normal,
            number,
        }),
        proc: Option::map(proc, ProcId),
        stack: StackId(stack),
        activity,
        weight_ns: weight_ms * 1_000_000,
        truncated: None,
    };
    let mut samples = vec![
        sample(100, 1, Some(0), 0, Activity::Jit, 40),
        sample(200, 2, Some(1), 1, Activity::Bif, 10),
        sample(300, 1, Some(0), 2, Activity::Gc, 20),
        sample(1500, 2, None, 3, Activity::BusyWait, 500),
        sample(1600, 1, Some(2), 0, Activity::Jit, 25),
        sample(2700, 2, None, 4, Activity::Emulator, 5),
    ];
    samples[2].truncated = Some(Truncation::Gc);
    samples
}

fn write_dictionary(writer: &mut Writer) {
    let erlang = |kind, module: &str, function: &str, arity| Frame {
        kind,
        module: Some(module.into()),
        arity: Some(arity),
        file: Some("a.erl".into()),
        line: Some(7),
        ..Frame::marker(function)
    };
    let native = Frame {
        kind: FrameKind::Native,
        object: Some("beam.smp".into()),
        address: u64::MAX - 1,
        ..Frame::marker("erts_garbage_collect")
    };
    let frames = [
        erlang(FrameKind::Erlang, "my_server", "loop", 1),
        erlang(FrameKind::Bif, "lists", "reverse", 2),
        native,
        Frame::marker("stack cut at 8 KiB"),
        erlang(FrameKind::Erlang, "Elixir.My.Worker", "run", 0),
    ];
    for (id, frame) in (0..).zip(&frames) {
        writer.frame(FrameId(id), frame);
    }
    let stacks: [&[u32]; 5] = [&[0], &[1, 4, 4], &[2, 0], &[2], &[]];
    for (id, frames) in (0..).zip(stacks) {
        let frames: Vec<FrameId> = frames.iter().copied().map(FrameId).collect();
        writer.stack(StackId(id), &frames);
    }
    write_rest(writer);
}

fn write_rest(writer: &mut Writer) {
    let process = |id: u32, name: Option<&str>, module: &str| ProcessInfo {
        proc: ProcId(id),
        pid: format!("<0.{}.0>", 100 + id),
        name: name.map(str::to_owned),
        label: None,
        initial_call: Some(Mfa {
            module: module.to_owned(),
            function: "init".to_owned(),
            arity: 1,
        }),
        parent: None,
    };
    writer.process(&process(0, Some("my_server"), "my_server"));
    writer.process(&process(1, None, "Elixir.My.Worker"));
    writer.process(&process(2, Some(ODD_NAME), "odd"));
    for tid in [101, 102] {
        writer.thread(&ThreadInfo {
            tid,
            name: format!("erts_sched_{}", tid - 100),
            kind: ThreadKind::Scheduler,
            scheduler: None,
        });
    }
    writer.code(&CodeEvent {
        ts_ns: 0,
        event: CodeAction::Load,
        module: "lists".to_owned(),
        functions: 120,
        start: 0x7f00_0000_0000,
        size: 65_536,
    });
    writer.series(&SeriesPoint {
        ts_ns: 1_000_000_000,
        proc: None,
        metric: "run_queue_processes".to_owned(),
        value: 1.5,
    });
    writer.loss(&Loss {
        from_ns: 5,
        to_ns: 1_000_000,
        place: "ring_full".to_owned(),
        count: u64::MAX,
        meaning: "samples are missing".to_owned(),
        remedy: "use a larger ring".to_owned(),
    });
}
