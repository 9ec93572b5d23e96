//! One sample's stacks, joined: a list of addresses, each with what kind of code it is.
//!
//! ```text
//!   kernel          when the thread was in the kernel
//!   C               from the program counter to the call from JIT code
//!   NIF             the Erlang name of the native function, where one was called
//!   JIT             the helper fragment or function that called C, or was interrupted
//!   Erlang          return addresses of the process's stack, down to its first function
//! ```

use escope_beam::memory::Memory;
use escope_beam::stack::{CallSite, ChainEnd, caller_of_frameless, follow, scan};
use escope_beam::{ProcessBlock, Vm};
use escope_model::{RawSample, SampleFlags, StackCopy, Truncation};
use rustc_hash::FxHashMap;
use zerocopy::{Immutable, IntoBytes};

use crate::activity::Calls;
use crate::native::{NativeMap, Unwound};

/// What kind of address it is: decides how it is named. User addresses have 47 bits, so the
/// kind fits above them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Kernel = 0,
    /// An interrupted instruction in C code.
    NativeLeaf = 1,
    /// A return address in C code.
    NativeReturn = 2,
    JitLeaf = 3,
    JitReturn = 4,
    /// Part of the stack is missing here.
    Gap = 5,
    /// The NIF that `Process.current` names; not an address.
    Nif = 6,
    /// An address without known code.
    Unknown = 7,
    /// Already named: a frame id.
    Frame = 8,
    /// The BIF that `Process.current` names; not an address.
    Bif = 9,
    /// The C function of a BIF, which may have left the C stack by a tail call.
    BifFunction = 10,
    /// The stack cannot be walked because a garbage collection is moving it.
    Collecting = 11,
    /// Where a process resumes.
    Resume = 12,
}

const KINDS: [Kind; 13] = [
    Kind::Kernel,
    Kind::NativeLeaf,
    Kind::NativeReturn,
    Kind::JitLeaf,
    Kind::JitReturn,
    Kind::Gap,
    Kind::Nif,
    Kind::Unknown,
    Kind::Frame,
    Kind::Bif,
    Kind::BifFunction,
    Kind::Collecting,
    Kind::Resume,
];

/// One entry of a joined stack in 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoBytes, Immutable)]
#[repr(transparent)]
pub(crate) struct Step(u64);

const ADDRESS_BITS: u32 = 56;

impl Step {
    pub(crate) fn new(kind: Kind, address: u64) -> Step {
        Step((kind as u64) << ADDRESS_BITS | address & ((1 << ADDRESS_BITS) - 1))
    }

    pub(crate) fn kind(self) -> Kind {
        KINDS
            .get((self.0 >> ADDRESS_BITS) as usize)
            .copied()
            .unwrap_or(Kind::Unknown)
    }

    pub(crate) fn address(self) -> u64 {
        let address = self.0 & ((1 << ADDRESS_BITS) - 1);
        match self.kind() {
            // Kernel addresses are the upper half of the address space.
            Kind::Kernel => address | !((1 << ADDRESS_BITS) - 1),
            _ => address,
        }
    }
}

/// What joining found besides the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) in_jit: bool,
    /// Has an Erlang stack that should reach the process's first function.
    pub(crate) has_erlang: bool,
    pub(crate) truncated: Option<Truncation>,
    /// What the chain of frame pointers says of the stack, where there is one.
    pub(crate) chain: Option<Chain>,
}

/// How the chain of frame pointers and the scan compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chain {
    /// Both have the same frames.
    Agrees,
    /// The chain is right: the scan had others.
    Differs,
    /// It could not be followed; the scan stands.
    Broken,
}

/// Joins stacks. Keeps buffers and what is known of call sites between samples.
#[derive(Default)]
pub(crate) struct Stitcher {
    pub(crate) steps: Vec<Step>,
    addresses: Vec<u64>,
    chain: Vec<u64>,
    sites: FxHashMap<u64, CallSite>,
    called: FxHashMap<u64, Option<u64>>,
    to_fragment: FxHashMap<u64, bool>,
}

