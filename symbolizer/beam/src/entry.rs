//! The instruction that every call of a function passes, and how a function was come to.
//!
//! What the JIT emits for a function (`emit_i_func_info`, `emit_i_breakpoint_trampoline` and
//! `emit_i_test_yield` in `jit/x86`; the same in OTP 25 to 29):
//!
//! ```text
//!  +0  call i_func_info_shared     ErtsCodeInfo, 40 bytes: where clauses that do not match go to
//! +16  module, function, arity
//! +40  jmp short +48               the entry: what is told of it below
//! +42  call trampoline             for tracing and NIFs, which change the distance of the jump
//! +48  lea rdx, [+57]              where it resumes if its time is up
//!      dec r14; jle ...
//! ```
//!
//! Calls within the module jump or call to +40; exports, funs and what traces have put in front
//! lead there; so do `apply`, `spawn` and a hibernating process that is woken. A function that
//! calls itself as the last thing it does jumps there too. A process whose time is up resumes
//! behind the test, and so does not pass the entry twice for one call. A NIF takes the place of
//! what follows the entry, and begins with a jump over its own data.

use escope_model::{Mfa, quote_atom};

use crate::code::{CodeMap, ListEntry, ModuleCode, read_module};
use crate::memory::Memory;
use crate::stack::Arch;
use crate::{BeamError, Vm};

/// `sizeof(ErtsCodeInfo)`: `code_ix.h`, the same in OTP 25 to 29.
const CODE_INFO_BYTES: u64 = 40;
/// `offsetof(ErtsCodeInfo, mfa)`.
const CODE_INFO_MFA: u64 = 16;
/// `BEAM_ASM_FUNC_PROLOGUE_SIZE`: `beam_asm.h`.
const PROLOGUE_BYTES: usize = 8;
/// Of both together.
const FRONT_BYTES: u32 = CODE_INFO_BYTES as u32 + PROLOGUE_BYTES as u32;
/// How much of a function is looked at.
const LOOK_AT: usize = PROLOGUE_BYTES + 16;
/// How many names are proposed.
const SIMILAR_MAX: usize = 5;
/// More letters that differ than in a slip of the keyboard.
const SLIP_MAX: usize = 2;
/// How far before a call its export entry is loaded.
const EXPORT_LOOK_BACK: usize = 32;

/// A function's entry in the code that is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The instruction that every call passes.
    pub address: u64,
    /// First address of the module's code.
    pub base: u64,
    /// Size of the module's code.
    pub bytes: u32,
}

/// Why a function has no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoEntry {
    /// Its module is not loaded.
    #[error(
        "the module {module} is not loaded{}: `code:ensure_loaded({module}).` loads it, as does the \
         first call",
        hint(similar)
    )]
    NotLoaded {
        /// Which.
        module: String,
        /// Modules that are called almost so.
        similar: Vec<String>,
    },
    /// The module has no such function.
    #[error(
        "there is no function {mfa}{}; what the compiler has inlined, or found unused, is not there",
        hint(similar)
    )]
    NoFunction {
        /// Which.
        mfa: Mfa,
        /// Functions that are called almost so.
        similar: Vec<String>,
    },
    /// It is written in C.
    #[error(
        "{mfa} is a BIF: the JIT compiles calls of it into its callers, and it has no code of its own \
         to stop at; watch who calls it, or see what it costs with `record`"
    )]
    Bif {
        /// Which.
        mfa: Mfa,
    },
    /// It is a NIF.
    #[error(
        "{mfa} is a NIF, which has no code of the JIT: watch who calls it, or see what it costs with \
         `record`"
    )]
    Nif {
        /// Which.
        mfa: Mfa,
    },
    /// The code looks like none that is known.
    #[error(
        "the code of {mfa} at {address:#x} does not begin as functions of OTP 25 to 29 do ({what}): \
         it is not watched"
    )]
    Strange {
        /// Which.
        mfa: Mfa,
        /// Where its description begins.
        address: u64,
        /// What was expected.
        what: &'static str,
    },
    /// The machine is another one.
    #[error("functions can be watched on x86-64 only")]
    Machine,
    /// The list of code cannot be read.
    #[error("the VM's list of code cannot be read: {0}")]
    List(String),
}

