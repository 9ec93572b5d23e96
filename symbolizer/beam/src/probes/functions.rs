//! Where the functions are that are probed.

use std::cell::OnceCell;

use super::Target;
use super::by_code::ByCode;
use super::wanted::Probe;
use crate::Vm;
use crate::memory::Memory;
use crate::stack::Arch;

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
    target: &'a Target,
    by_code: OnceCell<ByCode<'a, M>>,
}

impl<'a, M: Memory> Functions<'a, M> {
    pub(super) fn new(vm: &'a Vm<M>, target: &'a Target) -> Self {
        Functions {
            vm,
            target,
            by_code: OnceCell::new(),
        }
    }

    /// The functions that a probe may be in, the best first.
    ///
    /// # Errors
    /// Why none was found.
    pub(super) fn find(&self, probe: Probe) -> Result<Vec<Function>, String> {
        if self.vm.arch() != Arch::X86_64 {
            return Err("probes are known for x86-64 alone".to_owned());
        }
        // The symbol may be of what only leads to it.
        if probe == Probe::DistReceive
            && let Ok(found) = self.by_code().find(probe)
        {
            return Ok(vec![found]);
        }
        let found = self.by_symbol(probe).or_else(|no_symbol| {
            let found = match probe {
                Probe::OpenPort | Probe::ClosePort => self.port(probe),
                _ => self.by_code().find(probe),
            };
            found.map_err(|why| format!("{no_symbol}, and {why}"))
        });
        if probe != Probe::ScheduleIn {
            return Ok(vec![found?]);
        }
        // What copies arguments may have lost sight of the process where it is cheap.
        match (found, self.by_code().saved_calls()) {
            (Ok(copies), saved) => Ok([copies].into_iter().chain(saved).collect()),
            (Err(_), Ok(saved)) => Ok(vec![saved]),
            (Err(why), Err(_)) => Err(why),
        }
    }

    /// By what drivers call to make a port, which every VM exports to them.
    pub(super) fn port(&self, probe: Probe) -> Result<Function, String> {
        let name = "driver_create_port";
        let symbol = self.target.elf.symbol(name);
        let symbol = symbol.ok_or_else(|| format!("no symbol {name}"))?;
        let start = symbol.address.wrapping_add(self.target.bias);
        self.by_code().of_ports(probe, start)
    }

    /// Looking at code, which takes longer.
    pub(super) fn by_code(&self) -> &ByCode<'a, M> {
        self.by_code
            .get_or_init(|| ByCode::new(self.vm, &self.target.code))
    }

    /// By its symbol. C++ mangles the types of arguments into it, which differ between releases:
    /// there the name itself decides, if there is only one.
    pub(super) fn by_symbol(&self, probe: Probe) -> Result<Function, String> {
        let name = name(probe);
        let mangled = format!("_Z{}{name}", name.len());
        let found = match self.target.elf.symbol(name) {
            Some(symbol) => Some((name.to_owned(), symbol)),
            None => self.target.elf.symbol_of(&mangled),
        };
        let (symbol_name, symbol) = found.ok_or_else(|| format!("no symbol {name}"))?;
        let start = symbol.address.wrapping_add(self.target.bias);
        if !self.target.code.contains(start) {
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
        Probe::CollectBegin | Probe::CollectEnd => "garbage_collect",
        Probe::HibernateBegin | Probe::HibernateEnd => "garbage_collect_hibernate",
        Probe::Register => "erts_register_name",
        Probe::Unregister => "erts_unregister_name",
        Probe::LoadModule => "erts_finish_loading",
        Probe::PurgeModule => "erts_internal_purge_module_2",
        // What leads to it is what drivers call to make a port.
        Probe::OpenPort => "create_port",
        Probe::ClosePort => "erts_port_task_free_port",
        Probe::PortOutput => "erts_port_output",
        Probe::PortBytes => "driver_output2",
        Probe::PortBinary => "driver_output_binary",
        Probe::PortVector => "driver_outputv",
        Probe::PortTerm => "driver_output_term",
        Probe::PortTermTo => "driver_send_term",
        Probe::PortIdTerm => "erl_drv_output_term",
        Probe::PortIdTermTo => "erl_drv_send_term",
        Probe::DistSend | Probe::DistSuspend => "erts_dsig_send",
        Probe::DistArrive => "erts_prepare_dist_ext",
        Probe::DistReceive => "erts_net_message",
    }
}
