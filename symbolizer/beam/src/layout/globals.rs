//! Where the emulator keeps what we read: addresses in the target, however they were found.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// How many of something there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Count {
    /// The VM says, in a variable.
    At(u64),
    /// Counted.
    Is(u64),
}

/// An array of schedulers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedulerArray {
    /// Address of the variable that points to it.
    pub pointer: u64,
    /// How many elements it has.
    pub count: Count,
}

/// Addresses of global variables and functions in the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Globals {
    /// `erts_atom_table`.
    pub atom_table: u64,
    /// `erts_proc`, the process table.
    pub process_table: u64,
    /// `erts_aligned_scheduler_data` and its dirty CPU and dirty IO siblings; `None` where a VM
    /// has none of a kind.
    pub schedulers: [Option<SchedulerArray>; 3],
    /// `__jit_debug_descriptor`.
    pub jit_descriptor: u64,
    /// `__jit_debug_register_code`, called for each piece of code.
    pub jit_register: Option<u64>,
    /// `bif_table`, and how many entries it has.
    pub bifs: Option<(u64, u64)>,
    /// `erts_this_node`.
    pub this_node: Option<u64>,
    /// `erts_dirty_process_main`, the main loop of dirty schedulers: what is below it on a C
    /// stack belongs to the thread, not to the process.
    pub dirty_main: Option<Range<u64>>,
}

impl Globals {
    /// As a memory image has them: no schedulers, nothing but what names need.
    #[must_use]
    pub fn of_image(atom_table: u64, process_table: u64, jit_descriptor: u64) -> Globals {
        Globals {
            atom_table,
            process_table,
            schedulers: [None; 3],
            jit_descriptor,
            jit_register: None,
            bifs: None,
            this_node: None,
            dirty_main: None,
        }
    }
}
