//! A small recording to test with: a few seconds of a VM with two schedulers.

use std::path::{Path, PathBuf};

use escope_model::{
    Activity, CheckpointRow, CheckpointSeen, Collection, CollectionKind, Cut, DistAction,
    DistEvent, DistOp, Fate, Frame, FrameId, FrameKind, LeftAs, Life, LifeEvent, Loss, Message,
    MessageKind, Mfa, ModuleAction, ModuleEvent, NativeCall, OffCpu, OffCpuWhy, Payload,
    PayloadSeen, PortAction, PortEvent, PortId, PortInfo, ProcId, ProcessInfo, ProcessStatus, Run,
    Sample, SchedulerId, SchedulerKind, StackId, StateRow, StateSeen, StateSource, ThreadInfo,
    ThreadKind, Truncation, Window, WokenBy,
};

use crate::manifest::{Ended, EndedHow, Manifest};
use crate::recording::Recording;
use crate::tables::{CodeAction, CodeEvent, SeriesPoint};
use crate::writer::Writer;

/// A place for one recording, removed at the end.
pub(crate) struct Place {
    _dir: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

pub(crate) fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.escope");
    Place { _dir: dir, path }
}

pub(crate) fn scheduler(number: u16) -> SchedulerId {
    SchedulerId {
        kind: SchedulerKind::Normal,
        number,
    }
}

/// Sample number `n`; numbers are about in the order of time.
pub(crate) fn sample(n: u32) -> Sample {
    let early = if n % 7 == 3 { 15_000_000 } else { 0 };
    Sample {
        ts_ns: i64::from(n) * 10_000_000 - early,
        cpu: n % 2,
        tid: 100 + n % 2,
        scheduler: (n % 5 != 4).then(|| scheduler(1 + (n % 2) as u16)),
        proc: (!n.is_multiple_of(3)).then_some(ProcId(n % 4)),
        stack: StackId(n % 6),
        activity: Activity::ALL[n as usize % Activity::ALL.len()],
        weight_ns: 10_000_000,
        truncated: n.is_multiple_of(11).then_some(Truncation::Cap),
    }
}

pub(crate) fn frame(n: u32) -> Frame {
    let erlang = n.is_multiple_of(2);
    Frame {
        kind: if erlang {
            FrameKind::Erlang
        } else {
            FrameKind::Native
        },
        module: erlang.then(|| "lists".into()),
        function: format!("function_{n}").into(),
        arity: erlang.then_some(n),
        file: erlang.then(|| "lists.erl".into()),
        line: erlang.then_some(10 * n + 1),
        object: (!erlang).then(|| "beam.smp".into()),
        address: u64::MAX - u64::from(n),
    }
}

pub(crate) fn process(n: u32, name: Option<&str>) -> ProcessInfo {
    ProcessInfo {
        proc: ProcId(n),
        pid: format!("<0.{}.0>", 100 + n),
        name: name.map(str::to_owned),
        label: (n == 1).then(|| "a label".to_owned()),
        initial_call: (n != 2).then(|| Mfa {
            module: "Elixir.My.Mod".to_owned(),
            function: "init".to_owned(),
            arity: n,
        }),
        parent: (n > 0).then(|| "<0.1.0>".to_owned()),
    }
}

pub(crate) fn thread(n: u32) -> ThreadInfo {
    ThreadInfo {
        tid: 100 + n,
        name: format!("erts_sched_{}", n + 1),
        kind: ThreadKind::Scheduler,
        scheduler: Some(scheduler(1 + n as u16)),
    }
}

pub(crate) fn loss() -> Loss {
    Loss {
        from_ns: 5,
        to_ns: 1_000_000,
        place: "ring_full".to_owned(),
        count: 17,
        meaning: "samples are missing".to_owned(),
        remedy: "use a larger ring".to_owned(),
    }
}

pub(crate) fn code() -> CodeEvent {
    CodeEvent {
        ts_ns: 0,
        event: CodeAction::Load,
        module: "lists".to_owned(),
        functions: 120,
        start: 0x7f00_0000_0000,
        size: 65_536,
    }
}

