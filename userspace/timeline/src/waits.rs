//! Where processes wait, to tell what ended it.
//!
//! A process that waits in a `receive` goes on where it waits when a signal comes. When the time
//! of `after` is up, its timer is marked as such, and it is made ready if it is not
//! (`proc_timeout_common` in `erl_hl_timer.c`). Only when a scheduler then takes it, the VM sets
//! its `Process.i` to the code behind `after` (`erts_schedule` in `erl_process.c`, OTP 25 to 29),
//! whoever made it ready: so it went on somewhere else, and was not killed, if it timed out. A
//! message may have come before its time was up, or after, while it was in the run queue.

use std::hash::Hash;
use std::mem;

use escope_model::WokenBy;
use rustc_hash::FxHashMap;

/// How many processes are remembered; up to twice as many at times. Of others it is not known
/// what woke them.
const REMEMBERED: usize = 1 << 16;

/// `Process.i` of who waits.
#[derive(Debug)]
pub(crate) struct Waits<P> {
    young: FxHashMap<P, u64>,
    old: FxHashMap<P, u64>,
}

impl<P: Copy + Eq + Hash> Waits<P> {
    pub(crate) fn new() -> Waits<P> {
        Waits {
            young: FxHashMap::default(),
            old: FxHashMap::default(),
        }
    }

    /// It begins to wait.
    pub(crate) fn wait(&mut self, who: P, at: u64) {
        self.young.insert(who, at);
        if self.young.len() > REMEMBERED {
            self.old = mem::take(&mut self.young);
        }
    }

    /// It goes on, by itself or to its end.
    pub(crate) fn wake(&mut self, who: P, at: u64, is_exiting: bool) -> Option<WokenBy> {
        let before = self.young.remove(&who);
        let waited_at = before.or_else(|| self.old.remove(&who))?;
        match () {
            () if is_exiting => None,
            () if at == waited_at => Some(WokenBy::Signal),
            () => Some(WokenBy::Timeout),
        }
    }

    /// Not everything was seen since.
    pub(crate) fn forget(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use escope_model::WokenBy;

    use super::{REMEMBERED, Waits};

    #[test]
    fn who_goes_on_elsewhere_timed_out() {
        let mut waits = Waits::new();
        for (at, is_exiting, woken) in [
            (0x10, false, Some(WokenBy::Signal)),
            (0x20, false, Some(WokenBy::Timeout)),
            (0x20, true, None),
        ] {
            waits.wait('a', 0x10);
            assert_eq!(waits.wake('a', at, is_exiting), woken);
            assert_eq!(
                waits.wake('a', at, is_exiting),
                None,
                "it did not wait again"
            );
        }
        waits.wait('a', 0x10);
        waits.forget();
        assert_eq!(waits.wake('a', 0x20, false), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut waits = Waits::new();
        for who in 0..5 * REMEMBERED {
            waits.wait(who, 1);
        }
        assert!(waits.young.len() + waits.old.len() <= 2 * REMEMBERED + 1);
        let last = 5 * REMEMBERED - 1;
        assert_eq!(waits.wake(last, 1, false), Some(WokenBy::Signal));
        assert_eq!(waits.wake(0, 1, false), None);
    }
}
