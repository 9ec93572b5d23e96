//! Small dictionaries and samples for tests.

use escope_model::{
    Activity, Dictionary, Frame, FrameId, FrameKind, Mfa, ProcId, ProcessInfo, Sample, SchedulerId,
    SchedulerKind, StackId, ThreadInfo, ThreadKind,
};

/// A sample of a stack on the first scheduler, at time 0, of JIT code.
pub(crate) fn sample(stack: u32, weight_ns: u64) -> Sample {
    Sample {
        ts_ns: 0,
        cpu: 0,
        tid: 1,
        scheduler: Some(SchedulerId {
            kind: SchedulerKind::Normal,
            number: 1,
        }),
        proc: None,
        stack: StackId(stack),
        activity: Activity::Jit,
        weight_ns,
        truncated: None,
    }
}

/// A process `<0.(100 + number).0>`.
pub(crate) fn process(number: u32, name: Option<&str>) -> ProcessInfo {
    ProcessInfo {
        proc: ProcId(number),
        pid: format!("<0.{}.0>", 100 + number),
        name: name.map(str::to_owned),
        label: None,
        initial_call: None,
        parent: None,
    }
}

/// A function `module:function/1` at a line of `module.erl`.
pub(crate) fn erlang(module: &str, function: &str, line: u32) -> Frame {
    Frame {
        kind: FrameKind::Erlang,
        module: Some(module.into()),
        arity: Some(1),
        file: Some(format!("{module}.erl").into()),
        line: Some(line),
        ..Frame::marker(function)
    }
}

/// A frame of a kind that has no module.
pub(crate) fn plain(kind: FrameKind, function: &str) -> Frame {
    Frame {
        kind,
        ..Frame::marker(function)
    }
}

/// A BIF `erlang:function/1`.
pub(crate) fn bif(function: &str) -> Frame {
    Frame {
        kind: FrameKind::Bif,
        module: Some("erlang".into()),
        arity: Some(1),
        ..Frame::marker(function)
    }
}

/// Two workers of one kind, a registered process, two schedulers and a poll thread,
/// with stacks that show recursion, BIFs, C, kernel and collection.
pub(crate) fn dictionary() -> Dictionary {
    let frames = vec![
        erlang("work", "loop", 10),
        erlang("work", "loop", 12),
        erlang("work", "step", 20),
        bif("term_to_binary"),
        plain(FrameKind::Native, "enc_term"),
        plain(FrameKind::Kernel, "copy_user"),
        plain(FrameKind::Helper, "garbage_collect"),
        plain(FrameKind::Native, "memcpy"),
        plain(FrameKind::Native, "sched_spin_wait"),
        Frame::marker("unreadable"),
        erlang("Elixir.Enum", "map", 5),
    ];
    let stacks: &[&[u32]] = &[
        &[0],             // running its own code
        &[2, 1, 0, 1],    // recursion over two lines
        &[5, 4, 3, 2, 0], // kernel below C below a BIF
        &[7, 6, 2, 0],    // collection, memcpy below it
        &[8],             // spinning
        &[9],             // nothing readable
        &[7, 3, 0],       // memcpy of a BIF
        &[10, 0],         // Elixir
        &[9, 2, 0],       // missing below a function
        &[],              // empty
    ];
    let mut worker = process(0, None);
    worker.initial_call = Some(Mfa {
        module: "work".into(),
        function: "loop".into(),
        arity: 1,
    });
    let mut other = worker.clone();
    other.proc = ProcId(1);
    other.pid = "<0.101.0>".into();
    Dictionary {
        frames,
        stacks: stacks
            .iter()
            .map(|ids| ids.iter().map(|&id| FrameId(id)).collect())
            .collect(),
        processes: vec![worker, other, process(2, Some("logger"))],
        threads: vec![
            thread(1, "erts_sched_1", ThreadKind::Scheduler),
            thread(2, "erts_sched_2", ThreadKind::Scheduler),
            thread(9, "erts_poll_1", ThreadKind::Poll),
        ],
        ports: Vec::new(),
    }
}

fn thread(tid: u32, name: &str, kind: ThreadKind) -> ThreadInfo {
    ThreadInfo {
        tid,
        name: name.into(),
        kind,
        scheduler: (kind == ThreadKind::Scheduler).then_some(SchedulerId {
            kind: SchedulerKind::Normal,
            number: tid as u16,
        }),
    }
}