pub(crate) fn point(n: u32) -> SeriesPoint {
    SeriesPoint {
        ts_ns: i64::from(n) * 1_000_000_000,
        proc: (n > 0).then_some(ProcId(n % 4)),
        metric: "mailbox_messages".to_owned(),
        value: f64::from(n) / 2.0,
    }
}

/// Run number `n`. The first ones last long, so they begin before others and end after.
pub(crate) fn run(n: u32) -> Run {
    let start_ns = i64::from(n) * 1_000_000;
    let seen = n != 4;
    Run {
        proc: ProcId(n % 4),
        scheduler: scheduler(1 + (n % 2) as u16),
        start_ns,
        end_ns: if n < 2 {
            90_000_000
        } else {
            start_ns + 300_000
        },
        woken_by: (n > 0).then(|| WokenBy::ALL[n as usize % WokenBy::ALL.len()]),
        reductions: seen.then_some(10 * n),
        left_as: seen.then(|| LeftAs::ALL[n as usize % LeftAs::ALL.len()]),
        at: (seen && n != 2).then_some(FrameId(n % 8)),
        cut: (!seen).then_some(Cut::End),
    }
}

/// Message number `n`.
pub(crate) fn message(n: u32) -> Message {
    let received = !n.is_multiple_of(3);
    let sent_ns = i64::from(n) * 100_000;
    Message {
        msg: u64::from(n),
        from: (n != 5).then_some(ProcId(n % 4)),
        to: ProcId((n + 1) % 4),
        kind: MessageKind::ALL[n as usize % MessageKind::ALL.len()],
        tag: (n != 7).then(|| format!("tag_{}", n % 2)),
        sent_ns,
        received_ns: received.then_some(sent_ns + 20_000),
        fate: if received {
            Fate::Received
        } else {
            Fate::Waiting
        },
        size_words: (n % 4 != 1).then_some(3 * n),
    }
}

/// Event number `n` of a process's life.
pub(crate) fn life(n: u32) -> Life {
    let event = LifeEvent::ALL[n as usize % LifeEvent::ALL.len()];
    Life {
        ts_ns: i64::from(n) * 1_000_000,
        proc: ProcId(n % 4),
        event,
        other: (event != LifeEvent::Exit).then_some(ProcId((n + 1) % 4)),
        name: (event == LifeEvent::Register).then(|| "a name".to_owned()),
        reason: (event == LifeEvent::Exit).then(|| "{badmatch,<<\"\u{e4}\">>}".to_owned()),
    }
}

/// Garbage collection number `n`.
pub(crate) fn collection(n: u32) -> Collection {
    let start_ns = i64::from(n) * 2_000_000;
    Collection {
        proc: ProcId(n % 4),
        start_ns,
        end_ns: start_ns + 50_000,
        before_words: (n > 0).then_some(u64::from(n) << 40),
        after_words: (n > 0).then_some(233),
        kind: (n > 0).then_some(match n % 3 {
            0 => CollectionKind::Major,
            1 => CollectionKind::Minor,
            _ => CollectionKind::Hibernation,
        }),
        cut: (n == 0).then_some(Cut::Start),
    }
}

/// Time number `n` in which a scheduler had no CPU.
pub(crate) fn off_cpu(n: u32) -> OffCpu {
    let start_ns = i64::from(n) * 1_500_000;
    let seen = n != 3;
    OffCpu {
        proc: (n != 5).then_some(ProcId(n % 4)),
        scheduler: scheduler(1 + (n % 2) as u16),
        start_ns,
        end_ns: start_ns + 70_000,
        why: seen.then(|| OffCpuWhy::ALL[n as usize % OffCpuWhy::ALL.len()]),
        ready_ns: (n != 7).then_some(u64::from(n) * 500),
        cut: (!seen).then_some(Cut::Start),
    }
}

/// Call number `n` of a BIF or NIF.
pub(crate) fn native_call(n: u32) -> NativeCall {
    let start_ns = i64::from(n) * 2_500_000;
    NativeCall {
        proc: ProcId(n % 4),
        scheduler: (n > 0).then_some(SchedulerId {
            kind: SchedulerKind::DirtyIo,
            number: n as u16,
        }),
        start_ns,
        end_ns: (!n.is_multiple_of(3)).then_some(start_ns + 700),
        function: FrameId(n % 2),
        caller: (n > 1).then_some(FrameId(0)),
        cut: (n % 3 == 2).then_some(Cut::End),
    }
}

