//! A VM that has been understood.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escope_model::Mfa;

use crate::code::{CodeMap, ListEntry, read_list, read_module};
use crate::died::Ran;
use crate::layout::{BIFS_MAX, Found, Given, Globals, Layout, Target, climb};
use crate::memory::{LiveMemory, Memory};
use crate::said::Redaction;
use crate::scheduler::{Scheduler, read_schedulers};
use crate::stack::{Arch, CallSite, JitRanges, Sites};
use crate::target::{Elf, ExecutableMapping, ModuleFiles};
use crate::term::{AtomTable, PidPrinter, small};
use crate::{BeamError, proof};

/// How sure we are that the target is read right, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certainty {
    /// `verified` or `unverified`.
    pub level: &'static str,
    /// What says how the VM is laid out, in a few words.
    pub source: String,
    /// What was found and checked, one line each.
    pub notes: Vec<String>,
}

/// A VM: where its things are, and how they are laid out.
///
/// Generic over its memory, so that what is read from a live VM can be tested and replayed
/// from an image.
pub struct Vm<M: Memory = LiveMemory> {
    /// The OS process.
    pub pid: u32,
    /// Its memory.
    pub memory: M,
    /// Its release's layout.
    pub layout: Layout,
    /// Its global variables.
    pub globals: Globals,
    /// The executable, as the target names it.
    pub exe: PathBuf,
    /// The executable's build id.
    pub build_id: Option<String>,
    /// OTP release, such as `25`.
    pub otp_release: String,
    /// ERTS version, such as `13.1.5`.
    pub erts_version: String,
    /// Whether JIT code keeps frame pointers.
    pub frame_pointers: bool,
    /// The return address at the bottom of each process's stack.
    pub normal_exit: u64,
    /// Node name, such as `rabbit@localhost`; `nonode@nohost` when not distributed.
    pub node: Option<String>,
    /// Atoms.
    pub atoms: AtomTable,
    /// Prints pids.
    pub pids: PidPrinter,
    /// C functions that implement BIFs, by address.
    pub bifs: BTreeMap<u64, Mfa>,
    /// Where the main loop of dirty schedulers lies: what is below it on a C stack belongs to
    /// the thread, not to the process.
    pub dirty_main: Option<std::ops::Range<u64>>,
    /// Offset of `__jit_debug_register_code` in the executable.
    pub jit_register_file_offset: Option<u64>,
    /// Where JIT code may lie.
    pub jit: JitRanges,
    /// Where the JIT's helper fragments lie; empty until the code was read.
    pub fragments: std::ops::Range<u64>,
    /// How sure we are.
    pub certainty: Certainty,
    /// Who ran when it died; nobody while it lives.
    pub ran: Ran,
    /// The files of its modules, while it runs.
    pub files: ModuleFiles,
    /// What must not be told of labels of its processes and keys of their dictionaries, which are read with
    /// their names; `None` tells all.
    pub redaction: Option<Redaction>,
}

/// What a [`Vm`] is put together from.
pub(crate) struct Parts<M> {
    pub(crate) pid: u32,
    pub(crate) exe: PathBuf,
    pub(crate) build_id: Option<String>,
    pub(crate) jit_register_file_offset: Option<u64>,
    pub(crate) jit: JitRanges,
    pub(crate) memory: M,
    pub(crate) found: Found,
}

/// A VM as it was found, alive or not: what understanding it starts from.
pub struct Source<'a, M> {
    /// The OS process that it is or was.
    pub pid: u32,
    /// The executable, as the target names it: as in `mappings`.
    pub exe: PathBuf,
    /// Where the executable's file can be read.
    pub file: PathBuf,
    /// What it says of itself.
    pub elf: &'a Elf,
    /// What the process has mapped executable, ascending.
    pub mappings: &'a [ExecutableMapping],
    /// Its memory.
    pub memory: M,
    /// What the user says of its layout.
    pub given: &'a Given,
}

