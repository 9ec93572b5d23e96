//! `snapshot --core`: the process table of a VM that has died.

use std::path::Path;

use escope_session::{CoreFile, open_core};

use super::show;
use crate::args::SnapshotArgs;
use crate::summary::bytes;

pub(super) fn run(path: &Path, args: &SnapshotArgs) -> anyhow::Result<()> {
    let given = args.target.layout.given();
    let (core, vm) = open_core(path, args.exe.as_deref(), &given)?;
    warn(&core);
    show(vm, args)
}

/// What a reader of the table must know of where it comes from.
fn warn(core: &CoreFile) {
    let path = core.path().display();
    if core.missing_bytes > 0 {
        eprintln!(
            "{path} is cut: {} that its headers tell of are not there. Processes that lie in them \
             are missing or marked ~",
            bytes(core.missing_bytes)
        );
    }
    match (core.signal, core.threads.first()) {
        (0, _) | (_, None) => {}
        (signal, Some(thread)) => {
            eprintln!(
                "{path}: signal {signal} ended it, in its thread {}",
                thread.tid
            );
        }
    }
}