/// Event number `n` of the code of modules.
pub(crate) fn module_event(n: u32) -> ModuleEvent {
    ModuleEvent {
        ts_ns: i64::from(n) * 1_500_000,
        proc: (n > 0).then_some(ProcId(n % 4)),
        event: ModuleAction::ALL[n as usize % ModuleAction::ALL.len()],
        module: format!("Elixir.Some {n}"),
    }
}

/// Port number `n`, before and after it was closed.
pub(crate) fn port(n: u32, closed: bool) -> PortInfo {
    PortInfo {
        id: (n > 0).then(|| format!("#Port<0.{n}>")),
        driver: Some("tcp_inet".to_owned()),
        name: (n > 0).then(|| "cat \u{e4}".to_owned()),
        owner: (n > 0).then_some(ProcId(n)),
        opened_ns: (n > 0).then_some(i64::from(n)),
        closed_ns: closed.then_some(9_000_000),
        bytes_in: closed.then_some(u64::from(n) << 35),
        bytes_out: closed.then_some(7),
        ..PortInfo::unknown(PortId(n))
    }
}

/// Event number `n` between nodes.
pub(crate) fn dist_event(n: u32) -> DistEvent {
    let event = DistAction::ALL[n as usize % DistAction::ALL.len()];
    DistEvent {
        ts_ns: i64::from(n) * 1_125_000,
        proc: (n > 1).then_some(ProcId(n % 4)),
        node: (n > 0).then(|| format!("node{n}@host.\u{e4}")),
        event,
        op: (event == DistAction::Sent).then_some(DistOp::ALL[n as usize % DistOp::ALL.len()]),
        bytes: (n > 0).then_some(u64::from(n) << 33),
    }
}

/// Event number `n` of ports.
pub(crate) fn port_event(n: u32) -> PortEvent {
    let event = PortAction::ALL[n as usize % PortAction::ALL.len()];
    PortEvent {
        ts_ns: i64::from(n) * 1_250_000,
        port: PortId(n % 3),
        event,
        proc: (n > 1).then_some(ProcId(n % 4)),
        bytes: (event == PortAction::Output).then_some(u64::from(n) << 34),
    }
}

/// State number `n`: each second one is the same as the one before.
pub(crate) fn state(n: u32) -> StateRow {
    let seen = StateSeen::ALL[n as usize % StateSeen::ALL.len()];
    let ts_ns = i64::from(n) * 1_000_000;
    if !seen.rests() {
        return StateRow::mark(ts_ns, ProcId(n % 3), seen);
    }
    let told = seen.has_term();
    let text = |text: &str| told.then(|| text.to_owned());
    StateRow {
        source: told.then(|| StateSource::ALL[n as usize % StateSource::ALL.len()]),
        behaviour: text("gen_server"),
        module: text("shop"),
        rests: text("waiting"),
        name: text("state"),
        term: (told && n.is_multiple_of(2)).then(|| vec![131, b'a', n as u8]),
        hash: told.then_some(u64::MAX - u64::from(n)),
        masked: n % 5,
        reductions: u64::from(n) * 100,
        runs: 1 + n % 2,
        began_ns: (!n.is_multiple_of(7)).then_some(ts_ns - 1000),
        ..StateRow::mark(ts_ns, ProcId(n % 3), seen)
    }
}

/// Process number `n` at a checkpoint.
pub(crate) fn checkpoint(n: u32) -> CheckpointRow {
    let from_ns = i64::from(n) * 1_000_000;
    CheckpointRow {
        checkpoint: n / 4,
        from_ns,
        to_ns: from_ns + 200_000,
        proc: ProcId(n % 4),
        seen: CheckpointSeen::ALL[n as usize % CheckpointSeen::ALL.len()],
        status: ProcessStatus::ALL[n as usize % ProcessStatus::ALL.len()],
        at: (n > 0).then_some(FrameId(n % 8)),
        mailbox: (!n.is_multiple_of(3)).then_some(u64::from(n) << 33),
        mailbox_min: n.is_multiple_of(3).then_some(u64::from(n)),
        heap_words: 233 + u64::from(n),
        reductions: u64::MAX - u64::from(n),
    }
}

