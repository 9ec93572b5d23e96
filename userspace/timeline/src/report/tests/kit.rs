//! Rows.

use std::convert::Infallible;

use escope_model::{
    Collection, Fate, LeftAs, Life, LifeEvent, Message, MessageKind, OffCpu, OffCpuWhy, ProcId,
    Run, SchedulerId, SchedulerKind,
};

use crate::gaps::Gaps;
use crate::merged::Happening;
use crate::report::{EventReport, ReportScope};

/// Those that random rows are about.
pub(super) const ALL: [ProcId; 3] = [ProcId(0), ProcId(1), ProcId(2)];

pub(super) fn scope(until_ns: u64) -> ReportScope<'static> {
    ReportScope {
        since_ns: 0,
        until_ns,
        gaps: Gaps::default(),
        worst: 10,
        wanted: &|_| true,
    }
}

pub(super) fn report(rows: &[Happening], scope: &ReportScope<'_>) -> EventReport {
    let rows = rows.iter().cloned().map(Ok::<_, Infallible>);
    EventReport::of(rows, scope).expect("nothing fails")
}

pub(super) fn row(
    from: ProcId,
    to: ProcId,
    kind: MessageKind,
    sent_ns: i64,
    received_ns: Option<i64>,
) -> Message {
    Message {
        msg: sent_ns as u64,
        from: Some(from),
        to,
        kind,
        tag: None,
        sent_ns,
        received_ns,
        fate: received_ns.map_or(Fate::Waiting, |_| Fate::Received),
        size_words: None,
    }
}

pub(super) fn message(
    from: ProcId,
    to: ProcId,
    kind: MessageKind,
    sent_ns: i64,
    received_ns: Option<i64>,
) -> Happening {
    Happening::Message(row(from, to, kind, sent_ns, received_ns))
}

pub(super) fn run_row(proc: ProcId, start_ns: i64, end_ns: i64) -> Run {
    Run {
        proc,
        scheduler: SchedulerId {
            kind: SchedulerKind::Normal,
            number: 1,
        },
        start_ns,
        end_ns,
        woken_by: None,
        reductions: Some(1),
        left_as: Some(LeftAs::Waiting),
        at: None,
        cut: None,
    }
}

pub(super) fn run(proc: ProcId, start_ns: i64, end_ns: i64, left_as: LeftAs) -> Happening {
    Happening::Run(Run {
        left_as: Some(left_as),
        ..run_row(proc, start_ns, end_ns)
    })
}

/// On the scheduler of [`run`].
pub(super) fn off_cpu(
    proc: Option<ProcId>,
    why: OffCpuWhy,
    (start_ns, end_ns): (i64, i64),
    ready_ns: u64,
) -> Happening {
    Happening::OffCpu(OffCpu {
        proc,
        scheduler: run_row(ProcId(0), 0, 0).scheduler,
        start_ns,
        end_ns,
        why: Some(why),
        ready_ns: Some(ready_ns),
        cut: None,
    })
}

pub(super) fn collection(proc: ProcId, start_ns: i64, end_ns: i64) -> Happening {
    Happening::Collection(Collection {
        proc,
        start_ns,
        end_ns,
        before_words: Some(233),
        after_words: Some(100),
        kind: None,
        cut: None,
    })
}

pub(super) fn life(proc: ProcId, event: LifeEvent, ts_ns: i64, other: Option<ProcId>) -> Happening {
    Happening::Life(Life {
        ts_ns,
        proc,
        event,
        other,
        name: None,
        reason: (event == LifeEvent::Exit).then(|| "normal".to_owned()),
    })
}
