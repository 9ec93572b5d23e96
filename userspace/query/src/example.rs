//! A small recording to test with, every number of which is known.

use std::fs::File;
use std::path::PathBuf;

use escope_model::{
    Activity, Collection, Cut, DistAction, DistEvent, DistOp, Fate, Frame, FrameId, FrameKind,
    LeftAs, Life, LifeEvent, Loss, Message, MessageKind, Mfa, ModuleAction, ModuleEvent,
    NativeCall, OffCpu, OffCpuWhy, Payload, PayloadSeen, PortAction, PortEvent, PortId, PortInfo,
    ProcId, ProcessInfo, Run, Sample, SchedulerId, SchedulerKind, StackId, ThreadInfo, ThreadKind,
    Truncation, Window,
};
use escope_recording::{
    Clocks, CodeAction, CodeEvent, Manifest, Recording, SeriesPoint, Writer, WriterOptions,
};

use polars::prelude::SerReader;
use polars_io::prelude::{ParquetReader, ParquetWriter};

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

    /// As a recording of a version without that column has the table.
    pub(crate) fn drop_column(&self, table: &str, column: &str) {
        let path = self.path.join(format!("{table}.parquet"));
        let read = ParquetReader::new(File::open(&path).unwrap()).finish();
        let mut left = read.unwrap().drop(column).unwrap();
        let file = File::create(&path).unwrap();
        ParquetWriter::new(file).finish(&mut left).unwrap();
    }
}

/// One that ended, with the samples of [`samples`].
pub(crate) fn finished() -> Place {
    let (place, writer) = growing(&samples());
    writer.finish(&mut manifest()).unwrap();
    place
}

/// One with only these messages, and the processes of [`finished`].
pub(crate) fn of_messages(messages: &[Message]) -> Place {
    let (place, mut writer) = empty();
    write_processes(&mut writer);
    for message in messages {
        writer.message(message);
    }
    writer.finish(&mut manifest()).unwrap();
    place
}

/// It started at 2026-01-02 03:04:05 UTC.
fn manifest() -> Manifest {
    let mut manifest = Manifest {
        clocks: Clocks::new(0, 1_767_323_045_000_000_000),
        ..Manifest::default()
    };
    // Four times of what ran in the window.
    let counters = &mut manifest.totals.counters;
    counters.insert("vm_reductions".to_owned(), 1200);
    manifest
}

/// One that is still being written.
pub(crate) fn growing(samples: &[Sample]) -> (Place, Writer) {
    let (place, mut writer) = empty();
    write_dictionary(&mut writer);
    for sample in samples {
        writer.sample(sample);
    }
    writer.flush().unwrap();
    (place, writer)
}

fn empty() -> (Place, Writer) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.escope");
    let writer = Writer::create(&path, Manifest::default(), WriterOptions::default()).unwrap();
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

