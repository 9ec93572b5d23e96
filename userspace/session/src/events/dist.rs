//! Signals to other nodes and from them.

use escope_beam::Vm;
use escope_beam::memory::Memory;
use escope_model::{DistAction, DistEvent, DistOp, ProcId, VmEvent, VmEventKind};
use rustc_hash::FxHashMap;

use crate::pipeline::Pipeline;

/// How many names are remembered.
const NAMES_MAX: usize = 1 << 16;

/// Who has which name: messages from other nodes are for names as often as for pids.
#[derive(Default)]
pub(super) struct Dist {
    names: FxHashMap<String, ProcId>,
    /// The other way round: a process has one name at most.
    named: FxHashMap<ProcId, String>,
}

impl Dist {
    /// A process has a name.
    pub(super) fn register(&mut self, name: String, proc: ProcId) {
        if self.names.len() < NAMES_MAX || self.names.contains_key(&name) {
            if let Some(before) = self.names.insert(name.clone(), proc) {
                self.named.remove(&before);
            }
            self.named.insert(proc, name);
        }
    }

    /// Nobody has it any more.
    pub(super) fn unregister(&mut self, name: &str) {
        if let Some(proc) = self.names.remove(name) {
            self.named.remove(&proc);
        }
    }

    /// A process that has ended has none.
    pub(super) fn ended(&mut self, proc: ProcId) {
        if let Some(name) = self.named.remove(&proc) {
            self.names.remove(&name);
        }
    }

    /// Names may have been given and taken away.
    pub(super) fn gap(&mut self) {
        self.names.clear();
        self.named.clear();
    }

    /// An event. `by` is the process that it is about, if it is about one.
    pub(super) fn on<M: Memory>(
        &self,
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
    fn receiver<M: Memory>(&self, to: u64, pipeline: &mut Pipeline<M>) -> Option<ProcId> {
        let symbolizer = &mut pipeline.symbolizer;
        if let Some(proc) = symbolizer.process(to, 0) {
            return Some(proc);
        }
        let name = symbolizer.vm().atom(to)?;
        self.names.get(&*name).copied()
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
        dist.register("a".to_owned(), ProcId(1));
        dist.register("a".to_owned(), ProcId(2));
        dist.register("b".to_owned(), ProcId(3));
        assert_eq!(dist.names.get("a"), Some(&ProcId(2)));
        dist.ended(ProcId(2));
        dist.unregister("b");
        assert!(dist.names.is_empty() && dist.named.is_empty());
    }
}
