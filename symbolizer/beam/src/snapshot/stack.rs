//! The stack of a process that rests.

use std::sync::Arc;

use escope_model::{Mfa, Words};

use crate::Vm;
use crate::code::{CodeMap, read_module};
use crate::memory::Memory;
use crate::process::ProcessBlock;
use crate::stack::scan;

/// More stack than is read of one process; the first frames are in there.
const BYTES_MAX: u64 = 1 << 20;

/// One function on a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackFrame {
    /// The function.
    pub mfa: Mfa,
    /// Source file and line, where the code has them.
    pub location: Option<(Arc<str>, u32)>,
}

pub(super) struct Walked {
    pub(super) current: Option<Mfa>,
    pub(super) frames: Vec<StackFrame>,
    pub(super) cut: bool,
    /// It was read down to the process's first function, or as far as wanted.
    pub(super) whole: bool,
}

/// The function that a process resumes in, then its callers.
pub(super) fn walk<M: Memory>(
    vm: &Vm<M>,
    code: &mut CodeMap,
    process: &ProcessBlock<'_>,
    limit: usize,
) -> Walked {
    let (stop, hend) = (process.stop(), process.hend());
    let bytes = hend.saturating_sub(stop).min(BYTES_MAX) & !7;
    let mut copy = vec![0; bytes as usize];
    let read = vm.memory.read(stop, &mut copy).is_ok();
    let mut returns = Vec::new();
    let walk = scan(Words::new(&copy), &vm.jit, vm.normal_exit, &mut returns);
    let all = bytes == hend.saturating_sub(stop);
    let mut frames = Vec::new();
    // Where it resumes is an instruction still to come, a return address one after the call.
    let resumes = std::iter::once(process.i());
    let addresses = resumes.chain(returns.iter().map(|address| address.wrapping_sub(1)));
    let mut cut = !all;
    for address in addresses {
        if frames.len() == limit {
            cut = true;
            break;
        }
        frames.extend(frame(vm, code, address));
    }
    let mut current = frames.first().map(|frame| frame.mfa.clone());
    // A hibernated process has no stack, and is in a function that the VM gives another name
    // in `process_info`.
    if let Some(mfa) = &mut current
        && mfa.module == "erts_beamasm"
        && mfa.function == "run_process"
    {
        *mfa = Mfa {
            module: "erlang".into(),
            function: "hibernate".into(),
            arity: 3,
        };
        frames.clear();
    }
    Walked {
        current,
        frames,
        cut,
        whole: read && (walk.reached_bottom || !all),
    }
}

fn frame<M: Memory>(vm: &Vm<M>, code: &mut CodeMap, address: u64) -> Option<StackFrame> {
    let read = |blob, bytes| read_module(&vm.memory, blob, bytes);
    let located = code.locate(address, u64::MAX, read, || true)?;
    let function = located.function()?;
    Some(StackFrame {
        location: located.module.line_at(function, located.offset),
        mfa: Mfa {
            module: located.module.name.to_string(),
            function: function.name.to_string(),
            arity: function.arity?,
        },
    })
}
