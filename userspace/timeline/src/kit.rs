//! Small events for tests.

use escope_model::{SchedulerId, SchedulerKind, VmEvent, VmEventKind};

pub(crate) const NORMAL: SchedulerKind = SchedulerKind::Normal;

/// A normal scheduler.
pub(crate) fn normal(number: u16) -> SchedulerId {
    SchedulerId {
        kind: NORMAL,
        number,
    }
}

/// An event on a scheduler.
pub(crate) fn event(ns: u64, scheduler: SchedulerId, what: VmEventKind) -> VmEvent {
    VmEvent {
        monotonic_ns: ns,
        cpu: 0,
        scheduler: Some((scheduler.kind, scheduler.number)),
        process: 0x1000,
        pid: 3,
        what,
    }
}

/// A message is taken out, on scheduler 1.
pub(crate) fn dequeue(ns: u64, message: u64) -> VmEvent {
    event(ns, normal(1), VmEventKind::Dequeue { message })
}

/// Which message the event takes out.
pub(crate) fn message_of(event: &VmEvent) -> Option<u64> {
    match event.what {
        VmEventKind::Dequeue { message } => Some(message),
        _ => None,
    }
}
