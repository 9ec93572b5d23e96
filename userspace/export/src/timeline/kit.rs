//! A little of everything that can be on a timeline, for tests.

use escope_model::{
    Activity, Collection, Cut, Dictionary, DistAction, DistEvent, DistOp, Fate, Frame, FrameId,
    FrameKind, LeftAs, Life, LifeEvent, Loss, Message, MessageKind, Mfa, ModuleAction, ModuleEvent,
    NativeCall, OffCpu, PortAction, PortEvent, PortId, PortInfo, ProcId, ProcessInfo, Run, Sample,
    SchedulerId, SchedulerKind, StackId, ThreadInfo, ThreadKind, Truncation,
};

use super::{Head, Plan, Point, Row};

/// A name that means something to terminals, JSON and HTML.
pub(crate) const HOSTILE: &str = "ev\"il\u{1b}[2J\\\n</script>\u{202e}";

/// Rows of each table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub(crate) losses: Vec<Loss>,
    pub(crate) runs: Vec<Run>,
    pub(crate) collections: Vec<Collection>,
    pub(crate) off_cpu: Vec<OffCpu>,
    pub(crate) native_calls: Vec<NativeCall>,
    pub(crate) modules: Vec<ModuleEvent>,
    pub(crate) ports: Vec<PortEvent>,
    pub(crate) dist: Vec<DistEvent>,
    pub(crate) messages: Vec<Message>,
    pub(crate) lives: Vec<Life>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) points: Vec<(i64, Option<ProcId>, f64)>,
}

impl Rows {
    /// Table after table.
    pub(crate) fn all(&self) -> impl Iterator<Item = Row<'_>> {
        let points = self.points.iter().map(|&(ts_ns, proc, value)| {
            Row::Point(Point {
                ts_ns,
                proc,
                metric: "heap_words",
                value,
            })
        });
        let losses = self.losses.iter().map(Row::Loss);
        losses
            .chain(self.runs.iter().map(Row::Run))
            .chain(self.collections.iter().map(Row::Collection))
            .chain(self.off_cpu.iter().map(Row::OffCpu))
            .chain(self.native_calls.iter().map(Row::NativeCall))
            .chain(self.modules.iter().map(Row::Module))
            .chain(self.ports.iter().map(Row::Port))
            .chain(self.dist.iter().map(Row::Dist))
            .chain(self.messages.iter().map(Row::Message))
            .chain(self.lives.iter().map(Row::Life))
            .chain(self.samples.iter().map(Row::Sample))
            .chain(points)
    }

    /// The plan of these.
    pub(crate) fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        self.all().for_each(|row| plan.add(&row));
        plan
    }
}

/// Of the instant that they began at.
pub(crate) fn head() -> Head {
    Head {
        title: "shop@host".to_owned(),
        start_monotonic_ns: 5_000_000_000_000,
        start_realtime_ns: 1_750_000_000_000_000_000,
        start_realtime: "2025-06-15T15:06:40.000000000Z".to_owned(),
    }
}

/// Three processes, the second without a name, the third with a hostile one.
pub(crate) fn dictionary() -> Dictionary {
    let process = |n: u32, name: Option<&str>| ProcessInfo {
        proc: ProcId(n),
        pid: format!("<0.{}.0>", 90 + n),
        name: name.map(str::to_owned),
        label: None,
        initial_call: (n == 1).then(|| Mfa {
            module: "Elixir.Shop.Worker".to_owned(),
            function: "init".to_owned(),
            arity: 1,
        }),
        parent: None,
    };
    Dictionary {
        frames: frames(),
        stacks: vec![
            [FrameId(1), FrameId(0)].into(),
            [FrameId(2), FrameId(1), FrameId(0)].into(),
            [].into(),
        ],
        processes: vec![
            process(0, Some("orders")),
            process(1, None),
            process(2, Some(HOSTILE)),
        ],
        threads: vec![ThreadInfo {
            tid: 77,
            name: "erts_sched_1".to_owned(),
            kind: ThreadKind::Scheduler,
            scheduler: Some(scheduler(SchedulerKind::Normal, 1)),
        }],
        ports: vec![PortInfo {
            id: Some("#Port<0.5>".to_owned()),
            driver: Some("spawn".to_owned()),
            name: Some(HOSTILE.to_owned()),
            ..PortInfo::unknown(PortId(0))
        }],
    }
}