impl Stitcher {
    /// Call sites may have changed with the code.
    pub(crate) fn forget_sites(&mut self) {
        self.sites.clear();
        self.called.clear();
        self.to_fragment.clear();
    }

    /// Fills `steps`, leaf first. `calls` tells what the JIT code called, if it called C.
    pub(crate) fn join<M: Memory>(
        &mut self,
        vm: &Vm<M>,
        native: &mut NativeMap,
        raw: &RawSample<'_>,
        calls: Calls,
    ) -> Joined {
        self.steps.clear();
        for address in raw.kernel.iter() {
            self.steps.push(Step::new(Kind::Kernel, address));
        }
        let scheduler = raw.scheduler.filter(|scheduler| scheduler.kind == 0);
        let in_jit = vm.jit.contains(raw.regs.ip);
        let mut joined = Joined {
            in_jit,
            has_erlang: false,
            truncated: None,
            chain: None,
        };
        let mut call_bp = None;
        if in_jit {
            self.steps.push(Step::new(Kind::JitLeaf, raw.regs.ip));
        } else {
            call_bp = self.native(vm, native, raw, scheduler.is_some(), &mut joined);
            match calls {
                Calls::Nif => self.steps.push(Step::new(Kind::Nif, 0)),
                Calls::Bif => self.steps.push(Step::new(Kind::Bif, 0)),
                _ => {}
            }
        }
        // Filled in below, when the Erlang stack has told the caller.
        let bif_at = (calls == Calls::LightBif && !in_jit).then_some(self.steps.len());
        if let Some(scheduler) = &scheduler
            && !in_jit
            && vm.jit.contains(scheduler.jit_return)
        {
            self.steps
                .push(Step::new(Kind::JitReturn, scheduler.jit_return));
        }
        if raw.process.is_empty() {
            return joined;
        }
        let block = ProcessBlock::new(raw.process, &vm.layout);
        if calls == Calls::Schedule {
            self.resume(vm, raw, &block);
        }
        let top = match &scheduler {
            Some(_) if raw.flags.has(SampleFlags::ON_ERLANG_STACK) => raw.erlang.address,
            Some(scheduler) => self
                .stack_top(vm, &block, scheduler.jit_return, call_bp)
                .unwrap_or_else(|| {
                    joined.truncated = Some(Truncation::Unwind);
                    block.stop()
                }),
            None => block.stop(),
        };
        let frame_pointer = match (in_jit, &scheduler) {
            (true, _) => Some(raw.regs.bp),
            // As with the stack top: a collection may have moved the stack since the call, and
            // stores where to.
            (false, Some(_)) => call_bp.map(|bp| match (top..block.hend()).contains(&bp) {
                true => bp,
                false => block.frame_pointer(),
            }),
            (false, None) => Some(block.frame_pointer()),
        };
        let frame_pointer = frame_pointer.filter(|_| vm.frame_pointers);
        let first = self.erlang(vm, raw, &block, (top, frame_pointer), &mut joined);
        if let (Some(at), Some(caller)) = (bif_at, first) {
            let called = *self
                .called
                .entry(caller)
                .or_insert_with(|| vm.called_bif(caller));
            if let Some(function) = called {
                self.steps
                    .insert(at, Step::new(Kind::BifFunction, function));
            }
        }
        joined
    }

    /// Where a process that comes or goes resumes. One that goes brings the address in rdx, and
    /// `Process.i` is still the last one's until it is stored there (`emit_process_main` in
    /// `process_main.cpp`); after that rdx holds a number of reductions.
    fn resume<M: Memory>(&mut self, vm: &Vm<M>, raw: &RawSample<'_>, block: &ProcessBlock<'_>) {
        let in_fragment = vm.fragments.contains(&raw.regs.ip);
        let resume = match raw.regs.dx {
            brought if in_fragment && vm.jit.contains(brought) => brought,
            _ => block.i(),
        };
        if vm.jit.contains(resume) {
            self.steps.push(Step::new(Kind::Resume, resume));
        }
    }

