//! The topmost frames of a stack, each with its slots.
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

/// More stack than is read of one process; the first frames are in there.
const BYTES_MAX: u64 = 64 << 10;
/// Frames that are looked at: callbacks call a few functions that wait.
const FRAMES_MAX: usize = 64;

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

    /// Whether it is of a module.
    pub(super) fn is_of(&self, module: &str) -> bool {
        let function = self.function.as_ref();
        function.is_some_and(|own| own.mfa.module == module)
    }
}

/// Reads the topmost frames; `None` when the stack cannot be read or is none.
pub(super) fn read<M: Memory>(
    vm: &Vm<M>,
    code: &mut StateCode,
    process: &ProcessBlock<'_>,
) -> Option<Vec<Frame>> {
    let (stop, hend) = (process.stop(), process.hend());
    let bytes = hend.checked_sub(stop)?.min(BYTES_MAX) & !7;
    let mut copy = vec![0; bytes as usize];
    vm.memory.read(stop, &mut copy).ok()?;
    let mut frames = Vec::new();
    let mut address = process.i();
    let mut slots = Vec::new();
    for word in Words::new(&copy).iter() {
        let returns = word & 3 == 0 && (word == vm.normal_exit || vm.jit.contains(word));
        if !returns {
            slots.push(word);
            continue;
        }
        if vm.frame_pointers {
            // The frame pointer of the caller: 0 at the bottom, else into this stack.
            slots
                .pop()
                .filter(|&saved| saved == 0 || (stop..=hend).contains(&saved))?;
        }
        frames.push(Frame {
            address,
            function: code.function(vm, address),
            slots: std::mem::take(&mut slots),
        });
        if word == vm.normal_exit || frames.len() == FRAMES_MAX {
            return Some(frames);
        }
        // One after the call.
        address = word.wrapping_sub(1);
    }
    // A longer stack than was read; without any frame it is none.
    (!frames.is_empty()).then_some(frames)
}
