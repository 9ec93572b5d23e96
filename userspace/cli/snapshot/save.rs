//! The process table as a recording of one checkpoint.

use std::path::Path;

use escope_session::{Limits, StateOptions, Vm, save_checkpoint};

use crate::args::{SnapshotArgs, warn_of_absent};
use crate::say::say;
use crate::summary::bytes;
use crate::time;

/// Of one state.
const STATE_LIMITS: Limits = Limits {
    depth: 128,
    nodes: 1 << 18,
    bytes: 4 << 20,
};

pub(super) fn run(mut vm: Vm, output: &Path, args: &SnapshotArgs) -> anyhow::Result<()> {
    let redaction = args.redact.redaction()?;
    vm.redaction = Some(redaction.clone());
    warn_of_absent(&vm);
    let states = StateOptions {
        limits: STATE_LIMITS,
        redaction: Some(redaction),
        children: 0,
    };
    let saved = save_checkpoint(vm, output, args.all_states.then_some(&states))?;
    say!(
        "wrote {} ({}): {} processes, read in {} of CPU time",
        saved.path.display(),
        bytes(saved.bytes),
        saved.read.processes,
        time::show(saved.read.cpu_ns),
    );
    if args.all_states {
        say!(
            "what {} of them have; of {} it is not told: they ran each time, are sensitive, or could not be read",
            saved.states,
            saved.without_states
        );
    }
    if let Some(note) = crate::state::nameless(&saved.nameless) {
        say!("note: {note}");
    }
    Ok(())
}
