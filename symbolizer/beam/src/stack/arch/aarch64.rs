//! 64-bit ARM, by `erts/emulator/beam/jit/arm` of OTP 25 to 29. Not seen in a running VM.
//!
//! The Erlang stack has a register of its own, `x20`, so that a call into C swaps nothing: `sp` is
//! the thread's C stack all the time, and in Erlang code it is the register block itself
//! (`emit_process_main`). C code keeps `x20` for its caller, so that it is the Erlang stack
//! pointer at any call; where C code may move the stack it was stored in `Process.stop` before,
//! which is right then (`emit_enter_runtime`).
//!
//! A call leaves its return address in `x30`. Erlang functions push it onto the Erlang stack
//! first thing (`emit_enter_erlang_frame`); helper fragments do not, and those that call C save
//! it with `x29` at the top of the C stack, directly below the register block
//! (`emit_enter_runtime_frame`).

use escope_model::StackCopy;

use super::{CallSite, Register, Roles, Sites};
use crate::stack::JitRanges;

const fn x(number: u16, name: &'static str) -> Register {
    Register { number, name }
}

pub(super) const ROLES: Roles = Roles {
    process: x(21, "x21"),
    erlang_stack: x(20, "x20"),
    native_stack: x(31, "sp"),
    heap_top: x(23, "x23"),
    registers: x(19, "x19"),
    frame_pointer: x(29, "x29"),
    link: Some(x(30, "x30")),
    third_argument: x(2, "x2"),
    erlang_frame_pointers: false,
};

/// Instructions that are looked at before a call: as many bytes as on x86-64.
pub(super) const LOOK_BACK: usize = 160;
/// The address of a BIF is put together by at most four, and two more come before the call.
pub(super) const BIF_LOOK_BACK: usize = 40;
/// More frames than C code between JIT code and a leaf has.
const FRAMES_MAX: usize = 512;

const E: u32 = ROLES.erlang_stack.number as u32;
const HTOP: u32 = ROLES.heap_top.number as u32;
const C_P: u32 = ROLES.process.number as u32;
/// The register that `emit_call_light_bif` puts the BIF's address into: `ARG8`.
const BIF: u32 = 7;

/// `op Rt, [c_p, #offset]` with a scaled offset: `str` and `ldr`.
fn single(op: u32, offset: u32) -> u32 {
    op | ((offset / 8) & 0xfff) << 10 | C_P << 5 | E
}

/// `op HTOP, E, [c_p, #offset]`: `stp` and `ldp`.
fn pair(op: u32, offset: u32) -> u32 {
    op | ((offset / 8) & 0x7f) << 15 | E << 10 | C_P << 5 | HTOP
}

/// The instructions of some code, the last first.
fn backwards(code: &[u8]) -> impl Iterator<Item = u32> {
    let words = code.as_rchunks::<4>().1;
    words.iter().rev().map(|word| u32::from_le_bytes(*word))
}

/// The nearest instruction that moves the Erlang stack pointer between `x20` and `Process.stop`
/// decides: a store is this call's, a load ends the call before.
pub(super) fn call_site(code: &[u8], sites: Sites) -> CallSite {
    let stores = [
        single(0xf900_0000, sites.stop),
        pair(0xa900_0000, sites.htop),
    ];
    let loads = [
        single(0xf940_0000, sites.stop),
        pair(0xa940_0000, sites.htop),
    ];
    let nearest = backwards(code).find(|word| stores.contains(word) || loads.contains(word));
    match nearest {
        Some(word) if stores.contains(&word) => CallSite::Stored,
        _ => CallSite::Kept,
    }
}

/// `bl`: 26 bits of distance in instructions. A far fragment is reached by way of a veneer in the
/// module, which this does not see through.
pub(super) fn call_target(return_address: u64, code: &[u8; 4]) -> Option<u64> {
    let word = u32::from_le_bytes(*code);
    if word >> 26 != 0b10_0101 {
        return None;
    }
    let distance = i64::from(((word << 6) as i32) >> 4);
    Some(return_address.wrapping_sub(4).wrapping_add_signed(distance))
}

