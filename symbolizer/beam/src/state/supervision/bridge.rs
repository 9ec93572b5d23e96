//! The state of `supervisor_bridge`: `#state{mod, pid, child_state, name}`. It has started one process
//! that is no supervisor's child otherwise, and does not start it again.

use super::{Child, Supervision, run};
use crate::memory::Memory;
use crate::state::evidence::Evidence;

pub(super) fn read<M: Memory>(evidence: &Evidence<'_, '_, M>, state: u64) -> Option<Supervision> {
    let state = evidence.record(state, "state")?;
    let [_, module, pid, _child_state, _name] = state.as_slice() else {
        return None;
    };
    let child = Child {
        id: None,
        run: run(evidence, *pid)?,
        kind: None,
        restart: None,
        shutdown: None,
        modules: None,
    };
    Some(Supervision {
        callbacks: evidence.module(*module),
        strategy: None,
        is_dynamic: false,
        intensity: None,
        period_s: None,
        restarts: 0,
        children: vec![child],
        missing: 0,
    })
}
