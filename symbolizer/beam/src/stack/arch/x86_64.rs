//! x86-64: how a call from JIT code into C kept the Erlang stack pointer.
//!
//! Before such a call the JIT swaps stacks with `lea rsp, [rbx - x_offset]`. Depending on
//! what the callee may do it first stores the Erlang stack pointer in `Process.stop`, or only
//! keeps it in `rbp` (`erts/emulator/beam/jit/x86/beam_asm.hpp`, `emit_enter_runtime`). In the
//! second case `Process.stop` is stale and the callee's unwound `rbp` is the truth.

use super::{CallSite, Register, Roles};

const fn r(number: u16, name: &'static str) -> Register {
    Register { number, name }
}

pub(super) const ROLES: Roles = Roles {
    process: r(13, "r13"),
    erlang_stack: r(7, "rsp"),
    native_stack: r(7, "rsp"),
    heap_top: r(15, "r15"),
    registers: r(3, "rbx"),
    frame_pointer: r(6, "rbp"),
    link: None,
    third_argument: r(1, "rdx"),
    erlang_frame_pointers: true,
};

/// How far before the return address the swap may lie.
pub(super) const LOOK_BACK: usize = 160;
/// How far before the return address of a BIF call its address is loaded.
pub(super) const BIF_LOOK_BACK: usize = 40;
/// How far before the swap the stack pointer may have been put away.
const PUT_AWAY: usize = 28;

/// Decides by the code bytes that end at the return address.
///
/// `x_offset` is where the x registers begin in the register block.
pub(super) fn call_site(code: &[u8], x_offset: u32) -> CallSite {
    // lea rsp, [rbx - x_offset]: short form for 128, whose negation fits a byte.
    let swap = [0x48, 0x8d, 0x63, (x_offset as u8).wrapping_neg()];
    let Some(at) = code.windows(4).rposition(|window| window == swap) else {
        return CallSite::Stored;
    };
    let before = &code[at.saturating_sub(PUT_AWAY)..at];
    // mov rbp, rsp in either encoding.
    let kept = before
        .windows(3)
        .any(|window| window == [0x48, 0x89, 0xe5] || window == [0x48, 0x8b, 0xec]);
    if kept {
        CallSite::Kept
    } else {
        CallSite::Stored
    }
}

/// The C function of the BIF that a call returning to the end of `code` calls.
///
/// `emit_call_light_bif` in `instr_bif.cpp` loads its address with `mov rax, imm64` just
/// before it calls the helper fragment. A BIF that ended in a tail call is not on the C stack
/// any more; this names it all the same.
pub(super) fn called_bif(code: &[u8], is_bif: impl Fn(u64) -> bool) -> Option<u64> {
    code.windows(10).rev().find_map(|window| {
        let (opcode, address) = window.split_first_chunk::<2>()?;
        let address = u64::from_le_bytes(*address.first_chunk::<8>()?);
        (*opcode == [0x48, 0xb8] && is_bif(address)).then_some(address)
    })
}

/// Where a `call rel32` goes whose 5 bytes end at a return address.
pub(super) fn call_target(return_address: u64, code: &[u8; 5]) -> Option<u64> {
    let [0xe8, offset @ ..] = code else {
        return None;
    };
    Some(return_address.wrapping_add_signed(i64::from(i32::from_le_bytes(*offset))))
}

#[cfg(test)]
mod tests {
    use super::{CallSite, call_site, call_target, called_bif};

    #[test]
    fn direct_calls_have_a_target() {
        assert_eq!(
            call_target(0x1000, &[0xe8, 0xfb, 0xff, 0xff, 0xff]),
            Some(0xffb)
        );
        assert_eq!(call_target(0x1000, &[0xff, 0x15, 0, 0, 0]), None);
    }

    #[test]
    fn the_bif_of_a_call_is_in_the_code_before_it() {
        let code = [
            0x48, 0xb9, 0xa8, 0x6e, 0xec, 0xcb, 0xfa, 0x7f, 0, 0, 0x48, 0xb8, 0xb0, 0xd1, 0x2a,
            0x1b, 0xf4, 0x55, 0, 0, 0x48, 0x8d, 0x15, 0xe5, 0xff, 0xff, 0xff, 0x0f, 0x1f, 0x40, 0,
            0xe8, 0x30, 0xe9, 0xc8, 0xff,
        ];
        assert_eq!(
            called_bif(&code, |a| a == 0x55f4_1b2a_d1b0),
            Some(0x55f4_1b2a_d1b0)
        );
        assert_eq!(called_bif(&code, |_| false), None);
        assert_eq!(called_bif(&code[..12], |_| true), None);
    }

    #[test]
    fn the_last_swap_before_the_call_decides() {
        let stored = [
            0x49, 0x89, 0x65, 0x58, 0x48, 0x8d, 0x63, 0x80, 0xe8, 0, 0, 0, 0,
        ];
        let kept = [0x48, 0x8b, 0xec, 0x48, 0x8d, 0x63, 0x80, 0xe8, 0, 0, 0, 0];
        assert_eq!(call_site(&stored, 128), CallSite::Stored);
        assert_eq!(call_site(&kept, 128), CallSite::Kept);
        assert_eq!(call_site(&kept, 64), CallSite::Stored);
        let both: Vec<u8> = kept
            .iter()
            .chain(&[0x90; 40])
            .chain(&stored)
            .copied()
            .collect();
        assert_eq!(call_site(&both, 128), CallSite::Stored);
        assert_eq!(call_site(&[], 128), CallSite::Stored);
    }
}