/// A call that `my_server` takes, runs for and answers, a collection in it, and the worker's end.
fn write_events(writer: &mut Writer) {
    let run = |proc, start_ns: i64, at| Run {
        proc: ProcId(proc),
        scheduler: SchedulerId {
            kind: SchedulerKind::Normal,
            number: 1,
        },
        start_ns,
        end_ns: start_ns + 2_000_000,
        woken_by: None,
        reductions: Some(100),
        left_as: Some(LeftAs::Waiting),
        at: Some(FrameId(at)),
        cut: None,
    };
    for run in [
        run(1, 1_000_000, 4),
        run(0, 3_000_000, 0),
        run(0, 9_000_000, 0),
    ] {
        writer.run(&run);
    }
    let message = |msg, from, to, kind, sent_ns: i64, lay_ns: Option<i64>| Message {
        msg,
        from: Option::map(from, ProcId),
        to: ProcId(to),
        kind,
        tag: (kind == MessageKind::Call).then(|| "$gen_call".to_owned()),
        sent_ns,
        received_ns: lay_ns.map(|lay_ns| sent_ns + lay_ns),
        fate: lay_ns.map_or(Fate::Waiting, |_| Fate::Received),
        size_words: lay_ns.map(|_| 4),
    };
    for message in [
        message(0, Some(1), 0, MessageKind::Call, 2_000_000, Some(1_500_000)),
        message(1, Some(0), 1, MessageKind::Reply, 4_000_000, Some(500_000)),
        message(2, Some(1), 0, MessageKind::Cast, 5_000_000, None),
        message(3, None, 0, MessageKind::Timeout, 6_000_000, None),
    ] {
        writer.message(&message);
    }
    for (msg, sent_ns, seen, text) in [
        (
            0,
            2_000_000,
            PayloadSeen::Cut,
            Some("{'$gen_call',...,***}"),
        ),
        (2, 5_000_000, PayloadSeen::Sensitive, None),
    ] {
        writer.payload(&Payload {
            msg,
            sent_ns,
            seen,
            text: text.map(str::to_owned),
            masked: text.map_or(0, |_| 1),
        });
    }
    let life = |ts_ns, event, other, reason: Option<&str>| Life {
        ts_ns,
        proc: ProcId(1),
        event,
        other: Option::map(other, ProcId),
        name: None,
        reason: reason.map(str::to_owned),
    };
    writer.life(&life(500_000, LifeEvent::Spawn, Some(0), None));
    writer.life(&life(7_000_000, LifeEvent::Exit, None, Some("killed")));
    writer.window(&Window {
        from_ns: 500_000,
        to_ns: 11_500_000,
        reductions: Some(300),
        ..Window::default()
    });
    let off_cpu = |proc, start_ns: i64, took_ns: i64, why, ready_ns| OffCpu {
        proc: Option::map(proc, ProcId),
        scheduler: SchedulerId {
            kind: SchedulerKind::Normal,
            number: 1,
        },
        start_ns,
        end_ns: start_ns + took_ns,
        why,
        ready_ns,
        cut: None,
    };
    for off_cpu in [
        off_cpu(Some(0), 3_500_000, 700, Some(OffCpuWhy::Blocked), Some(100)),
        off_cpu(None, 6_000_000, 500, Some(OffCpuWhy::Preempted), None),
        off_cpu(None, 7_000_000, 300, None, None),
    ] {
        writer.off_cpu(&off_cpu);
    }
    let call = |proc, start_ns, took_ns: Option<i64>, caller, cut| NativeCall {
        proc: ProcId(proc),
        scheduler: Some(SchedulerId {
            kind: SchedulerKind::Normal,
            number: 1,
        }),
        start_ns,
        end_ns: took_ns.map(|took_ns| start_ns + took_ns),
        function: FrameId(1),
        caller: Option::map(caller, FrameId),
        cut,
    };
    for call in [
        call(0, 3_200_000, Some(2_000), Some(0), None),
        call(1, 3_300_000, Some(9_000), None, Some(Cut::Start)),
        call(0, 9_500_000, None, Some(0), None),
    ] {
        writer.native_call(&call);
    }
    writer.collection(&Collection {
        proc: ProcId(0),
        start_ns: 3_500_000,
        end_ns: 3_750_000,
        before_words: Some(1000),
        after_words: Some(600),
        kind: None,
        cut: None,
    });
}

/// The server loads a module, of which the VM purges old code; a port of the worker, of which all is
/// known, and one of which nothing is.
fn write_code_and_ports(writer: &mut Writer) {
    for (ts_ns, proc, event) in [
        (3_100_000, Some(ProcId(0)), ModuleAction::Load),
        (3_150_000, None, ModuleAction::Purge),
    ] {
        writer.module(&ModuleEvent {
            ts_ns,
            proc,
            event,
            module: "Elixir.My.Worker".to_owned(),
        });
    }
    writer.port(&PortInfo {
        id: Some("#Port<0.5>".to_owned()),
        driver: Some("spawn".to_owned()),
        name: Some("cat".to_owned()),
        owner: Some(ProcId(1)),
        opened_ns: Some(600_000),
        closed_ns: Some(6_900_000),
        bytes_in: Some(70),
        bytes_out: Some(512),
        ..PortInfo::unknown(PortId(0))
    });
    writer.port(&PortInfo::unknown(PortId(1)));
    for (ts_ns, port, event, proc, bytes) in [
        (600_000, 0, PortAction::Open, Some(1), None),
        (700_000, 0, PortAction::Output, Some(1), Some(500)),
        (800_000, 0, PortAction::Output, Some(1), Some(12)),
        (900_000, 0, PortAction::Input, Some(1), None),
        (950_000, 1, PortAction::Input, None, Some(70)),
        (6_900_000, 0, PortAction::Close, Some(1), None),
    ] {
        writer.port_event(&PortEvent {
            ts_ns,
            port: PortId(port),
            event,
            proc: proc.map(ProcId),
            bytes,
        });
    }
    use DistAction::{Fragment, Received, Sent, Suspended};
    for (ts_ns, proc, event, op, bytes) in [
        (610_000, Some(0), Sent, Some(DistOp::RegSend), Some(90)),
        (620_000, Some(0), Sent, Some(DistOp::Link), Some(25)),
        (630_000, Some(0), Suspended, None, None),
        (640_000, None, Fragment, None, Some(65_536)),
        (650_000, Some(1), Received, Some(DistOp::Send), Some(12)),
    ] {
        writer.dist(&DistEvent {
            ts_ns,
            proc: proc.map(ProcId),
            node: Some("other@host".to_owned()),
            event,
            op,
            bytes,
        });
    }
}

fn write_rest(writer: &mut Writer) {
    write_events(writer);
    write_code_and_ports(writer);
    write_processes(writer);
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

fn write_processes(writer: &mut Writer) {
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
}
