//! The process table of a VM, now.

use escope_beam::Vm;
use escope_beam::code::CodeMap;
use escope_beam::snapshot::{ProcessSnapshot, SnapshotOptions, snapshot};

use crate::SessionError;

/// Reads every process of a VM while it runs.
///
/// # Errors
/// When the VM's code or its process table cannot be read.
pub fn take_snapshot(
    vm: &mut Vm,
    options: SnapshotOptions,
) -> Result<Vec<ProcessSnapshot>, SessionError> {
    let mut code = CodeMap::new();
    vm.read_code(&mut code)?;
    Ok(snapshot(vm, &mut code, options)?)
}
