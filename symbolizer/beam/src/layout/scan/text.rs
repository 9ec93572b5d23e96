//! The code of the emulator, and what can be recognised in it.

use std::ops::Range;

use crate::BeamError;
use crate::code::{read_list, read_module};
use crate::memory::{Memory, Source};
use crate::target::Elf;

/// More code than an emulator has.
const TEXT_MAX: u64 = 64 << 20;
/// How far after a reference the call may be that belongs to it.
const NEAR: usize = 64;

/// A copy of the executable segment.
pub(crate) struct Text {
    start: u64,
    bytes: Vec<u8>,
    /// Starts of functions, ascending: `.eh_frame_hdr`.
    functions: Vec<u64>,
}

impl Text {
    pub(super) fn read(memory: &impl Memory, elf: &Elf, bias: u64) -> Result<Text, BeamError> {
        let (start, bytes) = elf.executable().unwrap_or((0, 0));
        let start = start.wrapping_add(bias);
        let mut code = vec![0; bytes.min(TEXT_MAX) as usize];
        memory.read(start, &mut code)?;
        let functions = elf.function_starts().iter();
        Ok(Text {
            start,
            bytes: code,
            functions: functions.map(|start| start.wrapping_add(bias)).collect(),
        })
    }

    /// The same of a file, as it is mapped; empty where it cannot be read.
    pub(crate) fn of_file(file: &Source, elf: &Elf, bias: u64) -> Text {
        let (start, bytes) = elf.executable().unwrap_or((0, 0));
        let offset = elf.file_offset(start);
        let code = offset.and_then(|offset| file.take(offset, bytes, TEXT_MAX));
        let functions = elf.function_starts().iter();
        Text {
            start: start.wrapping_add(bias),
            bytes: code.unwrap_or_default(),
            functions: functions.map(|start| start.wrapping_add(bias)).collect(),
        }
    }

    pub(crate) fn contains(&self, address: u64) -> bool {
        (self.start..self.end()).contains(&address)
    }

    fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes.len() as u64)
    }

    /// The end of the function that begins at an address, as far as is known.
    pub(crate) fn end_of(&self, start: u64) -> u64 {
        let after = self.functions.partition_point(|&other| other <= start);
        let next = self.functions.get(after).copied();
        next.unwrap_or(self.end()).min(self.end())
    }

    /// The bytes from an address on.
    pub(crate) fn at(&self, address: u64) -> &[u8] {
        address
            .checked_sub(self.start)
            .and_then(|offset| self.bytes.get(usize::try_from(offset).ok()?..))
            .unwrap_or_default()
    }

    /// Offsets behind each 32-bit displacement that leads to an address, wherever it is an
    /// operand relative to the program counter or a call.
    fn references(&self, to: u64) -> impl Iterator<Item = usize> + '_ {
        let wanted = to.wrapping_sub(self.start);
        self.bytes
            .windows(4)
            .enumerate()
            .filter_map(move |(at, window)| {
                let displacement = i32::from_le_bytes(*window.first_chunk()?);
                let next = at as u64 + 4;
                (next.wrapping_add_signed(i64::from(displacement)) == wanted).then_some(at + 4)
            })
    }

    /// Where a `call rel32` or `jmp rel32` at an offset goes.
    fn jump(&self, at: usize) -> Option<u64> {
        let [0xe8 | 0xe9, displacement @ ..] = self.bytes.get(at..)?.first_chunk::<5>()? else {
            return None;
        };
        let displacement = i64::from(i32::from_le_bytes(*displacement));
        let next = self.start.wrapping_add(at as u64 + 5);
        Some(next.wrapping_add_signed(displacement))
    }

    /// `__jit_debug_register_code` does nothing and must not be inlined: the function of one
    /// `ret` that is called right after the descriptor was filled in (`jit_metadata.cpp`).
    pub(super) fn register_function(&self, descriptor: u64) -> Option<u64> {
        let fields = [4, 8].map(|field| descriptor.wrapping_add(field));
        let mut found = None;
        for field in fields {
            for reference in self.references(field) {
                let near = reference..reference + NEAR;
                let target = near
                    .filter_map(|at| self.jump(at))
                    .find(|&t| self.is_empty(t));
                match (found, target) {
                    (Some(known), Some(other)) if known != other => return None,
                    (None, Some(_)) => found = target,
                    _ => {}
                }
            }
        }
        found
    }

    /// Whether a function returns at once.
    fn is_empty(&self, function: u64) -> bool {
        const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
        let code = self.at(function);
        code.strip_prefix(&ENDBR64).unwrap_or(code).first() == Some(&0xc3)
    }

    /// `erts_dirty_process_main`: besides the JIT's `process_main`, it alone calls
    /// `erts_schedule`.
    pub(super) fn dirty_main(&self, memory: &impl Memory, descriptor: u64) -> Option<Range<u64>> {
        let schedule = schedule(memory, descriptor).filter(|&to| self.contains(to))?;
        let mut found = None;
        for reference in self.references(schedule) {
            if self.jump(reference.checked_sub(5)?) != Some(schedule) {
                continue;
            }
            let function = self.function(self.start.wrapping_add(reference as u64))?;
            match &found {
                Some(known) if *known != function => return None,
                _ => found = Some(function),
            }
        }
        found
    }

    /// Whether a function begins at an address.
    pub(crate) fn is_start(&self, address: u64) -> bool {
        self.functions.binary_search(&address).is_ok() && self.contains(address)
    }

    /// The functions with a straight call or jump to an address.
    pub(crate) fn callers(&self, to: u64) -> Vec<u64> {
        let calls = self.references(to).filter_map(|at| {
            let call = at.checked_sub(5)?;
            let is_it = self.jump(call) == Some(to);
            is_it.then(|| self.start.wrapping_add(call as u64))
        });
        let mut found: Vec<u64> = calls
            .filter_map(|call| Some(self.function(call)?.start))
            .collect();
        found.dedup();
        found
    }

    /// The function around an address.
    fn function(&self, address: u64) -> Option<Range<u64>> {
        let after = self.functions.partition_point(|&start| start <= address);
        let start = *self.functions.get(after.checked_sub(1)?)?;
        let end = self.functions.get(after).copied();
        Some(start..end.unwrap_or(self.end()))
    }
}