/// What message number `n` said.
pub(crate) fn payload(n: u32) -> Payload {
    let seen = PayloadSeen::ALL[n as usize % PayloadSeen::ALL.len()];
    let is_told = matches!(seen, PayloadSeen::Whole | PayloadSeen::Cut);
    Payload {
        msg: u64::from(n),
        sent_ns: message(n).sent_ns,
        seen,
        text: is_told.then(|| format!("{{hello,{n},\"wörld\",***}}")),
        masked: u32::from(is_told),
    }
}

/// Window number `n`.
pub(crate) fn window(n: u32) -> Window {
    let from_ns = i64::from(n) * 3_000_000;
    Window {
        from_ns,
        to_ns: from_ns + 500_000,
        attempts: 100,
        recorded: 90 - u64::from(n),
        lost: 10 + u64::from(n),
        reductions: (n > 0).then_some(u64::from(n) << 33),
        target_cpu_ns: 400_000,
        cost_ns: 90_000,
    }
}

/// How many there are of each of them.
pub(crate) const HAPPENINGS: u32 = 9;

/// In the order of their ends, as a recorder learns of them.
fn write_happenings(writer: &mut Writer) {
    let mut runs: Vec<Run> = (0..HAPPENINGS).map(run).collect();
    runs.sort_by_key(|run| run.end_ns);
    runs.iter().for_each(|run| writer.run(run));
    let (waiting, received): (Vec<Message>, _) = (0..HAPPENINGS)
        .map(message)
        .partition(|message| message.fate == Fate::Waiting);
    let messages = received.iter().chain(&waiting);
    messages.for_each(|message| writer.message(message));
    for n in 0..HAPPENINGS {
        writer.payload(&payload(n));
        writer.life(&life(n));
        writer.collection(&collection(n));
        writer.off_cpu(&off_cpu(n));
        writer.native_call(&native_call(n));
        writer.module(&module_event(n));
        writer.port_event(&port_event(n));
        writer.dist(&dist_event(n));
        writer.state(state(n));
        writer.checkpoint(&checkpoint(n));
        writer.window(&window(n));
    }
}

/// Everything but samples.
pub(crate) fn write_dictionary(writer: &mut Writer) {
    for n in 0..8 {
        writer.frame(FrameId(n), &frame(n));
    }
    for n in 0..6 {
        let frames: Vec<FrameId> = (0..n).map(FrameId).collect();
        writer.stack(StackId(n), &frames);
    }
    for n in 0..4 {
        writer.process(&process(n, None));
    }
    writer.process(&process(3, Some("late_name")));
    for n in 0..3 {
        writer.port(&port(n, false));
    }
    writer.port(&port(1, true));
    writer.thread(&thread(0));
    writer.thread(&thread(1));
    writer.code(&code());
    writer.series(&point(0));
    writer.series(&point(1));
    writer.loss(&loss());
    write_happenings(writer);
}

/// Writes samples `from..to`, flushing after every 20.
pub(crate) fn write_samples(writer: &mut Writer, from: u32, to: u32) {
    for n in from..to {
        writer.sample(&sample(n));
        if n % 20 == 19 {
            writer.flush().unwrap();
        }
    }
}

/// Samples `0..count` as a reader should give them.
pub(crate) fn expected(count: u32) -> Vec<Sample> {
    let mut samples: Vec<Sample> = (0..count).map(sample).collect();
    samples.sort_by_key(|sample| sample.ts_ns);
    samples
}

/// What a reader gives.
pub(crate) fn read_samples(path: &Path) -> Vec<Sample> {
    let recording = Recording::open(path).unwrap();
    recording.samples().unwrap().map(Result::unwrap).collect()
}

/// The manifest of an example with `samples` samples that ended well.
pub(crate) fn ended(samples: u64) -> Manifest {
    let mut manifest = Manifest {
        ended: Some(Ended {
            how: EndedHow::Duration,
            at_ns: 3_000_000_000,
            note: None,
        }),
        ..Manifest::default()
    };
    manifest.totals.samples = samples;
    manifest.totals.stacks = 6;
    manifest.totals.frames = 8;
    manifest.totals.processes = 4;
    manifest
}
