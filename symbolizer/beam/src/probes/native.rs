//! Where calls of BIFs and NIFs can be seen: in the C functions that implement them.
//!
//! The VM's table of BIFs has the C function of each. What a NIF's is is in the module's code:
//! what `load_nif/2` puts behind a function's entry has the layout of `ErtsNativeFunc`
//! (`emit_call_nif` in `jit/x86/instr_bif.cpp`; the same in OTP 25 to 29):
//!
//! ```text
//!  +0  ErtsCodeInfo, 40 bytes
//! +40  the entry, 8 bytes
//! +48  jmp over what follows, padded to 8 bytes
//! +56  dfunc: the C function, or what moves the call to a dirty scheduler
//! +64  struct erl_module_nif *
//! +72  func: of a NIF that is dirty the C function, else 0
//! ```

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use escope_model::Mfa;
use iced_x86::{FlowControl, Instruction, InstructionInfoFactory, OpAccess, Register};

use super::Target;
use super::site::{self, Bytes, Emulated, Place, Want, Word, instructions};
use crate::code::{CodeMap, ListEntry, read_module};
use crate::layout::Text;
use crate::memory::{LiveMemory, Memory, Source};
use crate::stack::Arch;
use crate::target::{Elf, ExecutableMapping, proc_path, read_executable_mappings};
use crate::{BeamError, NoEntry, Vm};

/// `ErtsNativeFunc.trampoline.dfunc` and `ErtsNativeFunc.func`, from the begin of the function.
const DFUNC: u64 = 56;
const FUNC: u64 = 72;
/// How many functions of one name are looked at.
const ARITIES_MAX: usize = 256;
/// How many instructions a function has at most before it touches the stack.
const BEFORE_STACK_MAX: usize = 16;
/// `bp` among the words of `struct pt_regs`.
const BP: u8 = 4;

/// A BIF or NIF that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeName {
    /// Its module, unquoted.
    pub module: String,
    /// Its name, unquoted.
    pub function: String,
    /// `None` for all arities.
    pub arity: Option<u32>,
}

/// What a C function implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NativeKind {
    /// A function of the emulator.
    Bif,
    /// One of a library that the VM has loaded, or of the emulator itself.
    Nif,
}

/// A C function whose calls can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeFunction {
    /// What it is called in Erlang.
    pub mfa: Mfa,
    /// What it is.
    pub kind: NativeKind,
    /// Others that the same C function implements: calls of them are seen too.
    pub others: Vec<Mfa>,
    /// Where it is in the VM.
    pub address: u64,
    /// Its file, as we can open it.
    pub file: PathBuf,
    /// Where in the file the probe goes.
    pub site_offset: u64,
    /// Where a probe of its returns goes: an instruction that the kernel emulates, while the
    /// stack pointer is still at the return address, which such a probe replaces. `None` where
    /// there is none.
    pub return_offset: Option<u64>,
    /// The register, by its index among the words of `struct pt_regs`, that has the third
    /// argument there.
    pub code: Option<u8>,
    /// The one that has what `rbp` was when the function was entered.
    pub frame: Option<u8>,
    /// Whether the JIT has instructions of its own for it, so that most calls never come here.
    pub inlined: bool,
}

/// Why calls of a function cannot be seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoNative {
    /// There is no such function, as far as can be told.
    #[error("{0}")]
    None(NoEntry),
    /// No function of this name is a BIF or NIF.
    #[error("{module}:{function} is no BIF, and no NIF of a library that is loaded")]
    Nothing {
        /// Module.
        module: String,
        /// Name.
        function: String,
    },
    /// It is compiled Erlang code.
    #[error(
        "{0} is written in Erlang: `escope-bpf watch {0}` sees its calls; if it is a NIF, its library \
         is not loaded"
    )]
    Erlang(Mfa),
    /// Its C function cannot be found.
    #[error("the C function of {mfa} is not where it was expected: {what}")]
    Lost {
        /// Which.
        mfa: Mfa,
        /// What was found.
        what: String,
    },
    /// A probe would be too dear.
    #[error(
        "calls of {mfa} are not watched: in its C function {why}, and a probe anywhere else costs \
         the VM 10 us a call; samples show what it costs"
    )]
    Dear {
        /// Which.
        mfa: Mfa,
        /// Why.
        why: &'static str,
    },
    /// The VM cannot be read.
    #[error("{0}")]
    Vm(String),
}