fn hint(similar: &[String]) -> String {
    match similar {
        [] => String::new(),
        _ => format!("; there is {}", similar.join(", ")),
    }
}

/// What the call whose return address is on the stack called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callee {
    /// Code at an address: in the same module, or a helper fragment.
    At(u64),
    /// An exported function.
    Export(Mfa),
    /// A fun, what `apply` was given, or code that is gone.
    Unknown,
}

impl<M: Memory> Vm<M> {
    /// Finds a function in the code that is loaded now.
    ///
    /// # Errors
    /// With the reason and the remedy, when there is nothing to stop at.
    pub fn entry(&self, mfa: &Mfa) -> Result<Entry, NoEntry> {
        if self.arch() != Arch::X86_64 {
            return Err(NoEntry::Machine);
        }
        let listed = self.list_code(&mut CodeMap::new());
        let (entries, _) = listed.map_err(|error: BeamError| NoEntry::List(error.to_string()))?;
        let name = |entry: &ListEntry| entry.name(&self.memory);
        let named = entries.iter().find(|entry| {
            name(entry).as_deref() == Some(mfa.module.as_str())
                && !self.fragments.contains(&entry.start)
        });
        let module = named.and_then(|e| read_module(&self.memory, e.blob, e.blob_bytes));
        let Some(module) = module else {
            let names = entries.iter().filter_map(name);
            return Err(NoEntry::NotLoaded {
                module: quote_atom(&mfa.module).into_owned(),
                similar: similar(&mfa.module, names)
                    .iter()
                    .map(|name| quote_atom(name).into_owned())
                    .collect(),
            });
        };
        self.entry_in(&module, mfa)
    }

    /// The same in code that has just been announced.
    ///
    /// # Errors
    /// As of [`Self::entry`].
    pub fn entry_in(&self, module: &ModuleCode, mfa: &Mfa) -> Result<Entry, NoEntry> {
        let is_it = |name: &str, arity| name == mfa.function && arity == Some(mfa.arity);
        let function = module.functions.iter().find(|f| is_it(&f.name, f.arity));
        let Some(function) = function else {
            if self.bifs.values().any(|bif| bif == mfa) {
                return Err(NoEntry::Bif { mfa: mfa.clone() });
            }
            return Err(NoEntry::NoFunction {
                mfa: mfa.clone(),
                similar: similar_functions(module, mfa),
            });
        };
        let start = module.base.wrapping_add(u64::from(function.start));
        self.prove_entry(start, mfa)?;
        Ok(Entry {
            address: start.wrapping_add(CODE_INFO_BYTES),
            base: module.base,
            bytes: module.size,
        })
    }

    /// Whether the function at an address says that it is this one, and begins as functions do.
    fn prove_entry(&self, start: u64, mfa: &Mfa) -> Result<(), NoEntry> {
        let strange = |what| NoEntry::Strange {
            mfa: mfa.clone(),
            address: start,
            what,
        };
        let words = self.memory.words(start.wrapping_add(CODE_INFO_MFA), 3);
        let named = match words.as_deref() {
            Ok(&[module, function, arity]) => self.mfa([module, function, arity]),
            _ => None,
        };
        if named.as_ref() != Some(mfa) {
            return Err(strange("its name and arity are not in front of it"));
        }
        let mut code = [0; LOOK_AT];
        let entry = start.wrapping_add(CODE_INFO_BYTES);
        if self.memory.read(entry, &mut code).is_err() {
            return Err(strange("it cannot be read"));
        }
        match kind(&code) {
            Some(Kind::Erlang) => Ok(()),
            Some(Kind::Nif) => Err(NoEntry::Nif { mfa: mfa.clone() }),
            Some(Kind::Bif) => Err(NoEntry::Bif { mfa: mfa.clone() }),
            None => Err(strange("no jump over a breakpoint's call")),
        }
    }

