//! Signals to other nodes and from them.

use escope_beam::Vm;
use escope_beam::memory::Memory;
use escope_beam::snapshot::called_one;
use escope_model::{DistAction, DistEvent, DistOp, ProcId, VmEvent, VmEventKind};
use rustc_hash::FxHashMap;

use crate::pipeline::Pipeline;

/// How many names are remembered.
const NAMES_MAX: usize = 1 << 16;

/// Who has which name: messages from other nodes are for names as often as for pids.
#[derive(Default)]
pub(super) struct Dist {
    names: FxHashMap<String, Held>,
    /// The other way round: a process has one name at most.
    named: FxHashMap<ProcId, String>,
    /// How many gaps there were.
    gaps: u64,
}

/// A name that a process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    proc: ProcId,
    /// Where its struct is.
    address: u64,
    /// After how many gaps it was known to.
    gaps: u64,
}

impl Dist {
    /// A process, whose struct is at an address, has a name.
    pub(super) fn register(&mut self, name: String, (proc, address): (ProcId, u64)) {
        if self.names.len() < NAMES_MAX || self.names.contains_key(&name) {
            let held = Held {
                proc,
                address,
                gaps: self.gaps,
            };
            if let Some(before) = self.names.insert(name.clone(), held)
                && before.proc != proc
            {
                self.named.remove(&before.proc);
            }
            // It has one at most: what it gave up was not seen.
            if let Some(before) = self.named.insert(proc, name.clone())
                && before != name
            {
                self.names.remove(&before);
            }
        }
    }

    /// Nobody has it any more.
    pub(super) fn unregister(&mut self, name: &str) {
        if let Some(held) = self.names.remove(name) {
            self.named.remove(&held.proc);
        }
    }

    /// A process that has ended has none.
    pub(super) fn ended(&mut self, proc: ProcId) {
        if let Some(name) = self.named.remove(&proc) {
            self.names.remove(&name);
        }
    }

    /// Names may have been given and taken away: each is asked for anew when it is needed.
    pub(super) fn gap(&mut self) {
        self.gaps += 1;
    }

    /// Who has a name. `has` tells whether one who had it before a gap has it still.
    fn whose(&mut self, name: &str, has: impl FnOnce(Held) -> bool) -> Option<ProcId> {
        let gaps = self.gaps;
        let held = self.names.get_mut(name)?;
        if held.gaps == gaps || has(*held) {
            held.gaps = gaps;
            return Some(held.proc);
        }
        self.unregister(name);
        None
    }

    /// An event. `by` is the process that it is about, if it is about one.
    pub(super) fn on<M: Memory>(
        &mut self,
        event: &VmEvent,
        by: Option<ProcId>,
        origin_ns: u64,
        pipeline: &mut Pipeline<M>,
    ) {
        let (action, node, proc, signal, bytes) = match event.what {
            VmEventKind::DistSend {
                node,
                bytes,
                signal: Some(signal),
            } => (DistAction::Sent, node, by, Some(signal), bytes),
            VmEventKind::DistSend { node, .. } => (DistAction::Suspended, node, by, None, None),
            VmEventKind::DistFragment { node, bytes } => {
                (DistAction::Fragment, node, None, None, Some(bytes))
            }
            VmEventKind::DistReceive {
                node,
                bytes,
                signal,
                to,
            } => {
                let to = self.receiver(to, pipeline);
                (DistAction::Received, node, to, Some(signal), bytes)
            }
            _ => return,
        };
        let node = node_name(pipeline.symbolizer.vm(), node);
        pipeline.dist(&DistEvent {
            ts_ns: event.monotonic_ns.saturating_sub(origin_ns) as i64,
            proc,
            node,
            event: action,
            op: signal.map(op),
            bytes,
        });
    }

    /// A pid, or who has the name. Who made an alias is not known.
    fn receiver<M: Memory>(&mut self, to: u64, pipeline: &mut Pipeline<M>) -> Option<ProcId> {
        let symbolizer = &mut pipeline.symbolizer;
        if let Some(proc) = symbolizer.process(to, 0) {
            return Some(proc);
        }
        let name = symbolizer.vm().atom(to)?;
        self.whose(&name, |held| {
            let now = called_one(symbolizer.vm(), held.address);
            now.is_some_and(|(pid, process)| {
                symbolizer.met(pid, held.address) == Some(held.proc)
                    && process.name.as_deref() == Some(&*name)
            })
        })
    }
}

fn node_name<M: Memory>(vm: &Vm<M>, node: u64) -> Option<String> {
    Some(vm.atom(node)?.to_string())
}

/// What a control message is for: its first element is a small integer, and so is the next one of
/// those that have flags there.
fn op([number, flags]: [u64; 2]) -> DistOp {
    let small = |term: u64| (term & 0xf == 0xf).then_some(term >> 4);
    small(number).map_or(DistOp::Other, |number| {
        DistOp::of(number, small(flags).unwrap_or(0))
    })
}

#[cfg(test)]
mod tests {
    use super::{Dist, op};
    use escope_model::{DistOp, ProcId};

    #[test]
    fn terms_say_what_a_signal_is_for() {
        assert_eq!(op([0x16f, 0x3]), DistOp::Send);
        // {37, Flags, ...}: 0x4f is no flags of another one.
        assert_eq!(op([0x25f, 0x9f]), DistOp::RegSend);
        assert_eq!(op([0x6f, 0x9f]), DistOp::RegSend);
        assert_eq!(op([0, 0]), DistOp::Other);
    }

    #[test]
    fn a_name_is_of_who_had_it_last() {
        let mut dist = Dist::default();
        let never = |_| unreachable!("nothing was missed");
        dist.register("a".to_owned(), (ProcId(1), 0x10));
        dist.register("a".to_owned(), (ProcId(2), 0x20));
        dist.register("b".to_owned(), (ProcId(3), 0x30));
        assert_eq!(dist.whose("a", never), Some(ProcId(2)));
        dist.ended(ProcId(2));
        dist.unregister("b");
        assert_eq!(dist.whose("a", never), None);
        assert!(dist.names.is_empty() && dist.named.is_empty());
    }

    #[test]
    fn a_process_has_one_name_at_most() {
        let mut dist = Dist::default();
        dist.register("old".to_owned(), (ProcId(1), 0x10));
        dist.gap();
        dist.register("new".to_owned(), (ProcId(1), 0x10));
        assert_eq!(dist.whose("old", |_| true), None);
        dist.ended(ProcId(1));
        assert!(dist.names.is_empty() && dist.named.is_empty());
    }

    #[test]
    fn after_a_gap_it_is_of_who_has_it_still() {
        let mut dist = Dist::default();
        for (name, proc) in [("a", 1), ("b", 2)] {
            dist.register(name.to_owned(), (ProcId(proc), 0x10));
        }
        dist.gap();
        dist.register("c".to_owned(), (ProcId(3), 0x30));
        assert_eq!(dist.whose("a", |_| true), Some(ProcId(1)));
        assert_eq!(dist.whose("b", |_| false), None);
        // It is asked for once.
        let never = |_| unreachable!("it is known");
        assert_eq!(dist.whose("a", never), Some(ProcId(1)));
        assert_eq!(dist.whose("b", never), None);
        assert_eq!(dist.whose("c", never), Some(ProcId(3)));
    }
}