    /// The C stack; returns rbp at the call from JIT code where that was reached.
    fn native<M: Memory>(
        &mut self,
        vm: &Vm<M>,
        native: &mut NativeMap,
        raw: &RawSample<'_>,
        on_scheduler: bool,
        joined: &mut Joined,
    ) -> Option<u64> {
        let known = native.covers(raw.regs.ip);
        let kind = if known {
            Kind::NativeLeaf
        } else {
            Kind::Unknown
        };
        self.steps.push(Step::new(kind, raw.regs.ip));
        self.addresses.clear();
        let unwound = native.unwinder().unwind(
            &raw.regs,
            raw.native,
            |address| vm.jit.contains(address),
            &mut self.addresses,
        );
        let of_thread = raw.process.first().and_then(|_| {
            let main = vm.dirty_main.as_ref()?;
            self.addresses
                .iter()
                .position(|address| main.contains(address))
        });
        let unwound = match of_thread {
            // The process's own stack follows instead of the thread's first functions.
            Some(at) => {
                self.addresses.truncate(at);
                Unwound::AtStart
            }
            None => unwound,
        };
        for &address in &self.addresses {
            self.steps.push(Step::new(Kind::NativeReturn, address));
        }
        match unwound {
            Unwound::AtJit { bp } => Some(bp),
            Unwound::AtStart if !on_scheduler => None,
            _ => {
                joined.truncated = Some(Truncation::Unwind);
                None
            }
        }
    }

    /// Where the Erlang stack begins for a thread in C code; `None` where only rbp knew.
    fn stack_top<M: Memory>(
        &mut self,
        vm: &Vm<M>,
        block: &ProcessBlock<'_>,
        jit_return: u64,
        call_bp: Option<u64>,
    ) -> Option<u64> {
        // With frame pointers every call stores it.
        if vm.frame_pointers {
            return Some(block.stop());
        }
        let site = *self
            .sites
            .entry(jit_return)
            .or_insert_with(|| vm.call_site(jit_return));
        match site {
            CallSite::Stored => Some(block.stop()),
            CallSite::Kept => {
                call_bp.filter(|bp| bp % 8 == 0 && (block.heap()..=block.hend()).contains(bp))
            }
        }
    }

    /// Code that was interrupted between allocating its frame and initialising it has return
    /// addresses of its own earlier calls in there. While a module's own code runs, no call to
    /// a helper fragment can be under way: such a return address is a remnant.
    fn drop_stale<M: Memory>(&mut self, vm: &Vm<M>, raw: &RawSample<'_>, joined: &Joined) {
        if !joined.in_jit || vm.fragments.contains(&raw.regs.ip) {
            return;
        }
        let known = &mut self.to_fragment;
        let stale = self
            .addresses
            .iter()
            .take_while(|&&address| {
                *known
                    .entry(address)
                    .or_insert_with(|| vm.calls_fragment(address))
            })
            .count();
        self.addresses.drain(..stale);
    }

    /// Replaces what the scan found by what the chain of frame pointers says.
    ///
    /// The chain cannot be fooled by words that are left over in frames, so its frames stand;
    /// the caller of code without a frame is not on it, so that one is taken from the top of the
    /// stack. Where the chain breaks, as while a collection moves the stack, the scan stands.
    fn follow_chain<M: Memory>(
        &mut self,
        vm: &Vm<M>,
        stack: StackCopy<'_>,
        stack_end: u64,
        frame_pointer: u64,
        in_fragment: bool,
    ) -> Chain {
        let chain = &mut self.chain;
        chain.clear();
        chain.extend(caller_of_frameless(
            stack,
            frame_pointer,
            &vm.jit,
            in_fragment,
        ));
        let end = follow(
            stack,
            stack_end,
            frame_pointer,
            &vm.jit,
            vm.normal_exit,
            chain,
        );
        if end == ChainEnd::Broken {
            return Chain::Broken;
        }
        if *chain == self.addresses {
            return Chain::Agrees;
        }
        std::mem::swap(chain, &mut self.addresses);
        Chain::Differs
    }