/// The value that the code before a call puts into the register of the BIF: by `movz` or `movn`
/// and `movk`, or from a constant near the code.
pub(super) fn called_bif(
    code: &[u8],
    return_address: u64,
    read: impl Fn(u64) -> Option<u64>,
    is_bif: impl Fn(u64) -> bool,
) -> Option<u64> {
    let (mut value, mut known) = (0u64, 0u64);
    for (index, word) in backwards(code).enumerate() {
        if word & 0x1f != BIF {
            continue;
        }
        let shift = (word >> 21 & 3) * 16;
        let part = u64::from(word >> 5 & 0xffff) << shift;
        let mask = 0xffff << shift;
        let found = match word & 0x7f80_0000 {
            // movk: an earlier one for the same part is overwritten.
            0x7280_0000 => {
                value |= part & !known;
                known |= mask;
                continue;
            }
            // movz and movn: everything else.
            0x5280_0000 => value | part & !known,
            0x1280_0000 => value | !part & !known,
            _ if word >> 24 == 0x58 => {
                let at = return_address.checked_sub(4 * (index as u64 + 1))?;
                // 19 bits of distance in instructions.
                let distance = i64::from(((word << 8) as i32) >> 13) * 4;
                read(at.wrapping_add_signed(distance))?
            }
            _ => continue,
        };
        return is_bif(found).then_some(found);
    }
    None
}

/// What the C stack of a thread says of the call from JIT code that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuntimeFrame {
    /// Where the C function returns to, in JIT code: what is at `[registers - 8]` on x86-64.
    pub returns_to: u64,
    /// Who called the helper fragment that called C; `None` when JIT code called C without a
    /// frame, as the scheduling loop does.
    pub fragment_returns_to: Option<u64>,
}

/// Follows the frame records `{x29, x30}` of C code down to the call from JIT code. `native` is
/// the C stack from `sp` to the register block, `frame_pointer` is `x29`. `None` where C code
/// keeps no frame records.
#[must_use]
pub fn runtime_frame(
    native: StackCopy<'_>,
    frame_pointer: u64,
    registers: u64,
    jit: &JitRanges,
) -> Option<RuntimeFrame> {
    let mut frame = frame_pointer;
    for _ in 0..FRAMES_MAX {
        let older = native.read(frame)?;
        let returns_to = native.read(frame.checked_add(8)?)?;
        if jit.contains(returns_to) {
            // The frame below is the fragment's if it lies where one must lie.
            let own = registers.checked_sub(16)?;
            let link = (older == own).then(|| native.read(own.checked_add(8)?));
            return Some(RuntimeFrame {
                returns_to,
                fragment_returns_to: link.flatten().filter(|link| jit.contains(*link)),
            });
        }
        if older <= frame {
            return None;
        }
        frame = older;
    }
    None
}

/// Whether `x30` of a thread in JIT code is the return address to the caller, not on the Erlang
/// stack: always in a helper fragment that has not called C, and in an Erlang function before it
/// has pushed it. Later `x30` is what the function's last call left there, an address in itself.
///
/// `top` is the first word of the Erlang stack, `same_function` whether the instruction before
/// `link` lies in the function that runs.
#[must_use]
pub fn link_is_caller(link: u64, top: Option<u64>, in_fragment: bool, same_function: bool) -> bool {
    in_fragment || top != Some(link) && !same_function
}

#[cfg(test)]
mod tests {
    use escope_model::{StackCopy, Words};

    use super::{
        CallSite, RuntimeFrame, call_site, call_target, called_bif, link_is_caller, runtime_frame,
    };
    use crate::stack::JitRanges;
    use crate::stack::arch::Sites;

    // As an assembler has them.
    const STORE_BOTH: [u8; 4] = [0xb7, 0x52, 0x05, 0xa9]; // stp x23, x20, [x21, #80]
    const STORE_E: [u8; 4] = [0xb4, 0x2e, 0x00, 0xf9]; // str x20, [x21, #88]
    const LOAD_BOTH: [u8; 4] = [0xb7, 0x52, 0x45, 0xa9]; // ldp x23, x20, [x21, #80]
    const LOAD_E: [u8; 4] = [0xb4, 0x2e, 0x40, 0xf9]; // ldr x20, [x21, #88]
    const MOVE: [u8; 4] = [0xe0, 0x03, 0x15, 0xaa]; // mov x0, x21
    const CALL: [u8; 4] = [0x00, 0x01, 0x3f, 0xd6]; // blr x8

