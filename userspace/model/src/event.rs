//! What the kernel half reports, decoded but not interpreted.
//!
//! Borrowed from the ring (or from a file that holds the same bytes): nothing is
//! copied before the symbolizer has looked at it. Addresses are the target's.

/// One event, in the order the ring delivered it.
#[derive(Debug, Clone, Copy)]
#[allow(
    clippy::large_enum_variant,
    reason = "borrowed from the ring and handled at once: never stored, never moved far"
)]
pub enum RawEvent<'a> {
    /// A timer tick that found a thread of the target on a CPU.
    Sample(RawSample<'a>),
    /// The VM registered JIT code with its debugger interface.
    CodeRegistered(CodeRegistered),
}

impl RawEvent<'_> {
    /// When it happened, nanoseconds on `CLOCK_MONOTONIC`.
    #[must_use]
    pub fn monotonic_ns(&self) -> u64 {
        match self {
            RawEvent::Sample(sample) => sample.monotonic_ns,
            RawEvent::CodeRegistered(code) => code.monotonic_ns,
        }
    }
}

/// The VM called `__jit_debug_register_code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRegistered {
    /// `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
    /// Of the debugger interface: 1 registers, 2 unregisters.
    pub action: u32,
    /// The entry concerned.
    pub entry: u64,
    /// The entry's blob.
    pub blob: u64,
    /// The blob's size in bytes.
    pub blob_bytes: u64,
    /// First address of the code, 0 when it could not be read.
    pub code_start: u64,
    /// Size of the code in bytes.
    pub code_bytes: u32,
}

/// User-mode registers of the interrupted thread, by their x86-64 names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserRegs {
    /// Program counter.
    pub ip: u64,
    /// Stack pointer; the Erlang stack pointer while in JIT code.
    pub sp: u64,
    /// rbp.
    pub bp: u64,
    /// rbx: in JIT code the x register array.
    pub bx: u64,
    /// rdx: in JIT code the third argument of a helper fragment.
    pub dx: u64,
    /// r12.
    pub r12: u64,
    /// r13: in JIT code the running process.
    pub r13: u64,
    /// r14.
    pub r14: u64,
    /// r15: in JIT code the heap top.
    pub r15: u64,
}

/// What went wrong or was unusual while a sample was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SampleFlags(pub u32);

impl SampleFlags {
    /// The thread was in the kernel.
    pub const IN_KERNEL: u32 = 1;
    /// The scheduler block could not be read.
    pub const SCHEDULER_UNREADABLE: u32 = 1 << 1;
    /// The process block could not be read.
    pub const PROCESS_UNREADABLE: u32 = 1 << 2;
    /// The Erlang stack could not be read, or only in part.
    pub const ERLANG_UNREADABLE: u32 = 1 << 3;
    /// The Erlang stack was longer than the copy limit.
    pub const ERLANG_CAPPED: u32 = 1 << 4;
    /// The C stack was longer than its copy limit, or part of it unreadable.
    pub const NATIVE_CAPPED: u32 = 1 << 5;
    /// `E` is the stack pointer register: the thread ran on the Erlang stack.
    pub const ON_ERLANG_STACK: u32 = 1 << 6;

    /// Whether any bit of `mask` is set.
    #[must_use]
    pub fn has(self, mask: u32) -> bool {
        self.0 & mask != 0
    }
}

/// The scheduler a sampled thread is, and what it held at that instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawScheduler {
    /// Address of its `ErtsSchedulerData`.
    pub data: u64,
    /// Its register block, which lies on its own C stack.
    pub registers: u64,
    /// The process it runs; 0 for none.
    pub process: u64,
    /// The port it runs; 0 for none.
    pub port: u64,
    /// Flags of its sleep state.
    pub sleep_flags: u32,
    /// 0 normal, 1 dirty CPU, 2 dirty IO.
    pub kind: u32,
    /// Its number within its kind, from 1.
    pub number: u32,
    /// Return address of the last call from JIT code into C.
    pub jit_return: u64,
}

/// A copy of part of the target's memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct StackCopy<'a> {
    /// Where it was copied from.
    pub address: u64,
    /// What was there.
    pub words: Words<'a>,
}

impl StackCopy<'_> {
    /// One past the last address copied.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.address.wrapping_add(8 * self.words.len() as u64)
    }

    /// The word at an address of the target, if it was copied.
    #[must_use]
    pub fn read(&self, address: u64) -> Option<u64> {
        let offset = address.checked_sub(self.address)?;
        if offset % 8 != 0 {
            return None;
        }
        self.words.get(usize::try_from(offset / 8).ok()?)
    }
}

/// Little-endian 64-bit words in a byte buffer of any alignment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    /// The whole words of `bytes`; an incomplete one at the end is dropped.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Words(&bytes[..bytes.len() & !7])
    }

    /// How many words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() / 8
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The word at an index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<u64> {
        let bytes = self.0.get(index.checked_mul(8)?..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*bytes))
    }

    /// The last word.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.get(self.len().checked_sub(1)?)
    }

    /// The words in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + 'a {
        self.0
            .as_chunks::<8>()
            .0
            .iter()
            .map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// The words from an index on.
    #[must_use]
    pub fn skip(&self, count: usize) -> Words<'a> {
        Words(self.0.get(count.saturating_mul(8)..).unwrap_or(&[]))
    }
}

/// One sample as the kernel half copied it.
#[derive(Debug, Clone, Copy)]
pub struct RawSample<'a> {
    /// `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
    /// CPU time this sample stands for.
    pub weight_ns: u64,
    /// CPU number.
    pub cpu: u32,
    /// Kernel thread id.
    pub tid: u32,
    /// What was unusual.
    pub flags: SampleFlags,
    /// User-mode registers.
    pub regs: UserRegs,
    /// The scheduler this thread is, if it is one.
    pub scheduler: Option<RawScheduler>,
    /// The first bytes of the process's `Process` struct; empty for none.
    pub process: &'a [u8],
    /// The registered name's atom term; 0 for none.
    pub registered_name: u64,
    /// `$initial_call` of the process dictionary: module, function, arity terms; 0 for none.
    pub initial_call: [u64; 3],
    /// Module atom, function atom and arity of the native function the process is in, or
    /// was in last; 0 for none.
    pub current_call: [u64; 3],
    /// The Erlang stack from its top.
    pub erlang: StackCopy<'a>,
    /// The last part of the Erlang stack, when it was longer than the copy limit.
    pub erlang_bottom: StackCopy<'a>,
    /// The C stack from its top to the scheduler's register block.
    pub native: StackCopy<'a>,
    /// Kernel return addresses, leaf first.
    pub kernel: Words<'a>,
}
