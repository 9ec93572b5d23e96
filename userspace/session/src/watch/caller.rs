//! Who called, and how.

use escope_beam::{Callee, Vm};
use escope_model::Mfa;
use rustc_hash::FxHashMap;

use super::code::Code;

/// Places that are remembered at most.
const CALLERS_MAX: usize = 1 << 16;

/// Where a call returns to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Caller {
    /// Into a function.
    Function {
        /// Which.
        mfa: Mfa,
        /// File and line of the call.
        location: Option<(String, u32)>,
        /// What that function had called.
        called: Called,
    },
    /// Nowhere: it is the first function of its process, or took its place by a tail call.
    Nobody,
    /// To an address that has no name.
    Unknown,
}

/// What the function that a call returns to has called, as far as its code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Called {
    /// The watched function. Its own tail calls of itself look the same.
    It,
    /// Another function, which ended in this call or in one that did.
    Another,
    /// A fun, something applied, or a BIF.
    Unknown,
}

impl Called {
    /// The word for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Called::It => "direct",
            Called::Another => "tail",
            Called::Unknown => "unknown",
        }
    }
}

/// Callers by return address, and the function that was called.
#[derive(Default)]
pub(super) struct Callers {
    known: FxHashMap<(u64, usize), Caller>,
    epoch: u32,
}

impl Callers {
    /// Who called a function whose entry is at an address.
    pub(super) fn of(
        &mut self,
        (vm, code): (&Vm, &mut Code),
        (function, mfa, entry): (usize, &Mfa, u64),
        (return_address, at_ns): (u64, u64),
    ) -> Caller {
        if self.epoch != code.epoch() || self.known.len() >= CALLERS_MAX {
            self.epoch = code.epoch();
            self.known.clear();
        }
        // Calls from before a change of code neither use nor fill it.
        let cached = at_ns >= code.changed_ns();
        let key = (return_address, function);
        if cached && let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let caller = find(vm, code, (mfa, entry), (return_address, at_ns));
        if cached && caller != Caller::Unknown {
            self.known.insert(key, caller.clone());
        }
        caller
    }
}

fn find(
    vm: &Vm,
    code: &mut Code,
    (mfa, entry): (&Mfa, u64),
    (return_address, at_ns): (u64, u64),
) -> Caller {
    if return_address == vm.normal_exit {
        return Caller::Nobody;
    }
    // The call itself, not what follows it.
    let Some(located) = code.locate(vm, return_address.wrapping_sub(1), at_ns) else {
        return Caller::Unknown;
    };
    let function = located.function();
    let Some((function, arity)) = function.and_then(|f| Some((f, f.arity?))) else {
        return Caller::Unknown;
    };
    let caller = Mfa {
        module: located.module.name.to_string(),
        function: function.name.to_string(),
        arity,
    };
    let line = located.module.line_at(function, located.offset);
    let called = match vm.callee(return_address) {
        Callee::At(to) if to == entry => Called::It,
        Callee::At(to) if vm.is_entry(&located.module, to) => Called::Another,
        Callee::Export(export) if export == *mfa => Called::It,
        Callee::Export(_) => Called::Another,
        Callee::At(_) | Callee::Unknown => Called::Unknown,
    };
    Caller::Function {
        mfa: caller,
        location: line.map(|(file, line)| (file.to_string(), line)),
        called,
    }
}
