//! The VM's schedulers, read from their arrays.

use escope_model::{SchedulerId, SchedulerKind};

use crate::BeamError;
use crate::layout::{Count, Globals, Layout, SchedulerArray};
use crate::memory::Memory;

/// `ERTS_MAX_NO_OF_SCHEDULERS` and its dirty siblings (`erl_process.h`).
const COUNT_MAX: u64 = 1024;

/// Flags of a scheduler's sleep state: `erl_process.h`, `ERTS_SSI_FLG_*`.
pub mod sleep {
    /// Wants to sleep.
    pub const SLEEPING: u32 = 1;
    /// Sleeps in the poll set.
    pub const POLL: u32 = 1 << 1;
    /// Sleeps on its thread event.
    pub const EVENT: u32 = 1 << 2;
    /// Has no work.
    pub const WAITING: u32 = 1 << 3;
    /// Taken out of service.
    pub const SUSPENDED: u32 = 1 << 4;
}

/// One scheduler thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheduler {
    /// Which one.
    pub id: SchedulerId,
    /// Address of its `ErtsSchedulerData`.
    pub data: u64,
    /// Its `pthread_t`, which is the thread's `fs` base; 0 until it has started.
    pub thread: u64,
}

/// Every scheduler of every kind.
///
/// # Errors
/// When the arrays cannot be read or contradict themselves.
pub fn read_schedulers(
    pid: u32,
    memory: &impl Memory,
    globals: &Globals,
    layout: &Layout,
) -> Result<Vec<Scheduler>, BeamError> {
    let kinds = [
        SchedulerKind::Normal,
        SchedulerKind::DirtyCpu,
        SchedulerKind::DirtyIo,
    ];
    let mut schedulers = Vec::new();
    for (kind, array) in kinds.into_iter().zip(&globals.schedulers) {
        let Some(SchedulerArray { pointer, count }) = *array else {
            continue;
        };
        let array = memory.u64(pointer)?;
        let count = match count {
            Count::At(variable) => memory.u64(variable)?,
            Count::Is(count) => count,
        };
        if count > COUNT_MAX {
            return Err(BeamError::SelfCheck {
                pid,
                otp: layout.otp,
                what: format!("it claims {count} schedulers of one kind"),
            });
        }
        if array == 0 && count > 0 {
            let what = "its scheduler table";
            return Err(BeamError::Starting { pid, what });
        }
        for index in 0..count {
            let data = array.wrapping_add(index * u64::from(layout.scheduler.stride));
            schedulers.push(read_one(pid, memory, layout, kind, data, index)?);
        }
    }
    Ok(schedulers)
}

fn read_one(
    pid: u32,
    memory: &impl Memory,
    layout: &Layout,
    kind: SchedulerKind,
    data: u64,
    index: u64,
) -> Result<Scheduler, BeamError> {
    let at = |field: u32| data.wrapping_add(u64::from(field));
    let (number_at, code) = match kind {
        SchedulerKind::Normal => (layout.scheduler.number, 0),
        SchedulerKind::DirtyCpu => (layout.scheduler.dirty_number, 1),
        SchedulerKind::DirtyIo => (layout.scheduler.dirty_number, 2),
    };
    let number = memory.u64(at(number_at))?;
    let seen = memory.u32(at(layout.scheduler.kind))?;
    if number != index + 1 || seen != code {
        return Err(BeamError::SelfCheck {
            pid,
            otp: layout.otp,
            what: format!(
                "scheduler {} of {kind:?} says it is number {number} of kind {seen}",
                index + 1
            ),
        });
    }
    let sleep_info = memory.u64(at(layout.scheduler.sleep_info))?;
    if sleep_info != 0 {
        let owner = memory.u64(sleep_info.wrapping_add(u64::from(layout.sleep_info.scheduler)))?;
        if owner != data {
            return Err(BeamError::SelfCheck {
                pid,
                otp: layout.otp,
                what: format!("the sleep state of scheduler {number} belongs to {owner:#x}"),
            });
        }
    }
    Ok(Scheduler {
        id: SchedulerId {
            kind,
            number: number as u16,
        },
        data,
        thread: memory.u64(at(layout.scheduler.thread))?,
    })
}
