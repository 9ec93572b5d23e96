//! From what the user names, a pid or a core, to what can be understood.

use std::path::Path;
use std::time::Duration;

use crate::layout::Given;
use crate::memory::{CoreMemory, LiveMemory};
use crate::target::{
    CoreFile, Elf, ModuleFiles, age, has_ended, proc_path, process_of_thread,
    read_executable_mappings,
};
use crate::vm::{Source, jit_ranges};
use crate::{BeamError, Vm};

/// A VM sets itself up in much less than this, also on a busy machine.
const START: Duration = Duration::from_secs(3);
/// How often one that is older is looked at before it is refused: it may load code, or end.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(20);

/// Whether it may be for the moment only that the target could not be understood.
fn may_pass(error: &BeamError) -> bool {
    matches!(
        error,
        BeamError::SelfCheck { .. }
            | BeamError::Starting { .. }
            | BeamError::MissingSymbols { .. }
            | BeamError::Unreadable { .. }
            | BeamError::BadFile { .. }
    )
}

impl Vm<LiveMemory> {
    /// Finds everything in a process and proves that it reads right.
    ///
    /// # Errors
    /// With the reason and the remedy, when the process is not a VM that can be read.
    pub fn attach(pid: u32) -> Result<Vm, BeamError> {
        Vm::attach_with(pid, &Given::default())
    }

    /// The same with a table or debug information of the user's before anything else.
    ///
    /// # Errors
    /// As [`Vm::attach`]; what is given and does not fit is one of them.
    pub fn attach_with(pid: u32, given: &Given) -> Result<Vm, BeamError> {
        if let Some(process) = process_of_thread(pid) {
            return Err(BeamError::Thread {
                tid: pid,
                pid: process,
            });
        }
        let mut attempts = 0;
        loop {
            let error = match Vm::attach_once(pid, given) {
                Err(error @ BeamError::NoSuchProcess { .. }) => return Err(error),
                // Of one that is ending it is said that it may not be read, and other things.
                Err(_) if has_ended(pid) => return Err(BeamError::Died { pid }),
                Err(error) if may_pass(&error) => error,
                done => return done,
            };
            let starts = age(pid).is_some_and(|age| age < START);
            attempts += 1;
            if !starts && attempts >= ATTEMPTS {
                return Err(error);
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn attach_once(pid: u32, given: &Given) -> Result<Vm, BeamError> {
        let mappings = read_executable_mappings(pid)?;
        let exe = std::fs::read_link(proc_path(pid, "exe"))
            .map_err(|_| BeamError::NotPermitted { pid })?;
        let file = proc_path(pid, "exe");
        let elf = Elf::open(&file)?;
        let mut vm = Vm::understand(Source {
            pid,
            exe,
            file,
            elf: &elf,
            mappings: &mappings,
            memory: LiveMemory::new(pid),
            given,
        })?;
        vm.files = ModuleFiles::of(pid);
        Ok(vm)
    }

    /// Reads again where JIT code may lie: the VM maps more when it loads more.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn refresh_jit_ranges(&mut self) -> Result<(), BeamError> {
        self.jit = jit_ranges(&read_executable_mappings(self.pid)?);
        Ok(())
    }
}

impl Vm<CoreMemory> {
    /// Finds everything in a core and proves that it reads right. `exe` is the executable that
    /// wrote it, where that is not what the core names.
    ///
    /// # Errors
    /// With the reason and the remedy, when it is not the core of a VM that can be read, or the
    /// executable is another one.
    pub fn of_core(
        core: &CoreFile,
        exe: Option<&Path>,
        given: &Given,
    ) -> Result<Vm<CoreMemory>, BeamError> {
        let path = exe.unwrap_or(&core.exe);
        // A core may name anything, also what is no file.
        let memory = core.memory(Some(path))?;
        let elf = Elf::open(path).map_err(|error| core.other_exe(path, error.to_string()))?;
        let checked = match (core.build_id(), elf.build_id()) {
            (Some(ran), Some(given)) if ran == given => "checked: the executable, by its build id",
            (Some(ran), given) => {
                let given = given.map_or("none".to_owned(), str::to_owned);
                let what = format!("its build id is {given}, that of the one that ran {ran}");
                return Err(core.other_exe(path, what));
            }
            (None, _) => "not checked: the executable; the core has no copy of its first page",
        };
        let understood = Vm::understand(Source {
            pid: core.pid,
            exe: core.exe.clone(),
            file: path.to_owned(),
            elf: &elf,
            mappings: &core.mappings(),
            memory,
            given,
        });
        // What is not there in a core will not come.
        let understood = understood.map_err(|cause| match cause {
            BeamError::Starting { what, .. } => BeamError::BadFile {
                path: core.path().to_owned(),
                what: format!("{what} is not in it"),
            },
            cause => cause,
        });
        let mut vm = understood.map_err(|cause| match core.missing_bytes {
            0 => cause,
            missing_bytes => BeamError::CoreCut {
                core: core.path().to_owned(),
                missing_bytes,
                cause: Box::new(cause),
            },
        })?;
        vm.certainty.notes.push(checked.to_owned());
        vm.find_running(&core.threads)?;
        Ok(vm)
    }
}