/// BIFs for which the JIT of OTP 25 to 29 has instructions of its own, at least for some
/// arguments: those allowed in guards (`jit/x86/ops.tab`, `instr_guard_bifs.cpp`), and what
/// moves a process or its control elsewhere.
const INLINED: &[(&str, u32)] = &[
    ("*", 2),
    ("+", 1),
    ("+", 2),
    ("-", 1),
    ("-", 2),
    ("/=", 2),
    ("<", 2),
    ("=/=", 2),
    ("=:=", 2),
    ("=<", 2),
    ("==", 2),
    (">", 2),
    (">=", 2),
    ("and", 2),
    ("apply", 2),
    ("apply", 3),
    ("band", 2),
    ("bit_size", 1),
    ("bnot", 1),
    ("bor", 2),
    ("bsl", 2),
    ("bsr", 2),
    ("bxor", 2),
    ("byte_size", 1),
    ("div", 2),
    ("element", 2),
    ("error", 1),
    ("error", 2),
    ("get", 1),
    ("hd", 1),
    ("hibernate", 3),
    ("is_atom", 1),
    ("is_binary", 1),
    ("is_bitstring", 1),
    ("is_boolean", 1),
    ("is_float", 1),
    ("is_function", 1),
    ("is_function", 2),
    ("is_integer", 1),
    ("is_list", 1),
    ("is_map", 1),
    ("is_map_key", 2),
    ("is_number", 1),
    ("is_pid", 1),
    ("is_port", 1),
    ("is_reference", 1),
    ("is_tuple", 1),
    ("length", 1),
    ("load_nif", 2),
    ("map_get", 2),
    ("map_size", 1),
    ("max", 2),
    ("min", 2),
    ("node", 0),
    ("node", 1),
    ("not", 1),
    ("or", 2),
    ("raise", 3),
    ("rem", 2),
    ("self", 0),
    ("size", 1),
    ("throw", 1),
    ("tl", 1),
    ("tuple_size", 1),
    ("xor", 2),
];

/// A C function, before it is known where a probe goes.
struct Found {
    mfa: Mfa,
    kind: NativeKind,
    address: u64,
    others: Vec<Mfa>,
}

/// A file with code of the VM.
struct Library {
    mapping: ExecutableMapping,
    path: PathBuf,
    elf: Elf,
    code: Text,
    bias: u64,
}

impl NativeName {
    fn is(&self, mfa: &Mfa) -> bool {
        mfa.module == self.module
            && mfa.function == self.function
            && self.arity.is_none_or(|arity| arity == mfa.arity)
    }
}

/// Finds the C functions of BIFs and NIFs as they are loaded now, in the order in which they are
/// asked for; several where no arity is said.
///
/// # Errors
/// The first one that cannot be watched, with the reason.
pub fn find_natives(
    vm: &Vm<LiveMemory>,
    names: &[NativeName],
) -> Result<Vec<NativeFunction>, NoNative> {
    if vm.arch() != Arch::X86_64 {
        return Err(NoNative::None(NoEntry::Machine));
    }
    let broken = |error: BeamError| NoNative::Vm(error.to_string());
    let mappings = read_executable_mappings(vm.pid).map_err(broken)?;
    let mut libraries = vec![Library::emulator(vm, &mappings).map_err(broken)?];
    let mut functions: Vec<NativeFunction> = Vec::new();
    for name in names {
        for found in vm.natives(name)? {
            if functions.iter().any(|known| known.address == found.address) {
                continue;
            }
            let library = library(vm, &mappings, &mut libraries, &found)?;
            functions.push(library.function(found)?);
        }
    }
    Ok(functions)
}