fn frames() -> Vec<Frame> {
    let erlang = |function: &str, line: u32| Frame {
        kind: FrameKind::Erlang,
        module: Some("gen_server".into()),
        function: function.into(),
        arity: Some(7),
        file: Some("gen_server.erl".into()),
        line: Some(line),
        object: None,
        address: 0x7f00_0000_0000,
    };
    let native = Frame {
        kind: FrameKind::Native,
        module: None,
        function: "erts_garbage_collect".into(),
        arity: None,
        file: None,
        line: None,
        object: Some("beam.smp".into()),
        address: 0x55_0000,
    };
    vec![erlang("loop", 1050), erlang("handle_msg", 1100), native]
}

pub(crate) fn scheduler(kind: SchedulerKind, number: u16) -> SchedulerId {
    SchedulerId { kind, number }
}

/// A run of a process that waits in the end.
pub(crate) fn run(proc: u32, start_ns: i64, end_ns: i64) -> Run {
    Run {
        proc: ProcId(proc),
        scheduler: scheduler(SchedulerKind::Normal, 1),
        start_ns,
        end_ns,
        woken_by: None,
        reductions: Some(17),
        left_as: Some(LeftAs::Waiting),
        at: Some(FrameId(0)),
        cut: None,
    }
}

/// A message that was received, or is as `fate` says.
pub(crate) fn message(msg: u64, to: u32, sent_ns: i64, end: Result<i64, Fate>) -> Message {
    Message {
        msg,
        from: Some(ProcId(0)),
        to: ProcId(to),
        kind: MessageKind::Message,
        tag: Some("note".to_owned()),
        sent_ns,
        received_ns: end.ok(),
        fate: end.err().unwrap_or(Fate::Received),
        size_words: msg.is_multiple_of(2).then_some(4),
    }
}

/// Something of every sort.
pub(crate) fn shop() -> Rows {
    Rows {
        losses: vec![Loss {
            from_ns: 9_000,
            to_ns: 12_000,
            place: "event_ring_full".to_owned(),
            count: 41,
            meaning: "events are missing".to_owned(),
            remedy: "use a larger ring".to_owned(),
        }],
        runs: runs(),
        collections: collections(),
        off_cpu: Vec::new(),
        native_calls: Vec::new(),
        modules: modules(),
        ports: ports(),
        dist: dist(),
        messages: messages(),
        lives: lives(),
        samples: samples(),
        points: vec![(3_000, None, 0.5), (3_000, Some(ProcId(1)), 233.0)],
    }
}

fn runs() -> Vec<Run> {
    let cut = |run: Run, cut: Cut| Run {
        woken_by: None,
        reductions: None,
        left_as: None,
        at: None,
        cut: Some(cut),
        ..run
    };
    vec![
        cut(run(0, 0, 1_500), Cut::Start),
        run(1, 1_500, 4_000),
        Run {
            scheduler: scheduler(SchedulerKind::DirtyCpu, 2),
            left_as: Some(LeftAs::Dirty),
            ..run(0, 2_000, 2_750)
        },
        cut(run(2, 8_000, 9_000), Cut::End),
        cut(run(2, 12_000, 12_000), Cut::Both),
    ]
}

fn collections() -> Vec<Collection> {
    let collection = |proc, start_ns, end_ns| Collection {
        proc: ProcId(proc),
        start_ns,
        end_ns,
        before_words: Some(987),
        after_words: Some(233),
        kind: None,
        cut: None,
    };
    vec![
        Collection {
            before_words: None,
            cut: Some(Cut::Start),
            ..collection(0, 0, 400)
        },
        collection(1, 2_000, 2_250),
    ]
}

