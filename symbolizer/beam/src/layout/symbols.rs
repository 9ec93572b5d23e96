//! First way to the globals: symbols, exported or static.
//!
//! Debian's OTP 25 and 27 are stripped but export their symbols for NIFs and drivers, so the
//! dynamic symbol table has them all.

use super::Layout;
use super::globals::{Count, Globals, SchedulerArray};
use crate::target::Elf;

/// More BIFs than any release has.
pub(crate) const BIFS_MAX: u64 = 4096;

/// How many symbols are needed.
pub(super) const NEEDED: usize = 9;

/// Finds the globals, or tells which symbols are missing.
///
/// # Errors
/// The names that were looked for in vain.
pub(super) fn find(elf: &Elf, bias: u64, layout: &Layout) -> Result<Globals, Vec<&'static str>> {
    let at = |name: &str| {
        elf.symbol(name)
            .map(|symbol| symbol.address.wrapping_add(bias))
    };
    let mut missing = Vec::new();
    let mut need = |name: &'static str| {
        at(name).unwrap_or_else(|| {
            missing.push(name);
            0
        })
    };
    let mut array = |pointer, count| SchedulerArray {
        pointer: need(pointer),
        count: Count::At(need(count)),
    };
    let schedulers = [
        array("erts_aligned_scheduler_data", "erts_no_schedulers"),
        array(
            "erts_aligned_dirty_cpu_scheduler_data",
            "erts_no_dirty_cpu_schedulers",
        ),
        array(
            "erts_aligned_dirty_io_scheduler_data",
            "erts_no_dirty_io_schedulers",
        ),
    ];
    let globals = Globals {
        atom_table: need("erts_atom_table"),
        process_table: need("erts_proc"),
        schedulers: schedulers.map(Some),
        jit_descriptor: need("__jit_debug_descriptor"),
        jit_register: at("__jit_debug_register_code"),
        bifs: elf.symbol("bif_table").map(|symbol| {
            let entries = symbol.size / u64::from(layout.bif.size.max(8));
            (symbol.address.wrapping_add(bias), entries.min(BIFS_MAX))
        }),
        this_node: at("erts_this_node"),
        dirty_main: elf.symbol("erts_dirty_process_main").map(|symbol| {
            let start = symbol.address.wrapping_add(bias);
            start..start.saturating_add(symbol.size)
        }),
    };
    if missing.is_empty() {
        Ok(globals)
    } else {
        Err(missing)
    }
}
