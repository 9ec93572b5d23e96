//! Unwinding a copied C stack by the tables in `.eh_frame`.

use std::sync::Arc;

use escope_beam::ExecutableMapping;
use escope_model::{StackCopy, UserRegs};
use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Module, Unwinder};

use super::object::NativeObject;

/// A C stack deeper than this is a loop.
const FRAMES_MAX: usize = 512;

/// How an unwind ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwound {
    /// At the call from JIT code, with the `rbp` of that moment.
    AtJit {
        /// rbp.
        bp: u64,
    },
    /// At the thread's first function.
    AtStart,
    /// Somewhere in between.
    Lost,
}

/// Unwinds C code of one process.
pub(crate) struct NativeUnwinder {
    unwinder: UnwinderX86_64<Arc<[u8]>>,
    cache: CacheX86_64,
}

impl NativeUnwinder {
    pub(super) fn new() -> NativeUnwinder {
        NativeUnwinder {
            unwinder: UnwinderX86_64::new(),
            cache: CacheX86_64::new(),
        }
    }

    pub(super) fn add(&mut self, mapping: &ExecutableMapping, bias: u64, object: &NativeObject) {
        let info = ExplicitModuleSectionInfo {
            base_svma: 0,
            text_svma: object.text.clone(),
            got_svma: object.got.clone(),
            eh_frame_svma: object.eh_frame.as_ref().map(|section| section.range()),
            eh_frame: object
                .eh_frame
                .as_ref()
                .map(|section| section.bytes.clone()),
            eh_frame_hdr_svma: object.eh_frame_hdr.as_ref().map(|section| section.range()),
            eh_frame_hdr: object
                .eh_frame_hdr
                .as_ref()
                .map(|section| section.bytes.clone()),
            ..ExplicitModuleSectionInfo::default()
        };
        self.unwinder.add_module(Module::new(
            mapping.path.clone(),
            mapping.start..mapping.end,
            bias,
            info,
        ));
    }

    pub(super) fn remove(&mut self, start: u64) {
        self.unwinder.remove_module(start);
        self.cache = CacheX86_64::new();
    }

    /// Appends the return addresses of the C stack, leaf first, without the program counter
    /// itself. Stops where `is_jit` holds for a return address, which is not appended.
    pub(crate) fn unwind(
        &mut self,
        regs: &UserRegs,
        stack: StackCopy<'_>,
        is_jit: impl Fn(u64) -> bool,
        out: &mut Vec<u64>,
    ) -> Unwound {
        let mut state = UnwindRegsX86_64::new(regs.ip, regs.sp, regs.bp);
        let mut address = FrameAddress::from_instruction_pointer(regs.ip);
        let mut read = |at: u64| stack.read(at).ok_or(());
        for _ in 0..FRAMES_MAX {
            let step = self
                .unwinder
                .unwind_frame(address, &mut state, &mut self.cache, &mut read);
            let return_address = match step {
                Ok(Some(return_address)) => return_address,
                Ok(None) => return Unwound::AtStart,
                Err(_) => return Unwound::Lost,
            };
            if is_jit(return_address) {
                return Unwound::AtJit { bp: state.bp() };
            }
            let Some(next) = FrameAddress::from_return_address(return_address) else {
                return Unwound::AtStart;
            };
            out.push(return_address);
            address = next;
        }
        Unwound::Lost
    }
}
