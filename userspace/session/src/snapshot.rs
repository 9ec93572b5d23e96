//! The process table of a VM, now or when it died.

use std::path::Path;

use escope_beam::code::CodeMap;
use escope_beam::layout::Layout;
use escope_beam::memory::{CoreMemory, Memory};
use escope_beam::snapshot::{ProcessSnapshot, SnapshotOptions, snapshot};
use escope_beam::{CoreFile, Vm};

use crate::SessionError;

/// Reads every process of a VM, while it runs or as its core has it.
///
/// # Errors
/// When the VM's code or its process table cannot be read.
pub fn take_snapshot<M: Memory>(
    vm: &mut Vm<M>,
    options: SnapshotOptions,
) -> Result<Vec<ProcessSnapshot>, SessionError> {
    let mut code = CodeMap::new();
    vm.read_code(&mut code)?;
    Ok(snapshot(vm, &mut code, options)?)
}

/// Opens the core of a VM that has died, and proves that it reads right. `exe` is the executable
/// that wrote it, where that is not what the core names.
///
/// # Errors
/// When it is no such core, or the executable is another one.
pub fn open_core(
    path: &Path,
    exe: Option<&Path>,
    layout: Option<&Layout>,
) -> Result<(CoreFile, Vm<CoreMemory>), SessionError> {
    let core = CoreFile::open(path)?;
    let vm = Vm::of_core(&core, exe, layout)?;
    Ok((core, vm))
}
