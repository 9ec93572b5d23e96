//! Small events for tests.

use escope_model::{SchedulerId, SchedulerKind, VmEvent, VmEventKind};

use crate::left::StateBits;

pub(crate) const NORMAL: SchedulerKind = SchedulerKind::Normal;

pub(crate) const ACTIVE: u32 = 1 << 13;
pub(crate) const SUSPENDED: u32 = 1 << 16;
pub(crate) const EXITING: u32 = 1 << 11;
pub(crate) const DIRTY: u32 = 1 << 26;

pub(crate) const BITS: StateBits = StateBits {
    exiting: EXITING | 1 << 10,
    suspended: SUSPENDED,
    dirty: DIRTY | 1 << 27,
    active: ACTIVE,
};

/// A normal scheduler.
pub(crate) fn normal(number: u16) -> SchedulerId {
    SchedulerId {
        kind: NORMAL,
        number,
    }
}

/// A dirty scheduler for CPU-bound work.
pub(crate) fn dirty(number: u16) -> SchedulerId {
    SchedulerId {
        kind: SchedulerKind::DirtyCpu,
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

/// A process begins to run.
pub(crate) fn enter(ns: u64, scheduler: SchedulerId) -> VmEvent {
    let (at, state) = (0x40, ACTIVE);
    event(ns, scheduler, VmEventKind::In { at, state })
}

/// A process stops running, in some state.
pub(crate) fn leave(ns: u64, scheduler: SchedulerId, state: u32) -> VmEvent {
    let what = VmEventKind::Out {
        at: 0x50,
        state,
        reductions: 7,
        before: 0,
    };
    event(ns, scheduler, what)
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