impl<M: Memory> Vm<M> {
    /// Finds everything in a VM's memory and proves that it reads right.
    ///
    /// # Errors
    /// With the reason and the remedy, when it is not a VM that can be read.
    pub fn understand(source: Source<'_, M>) -> Result<Vm<M>, BeamError> {
        let bias = load_bias(source.pid, &source.exe, source.elf, source.mappings)?;
        let found = climb(&Target {
            pid: source.pid,
            exe: &source.exe,
            file: &source.file,
            elf: source.elf,
            bias,
            memory: &source.memory,
            given: source.given,
        })?;
        let register = found.globals.jit_register;
        let register =
            register.and_then(|address| source.elf.file_offset(address.wrapping_sub(bias)));
        let mut vm = Vm::of(Parts {
            pid: source.pid,
            exe: source.exe,
            build_id: source.elf.build_id().map(str::to_owned),
            jit_register_file_offset: register,
            jit: jit_ranges(source.mappings),
            memory: source.memory,
            found,
        })?;
        vm.settle()?;
        Ok(vm)
    }

    /// Puts together what was found; nothing is believed yet.
    pub(crate) fn of(parts: Parts<M>) -> Result<Vm<M>, BeamError> {
        let Parts { memory, found, .. } = parts;
        let Found {
            layout, globals, ..
        } = found;
        Ok(Vm {
            pid: parts.pid,
            frame_pointers: found.emulator.frame_pointers,
            normal_exit: found.emulator.normal_exit,
            pids: PidPrinter::read(&memory, globals.process_table, &layout)?,
            memory,
            node: None,
            bifs: BTreeMap::new(),
            dirty_main: globals.dirty_main.clone(),
            jit_register_file_offset: parts.jit_register_file_offset,
            build_id: parts.build_id,
            certainty: Certainty {
                level: layout.status.word(),
                source: found.source,
                notes: found.notes,
            },
            jit: parts.jit,
            ran: Ran::default(),
            files: ModuleFiles::default(),
            redaction: Some(Redaction::default()),
            fragments: 0..0,
            atoms: AtomTable::new(globals.atom_table, layout.atom.clone()),
            layout,
            globals,
            exe: parts.exe,
            otp_release: found.otp_release,
            erts_version: found.erts_version,
        })
    }

    /// Proves that what was put together is right, then reads what all of it may need.
    pub(crate) fn settle(&mut self) -> Result<(), BeamError> {
        self.prove()?;
        self.read_bifs();
        self.read_node();
        Ok(())
    }

    /// Checks that hold in any VM of the release, before anything is believed.
    fn prove(&mut self) -> Result<(), BeamError> {
        let pid = self.pid;
        let refuse = |what: String| BeamError::SelfCheck {
            pid,
            otp: self.layout.otp,
            what,
        };
        // The first atom of every release is `false`, the second `true` (atom.names).
        let first = self.atoms.name(&self.memory, 0x0b);
        if first.as_deref() != Some("false") {
            return Err(refuse(format!("its first atom reads {first:?}, not false")));
        }
        let schedulers = self.schedulers()?;
        if schedulers.is_empty() {
            return Err(BeamError::Starting {
                pid,
                what: "its schedulers",
            });
        }
        if !self.jit.contains(self.normal_exit) {
            return Err(refuse(format!(
                "the exit code of processes, {:#x}, is not executable",
                self.normal_exit
            )));
        }
        let count = schedulers.len();
        let notes = &mut self.certainty.notes;
        notes.push("checked: the first atom".into());
        notes.push(format!(
            "checked: {count} schedulers name themselves, their sleep states lead back to them"
        ));
        notes.push("checked: the exit code of processes is JIT code".into());
        proof::prove(self, &schedulers)
    }

