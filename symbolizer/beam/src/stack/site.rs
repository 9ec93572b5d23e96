//! How a call from JIT code into C kept the Erlang stack pointer.
//!
//! Before such a call the JIT swaps stacks with `lea rsp, [rbx - x_offset]`. Depending on
//! what the callee may do it first stores the Erlang stack pointer in `Process.stop`, or only
//! keeps it in `rbp` (`erts/emulator/beam/jit/x86/beam_asm.hpp`, `emit_enter_runtime`). In the
//! second case `Process.stop` is stale and the callee's unwound `rbp` is the truth.

/// Where the Erlang stack pointer is during a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallSite {
    /// In `Process.stop`.
    Stored,
    /// In the `rbp` that the callee found.
    FramePointer,
}

/// How far before the return address the swap may lie.
pub(crate) const LOOK_BACK: usize = 160;
/// How far before the swap the stack pointer may have been put away.
const PUT_AWAY: usize = 28;

/// Decides by the code bytes that end at the return address.
///
/// `x_offset` is where the x registers begin in the register block.
#[must_use]
pub fn call_site(code: &[u8], x_offset: u32) -> CallSite {
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
        CallSite::FramePointer
    } else {
        CallSite::Stored
    }
}

#[cfg(test)]
mod tests {
    use super::{CallSite, call_site};

    #[test]
    fn the_last_swap_before_the_call_decides() {
        let stored = [0x49, 0x89, 0x65, 0x58, 0x48, 0x8d, 0x63, 0x80, 0xe8, 0, 0, 0, 0];
        let kept = [0x48, 0x8b, 0xec, 0x48, 0x8d, 0x63, 0x80, 0xe8, 0, 0, 0, 0];
        assert_eq!(call_site(&stored, 128), CallSite::Stored);
        assert_eq!(call_site(&kept, 128), CallSite::FramePointer);
        assert_eq!(call_site(&kept, 64), CallSite::Stored);
        let both: Vec<u8> = kept.iter().chain(&[0x90; 40]).chain(&stored).copied().collect();
        assert_eq!(call_site(&both, 128), CallSite::Stored);
        assert_eq!(call_site(&[], 128), CallSite::Stored);
    }
}
