//! A `Process` struct that was copied as a block.

use crate::layout::Layout;

/// Bits of `Process.state`: `erts/emulator/beam/erl_process.h`, `ERTS_PSFLG_*`, which begin
/// above three 2-bit priorities. The same in OTP 25 to 29 as far as named here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessState(pub u32);

impl ProcessState {
    /// It is on its way out, or gone.
    pub const ENDING: u32 = Self::FREE | Self::EXITING;
    /// It has something to do besides the system's own tasks.
    pub const RUNNABLE: u32 = 1 << 13;
    /// What it does next is for a dirty scheduler.
    pub const DIRTY: u32 = 1 << 26 | 1 << 27;
    const FREE: u32 = 1 << 10;
    const EXITING: u32 = 1 << 11;
    const ACTIVE: u32 = 1 << 13 | 1 << 20 | 1 << 28;
    const RUNNING: u32 = 1 << 15 | 1 << 21;
    /// It was suspended.
    pub const SUSPENDED: u32 = 1 << 16;
    /// A garbage collection is under way.
    pub const GC: u32 = 1 << 17;
    const DIRTY_RUNNING: u32 = 1 << 29;
    const DIRTY_RUNNING_SYS: u32 = 1 << 30;

    /// The same of one that has given up its scheduler and has nothing to do, as it will be in a moment.
    #[must_use]
    pub(crate) fn at_rest(self) -> ProcessState {
        let busy = Self::RUNNING | Self::ACTIVE | Self::DIRTY_RUNNING | Self::DIRTY_RUNNING_SYS;
        ProcessState(self.0 & !busy)
    }

    /// In a garbage collection.
    #[must_use]
    pub fn collecting(self) -> bool {
        self.0 & Self::GC != 0
    }

    /// On a scheduler that runs Erlang code: what its struct says is of when it began.
    #[must_use]
    pub fn running(self) -> bool {
        self.0 & Self::RUNNING != 0
    }

    /// On its way out.
    #[must_use]
    pub fn exiting(self) -> bool {
        self.0 & Self::EXITING != 0
    }

    /// As `process_info(Pid, status)` puts it: `erts_process_state2status` in `erl_process.c`.
    #[must_use]
    pub fn status(self) -> &'static str {
        let any = |bits: u32| self.0 & bits != 0;
        match () {
            () if any(Self::FREE) => "free",
            () if any(Self::EXITING) => "exiting",
            () if any(Self::GC) => "garbage_collecting",
            () if any(Self::SUSPENDED) => "suspended",
            () if any(Self::RUNNING | Self::DIRTY_RUNNING | Self::DIRTY_RUNNING_SYS) => "running",
            () if any(Self::ACTIVE) => "runnable",
            () => "waiting",
        }
    }

    /// On a dirty scheduler.
    #[must_use]
    pub fn dirty_running(self) -> bool {
        self.0 & (Self::DIRTY_RUNNING | Self::DIRTY_RUNNING_SYS) != 0
    }
}

/// The fields of a copied `Process`, by name. A block that is too short gives zeros, which
/// no consumer takes for a pointer.
#[derive(Debug, Clone, Copy)]
pub struct ProcessBlock<'a> {
    bytes: &'a [u8],
    layout: &'a Layout,
}

impl ProcessBlock<'_> {
    /// `F_SENSITIVE` among the trace flags: `erl_process.h`, the same in OTP 25 to 29.
    pub const SENSITIVE: u64 = 1 << 3;
}

impl<'a> ProcessBlock<'a> {
    /// `bytes` is the start of a `Process`.
    #[must_use]
    pub fn new(bytes: &'a [u8], layout: &'a Layout) -> ProcessBlock<'a> {
        ProcessBlock { bytes, layout }
    }

    /// Whether it has asked not to be looked at: `process_flag(sensitive, true)`.
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        self.word(self.layout.process.trace_flags) & ProcessBlock::SENSITIVE != 0
    }

    pub(crate) fn word(&self, at: u32) -> u64 {
        self.bytes
            .get(at as usize..)
            .and_then(|bytes| bytes.first_chunk::<8>())
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// The pid, as a term.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.word(self.layout.process.id)
    }

    /// Start of the young heap.
    #[must_use]
    pub fn heap(&self) -> u64 {
        self.word(self.layout.process.heap)
    }

    /// End of the young heap, where the stack begins.
    #[must_use]
    pub fn hend(&self) -> u64 {
        self.word(self.layout.process.hend)
    }

    /// Stack top when it was last stored.
    #[must_use]
    pub fn stop(&self) -> u64 {
        self.word(self.layout.process.stop)
    }

    /// Frame pointer when it was last stored, where JIT code keeps one: right behind the stack
    /// top in every release that has it (`emit_enter_runtime` asserts so).
    #[must_use]
    pub fn frame_pointer(&self) -> u64 {
        self.word(self.layout.process.stop.saturating_add(8))
    }

    /// Where it resumes.
    #[must_use]
    pub fn i(&self) -> u64 {
        self.word(self.layout.process.i)
    }

    /// Reductions since it was spawned, as of when it was last scheduled out.
    #[must_use]
    pub fn reductions(&self) -> u64 {
        self.word(self.layout.process.reds)
    }

    /// Initial call: module and function atoms, arity as a plain number.
    #[must_use]
    pub fn initial(&self) -> [u64; 3] {
        let at = self.layout.process.initial;
        [self.word(at), self.word(at + 8), self.word(at + 16)]
    }

    /// Where the current native function's module, function and arity lie.
    #[must_use]
    pub fn current(&self) -> u64 {
        self.word(self.layout.process.current)
    }

    /// The parent, as a term.
    #[must_use]
    pub fn parent(&self) -> u64 {
        self.word(self.layout.process.parent)
    }

    /// State flags.
    #[must_use]
    pub fn state(&self) -> ProcessState {
        ProcessState(self.word(self.layout.process.state) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::ProcessBlock;
    use crate::layout::table_for;

    #[test]
    fn fields_are_taken_by_name_and_short_blocks_give_zero() {
        let layout = table_for("25").expect("a table");
        let mut bytes = vec![0u8; 776];
        bytes[136..144].copy_from_slice(&0x7000u64.to_le_bytes());
        bytes[640..644].copy_from_slice(&(1u32 << 17).to_le_bytes());
        let block = ProcessBlock::new(&bytes, &layout);
        assert_eq!(block.hend(), 0x7000);
        assert!(block.state().collecting() && !block.state().exiting());
        assert_eq!(ProcessBlock::new(&bytes[..100], &layout).hend(), 0);
    }
}