    /// The schedulers as they are now.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn schedulers(&self) -> Result<Vec<Scheduler>, BeamError> {
        read_schedulers(self.pid, &self.memory, &self.globals, &self.layout)
    }

    /// Adds what the VM's JIT list holds to a map; `false` when the VM has changed the list all
    /// the time, so that pieces may be missing. What is missing is taken from the files that a
    /// VM with `+JPperf` writes, where there are any.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn read_code(&mut self, map: &mut CodeMap) -> Result<bool, BeamError> {
        let listed = self.list_code(map);
        if self.memory.is_running() && !matches!(listed, Ok((_, true))) {
            let notes = self.fill_names(map);
            self.certainty.notes.extend(notes);
        }
        let (entries, whole) = match listed {
            Ok(listed) => listed,
            // Names from a file are better than none.
            Err(error) if map.is_empty() => return Err(error),
            Err(_) => (Vec::new(), false),
        };
        self.fragments = self
            .find_fragments(&entries)
            .or_else(|| map.fragments())
            .unwrap_or(0..0);
        Ok(whole)
    }

    /// The same without looking for the helper fragments, which never change; returns the
    /// entries read as well.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn list_code(&self, map: &mut CodeMap) -> Result<(Vec<ListEntry>, bool), BeamError> {
        const ATTEMPTS: usize = 5;
        let mut longest = Vec::new();
        let mut whole = false;
        for _ in 0..ATTEMPTS {
            let (entries, is_whole) = read_list(&self.memory, self.globals.jit_descriptor)?;
            // A walk that was led astray may have met garbage: each one stands alone.
            if is_whole || entries.len() > longest.len() {
                longest = entries;
            }
            whole = is_whole;
            if whole {
                break;
            }
        }
        for entry in &longest {
            map.add_existing(entry.start, entry.bytes, (entry.blob, entry.blob_bytes));
        }
        Ok((longest, whole))
    }

    fn find_fragments(&self, entries: &[ListEntry]) -> Option<std::ops::Range<u64>> {
        entries
            .iter()
            .filter(|entry| entry.global)
            .find_map(|entry| {
                let module = read_module(&self.memory, entry.blob, entry.blob_bytes)?;
                let fragments = module.functions.iter().all(|f| f.arity.is_none());
                fragments.then(|| entry.start..entry.start.saturating_add(u64::from(entry.bytes)))
            })
    }

    /// The machine that the target's code is for.
    #[must_use]
    pub fn arch(&self) -> Arch {
        Arch::by_name(&self.layout.arch).unwrap_or(Arch::X86_64)
    }

    /// Whether the call that returns to `return_address` called a helper fragment.
    #[must_use]
    pub fn calls_fragment(&self, return_address: u64) -> bool {
        let arch = self.arch();
        self.code_before(return_address, arch.call_bytes())
            .and_then(|code| arch.call_target(return_address, &code))
            .is_some_and(|target| self.fragments.contains(&target))
    }

    /// How the call that returns to `return_address` kept the Erlang stack pointer.
    #[must_use]
    pub fn call_site(&self, return_address: u64) -> CallSite {
        let (arch, process) = (self.arch(), &self.layout.process);
        let sites = Sites {
            x: self.layout.registers.x,
            htop: process.htop,
            stop: process.stop,
        };
        match self.code_before(return_address, arch.look_back()) {
            Some(code) => arch.call_site(&code, sites),
            None => CallSite::Stored,
        }
    }

    /// The C function of the BIF that the call returning to `return_address` calls.
    #[must_use]
    pub fn called_bif(&self, return_address: u64) -> Option<u64> {
        let arch = self.arch();
        let code = self.code_before(return_address, arch.bif_look_back())?;
        let read = |at| self.memory.u64(at).ok();
        let is_bif = |address| self.bifs.contains_key(&address);
        arch.called_bif(&code, return_address, read, is_bif)
    }

    /// The bytes of code that end at an address.
    pub(crate) fn code_before(&self, address: u64, bytes: usize) -> Option<Vec<u8>> {
        let mut code = vec![0; bytes];
        let start = address.wrapping_sub(bytes as u64);
        self.memory.read(start, &mut code).ok()?;
        Some(code)
    }

    /// The text of an atom term.
    #[must_use]
    pub fn atom(&self, term: u64) -> Option<Arc<str>> {
        self.atoms.name(&self.memory, term)
    }

    /// Module atom, function atom and a plain arity, where they are what they should be.
    #[must_use]
    pub fn mfa(&self, words: [u64; 3]) -> Option<Mfa> {
        Some(Mfa {
            module: self.atom(words[0])?.to_string(),
            function: self.atom(words[1])?.to_string(),
            arity: u32::try_from(words[2]).ok().filter(|arity| *arity <= 255)?,
        })
    }

    /// The same with the arity as a term, as in an Erlang tuple.
    #[must_use]
    pub fn mfa_of_terms(&self, terms: [u64; 3]) -> Option<Mfa> {
        let arity = u64::try_from(small(terms[2])?).ok()?;
        self.mfa([terms[0], terms[1], arity])
    }

    /// The table of BIFs names C functions as Erlang knows them.
    fn read_bifs(&mut self) {
        if self.globals.bifs.is_none() {
            let note = "BIFs are shown by their C names: their table was not found";
            self.certainty.notes.push(note.into());
            return;
        }
        for (mfa, function) in self.bif_functions() {
            // Several names may share one C function (`halt/0..2`): the first one stands.
            self.bifs.entry(function).or_insert(mfa);
        }
        let named = self.bifs.len();
        self.certainty
            .notes
            .push(format!("{named} BIFs by the VM's own table"));
    }

    /// All BIFs with the addresses of their C functions, in the table's order; empty where it was
    /// not found or cannot be read.
    pub(crate) fn bif_functions(&self) -> Vec<(Mfa, u64)> {
        let Some((table, count)) = self.globals.bifs else {
            return Vec::new();
        };
        let layout = &self.layout.bif;
        let stride = u64::from(layout.size);
        let count = count.min(BIFS_MAX);
        let words = self
            .memory
            .words(table, (count * stride / 8) as usize)
            .unwrap_or_default();
        let entries = words.chunks_exact((stride / 8) as usize);
        let bifs = entries.filter_map(|entry| {
            let field = |at: u32| entry[at as usize / 8];
            let arity = field(layout.arity) & 0xffff_ffff;
            let mfa = self.mfa([field(layout.module), field(layout.name), arity])?;
            Some((mfa, field(layout.function)))
        });
        bifs.collect()
    }

    fn read_node(&mut self) {
        let Some(address) = self.globals.this_node else {
            return;
        };
        self.node = self
            .memory
            .u64(address)
            .and_then(|node| {
                self.memory
                    .u64(node.wrapping_add(u64::from(self.layout.node.sysname)))
            })
            .ok()
            .and_then(|term| self.atom(term))
            .map(|name| name.to_string());
    }
}

/// Where JIT code may lie, by what is mapped.
pub(crate) fn jit_ranges(mappings: &[ExecutableMapping]) -> JitRanges {
    JitRanges::new(
        mappings
            .iter()
            .filter(|mapping| mapping.may_be_jit())
            .map(|mapping| (mapping.start, mapping.end))
            .collect(),
    )
}

/// The difference between addresses in the process and in the executable's file.
pub(crate) fn load_bias(
    pid: u32,
    exe: &Path,
    elf: &Elf,
    mappings: &[ExecutableMapping],
) -> Result<u64, BeamError> {
    let name = exe.to_string_lossy();
    mappings
        .iter()
        .find(|mapping| mapping.path == name)
        .and_then(|mapping| {
            let address = elf.address_of(mapping.file_offset)?;
            Some(mapping.start.wrapping_sub(address))
        })
        .ok_or_else(|| BeamError::NotBeam {
            pid,
            exe: exe.to_owned(),
        })
}
