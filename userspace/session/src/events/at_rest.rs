//! What processes have that rest, read between two looks at the ring: in the order of events.

use escope_beam::memory::Memory;
use escope_beam::snapshot::Placed;

use super::Events;
use super::windows::Gap;
use crate::pipeline::Pipeline;

impl Events {
    /// Whether states of this process are wanted, and none is known of it.
    pub(crate) fn wants_state(&self, placed: &Placed) -> bool {
        let states = self.states.as_ref();
        states.is_some_and(|states| states.wants(placed.pid, &placed.process))
    }

    /// Reads what a process has, given the address of its struct, its pid as a term and its name. All code
    /// that was announced must be known: `sound` is as in `Symbolizer::sample`. Returns whether it was: else it
    /// is to be read again.
    pub(crate) fn read_state<M: Memory>(
        &mut self,
        who: (u64, u64, Option<&str>),
        pipeline: &mut Pipeline<M>,
        sound: &dyn Fn() -> bool,
    ) -> bool {
        let (address, pid, _) = who;
        let Some(states) = &mut self.states else {
            return true;
        };
        // First, so that no run of it is missed from then on: it may be one that the kernel half does not
        // know yet, as its label came late or its birth was missed.
        let is_followed = self.capture.want_states(&[(pid, address)]) == 0;
        !is_followed || states.read_at_rest(who, pipeline, sound)
    }

    /// Tells what was read until a time, when all events before it have had their turn.
    pub(super) fn tell_at_rest<M: Memory>(&mut self, until_ns: u64, pipeline: &mut Pipeline<M>) {
        let next = |events: &Events| events.states.as_ref()?.next_at_rest(until_ns);
        while let Some(at_ns) = next(self) {
            let is_missing = self.gap_at(at_ns, pipeline).is_some();
            if let Some(states) = &mut self.states {
                states.tell_at_rest(is_missing, pipeline);
            }
        }
    }

    /// Whether events are missing at a time, and why; called in the order of time.
    pub(super) fn gap_at<M: Memory>(
        &mut self,
        at_ns: u64,
        pipeline: &mut Pipeline<M>,
    ) -> Option<Gap> {
        let (tracker, states) = (&mut self.tracker, &mut self.states);
        self.windows.gap_at(at_ns, |from_ns, to_ns, why| {
            tracker.gap(from_ns, to_ns, why);
            if let Some(states) = states {
                states.gap(from_ns, pipeline);
            }
        })
    }
}
