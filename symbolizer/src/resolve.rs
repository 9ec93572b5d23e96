//! A step of a joined stack to a frame with a name.

use std::sync::Arc;

use escope_beam::Vm;
use escope_beam::code::{CodeMap, read_module};
use escope_beam::memory::Memory;
use escope_model::{Frame, FrameKind, Mfa};

use crate::kernel::KernelNames;
use crate::native::NativeMap;
use crate::stitch::{Kind, Step};

/// Everything that names come from.
pub(crate) struct Sources<'a, M: Memory> {
    /// Whether all that the VM has announced of its code is known.
    pub(crate) sound: &'a dyn Fn() -> bool,
    pub(crate) vm: &'a Vm<M>,
    pub(crate) code: &'a mut CodeMap,
    pub(crate) native: &'a NativeMap,
    pub(crate) kernel: &'a mut KernelNames,
}

impl<M: Memory> Sources<'_, M> {
    /// Names a step as of a time. `current` is what `Process.current` names.
    pub(crate) fn frame(&mut self, step: Step, at_ns: u64, current: Option<&Mfa>) -> Frame {
        let address = step.address();
        match step.kind() {
            Kind::Kernel => self.kernel_frame(address),
            Kind::NativeLeaf => self.native_frame(address),
            Kind::NativeReturn => self.native_frame(address.wrapping_sub(1)),
            Kind::JitLeaf | Kind::Resume => self.jit_frame(address, at_ns),
            Kind::JitReturn => self.jit_frame(address.wrapping_sub(1), at_ns),
            Kind::Gap => Frame::marker("stack longer than the copy limit: frames missing here"),
            Kind::Collecting => Frame::marker("stack in motion: garbage collection"),
            Kind::Nif => named(FrameKind::Nif, current),
            Kind::Bif => named(FrameKind::Bif, current),
            Kind::BifFunction => named(FrameKind::Bif, self.vm.bifs.get(&address)),
            Kind::Unknown | Kind::Frame => Frame::marker("unknown code"),
        }
    }

    fn kernel_frame(&mut self, address: u64) -> Frame {
        let (function, start) = self
            .kernel
            .find(address)
            .unwrap_or_else(|| ("[kernel]".into(), 0));
        Frame {
            kind: FrameKind::Kernel,
            module: None,
            function,
            arity: None,
            file: None,
            line: None,
            object: Some("kernel".into()),
            address: start,
        }
    }

    fn native_frame(&self, pc: u64) -> Frame {
        let Some(name) = self.native.name(pc) else {
            return Frame::marker("unknown code");
        };
        if let Some(mfa) = self.vm.bifs.get(&name.start) {
            return named(FrameKind::Bif, Some(mfa));
        }
        let (file, line) = name.location.unzip();
        Frame {
            kind: FrameKind::Native,
            module: None,
            function: name.function,
            arity: None,
            file,
            line,
            object: Some(name.object),
            address: name.start,
        }
    }

    fn jit_frame(&mut self, pc: u64, at_ns: u64) -> Frame {
        let memory = &self.vm.memory;
        let located = self.code.locate(
            pc,
            at_ns,
            |blob, bytes| read_module(memory, blob, bytes),
            self.sound,
        );
        let Some(located) = located else {
            return Frame::marker("unknown Erlang code");
        };
        let Some(function) = located.function() else {
            return Frame::marker("between Erlang functions");
        };
        let line = located.module.line_at(function, located.offset);
        let (file, line) = line.unzip();
        let kind = match function.arity {
            Some(_) => FrameKind::Erlang,
            None => FrameKind::Helper,
        };
        Frame {
            kind,
            module: (kind == FrameKind::Erlang).then(|| located.module.name.clone()),
            function: function.name.clone(),
            arity: function.arity,
            file,
            line,
            object: None,
            address: located.module.base + u64::from(function.start),
        }
    }
}

/// A function written in C under its Erlang name. However it was found out, the same function
/// gives the same frame.
fn named(kind: FrameKind, mfa: Option<&Mfa>) -> Frame {
    let Some(mfa) = mfa else {
        return Frame::marker("unknown native function");
    };
    Frame {
        kind,
        module: Some(Arc::from(mfa.module.as_str())),
        function: Arc::from(mfa.function.as_str()),
        arity: Some(mfa.arity),
        file: None,
        line: None,
        object: None,
        address: 0,
    }
}