    #[test]
    fn the_nearest_store_before_the_call_decides() {
        let sites = Sites {
            x: 64,
            htop: 80,
            stop: 88,
        };
        let site = |code: &[[u8; 4]]| call_site(code.as_flattened(), sites);
        assert_eq!(site(&[STORE_BOTH, MOVE, CALL]), CallSite::Stored);
        assert_eq!(site(&[STORE_E, MOVE, CALL]), CallSite::Stored);
        // Two calls in one, as with microstate accounting.
        assert_eq!(site(&[STORE_BOTH, CALL, MOVE, CALL]), CallSite::Stored);
        // The store was for another call.
        assert_eq!(site(&[STORE_BOTH, CALL, LOAD_BOTH, CALL]), CallSite::Kept);
        assert_eq!(site(&[STORE_E, CALL, LOAD_E, MOVE, CALL]), CallSite::Kept);
        assert_eq!(site(&[MOVE, CALL]), CallSite::Kept);
        assert_eq!(site(&[]), CallSite::Kept);
        // Another field, and a look-back that begins within an instruction.
        let other = Sites { stop: 96, ..sites };
        assert_eq!(call_site(&STORE_E, other), CallSite::Kept);
        let uneven = [&[0xd6][..], &STORE_E, &CALL].concat();
        assert_eq!(call_site(&uneven, sites), CallSite::Stored);
    }

    #[test]
    fn direct_calls_have_a_target() {
        // bl .+8, bl .-4
        assert_eq!(call_target(0x1004, &[2, 0, 0, 0x94]), Some(0x1008));
        assert_eq!(call_target(0x1004, &[0xff, 0xff, 0xff, 0x97]), Some(0xffc));
        assert_eq!(call_target(0x1004, &CALL), None);
        assert_eq!(
            call_target(0, &[0xff, 0xff, 0xff, 0x97]),
            Some(u64::MAX - 7)
        );
    }

    #[test]
    fn the_bif_of_a_call_is_in_the_code_before_it() {
        let moved = [
            [0x07, 0x36, 0x9a, 0xd2], // mov x7, #0xd1b0
            [0x47, 0x65, 0xa3, 0xf2], // movk x7, #0x1b2a, lsl #16
            [0x87, 0xbe, 0xca, 0xf2], // movk x7, #0x55f4, lsl #32
            MOVE,
            [2, 0, 0, 0x94],
        ];
        let none = |_| None;
        let code = moved.as_flattened();
        let found = called_bif(code, 0x2000, none, |a| a == 0x55f4_1b2a_d1b0);
        assert_eq!(found, Some(0x55f4_1b2a_d1b0));
        assert_eq!(called_bif(code, 0x2000, none, |_| false), None);
        assert_eq!(called_bif(&code[4..], 0x2000, none, |_| true), None);
        // ldr x7, .+24 three instructions before the return address 0x2000.
        let loaded = [[0xc7, 0, 0, 0x58], MOVE, [2, 0, 0, 0x94]];
        let read = |at| (at == 0x2000 - 12 + 24).then_some(0x5555);
        let found = called_bif(loaded.as_flattened(), 0x2000, read, |_| true);
        assert_eq!(found, Some(0x5555));
        assert_eq!(
            called_bif(loaded.as_flattened(), 0x2000, none, |_| true),
            None
        );
        assert_eq!(called_bif(loaded.as_flattened(), 0, read, |_| true), None);
    }

    fn framed(words: &[u64], frame_pointer: u64, registers: u64) -> Option<RuntimeFrame> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let native = StackCopy {
            address: 0x7000,
            words: Words::new(&bytes),
        };
        let jit = JitRanges::new(vec![(0x1000, 0x2000)]);
        runtime_frame(native, frame_pointer, registers, &jit)
    }

    #[test]
    fn the_call_from_jit_code_is_on_the_c_stack() {
        // Two C functions, then the fragment's frame below the register block at 0x7040.
        let stack = [0x7010, 0x50_0000, 0x7030, 0x1100, 7, 7, 0x7040, 0x1204];
        let call = RuntimeFrame {
            returns_to: 0x1100,
            fragment_returns_to: Some(0x1204),
        };
        assert_eq!(framed(&stack, 0x7000, 0x7040), Some(call));
        // The scheduling loop has no frame of its own: the record leads to the block.
        let stack = [0x7010, 0x50_0000, 0x7020, 0x1100];
        let call = RuntimeFrame {
            fragment_returns_to: None,
            ..call
        };
        assert_eq!(framed(&stack, 0x7000, 0x7020), Some(call));
        assert_eq!(framed(&[0x7000, 0x50_0000], 0x7000, 0x7020), None);
        assert_eq!(framed(&stack, 0x7008, 0x7020), None);
        assert_eq!(framed(&[], u64::MAX, 0), None);
    }

    #[test]
    fn the_link_register_is_the_caller_until_it_is_pushed() {
        assert!(link_is_caller(0x1100, Some(0x1100), true, false));
        assert!(link_is_caller(0x1100, Some(0x1200), false, false));
        assert!(!link_is_caller(0x1100, Some(0x1100), false, false));
        assert!(!link_is_caller(0x1100, Some(0x1200), false, true));
    }
}
