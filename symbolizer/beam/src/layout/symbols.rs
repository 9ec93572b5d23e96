//! The emulator's global variables, found by their symbols.
//!
//! Debian's OTP 25 and 27 are stripped but export their symbols for NIFs and drivers, so the
//! dynamic symbol table has them all.

use crate::target::Elf;

macro_rules! globals {
    ($($(#[$doc:meta])* $field:ident = $symbol:literal,)*) => {
        /// Addresses of global variables in the target.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Globals { $($(#[$doc])* pub $field: u64,)* }

        /// Finds every global, or tells which symbols are missing.
        ///
        /// # Errors
        /// The names that were looked for in vain.
        pub fn find_globals(elf: &Elf, bias: u64) -> Result<Globals, Vec<&'static str>> {
            let mut missing = Vec::new();
            let mut find = |name: &'static str| match elf.symbol(name) {
                Some(symbol) => symbol.address.wrapping_add(bias),
                None => {
                    missing.push(name);
                    0
                }
            };
            let globals = Globals { $($field: find($symbol),)* };
            if missing.is_empty() { Ok(globals) } else { Err(missing) }
        }
    };
}

globals! {
    /// 32 bits: 1 when the emulator is the JIT.
    beamasm = "etp_beamasm",
    /// 32 bits: 0 return addresses only, 1 with frame pointers.
    frame_layout = "erts_frame_layout",
    /// The atom table.
    atom_table = "erts_atom_table",
    /// The process table.
    process_table = "erts_proc",
    /// Pointer to the schedulers' array.
    schedulers = "erts_aligned_scheduler_data",
    /// Pointer to the dirty CPU schedulers' array.
    dirty_cpu_schedulers = "erts_aligned_dirty_cpu_scheduler_data",
    /// Pointer to the dirty IO schedulers' array.
    dirty_io_schedulers = "erts_aligned_dirty_io_scheduler_data",
    /// How many schedulers.
    scheduler_count = "erts_no_schedulers",
    /// How many dirty CPU schedulers.
    dirty_cpu_count = "erts_no_dirty_cpu_schedulers",
    /// How many dirty IO schedulers.
    dirty_io_count = "erts_no_dirty_io_schedulers",
    /// The return address at the bottom of every process's stack.
    normal_exit = "beam_normal_exit",
    /// Descriptor of the debugger interface.
    jit_descriptor = "__jit_debug_descriptor",
    /// The function called for each piece of code.
    jit_register = "__jit_debug_register_code",
}
