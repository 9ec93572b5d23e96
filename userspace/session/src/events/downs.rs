//! DOWN signals that become messages of their own.
//!
//! Where the reason is no more than a word, who receives a DOWN takes a message out that nobody saw
//! being sent: the VM made it of the signal (`convert_to_down_message` in
//! `erl_proc_sig_queue.c`). It is that signal only if it can be nothing else: the receiver has no
//! messages from before it was watched, and no other DOWN is on its way to it. A selective
//! `receive` takes them in any order.

use escope_model::ProcId;
use rustc_hash::{FxHashMap, FxHashSet};

/// So many of one receiver are told apart; beyond, none is.
const DOWNS_MAX: usize = 1 << 12;

/// DOWN signals by receiver.
#[derive(Debug, Default)]
pub(super) struct Downs {
    /// Of whom every message was seen sent that it can have.
    whole: FxHashSet<ProcId>,
    open: FxHashMap<ProcId, Open>,
}

#[derive(Debug, Default)]
struct Open {
    /// Address and number of the signals that were not taken as far as is known.
    signals: Vec<(u64, u64)>,
    /// Some of them were taken, nobody knows which: so many of them were not.
    unsure: Option<usize>,
}

impl Downs {
    /// From now on every message is seen that this one gets, and it has none.
    pub(super) fn has_none(&mut self, who: ProcId) {
        self.whole.insert(who);
    }

    /// It may have messages that were not seen.
    pub(super) fn doubt(&mut self, who: ProcId) {
        self.whole.remove(&who);
        self.open.remove(&who);
    }

    /// A DOWN is on its way.
    pub(super) fn sent(&mut self, to: ProcId, address: u64, msg: u64) {
        if !self.whole.contains(&to) {
            return;
        }
        let open = self.open.entry(to).or_default();
        if open.signals.len() >= DOWNS_MAX {
            self.doubt(to);
            return;
        }
        open.signals.push((address, msg));
        open.unsure = open.unsure.map(|left| left + 1);
    }

    /// One was taken by its own address.
    pub(super) fn taken(&mut self, by: ProcId, address: u64) {
        let Some(open) = self.open.get_mut(&by) else {
            return;
        };
        let before = open.signals.len();
        open.signals.retain(|(at, _)| *at != address);
        if open.signals.len() < before {
            open.unsure = open.unsure.map(|left| left.saturating_sub(1));
            self.settle(by);
        }
    }

    /// Something was taken that was not seen sent. Address and number of the DOWN that it was made
    /// of, if it can be no other.
    pub(super) fn made(&mut self, by: ProcId) -> Option<(u64, u64)> {
        if !self.whole.contains(&by) {
            return None;
        }
        let Some(open) = self.open.get_mut(&by) else {
            // It had something that nobody knew of.
            self.doubt(by);
            return None;
        };
        let only = match (&open.signals[..], open.unsure) {
            (&[only], None) => Some(only),
            (signals, None) => {
                open.unsure = Some(signals.len().saturating_sub(1));
                None
            }
            (_, Some(left)) => {
                open.unsure = Some(left.saturating_sub(1));
                None
            }
        };
        if only.is_some() {
            open.unsure = Some(0);
        }
        self.settle(by);
        only
    }

    /// Where all were taken, what comes is told apart again.
    fn settle(&mut self, who: ProcId) {
        if let Some(open) = self.open.get(&who)
            && (open.signals.is_empty() || open.unsure == Some(0))
        {
            self.open.remove(&who);
        }
    }

    /// Not everything was seen.
    pub(super) fn gap(&mut self) {
        self.whole.clear();
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use escope_model::ProcId;

    use super::{DOWNS_MAX, Downs};

    const A: ProcId = ProcId(1);

    fn watched() -> Downs {
        let mut downs = Downs::default();
        downs.has_none(A);
        downs
    }

    #[test]
    fn the_only_one_is_what_was_taken() {
        let mut downs = watched();
        for msg in 0..3 {
            downs.sent(A, 0x10, msg);
            assert_eq!(downs.made(A), Some((0x10, msg)));
        }
        // One that was taken as it is.
        downs.sent(A, 0x20, 4);
        downs.taken(A, 0x20);
        downs.sent(A, 0x30, 5);
        assert_eq!(downs.made(A), Some((0x30, 5)));
    }

    #[test]
    fn of_several_nobody_knows_until_all_were_taken() {
        let mut downs = watched();
        downs.sent(A, 0x10, 0);
        downs.sent(A, 0x20, 1);
        assert_eq!(downs.made(A), None);
        // Either this one, or what is left of the others.
        downs.sent(A, 0x30, 2);
        assert_eq!((downs.made(A), downs.made(A)), (None, None));
        downs.sent(A, 0x40, 3);
        assert_eq!(downs.made(A), Some((0x40, 3)));
    }

    #[test]
    fn it_may_be_a_message_from_before() {
        let mut downs = Downs::default();
        downs.sent(A, 0x10, 0);
        assert_eq!(downs.made(A), None);
        let mut downs = watched();
        downs.gap();
        downs.sent(A, 0x10, 0);
        assert_eq!(downs.made(A), None);
        let mut downs = watched();
        assert_eq!(downs.made(A), None, "there was one");
        downs.sent(A, 0x10, 0);
        assert_eq!(downs.made(A), None, "there may be more");
    }

    #[test]
    fn memory_is_bounded() {
        let mut downs = watched();
        for msg in 0..=DOWNS_MAX as u64 {
            downs.sent(A, msg, msg);
        }
        assert!(downs.open.is_empty() && downs.whole.is_empty());
    }
}
