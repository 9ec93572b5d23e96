//! Where the code of modules is put in place.
//!
//! `erts_finish_loading` in `beam_load.c`, the same in OTP 25 to 29: it is given what was prepared
//! and the process that loads, and first looks up the module, whose atom is inside of what was
//! prepared, in the module table. So does `finish_loading/1` itself for each module.

use std::ops::Range;

use super::begin::first_calls;
use super::by_code::{ByCode, Found, only};
use super::site::{Bytes, Word};
use crate::memory::Memory;

/// Whom a function calls before all else with what lies inside its first argument, and where
/// there. `None` where it may also begin otherwise.
pub(super) fn looks_up(code: &impl Bytes, function: &Range<u64>) -> Option<(u64, i64)> {
    let calls = first_calls(code, function.start, function.end);
    let [call] = calls[..] else { return None };
    match call.passed[0] {
        Some(Word::At(0, at)) if at > 0 => Some((call.to, at)),
        _ => None,
    }
}

impl<M: Memory> ByCode<'_, M> {
    pub(super) fn load_module(&self) -> Found {
        let callees = self.callees(self.bif("finish_loading", 1)?);
        let loads = |&start: &u64| {
            let function = start..self.code.end_of(start);
            looks_up(self.code, &function).is_some_and(|(to, _)| callees.contains(&to))
        };
        let found = callees.iter().copied().filter(loads);
        only(
            found,
            "functions that finish_loading/1 calls to load a module",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::site::tests::Code;
    use super::looks_up;

    #[test]
    fn a_module_is_looked_up_inside_the_first_argument() {
        // As `erts_finish_loading`: push rbp; mov rbp, rsi; mov rdi, [rdi+0x38]; call 0x2000; jmp
        // elsewhere.
        let code = [
            &[0x55, 0x48, 0x89, 0xf5, 0x48, 0x8b, 0x7f, 0x38][..],
            &[0xe8, 0xf3, 0x0f, 0, 0, 0xeb, 0x70],
        ];
        let code = Code(code.concat());
        assert_eq!(looks_up(&code, &(0x1000..0x100f)), Some((0x2000, 0x38)));
        // With the argument itself, or with what lies there at once.
        let code = Code(vec![0xe8, 0xfb, 0x0f, 0, 0]);
        assert_eq!(looks_up(&code, &(0x1000..0x1005)), None);
        let code = Code(vec![0x48, 0x8b, 0x3f, 0xe8, 0xf8, 0x0f, 0, 0]);
        assert_eq!(looks_up(&code, &(0x1000..0x1008)), None);
    }
}
