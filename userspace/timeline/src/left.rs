//! In which state a process left a scheduler.

use escope_model::{LeftAs, SchedulerKind};

/// Bits of `Process.state` (the `ERTS_PSFLG_*` of `erl_process.h`), as masks.
///
/// Plain data: which bit is which, the layout of the VM's release knows. A mask of 0
/// is a flag that is not known; one of several bits means any of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateBits {
    /// `EXITING` and `FREE`: it is on its way out, or was given back.
    pub exiting: u32,
    /// `SUSPENDED`, by `erlang:suspend_process/1` or by itself, as for a busy port.
    pub suspended: u32,
    /// `DIRTY_CPU_PROC` and `DIRTY_IO_PROC`: what it runs next is for a dirty scheduler.
    pub dirty: u32,
    /// `ACTIVE`: it has something to do. `receive` clears it before it waits.
    pub active: u32,
}

impl StateBits {
    /// How a process left a scheduler, by its state when `erts_schedule` took it.
    ///
    /// Nothing where the bits do not say it and `active` is not known.
    #[must_use]
    pub fn left_as(&self, state: u32, from: SchedulerKind) -> Option<LeftAs> {
        let is = |mask: u32| state & mask != 0;
        let was_dirty = from != SchedulerKind::Normal;
        if is(self.exiting) {
            Some(LeftAs::Exiting)
        } else if is(self.suspended) {
            Some(LeftAs::Suspended)
        } else if !was_dirty && is(self.dirty) || was_dirty && is(self.active) {
            Some(LeftAs::Dirty)
        } else if self.active == 0 {
            None
        } else if is(self.active) {
            Some(LeftAs::Runnable)
        } else {
            Some(LeftAs::Waiting)
        }
    }
}

#[cfg(test)]
mod tests {
    use escope_model::{LeftAs, SchedulerKind};

    use super::StateBits;
    use crate::kit::{ACTIVE, BITS, DIRTY, EXITING, SUSPENDED};

    fn left_as(state: u32, from: SchedulerKind) -> LeftAs {
        BITS.left_as(state, from).expect("all bits are known")
    }

    #[test]
    fn from_a_normal_scheduler_the_strongest_bit_says_it() {
        let from = SchedulerKind::Normal;
        assert_eq!(left_as(0, from), LeftAs::Waiting);
        assert_eq!(left_as(ACTIVE, from), LeftAs::Runnable);
        assert_eq!(left_as(ACTIVE | DIRTY, from), LeftAs::Dirty);
        assert_eq!(left_as(ACTIVE | DIRTY | SUSPENDED, from), LeftAs::Suspended);
        assert_eq!(left_as(u32::MAX, from), LeftAs::Exiting);
        assert_eq!(left_as(EXITING, from), LeftAs::Exiting);
    }

    #[test]
    fn from_a_dirty_scheduler_it_goes_back() {
        for from in [SchedulerKind::DirtyCpu, SchedulerKind::DirtyIo] {
            assert_eq!(left_as(ACTIVE, from), LeftAs::Dirty);
            assert_eq!(left_as(0, from), LeftAs::Waiting);
            assert_eq!(left_as(ACTIVE | EXITING, from), LeftAs::Exiting);
        }
    }

    #[test]
    fn what_the_layout_lacks_is_not_guessed() {
        let bits = StateBits { active: 0, ..BITS };
        assert_eq!(bits.left_as(ACTIVE, SchedulerKind::Normal), None);
        assert_eq!(
            bits.left_as(EXITING, SchedulerKind::Normal),
            Some(LeftAs::Exiting)
        );
    }
}
