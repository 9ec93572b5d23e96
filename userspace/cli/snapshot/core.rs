//! `snapshot --core`: the process table of a VM that has died.

use std::path::Path;

use escope_session::{count_missing, open_core};

use super::show;
use crate::args::SnapshotArgs;
use crate::say::say;
use crate::summary::bytes;

pub(super) fn run(path: &Path, args: &SnapshotArgs) -> anyhow::Result<()> {
    let given = args.target.layout.given();
    let (core, vm) = open_core(path, args.exe.as_deref(), &given)?;
    if core.missing_bytes > 0 {
        let missing = count_missing(&vm)?;
        say!(
            "{} is cut: {} that its headers tell of are not there. {missing} processes are missing, \
             those of which anything is missing are marked ~",
            core.path().display(),
            bytes(core.missing_bytes)
        );
    }
    if let (signal @ 1.., Some(thread)) = (core.signal, core.threads.first()) {
        say!(
            "{}: signal {signal} ended it, in its thread {}",
            core.path().display(),
            thread.tid
        );
    }
    let notes = vm.certainty.notes.iter();
    for note in notes.filter(|note| note.starts_with("not checked")) {
        say!("{}: {note}", core.path().display());
    }
    show(vm, args)
}