impl<M: Memory> Vm<M> {
    /// The C functions of a name.
    fn natives(&self, name: &NativeName) -> Result<Vec<Found>, NoNative> {
        let bifs = self.bif_functions();
        let mut found: Vec<Found> = Vec::new();
        for (mfa, address) in bifs.iter().filter(|(mfa, _)| name.is(mfa)) {
            let same = bifs.iter().filter(|(_, other)| other == address);
            let others = same.filter(|(other, _)| other != mfa && !name.is(other));
            found.push(Found {
                mfa: mfa.clone(),
                kind: NativeKind::Bif,
                address: *address,
                others: others.map(|(other, _)| other.clone()).collect(),
            });
        }
        if found.is_empty() {
            found = self.nifs(name)?;
        }
        match (found.is_empty(), name.arity) {
            (false, _) => Ok(found),
            // It says why it is neither.
            (true, Some(arity)) => {
                let mfa = Mfa {
                    module: name.module.clone(),
                    function: name.function.clone(),
                    arity,
                };
                Err(match self.entry(&mfa) {
                    Ok(_) => NoNative::Erlang(mfa),
                    Err(why) => NoNative::None(why),
                })
            }
            (true, None) => Err(NoNative::Nothing {
                module: name.module.clone(),
                function: name.function.clone(),
            }),
        }
    }

    /// The NIFs of a name, in the code that is loaded now.
    fn nifs(&self, name: &NativeName) -> Result<Vec<Found>, NoNative> {
        let listed = self.list_code(&mut CodeMap::new());
        let (entries, _) = listed.map_err(|error| NoNative::Vm(error.to_string()))?;
        let is_it = |entry: &&ListEntry| {
            entry.name(&self.memory).as_deref() == Some(name.module.as_str())
                && !self.fragments.contains(&entry.start)
        };
        let entry = entries.iter().find(is_it);
        let module = entry.and_then(|e| read_module(&self.memory, e.blob, e.blob_bytes));
        let Some(module) = module else {
            return Ok(Vec::new());
        };
        let mut found: Vec<Found> = Vec::new();
        let functions = module.functions.iter();
        let functions = functions.filter(|function| *function.name == *name.function);
        for function in functions.take(ARITIES_MAX) {
            let Some(arity) = function.arity else {
                continue;
            };
            let mfa = Mfa {
                module: name.module.clone(),
                function: name.function.clone(),
                arity,
            };
            let is_known = found.iter().any(|known| known.mfa == mfa);
            if is_known || !name.is(&mfa) {
                continue;
            }
            let nif = self.entry_in(&module, &mfa);
            if !matches!(nif, Err(NoEntry::Nif { .. })) {
                continue;
            }
            let start = module.base.wrapping_add(u64::from(function.start));
            let word = |at: u64| {
                let word = self.memory.u64(start.wrapping_add(at));
                word.map_err(|error| NoNative::Vm(error.to_string()))
            };
            let (func, dfunc) = (word(FUNC)?, word(DFUNC)?);
            found.push(Found {
                mfa,
                kind: NativeKind::Nif,
                address: if func != 0 { func } else { dfunc },
                others: Vec::new(),
            });
        }
        Ok(found)
    }
}

