//! Where the functions are that are probed.

use super::wanted::Probe;
use crate::Vm;
use crate::layout::Text;
use crate::memory::Memory;
use crate::stack::Arch;
use crate::target::Elf;

/// A function of the emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) start: u64,
    pub(super) name: String,
    pub(super) found_by: String,
}

/// What functions are looked for in.
pub(super) struct Functions<'a, M: Memory> {
    vm: &'a Vm<M>,
    elf: &'a Elf,
    code: &'a Text,
    bias: u64,
}

impl<'a, M: Memory> Functions<'a, M> {
    pub(super) fn new(vm: &'a Vm<M>, elf: &'a Elf, code: &'a Text, bias: u64) -> Self {
        Functions {
            vm,
            elf,
            code,
            bias,
        }
    }

    /// The function that a probe is in.
    ///
    /// # Errors
    /// Why it was not found.
    pub(super) fn find(&self, probe: Probe) -> Result<Function, String> {
        if self.vm.arch() != Arch::X86_64 {
            return Err("probes are known for x86-64 alone".to_owned());
        }
        self.by_symbol(probe)
    }

    /// By its symbol. C++ mangles the types of arguments into it, which differ between releases:
    /// there the name itself decides, if there is only one.
    pub(super) fn by_symbol(&self, probe: Probe) -> Result<Function, String> {
        let name = name(probe);
        let mangled = format!("_Z{}{name}", name.len());
        let found = match self.elf.symbol(name) {
            Some(symbol) => Some((name.to_owned(), symbol)),
            None => self.elf.symbol_of(&mangled),
        };
        let (symbol_name, symbol) = found.ok_or_else(|| format!("no symbol {name}"))?;
        let start = symbol.address.wrapping_add(self.bias);
        if !self.code.contains(start) {
            return Err(format!("{name} is not in the emulator's code"));
        }
        Ok(Function {
            start,
            name: name.to_owned(),
            found_by: format!("symbol {symbol_name}"),
        })
    }
}

/// What the VM's source calls the function.
pub(super) fn name(probe: Probe) -> &'static str {
    match probe {
        Probe::ScheduleOut => "erts_schedule",
        Probe::ScheduleIn => "copy_in_registers",
        Probe::DirtyNif => "erts_call_dirty_nif",
        Probe::DirtyBif => "erts_call_dirty_bif",
        Probe::DirtySystemTask => "erts_execute_dirty_system_task",
        Probe::Enqueue => "erts_proc_sig_queue_try_enqueue_to_buffer",
        Probe::Dequeue => "beam_jit_remove_message",
        Probe::Spawn => "erl_create_process",
        Probe::Exit => "erts_do_exit_process",
        Probe::ContinueExit => "erts_continue_exit_process",
        Probe::CollectNoBump => "erts_garbage_collect_nobump",
        Probe::Collect => "erts_garbage_collect",
        Probe::CollectAfterBif => "erts_gc_after_bif_call_lhf",
        Probe::CollectHibernate => "erts_garbage_collect_hibernate",
        Probe::Register => "erts_register_name",
        Probe::Unregister => "erts_unregister_name",
    }
}