    /// The Erlang stack from its top, and where its newest frame is if that is known; returns
    /// its first return address.
    fn erlang<M: Memory>(
        &mut self,
        vm: &Vm<M>,
        raw: &RawSample<'_>,
        block: &ProcessBlock<'_>,
        (top, frame_pointer): (u64, Option<u64>),
        joined: &mut Joined,
    ) -> Option<u64> {
        joined.has_erlang = true;
        let begin = self.steps.len();
        self.addresses.clear();
        let words = match top.checked_sub(raw.erlang.address) {
            Some(bytes) => raw.erlang.words.skip((bytes / 8) as usize),
            // The copy begins above the top: its first frames are missing.
            None => raw.erlang.words,
        };
        let mut walk = scan(words, &vm.jit, vm.normal_exit, &mut self.addresses);
        self.drop_stale(vm, raw, joined);
        let caller = match (joined.in_jit, &raw.scheduler) {
            (true, _) => raw.regs.ip,
            (false, scheduler) => scheduler.map_or(0, |scheduler| scheduler.jit_return),
        };
        let in_fragment = vm.fragments.contains(&caller);
        // Its return address may be at any byte, and then it looks like a term.
        if in_fragment
            && let Some(word) = words.get(0)
            && word & 3 != 0
            && vm.jit.contains(word)
        {
            self.addresses.insert(0, word);
        }
        if let Some(frame_pointer) = frame_pointer {
            let address = top.max(raw.erlang.address);
            let stack = StackCopy { address, words };
            joined.chain =
                Some(self.follow_chain(vm, stack, block.hend(), frame_pointer, in_fragment));
        }
        push_returns(&mut self.steps, &self.addresses);
        if raw.flags.has(SampleFlags::ERLANG_CAPPED) {
            self.steps.push(Step::new(Kind::Gap, 0));
            self.addresses.clear();
            walk = scan(
                raw.erlang_bottom.words,
                &vm.jit,
                vm.normal_exit,
                &mut self.addresses,
            );
            push_returns(&mut self.steps, &self.addresses);
        }
        let capped = raw.flags.has(SampleFlags::ERLANG_CAPPED);
        // While a collection replaces the heap, top and end may belong to different ones.
        let in_heap = (block.heap()..=block.hend()).contains(&top);
        let whole = walk.reached_bottom && covers(&raw.erlang, top) && in_heap;
        let missing = if whole && !capped {
            None
        } else if block.state().collecting() {
            // What was copied may be the old heap, the new one or neither.
            self.steps.truncate(begin);
            self.steps.push(Step::new(Kind::Collecting, 0));
            Some(Truncation::Gc)
        } else if capped {
            Some(Truncation::Cap)
        } else if raw.flags.has(SampleFlags::ERLANG_UNREADABLE) {
            Some(Truncation::Unreadable)
        } else {
            Some(Truncation::Bottom)
        };
        joined.truncated = missing.or(joined.truncated);
        let first = self.steps.get(begin)?;
        (first.kind() == Kind::JitReturn).then(|| first.address())
    }
}

fn covers(stack: &StackCopy<'_>, top: u64) -> bool {
    top >= stack.address
}

fn push_returns(steps: &mut Vec<Step>, addresses: &[u64]) {
    steps.extend(
        addresses
            .iter()
            .map(|&address| Step::new(Kind::JitReturn, address)),
    );
}

#[cfg(test)]
mod tests {
    use super::{KINDS, Kind, Step};

    #[test]
    fn steps_keep_kind_and_address() {
        for kind in KINDS {
            let address = if kind == Kind::Kernel {
                0xffff_ffff_8123_4560
            } else {
                0x7f12_3456_7890
            };
            let step = Step::new(kind, address);
            assert_eq!((step.kind(), step.address()), (kind, address));
        }
    }
}
