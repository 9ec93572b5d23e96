//! The process table of a VM, now or when it died.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use escope_beam::code::CodeMap;
use escope_beam::image::VmImage;
use escope_beam::layout::Given;
use escope_beam::memory::{CoreMemory, Image, Memory};
use escope_beam::snapshot::{
    ProcessSnapshot, SnapshotOptions, called, count_unreadable, snapshot_where,
};
use escope_beam::{CoreFile, Vm};

use crate::SessionError;

/// Reads the processes of a VM, while it runs or as its core has it: all, or those of which
/// `wanted` says so by what they are called and their status. Also says how many it has.
///
/// # Errors
/// When the VM's code or its process table cannot be read.
pub fn take_snapshot<M: Memory>(
    vm: &mut Vm<M>,
    options: SnapshotOptions,
    wanted: Option<&dyn Fn(&ProcessSnapshot) -> bool>,
) -> Result<(Vec<ProcessSnapshot>, usize), SessionError> {
    let mut code = CodeMap::new();
    vm.read_code(&mut code)?;
    Ok(snapshot_where(vm, &mut code, options, wanted)?)
}

/// What every process of a VM is called; of the rest only its status is read.
///
/// # Errors
/// When the process table cannot be read.
pub fn list_called<M: Memory>(vm: &Vm<M>) -> Result<Vec<ProcessSnapshot>, SessionError> {
    let all = called(vm)?.into_iter();
    Ok(all.map(|(_, _, process)| process).collect())
}

/// Opens the core of a VM that has died, and proves that it reads right. `exe` is the executable
/// that wrote it, where that is not what the core names.
///
/// # Errors
/// When it is no such core, or the executable is another one.
pub fn open_core(
    path: &Path,
    exe: Option<&Path>,
    given: &Given,
) -> Result<(CoreFile, Vm<CoreMemory>), SessionError> {
    let core = CoreFile::open(path)?;
    let vm = Vm::of_core(&core, exe, given)?;
    Ok((core, vm))
}

/// How many processes of a core are in parts of it that are missing.
///
/// # Errors
/// When the process table is missing itself.
pub fn count_missing(vm: &Vm<CoreMemory>) -> Result<usize, SessionError> {
    Ok(count_unreadable(vm)?)
}

/// Opens a VM in a file, and proves that it reads right.
///
/// # Errors
/// When it is no image of a VM.
pub fn open_image(path: &Path, given: &Given) -> Result<Vm<Image>, SessionError> {
    Ok(VmImage::open(path)?.vm(given.layout.as_ref())?)
}

/// Writes all of a VM to a file that a snapshot needs; how many bytes there are.
///
/// # Errors
/// When the VM changed meanwhile, cannot be read, or the file cannot be written.
pub fn save_image<M: Memory>(
    vm: Vm<M>,
    options: SnapshotOptions,
    path: &Path,
) -> Result<usize, SessionError> {
    let (image, changed_bytes) = VmImage::of(vm, options)?;
    if changed_bytes > 0 {
        return Err(SessionError::NotStill { changed_bytes });
    }
    let unwritten = |what: String| SessionError::Image {
        path: path.to_owned(),
        what,
    };
    let bytes = image.to_bytes();
    let bytes = bytes.map_err(|error| unwritten(error.to_string()))?;
    // It has whatever was in the processes: nobody else's business.
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| unwritten(error.to_string()))?;
    if let Err(error) = file.write_all(&bytes).and_then(|()| file.sync_all()) {
        let _ = fs::remove_file(path);
        return Err(unwritten(error.to_string()));
    }
    Ok(bytes.len())
}