/// The file that a function is in.
fn library<'a>(
    vm: &Vm<LiveMemory>,
    mappings: &[ExecutableMapping],
    libraries: &'a mut Vec<Library>,
    found: &Found,
) -> Result<&'a Library, NoNative> {
    let lost = |what: String| NoNative::Lost {
        mfa: found.mfa.clone(),
        what,
    };
    let known = libraries.iter().position(|library| {
        let mapping = &library.mapping;
        (mapping.start..mapping.end).contains(&found.address)
    });
    let at = match known {
        Some(at) => at,
        None => {
            let mapping = mappings
                .iter()
                .find(|mapping| (mapping.start..mapping.end).contains(&found.address))
                .filter(|mapping| !mapping.may_be_jit());
            let mapping = mapping.ok_or_else(|| {
                let address = found.address;
                lost(format!("{address:#x} is in no file that the VM has mapped"))
            })?;
            libraries.push(Library::open(vm.pid, mapping).map_err(lost)?);
            libraries.len() - 1
        }
    };
    libraries
        .get(at)
        .ok_or_else(|| lost("no library".to_owned()))
}

impl Library {
    fn emulator(vm: &Vm<LiveMemory>, mappings: &[ExecutableMapping]) -> Result<Library, BeamError> {
        let Target { elf, code, bias } = Target::open(vm)?;
        let exe = vm.exe.to_string_lossy();
        let mapping = mappings.iter().find(|mapping| mapping.path == exe);
        let mapping = mapping.ok_or(BeamError::NotBeam {
            pid: vm.pid,
            exe: vm.exe.clone(),
        })?;
        Ok(Library {
            mapping: mapping.clone(),
            path: proc_path(vm.pid, "exe"),
            elf,
            code,
            bias,
        })
    }

    fn open(pid: u32, mapping: &ExecutableMapping) -> Result<Library, String> {
        let unreadable = |what: String| format!("{} cannot be read: {what}", mapping.path);
        let (file, path) = open_mapped(pid, mapping)
            .ok_or_else(|| unreadable("it was removed or replaced since it was loaded".into()))?;
        let elf = Elf::read(file, &path).map_err(|error| unreadable(error.to_string()))?;
        let source = Source::open(&path).map_err(|error| unreadable(error.to_string()))?;
        let address = elf.address_of(mapping.file_offset);
        let address = address.ok_or_else(|| unreadable("its segments are not as mapped".into()))?;
        let bias = mapping.start.wrapping_sub(address);
        Ok(Library {
            code: Text::of_file(&source, &elf, bias),
            mapping: mapping.clone(),
            path,
            elf,
            bias,
        })
    }

    fn function(&self, found: Found) -> Result<NativeFunction, NoNative> {
        let mfa = &found.mfa;
        let function = found.address..self.code.end_of(found.address);
        // Whatever the JIT calls begins a function.
        if !self.code.is_start(found.address) {
            return Err(NoNative::Lost {
                mfa: mfa.clone(),
                what: format!("no function begins at {:#x}", found.address),
            });
        }
        let code = Want {
            word: Word::Argument(2),
            half: false,
            needed: false,
        };
        let spot = site::find(&self.code, function.clone(), &[code]);
        let spot = spot.map_err(|why| NoNative::Dear {
            mfa: mfa.clone(),
            why,
        })?;
        let offset = |address: u64| {
            let offset = self.elf.file_offset(address.wrapping_sub(self.bias));
            offset.ok_or_else(|| NoNative::Lost {
                mfa: mfa.clone(),
                what: "it is not in its file".to_owned(),
            })
        };
        let register = match spot.places.first() {
            Some(Some(Place::Register(register))) => Some(*register),
            _ => None,
        };
        let is_bif = found.kind == NativeKind::Bif;
        Ok(NativeFunction {
            site_offset: offset(spot.address)?,
            return_offset: return_site(&self.code, found.address)
                .map(offset)
                .transpose()?,
            code: register.filter(|_| is_bif),
            frame: keeps_rbp(&self.code, found.address, spot.address).then_some(BP),
            inlined: is_bif
                && mfa.module == "erlang"
                && INLINED.contains(&(mfa.function.as_str(), mfa.arity)),
            address: found.address,
            file: self.path.clone(),
            kind: found.kind,
            mfa: found.mfa,
            others: found.others,
        })
    }
}