    /// What the call that returns to an address has called.
    #[must_use]
    pub fn callee(&self, return_address: u64) -> Callee {
        let arch = self.arch();
        let Some(code) = self.code_before(return_address, EXPORT_LOOK_BACK) else {
            return Callee::Unknown;
        };
        if let Some(to) = arch.call_target(return_address, &code) {
            return Callee::At(to);
        }
        let at = u64::from(self.layout.fun.export_mfa);
        let mfa = export(&code, |export| {
            let words = self.memory.words(export.wrapping_add(at), 3).ok()?;
            self.mfa([*words.first()?, *words.get(1)?, *words.get(2)?])
        });
        mfa.map_or(Callee::Unknown, Callee::Export)
    }

    /// Whether an address is the entry of some function of a module.
    #[must_use]
    pub fn is_entry(&self, module: &ModuleCode, address: u64) -> bool {
        let offset = address
            .checked_sub(module.base)
            .and_then(|offset| offset.checked_sub(CODE_INFO_BYTES));
        let offset = offset.and_then(|offset| u32::try_from(offset).ok());
        offset.is_some_and(|offset| {
            let found = module.functions.binary_search_by_key(&offset, |f| f.start);
            // What is in front of a function is described apart from its body.
            let front = found.ok().and_then(|at| module.functions.get(at));
            front.is_some_and(|front| front.end - front.start == FRONT_BYTES)
        })
    }
}

/// What a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Erlang,
    Nif,
    Bif,
}

/// By the code from its entry on; `None` where that is no entry.
fn kind(code: &[u8]) -> Option<Kind> {
    const JMP_SHORT: u8 = 0xeb;
    /// `lea rdx, [rip + distance]`.
    const LEA: [u8; 3] = [0x48, 0x8d, 0x15];
    /// `push rbp; mov rbp, rsp` in either encoding, with frame pointers.
    const ENTER: [[u8; 4]; 2] = [[0x55, 0x48, 0x8b, 0xec], [0x55, 0x48, 0x89, 0xe5]];
    if *code.first()? != JMP_SHORT {
        return None;
    }
    let mut body = code.get(PROLOGUE_BYTES..)?;
    if ENTER.iter().any(|enter| body.starts_with(enter)) {
        body = body.get(ENTER[0].len()..)?;
    }
    Some(match body {
        [JMP_SHORT, ..] => Kind::Nif,
        _ if body.starts_with(&LEA) => Kind::Erlang,
        _ => Kind::Bif,
    })
}

/// The function of the export entry that `code`, which ends at a return address, calls by:
/// `emit_i_call_ext` loads its address with `mov rax, imm64` and calls through its dispatch
/// table, indexed by r12. Nops for alignment may be between.
fn export(code: &[u8], read: impl Fn(u64) -> Option<Mfa>) -> Option<Mfa> {
    /// `call [rax + 8 * r12]`, without and with a distance.
    const CALLS: [&[u8]; 2] = [&[0x42, 0xff, 0x14, 0xe0], &[0x42, 0xff, 0x54, 0xe0, 0]];
    let before = CALLS.iter().find_map(|call| code.strip_suffix(*call))?;
    before.windows(10).rev().find_map(|window| {
        let (opcode, address) = window.split_first_chunk::<2>()?;
        let address = u64::from_le_bytes(*address.first_chunk::<8>()?);
        match opcode {
            [0x48, 0xb8] => read(address),
            _ => None,
        }
    })
}

/// Names that differ from one by a slip, the most alike first.
fn similar(name: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let mut near: Vec<(usize, String)> = names
        .filter_map(|other| Some((slips(name, &other)?, other)))
        .collect();
    near.sort();
    near.dedup();
    near.truncate(SIMILAR_MAX);
    near.into_iter().map(|(_, name)| name).collect()
}

/// Functions of the same name, and those whose names differ by a slip.
fn similar_functions(module: &ModuleCode, mfa: &Mfa) -> Vec<String> {
    let mut near: Vec<(usize, u32, String)> = module
        .functions
        .iter()
        .filter_map(|function| {
            let arity = function.arity?;
            let slips = slips(&mfa.function, &function.name)?;
            let found = Mfa {
                module: mfa.module.clone(),
                function: function.name.to_string(),
                arity,
            };
            Some((slips, arity.abs_diff(mfa.arity), found.to_string()))
        })
        .collect();
    near.sort();
    near.dedup();
    near.truncate(SIMILAR_MAX);
    near.into_iter().map(|(_, _, name)| name).collect()
}