/// `erts_schedule`: the C function whose result the JIT's `process_main` takes for the current
/// process (`a.mov(c_p, RET)` in `process_main.cpp`).
pub(crate) fn schedule(memory: &impl Memory, descriptor: u64) -> Option<u64> {
    let (start, code) = fragment(memory, descriptor, "process_main")?;
    const TAKE: [u8; 3] = [0x49, 0x89, 0xc5];
    let at = code.windows(3).position(|window| window == TAKE)?;
    let before = code.get(at.checked_sub(12)?..at)?;
    match before {
        // call [rip + displacement]
        [.., 0xff, 0x15, a, b, c, d] => {
            let displacement = i64::from(i32::from_le_bytes([*a, *b, *c, *d]));
            let slot = start
                .wrapping_add(at as u64)
                .wrapping_add_signed(displacement);
            memory.u64(slot).ok()
        }
        // mov rax, imm64; call rax
        [0x48, 0xb8, address @ .., 0xff, 0xd0] => Some(u64::from_le_bytes(*address.first_chunk()?)),
        // call rel32
        [.., 0xe8, a, b, c, d] => {
            let displacement = i64::from(i32::from_le_bytes([*a, *b, *c, *d]));
            Some(
                start
                    .wrapping_add(at as u64)
                    .wrapping_add_signed(displacement),
            )
        }
        _ => None,
    }
}

/// The code of one of the JIT's helper fragments, and where it lies.
pub(crate) fn fragment(
    memory: &impl Memory,
    descriptor: u64,
    name: &str,
) -> Option<(u64, Vec<u8>)> {
    const FRAGMENT_MAX: u32 = 1 << 16;
    let (entries, _) = read_list(memory, descriptor).ok()?;
    let (start, bytes) = entries
        .iter()
        .filter(|entry| entry.global)
        .find_map(|entry| {
            let module = read_module(memory, entry.blob, entry.blob_bytes)?;
            let function = module
                .functions
                .iter()
                .find(|f| *f.name == *name && f.arity.is_none())?;
            let bytes = function.end.checked_sub(function.start)?;
            Some((
                module.base.wrapping_add(u64::from(function.start)),
                bytes.min(FRAGMENT_MAX),
            ))
        })?;
    let mut code = vec![0; bytes as usize];
    memory.read(start, &mut code).ok()?;
    Some((start, code))
}

/// OTP release and ERTS version, from two sentences that the emulator can say: `with an
/// Erlang/OTP 29 compiler` (`beam_load.c`) and `emulator version 17.1.1` (`erl_init.c`).
pub(crate) fn release(constants: &[u8]) -> Option<(String, String)> {
    let after = |sentence: &[u8]| {
        let at = constants
            .windows(sentence.len())
            .position(|window| window == sentence)?;
        let rest = constants.get(at + sentence.len()..)?;
        let number = rest
            .iter()
            .take_while(|&&b| b.is_ascii_digit() || b == b'.');
        let number: String = number.take(16).map(|&b| char::from(b)).collect();
        (!number.is_empty()).then(|| number.trim_end_matches('.').to_owned())
    };
    Some((after(b"with an Erlang/OTP ")?, after(b"emulator version ")?))
}

#[cfg(test)]
mod tests {
    use super::{Text, release};

    #[test]
    fn the_release_is_in_what_the_emulator_says() {
        let text =
            b"..recompile with an Erlang/OTP 29 compiler.\0(BEAM) emulator version 17.1.1\n\0";
        let found = release(text).expect("both");
        assert_eq!(found, ("29".to_owned(), "17.1.1".to_owned()));
        assert_eq!(release(b"nothing"), None);
        assert_eq!(release(b"with an Erlang/OTP x emulator version "), None);
    }

    /// `mov [rip+d], 1; call empty` at 0x1000, the empty function at 0x1020.
    fn text() -> Text {
        let mut bytes = vec![0x90; 0x30];
        bytes[0..10].copy_from_slice(&[0xc7, 0x05, 0xfe, 0x0f, 0, 0, 1, 0, 0, 0]);
        bytes[10..15].copy_from_slice(&[0xe8, 0x11, 0, 0, 0]);
        bytes[0x20..0x25].copy_from_slice(&[0xf3, 0x0f, 0x1e, 0xfa, 0xc3]);
        Text {
            start: 0x1000,
            bytes,
            functions: vec![0x1000, 0x1020],
        }
    }

    #[test]
    fn the_registration_function_is_the_empty_one_behind_the_descriptor() {
        let text = text();
        // The displacement ends at 0x1006 and leads to 0x2004: the descriptor is at 0x2000.
        assert_eq!(text.register_function(0x2000), Some(0x1020));
        assert_eq!(text.register_function(0x3000), None);
        assert_eq!(text.function(0x1008), Some(0x1000..0x1020));
        assert_eq!(text.function(0x10), None);
    }
}
