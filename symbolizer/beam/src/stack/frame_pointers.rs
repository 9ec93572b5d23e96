//! Following the chain of frame pointers, where JIT code keeps them.
//!
//! With `ERTS_FRAME_LAYOUT_FP_RA` (`+JPperf true`, `map` or, from OTP 27 on, `fp`; x86-64 only)
//! a frame ends in two words, the caller's frame pointer and the return address, and `rbp` points
//! at the first of them (`emit_enter_frame` in `jit/x86/beam_asm.hpp`). The first function of a
//! process has the pointer 0 and returns to `beam_normal_exit` (`erl_create_process` in
//! `erl_process.c`).
//!
//! The chain cannot be fooled by words that are left over in a frame, but it begins with the
//! return address of the newest *frame*: code that has none yet or no more, and fragments that
//! never have one, return to an address above it, which only the scan sees.

use escope_model::StackCopy;

use super::JitRanges;

/// Where a chain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainEnd {
    /// At the first function of the process.
    Bottom,
    /// Above what was copied.
    Beyond,
    /// At a frame that cannot be one.
    Broken,
}

/// Appends the return addresses of a chain of frames, newest first, to `out`.
///
/// `stack` is a copy of the Erlang stack, `stack_end` where that one ends, and `frame_pointer`
/// the newest frame's. Frames only ever lead upwards, so the walk ends. In a stack that a
/// collection has copied they lead out of it until they have been relocated.
pub fn follow(
    stack: StackCopy<'_>,
    stack_end: u64,
    frame_pointer: u64,
    jit: &JitRanges,
    normal_exit: u64,
    out: &mut Vec<u64>,
) -> ChainEnd {
    let mut frame = frame_pointer;
    loop {
        if frame > stack_end.saturating_sub(16) {
            return ChainEnd::Broken;
        }
        if frame > stack.end().saturating_sub(16) {
            return ChainEnd::Beyond;
        }
        let words = (stack.read(frame), stack.read(frame.wrapping_add(8)));
        let (Some(older), Some(returns_to)) = words else {
            return ChainEnd::Broken;
        };
        if older == 0 && returns_to == normal_exit {
            return ChainEnd::Bottom;
        }
        if older <= frame || !jit.contains(returns_to) {
            return ChainEnd::Broken;
        }
        out.push(returns_to);
        frame = older;
    }
}

/// The return address above the newest frame that code without a frame of its own has: at the
/// very top, or below the caller's frame pointer that was pushed but is not in `rbp` yet.
///
/// Elsewhere above the newest frame lie its y registers: a return address among them is left
/// over. `stack` begins at the top. Only a call to a helper fragment may return to an address
/// that is not aligned (`safe_fragment_call`), so that only `in_fragment` one is believed.
#[must_use]
pub fn caller_of_frameless(
    stack: StackCopy<'_>,
    frame_pointer: u64,
    jit: &JitRanges,
    in_fragment: bool,
) -> Option<u64> {
    if frame_pointer <= stack.address {
        return None;
    }
    let is_return = |word: &u64| (in_fragment || word & 3 == 0) && jit.contains(*word);
    match stack.read(stack.address)? {
        pushed if pushed == frame_pointer => {
            stack.read(stack.address.wrapping_add(8)).filter(is_return)
        }
        top => Some(top).filter(is_return),
    }
}

#[cfg(test)]
mod tests {
    use escope_model::{StackCopy, Words};

    use super::{ChainEnd, caller_of_frameless, follow};
    use crate::stack::JitRanges;

    const EXIT: u64 = 0x1f00;

    fn walked(words: &[u64], frame_pointer: u64) -> (Vec<u64>, ChainEnd, Option<u64>) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let stack = StackCopy {
            address: 0x8000,
            words: Words::new(&bytes),
        };
        let jit = JitRanges::new(vec![(0x1000, 0x2000)]);
        let mut out = Vec::new();
        let end = follow(stack, 0x9000, frame_pointer, &jit, EXIT, &mut out);
        (
            out,
            end,
            caller_of_frameless(stack, frame_pointer, &jit, false),
        )
    }

    #[test]
    fn the_chain_leads_past_what_is_left_over() {
        // y0, a stale return address in y1, frame, y0, frame, root.
        let stack = [0x3b, 0x1110, 0x8028, 0x1100, 0x1f, 0x8030, 0x1200, 0, EXIT];
        let (found, end, caller) = walked(&stack, 0x8010);
        // The second frame's pointer leads to a word that is none.
        assert_eq!(
            (found, end, caller),
            (vec![0x1100, 0x1200], ChainEnd::Broken, None)
        );
        let stack = [0x3b, 0x1110, 0x8028, 0x1100, 0x1f, 0x8038, 0x1200, 0, EXIT];
        let (found, end, caller) = walked(&stack, 0x8010);
        assert_eq!(
            (found, end, caller),
            (vec![0x1100, 0x1200], ChainEnd::Bottom, None)
        );
    }

    #[test]
    fn the_caller_of_code_without_a_frame_is_on_top() {
        // Just called: the return address on top of the caller's y0 and frame.
        let called = [0x1104, 0x3b, 0x8020, 0x1200, 0, EXIT];
        let (found, end, caller) = walked(&called, 0x8010);
        assert_eq!(
            (found, end, caller),
            (vec![0x1200], ChainEnd::Bottom, Some(0x1104))
        );
        // The caller's frame pointer has been pushed.
        let pushed = [0x8018, 0x1104, 0x3b, 0x8028, 0x1200, 0, EXIT];
        let (found, end, caller) = walked(&pushed, 0x8018);
        assert_eq!(
            (found, end, caller),
            (vec![0x1200], ChainEnd::Bottom, Some(0x1104))
        );
        // A frame of its own on top.
        let own = [0x8010, 0x1104, 0, EXIT];
        let (found, end, caller) = walked(&own, 0x8000);
        assert_eq!((found, end, caller), (vec![0x1104], ChainEnd::Bottom, None));
    }

    #[test]
    fn only_a_fragment_returns_to_any_byte() {
        let bytes: Vec<u8> = [0x1103u64, 0x8010, 0x1200]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let stack = StackCopy {
            address: 0x8000,
            words: Words::new(&bytes),
        };
        let jit = JitRanges::new(vec![(0x1000, 0x2000)]);
        let caller = |in_fragment| caller_of_frameless(stack, 0x8008, &jit, in_fragment);
        assert_eq!((caller(true), caller(false)), (Some(0x1103), None));
    }

    #[test]
    fn a_chain_that_cannot_be_one_ends() {
        let loops = [0x8000, 0x1100, 0, EXIT];
        assert_eq!(walked(&loops, 0x8000).1, ChainEnd::Broken);
        assert_eq!(walked(&loops, 0x8004).1, ChainEnd::Broken);
        assert_eq!(walked(&loops, 0).1, ChainEnd::Broken);
        assert_eq!(
            walked(&[0x8010, 0x3000, 0, EXIT], 0x8000).1,
            ChainEnd::Broken
        );
        assert_eq!(
            walked(&[0x8ff0, 0x1100], 0x8000),
            (vec![0x1100], ChainEnd::Beyond, None)
        );
        assert_eq!(walked(&[0x8ff8, 0x1100], 0x8000).1, ChainEnd::Broken);
        // Only the first word of a frame was copied.
        assert_eq!(
            walked(&[0x8010, 0x1100, 0x8100], 0x8000).1,
            ChainEnd::Beyond
        );
        assert_eq!(walked(&[], 0x8800).1, ChainEnd::Beyond);
        assert_eq!(walked(&[], u64::MAX).1, ChainEnd::Broken);
    }
}