/// How many letters have to be put in, left out, replaced or swapped with the next; `None` when
/// there are many.
fn slips(left: &str, right: &str) -> Option<usize> {
    if left.len().abs_diff(right.len()) > 4 * SLIP_MAX {
        return None;
    }
    let slips = strsim::osa_distance(left, right);
    // Of a short name two letters are most of it.
    (slips <= SLIP_MAX.min(left.chars().count() / 2)).then_some(slips)
}

#[cfg(test)]
mod tests {
    use escope_model::Mfa;

    use super::{Kind, export, kind, similar, similar_functions, slips};
    use crate::code::ModuleCode;

    fn mfa(text: &str, arity: u32) -> Mfa {
        Mfa {
            module: "m".into(),
            function: text.into(),
            arity,
        }
    }

    #[test]
    fn what_a_function_is_shows_behind_its_entry() {
        let entry = [0xeb, 0x06, 0, 0xe8, 1, 2, 3, 4];
        let with = |body: &[u8]| kind(&[&entry, body].concat());
        assert_eq!(with(&[0x48, 0x8d, 0x15, 0xf2, 0xff]), Some(Kind::Erlang));
        let framed = [0x55, 0x48, 0x8b, 0xec, 0x48, 0x8d, 0x15, 0];
        assert_eq!(with(&framed), Some(Kind::Erlang));
        assert_eq!(with(&[0xeb, 0x1e, 0, 0]), Some(Kind::Nif));
        assert_eq!(with(&[0x48, 0xb9, 1, 2]), Some(Kind::Bif));
        assert_eq!(kind(&[0x90, 0x06]), None);
        assert_eq!(kind(&[]), None);
    }

    #[test]
    fn an_exported_function_is_in_the_code_before_its_call() {
        let load = [0x48, 0xb8, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0];
        let read = |address| (address == 0x1234_5678).then(|| mfa("f", 1));
        for nops in [&[][..], &[0x0f, 0x1f, 0x40, 0]] {
            for call in [&[0x42, 0xff, 0x14, 0xe0][..], &[0x42, 0xff, 0x54, 0xe0, 0]] {
                let code = [&load[..], nops, call].concat();
                assert_eq!(export(&code, read), Some(mfa("f", 1)));
            }
        }
        // A call through another register is one of a fun.
        assert_eq!(export(&[&load[..], &[0xff, 0xd0]].concat(), read), None);
        assert_eq!(export(&[0x42, 0xff, 0x14, 0xe0], read), None);
        assert_eq!(export(&[], read), None);
    }

    #[test]
    fn slips_are_counted() {
        assert_eq!(slips("handle", "handle"), Some(0));
        assert_eq!(slips("handle", "hanlde"), Some(1));
        assert_eq!(slips("handle", "handler"), Some(1));
        assert_eq!(slips("handle", "candles"), Some(2));
        assert_eq!(slips("handle", "bundled"), None);
        assert_eq!(slips("map", "mpa"), Some(1));
        assert_eq!(slips("go", "to"), Some(1));
        assert_eq!(slips("go", "at"), None);
        assert_eq!(slips("f", "g"), None);
        assert_eq!(slips("", ""), Some(0));
        assert_eq!(slips("é", "éé"), None);
    }

    #[test]
    fn similar_names_are_proposed_the_most_alike_first() {
        let names = ["lists", "list", "list_s", "maps", "lits"].map(str::to_owned);
        assert_eq!(
            similar("lists", names.into_iter()),
            ["lists", "list", "list_s", "lits"]
        );
        let functions = [("f", 1), ("run", 3), ("run", 1), ("run", 1), ("ran", 2)];
        let functions = functions.map(|(name, arity)| (0, 0, name.to_owned(), Some(arity)));
        let module = ModuleCode::from_functions("m", 0, 0, functions);
        assert_eq!(
            similar_functions(&module, &mfa("run", 2)),
            ["m:run/1", "m:run/3", "m:ran/2"]
        );
    }
}