fn modules() -> Vec<ModuleEvent> {
    vec![
        ModuleEvent {
            ts_ns: 2_600,
            proc: Some(ProcId(1)),
            event: ModuleAction::Load,
            module: HOSTILE.to_owned(),
        },
        ModuleEvent {
            ts_ns: 2_700,
            proc: None,
            event: ModuleAction::Purge,
            module: "shop".to_owned(),
        },
    ]
}

fn dist() -> Vec<DistEvent> {
    let event = |ts_ns, event, proc, op, bytes| DistEvent {
        ts_ns,
        proc,
        node: Some(HOSTILE.to_owned()),
        event,
        op,
        bytes,
    };
    let (send, link) = (Some(DistOp::RegSend), Some(DistOp::Link));
    vec![
        event(2_960, DistAction::Sent, Some(ProcId(1)), send, Some(90)),
        event(2_970, DistAction::Suspended, Some(ProcId(1)), None, None),
        event(2_980, DistAction::Fragment, None, None, Some(70_000)),
        DistEvent {
            node: None,
            ..event(2_990, DistAction::Received, None, link, None)
        },
    ]
}

fn ports() -> Vec<PortEvent> {
    let event = |ts_ns, event, proc, bytes| PortEvent {
        ts_ns,
        port: PortId(0),
        event,
        proc,
        bytes,
    };
    vec![
        event(2_800, PortAction::Open, Some(ProcId(1)), None),
        event(2_850, PortAction::Output, Some(ProcId(1)), Some(512)),
        event(2_900, PortAction::Input, Some(ProcId(0)), None),
        PortEvent {
            port: PortId(7),
            ..event(2_950, PortAction::Close, None, None)
        },
    ]
}

fn messages() -> Vec<Message> {
    vec![
        message(0, 1, 1_000, Ok(1_600)),
        Message {
            kind: MessageKind::Call,
            tag: Some("$gen_call".to_owned()),
            ..message(1, 1, 1_200, Ok(3_500))
        },
        Message {
            from: None,
            kind: MessageKind::Timeout,
            tag: None,
            ..message(2, 0, 1_300, Err(Fate::Waiting))
        },
        message(3, 2, 1_350, Err(Fate::Dropped)),
        message(4, 1, 1_400, Err(Fate::Unknown)),
        Message {
            from: None,
            tag: Some(HOSTILE.to_owned()),
            ..message(5, 0, 1_450, Ok(2_100))
        },
    ]
}

fn lives() -> Vec<Life> {
    let life = |ts_ns, proc, event| Life {
        ts_ns,
        proc: ProcId(proc),
        event,
        other: None,
        name: None,
        reason: None,
    };
    vec![
        Life {
            other: Some(ProcId(0)),
            ..life(700, 2, LifeEvent::Spawn)
        },
        Life {
            name: Some(HOSTILE.to_owned()),
            ..life(800, 2, LifeEvent::Register)
        },
        Life {
            other: Some(ProcId(2)),
            ..life(900, 0, LifeEvent::Monitor)
        },
        Life {
            reason: Some(format!("{{badmatch,{}}}", "x".repeat(80))),
            ..life(8_500, 2, LifeEvent::Exit)
        },
    ]
}

fn samples() -> Vec<Sample> {
    let sample = |ts_ns, proc, stack| Sample {
        ts_ns,
        cpu: 1,
        tid: 77,
        scheduler: Some(scheduler(SchedulerKind::Normal, 1)),
        proc,
        stack: StackId(stack),
        activity: Activity::Jit,
        weight_ns: 10_101_010,
        truncated: None,
    };
    vec![
        sample(1_700, Some(ProcId(1)), 0),
        Sample {
            activity: Activity::Gc,
            truncated: Some(Truncation::Gc),
            ..sample(2_100, Some(ProcId(1)), 1)
        },
        sample(2_200, Some(ProcId(1)), 0),
        Sample {
            activity: Activity::Emulator,
            ..sample(5_000, None, 2)
        },
    ]
}
