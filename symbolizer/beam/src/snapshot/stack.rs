//! The stack of a process that rests.

use std::sync::Arc;

use escope_model::{Mfa, Words};

use crate::Vm;
use crate::code::{CodeMap, read_module};
use crate::memory::Memory;
use crate::process::ProcessBlock;
use crate::stack::scan;

/// More stack than is read of one process; the first frames are in there.
const BYTES_MAX: u64 = 128 << 10;

/// One function on a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackFrame {
    /// The function; `None` where the code was replaced while the snapshot was taken.
    pub mfa: Option<Mfa>,
    /// Source file and line, where the code has them.
    pub location: Option<(Arc<str>, u32)>,
}

pub(super) struct Walked {
    pub(super) current: Option<Mfa>,
    pub(super) frames: Vec<StackFrame>,
    /// Where the code of each frame lies.
    pub(super) addresses: Vec<u64>,
    pub(super) cut: bool,
    /// It was read down to the process's first function, or as far as wanted.
    pub(super) whole: bool,
}

/// Copies the stacks of many processes, given their structs; `None` for what cannot be read.
pub(super) fn copy<M: Memory>(vm: &Vm<M>, blocks: &[Option<Vec<u8>>]) -> Vec<Option<Vec<u8>>> {
    let extents: Vec<(u64, u64)> = blocks
        .iter()
        .map(|block| {
            let process = ProcessBlock::new(block.as_deref().unwrap_or_default(), &vm.layout);
            (process.stop(), extent(&process))
        })
        .collect();
    let mut copies: Vec<Vec<u8>> = extents
        .iter()
        .map(|&(_, bytes)| vec![0; bytes as usize])
        .collect();
    let mut requests: Vec<(u64, &mut [u8])> = extents
        .iter()
        .zip(&mut copies)
        .map(|(&(stop, _), copy)| (stop, copy.as_mut_slice()))
        .collect();
    let read = vm.memory.read_many(&mut requests);
    copies
        .into_iter()
        .zip(read)
        .map(|(copy, read)| read.then_some(copy))
        .collect()
}

/// How much of a process's stack is read.
fn extent(process: &ProcessBlock<'_>) -> u64 {
    process.hend().saturating_sub(process.stop()).min(BYTES_MAX) & !7
}

/// The native function that a process is in, or the function that it resumes in, then its
/// callers.
pub(super) fn walk<M: Memory>(
    vm: &Vm<M>,
    code: &mut CodeMap,
    process: &ProcessBlock<'_>,
    copy: Option<&[u8]>,
    limit: usize,
    (address, native): (u64, Option<&Mfa>),
) -> Walked {
    let (stop, hend) = (process.stop(), process.hend());
    let bytes = extent(process);
    let read = copy.is_some();
    let copy = copy.unwrap_or_default();
    let mut returns = Vec::new();
    let walk = scan(Words::new(copy), &vm.jit, vm.normal_exit, &mut returns);
    let all = bytes == hend.saturating_sub(stop);
    let mut frames: Vec<StackFrame> = Vec::new();
    let mut places = Vec::new();
    if let Some(native) = native {
        frames.push(StackFrame {
            mfa: Some(native.clone()),
            location: None,
        });
        places.push(0);
    }
    // Where it resumes is an instruction still to come, a return address one after the call.
    // While it is in a native function, `i` is of when it was scheduled.
    let resumes = native.is_none().then_some(process.i()).into_iter();
    let addresses = resumes.chain(returns.iter().map(|address| address.wrapping_sub(1)));
    let (mut cut, mut named) = (!all, true);
    for address in addresses {
        if frames.len() == limit {
            cut = true;
            break;
        }
        match frame(vm, code, address) {
            Some(frame) => {
                frames.push(frame);
                places.push(address);
            }
            // A helper fragment is none of the program's functions; code without a name may be.
            None => {
                named &= code
                    .locate(address, u64::MAX, |_, _| None, || true)
                    .is_some();
            }
        }
    }
    let mut current = frames.first().and_then(|frame| frame.mfa.clone());
    // A process that hibernates or has never run has no stack, and is in a function that is none
    // of the program's. `current` then says what it is in: of a new one its initial call, in its
    // own struct (`erl_create_opts` in `erl_process.c`), else `erlang:hibernate/3`.
    if let Some(mfa) = &mut current
        && mfa.module == "erts_beamasm"
        && mfa.function == "run_process"
    {
        let initial = address.wrapping_add(u64::from(vm.layout.process.initial));
        let is_new = process.word(vm.layout.process.current) == initial;
        let new = vm.mfa(process.initial()).filter(|_| is_new);
        *mfa = new.unwrap_or_else(|| Mfa {
            module: "erlang".into(),
            function: "hibernate".into(),
            arity: 3,
        });
        frames.clear();
        places.clear();
    }
    Walked {
        current,
        frames,
        addresses: places,
        cut,
        whole: read && named && (walk.reached_bottom || !all),
    }
}

fn frame<M: Memory>(vm: &Vm<M>, code: &mut CodeMap, address: u64) -> Option<StackFrame> {
    let read = |blob, bytes| read_module(&vm.memory, blob, bytes);
    let located = code.locate(address, u64::MAX, read, || true)?;
    let function = located.function()?;
    Some(StackFrame {
        location: located.module.line_at(function, located.offset),
        mfa: Some(Mfa {
            module: located.module.name.to_string(),
            function: function.name.to_string(),
            arity: function.arity?,
        }),
    })
}
