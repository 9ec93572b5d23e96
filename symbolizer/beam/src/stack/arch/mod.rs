//! What differs between machines: which register is what in JIT code, and how a call from JIT
//! code into C looks.
//!
//! All of it is compiled and tested on every host; which one holds is a property of the target.
//! Register numbers are DWARF's.

mod aarch64;
mod x86_64;

pub use aarch64::{RuntimeFrame, link_is_caller, runtime_frame};

/// A machine that the JIT emits code for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// x86-64. Seen in running VMs.
    X86_64,
    /// 64-bit ARM. From headers and the emitter's source alone.
    Aarch64,
}

/// A register: its number in DWARF and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// DWARF's number.
    pub number: u16,
    /// As an assembler has it.
    pub name: &'static str,
}

/// Which register is what while JIT code runs: the heads of `jit/x86/beam_asm.hpp` and
/// `jit/arm/beam_asm.hpp`, the same in OTP 25 to 29.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// The running `Process`, `c_p`.
    pub process: Register,
    /// Top of the Erlang stack, `E`.
    pub erlang_stack: Register,
    /// Top of the C stack while C code runs.
    pub native_stack: Register,
    /// Top of the heap, `HTOP`.
    pub heap_top: Register,
    /// The register block.
    pub registers: Register,
    /// Frame pointer of C code, and of Erlang code where that keeps one.
    pub frame_pointer: Register,
    /// Return address of the last call, where calls do not push it.
    pub link: Option<Register>,
    /// Third argument of a helper fragment.
    pub third_argument: Register,
    /// Whether Erlang code has a frame pointer at all, and with it `Process` a field for it. On
    /// 64-bit ARM `configure.ac` turns `ERLANG_FRAME_POINTERS` off, so that everything behind
    /// `Process.stop` lies 8 bytes lower there than in a table of x86-64.
    pub erlang_frame_pointers: bool,
}

/// Where the Erlang stack pointer is during a call from JIT code into C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallSite {
    /// In `Process.stop`.
    Stored,
    /// In a register that C code keeps for its caller: `rbp` on x86-64, `x20` on 64-bit ARM.
    Kept,
}

/// What the code around a call refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sites {
    /// Where the x registers begin in the register block.
    pub x: u32,
    /// `Process.htop`, and directly behind it `Process.stop`.
    pub htop: u32,
    /// `Process.stop`.
    pub stop: u32,
}

impl Arch {
    /// By its name in Rust, as tables and recordings have it.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Arch> {
        match name {
            "x86_64" => Some(Arch::X86_64),
            "aarch64" => Some(Arch::Aarch64),
            _ => None,
        }
    }

    /// What registers are.
    #[must_use]
    pub fn roles(self) -> &'static Roles {
        match self {
            Arch::X86_64 => &x86_64::ROLES,
            Arch::Aarch64 => &aarch64::ROLES,
        }
    }

    /// How many bytes before a return address [`Arch::call_site`] wants to see.
    #[must_use]
    pub fn look_back(self) -> usize {
        match self {
            Arch::X86_64 => x86_64::LOOK_BACK,
            Arch::Aarch64 => aarch64::LOOK_BACK,
        }
    }

    /// How many bytes before a return address [`Arch::called_bif`] wants to see.
    #[must_use]
    pub fn bif_look_back(self) -> usize {
        match self {
            Arch::X86_64 => x86_64::BIF_LOOK_BACK,
            Arch::Aarch64 => aarch64::BIF_LOOK_BACK,
        }
    }

    /// How the call at the end of `code` kept the Erlang stack pointer.
    #[must_use]
    pub fn call_site(self, code: &[u8], sites: Sites) -> CallSite {
        match self {
            Arch::X86_64 => x86_64::call_site(code, sites.x),
            Arch::Aarch64 => aarch64::call_site(code, sites),
        }
    }

    /// How long a direct call is, in bytes.
    #[must_use]
    pub fn call_bytes(self) -> usize {
        match self {
            Arch::X86_64 => 5,
            Arch::Aarch64 => 4,
        }
    }

    /// Where a direct call goes whose bytes end at a return address; `None` for other calls.
    #[must_use]
    pub fn call_target(self, return_address: u64, code: &[u8]) -> Option<u64> {
        match self {
            Arch::X86_64 => x86_64::call_target(return_address, code.last_chunk()?),
            Arch::Aarch64 => aarch64::call_target(return_address, code.last_chunk()?),
        }
    }

    /// The C function of the BIF that a call to a helper fragment calls. `code` ends at
    /// `return_address`; `read` reads a word of the code's constants.
    #[must_use]
    pub fn called_bif(
        self,
        code: &[u8],
        return_address: u64,
        read: impl Fn(u64) -> Option<u64>,
        is_bif: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        match self {
            Arch::X86_64 => x86_64::called_bif(code, is_bif),
            Arch::Aarch64 => aarch64::called_bif(code, return_address, read, is_bif),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arch;
    use crate::layout::{known_releases, table_for};

    #[test]
    fn every_table_is_of_a_machine_that_is_known() {
        for release in known_releases() {
            let table = table_for(&release.to_string()).expect("a table");
            let arch = Arch::by_name(&table.arch).expect("known");
            assert!(arch.roles().erlang_frame_pointers);
            // What `ProcessBlock::frame_pointer` and the pairs of stores rely on.
            assert_eq!(table.process.stop, table.process.htop + 8);
            assert!(table.process.heap >= table.process.stop + 16);
        }
        assert_eq!(Arch::by_name("sparc"), None);
    }
}
