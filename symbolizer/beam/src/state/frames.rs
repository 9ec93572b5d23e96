//! The topmost frames of a stack, and its last ones, each with its slots.
//!
//! ```text
//!   stop -> y0 y1 ... yN | (frame pointer) | return address   the function that resumes at `i`
//!           y0 y1 ... yN | (frame pointer) | return address   the one that called it
//!           ...
//!   hend <- the return address that every process starts with
//! ```

use escope_model::Words;

use super::{Function, StateCode};
use crate::Vm;
use crate::memory::Memory;
use crate::process::ProcessBlock;
use crate::term::TermReader;

/// More stack than is read of one process; the first frames are in there.
const BYTES_MAX: u64 = 64 << 10;
/// Of a longer one, so much of its end: there are the loop of a behaviour and the callback that it has
/// called.
const BOTTOM_BYTES: u64 = 1 << 10;
/// Frames that are looked at: callbacks call a few functions that wait. No fewer than [`BOTTOM_BYTES`]
/// can have.
const FRAMES_MAX: usize = 128;

/// A function that has not returned.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// Where its code goes on, or the byte before.
    pub(super) address: u64,
    /// `None` for code that has no name, as a helper fragment.
    pub(super) function: Option<Function>,
    /// Its slots, the topmost first.
    pub(super) slots: Vec<u64>,
}

impl Frame {
    /// Whether it is of a function.
    pub(super) fn is(&self, module: &str, function: &str, arity: u32) -> bool {
        self.function.as_ref().is_some_and(|own| {
            let own = &own.mfa;
            own.module == module && own.function == function && own.arity == arity
        })
    }

    /// Whether its function's name begins so.
    pub(super) fn begins_with(&self, begin: &str) -> bool {
        let function = self.function.as_ref();
        function.is_some_and(|own| own.mfa.function.starts_with(begin))
    }

    /// Whether it is of a module.
    pub(super) fn is_of(&self, module: &str) -> bool {
        let function = self.function.as_ref();
        function.is_some_and(|own| own.mfa.module == module)
    }
}

/// What is known of a stack.
#[derive(Debug, Clone, Default)]
pub(super) struct Stack {
    /// The topmost frames.
    pub(super) top: Vec<Frame>,
    /// The last ones, where those are not among the topmost.
    bottom: Vec<Frame>,
    /// Whether the process's first function was seen.
    pub(super) has_bottom: bool,
}

impl Stack {
    /// Where the code of its frames lies.
    pub(super) fn places(&self) -> Vec<u64> {
        let frames = self.top.iter().chain(&self.bottom);
        frames.map(|frame| frame.address).collect()
    }

    /// The functions of all frames that are known, the topmost first, and how many of them come before
    /// the gap, if there is one.
    pub(super) fn functions(&self) -> (Vec<Option<Function>>, Option<usize>) {
        let frames = self.top.iter().chain(&self.bottom);
        let functions = frames.map(|frame| frame.function.clone()).collect();
        let is_whole = self.bottom.is_empty() && self.has_bottom;
        (functions, (!is_whole).then_some(self.top.len()))
    }

    /// The last frames, as many as are known without a gap.
    pub(super) fn lowest(&self) -> &[Frame] {
        match self.bottom.is_empty() {
            true => &self.top,
            false => &self.bottom,
        }
    }
}

/// Reads the topmost frames and the last ones; `None` when the stack cannot be read or is none. `enters`
/// says that the process is at the first instruction of its topmost function, which has no frame yet: no
/// slots, and no frame pointer (`emit_i_test_yield` of the JIT pushes that).
pub(super) fn read<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    code: &mut StateCode,
    process: &ProcessBlock<'_>,
    enters: bool,
) -> Option<Stack> {
    let (stop, hend) = (process.stop(), process.hend());
    let all = hend.checked_sub(stop)? & !7;
    let copy = copied(reader, stop, all.min(BYTES_MAX))?;
    let at = (Some(process.i()), enters);
    let (top, has_bottom) = frames(vm, code, (stop, hend), &copy, at)?;
    // A longer stack than was read; without any frame it is none.
    if top.is_empty() {
        return None;
    }
    let mut stack = Stack {
        top,
        bottom: Vec::new(),
        has_bottom,
    };
    if !has_bottom {
        let bytes = all.min(BOTTOM_BYTES);
        let copy = copied(reader, hend.wrapping_sub(bytes), bytes)?;
        if let Some((bottom, true)) = frames(vm, code, (stop, hend), &copy, (None, false)) {
            (stack.bottom, stack.has_bottom) = (bottom, true);
        }
    }
    Some(stack)
}

fn copied<M: Memory>(reader: &TermReader<'_, M>, from: u64, bytes: u64) -> Option<Vec<u8>> {
    let mut copy = vec![0; bytes as usize];
    reader.read(from, &mut copy).ok()?;
    Some(copy)
}

/// The frames in a piece of a stack, and whether the last one is the process's first. `address` is where
/// the topmost one goes on; where that is not known, the words before the first return address are
/// left out.
fn frames<M: Memory>(
    vm: &Vm<M>,
    code: &mut StateCode,
    (stop, hend): (u64, u64),
    piece: &[u8],
    (mut address, mut enters): (Option<u64>, bool),
) -> Option<(Vec<Frame>, bool)> {
    let mut frames = Vec::new();
    let mut slots = Vec::new();
    for word in Words::new(piece).iter() {
        let returns = word & 3 == 0 && (word == vm.normal_exit || vm.jit.contains(word));
        if !returns {
            slots.push(word);
            continue;
        }
        if vm.frame_pointers && address.is_some() && !std::mem::take(&mut enters) {
            // The frame pointer of the caller: 0 at the bottom, else into this stack.
            slots
                .pop()
                .filter(|&saved| saved == 0 || (stop..=hend).contains(&saved))?;
        }
        let slots = std::mem::take(&mut slots);
        if let Some(address) = address {
            frames.push(Frame {
                address,
                function: code.function(vm, address),
                slots,
            });
        }
        if word == vm.normal_exit {
            return Some((frames, true));
        }
        if frames.len() == FRAMES_MAX {
            break;
        }
        // One after the call.
        address = Some(word.wrapping_sub(1));
    }
    Some((frames, false))
}