/// The first instruction that the kernel emulates, if all before it leave the stack alone and are
/// executed in every call.
fn return_site(code: &impl Bytes, start: u64) -> Option<u64> {
    let mut factory = InstructionInfoFactory::new();
    let mut address = start;
    for _ in 0..BEFORE_STACK_MAX {
        let (instruction, bytes) = site::decode(code, address)?;
        if Emulated::of(bytes).is_some() {
            return Some(address);
        }
        if instruction.flow_control() != FlowControl::Next
            || writes(&mut factory, &instruction, Register::RSP)
        {
            return None;
        }
        address = instruction.next_ip();
    }
    None
}

fn writes(
    factory: &mut InstructionInfoFactory,
    instruction: &Instruction,
    register: Register,
) -> bool {
    let used = factory.info(instruction).used_registers();
    used.iter().any(|used| {
        used.register().full_register() == register
            && !matches!(used.access(), OpAccess::Read | OpAccess::CondRead)
    })
}

/// Whether `rbp` is at the site as it was at the entry.
fn keeps_rbp(code: &impl Bytes, start: u64, spot: u64) -> bool {
    let mut factory = InstructionInfoFactory::new();
    let mut before = instructions(code, start..spot);
    before.all(|instruction| {
        instruction.flow_control() == FlowControl::Next
            && !writes(&mut factory, &instruction, Register::RBP)
    })
}

/// The file that is mapped, by a path that leads to it.
fn open_mapped(pid: u32, mapping: &ExecutableMapping) -> Option<(File, PathBuf)> {
    let mapped = mapping.open_path(pid);
    if let Some(file) = open_regular(&mapped) {
        return Some((file, mapped));
    }
    let named = proc_path(pid, &format!("root{}", mapping.path));
    let file = open_regular(&named)?;
    let same = mapping.is_same_file(&file.metadata().ok()?);
    same.then_some((file, named))
}

/// Never waits, as opening a pipe would.
fn open_regular(path: &PathBuf) -> Option<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open(path)
        .ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

#[cfg(test)]
mod tests {
    use super::{keeps_rbp, return_site};
    use crate::probes::site::Bytes;

    /// Code at 0x1000.
    struct Code(&'static [u8]);

    impl Bytes for Code {
        fn bytes_at(&self, address: u64) -> &[u8] {
            let at = address.checked_sub(0x1000).map(|at| at as usize);
            at.and_then(|at| self.0.get(at..)).unwrap_or_default()
        }
    }

    #[test]
    fn returns_are_probed_while_the_return_address_is_on_top() {
        // endbr64; xor r8d, r8d; push r12
        let late = Code(&[0xf3, 0x0f, 0x1e, 0xfa, 0x45, 0x31, 0xc0, 0x41, 0x54]);
        assert_eq!(return_site(&late, 0x1000), Some(0x1007));
        assert_eq!(return_site(&Code(&[0x55]), 0x1000), Some(0x1000));
        // sub rsp, 16; push rbp
        let moved = Code(&[0x48, 0x83, 0xec, 0x10, 0x55]);
        assert_eq!(return_site(&moved, 0x1000), None);
        // ret; push rbp
        assert_eq!(return_site(&Code(&[0xc3, 0x55]), 0x1000), None);
        assert_eq!(return_site(&Code(&[]), 0x1000), None);
    }

    #[test]
    fn rbp_is_the_callers_until_it_is_written() {
        // push rbp; mov rbp, rdi; push rbx
        let code = Code(&[0x55, 0x48, 0x89, 0xfd, 0x53]);
        assert!(keeps_rbp(&code, 0x1000, 0x1000));
        assert!(keeps_rbp(&code, 0x1000, 0x1001));
        assert!(!keeps_rbp(&code, 0x1000, 0x1004));
        // js +0; push rbx: another way may lead there.
        let branch = Code(&[0x78, 0x00, 0x53]);
        assert!(!keeps_rbp(&branch, 0x1000, 0x1002));
    }
}
