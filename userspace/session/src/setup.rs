//! What the kernel half must know, from what is known of the VM.

use escope_beam::{BeamError, ProcessState, Scheduler, Vm};
use escope_capture::{CaptureOptions, ClockChoice, CodeProbe};
use escope_model::SchedulerKind;
use escope_wire::{Config, SchedulerKey, SchedulerSlot};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Choices of the user that the kernel half needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    pub(crate) frequency_hz: u32,
    pub(crate) clock: ClockChoice,
    pub(crate) erlang_bytes: u32,
    pub(crate) native_bytes: u32,
    pub(crate) ring_bytes: u32,
}

pub(crate) fn capture_options(vm: &Vm, sampling: Sampling) -> Result<CaptureOptions, BeamError> {
    let atoms = vm.atoms.find(&vm.memory, &["proc_lib", "$initial_call"])?;
    let layout = &vm.layout;
    let config = Config {
        tgid: vm.pid,
        process_bytes: layout.process.size,
        erlang_bytes: sampling.erlang_bytes,
        native_bytes: sampling.native_bytes,
        // These three are filled in where the programs are loaded.
        weight_ns: 0,
        pid_namespace: 0,
        sample_ring_bytes: 0,
        jit_descriptor: vm.globals.jit_descriptor,
        // All ones is no term: where an atom does not exist nothing can equal it.
        atom_proc_lib: atoms[0].unwrap_or(u64::MAX),
        atom_initial_call: atoms[1].unwrap_or(u64::MAX),
        scheduler_registers_at: layout.scheduler.registers,
        scheduler_sleep_info_at: layout.scheduler.sleep_info,
        sleep_flags_at: layout.sleep_info.flags,
        scheduler_process_at: layout.scheduler.process,
        scheduler_port_at: layout.scheduler.port,
        process_htop_at: layout.process.htop,
        process_stop_at: layout.process.stop,
        process_heap_at: layout.process.heap,
        process_hend_at: layout.process.hend,
        process_reg_at: layout.process.reg,
        reg_name_at: layout.reg_proc.name,
        process_initial_at: layout.process.initial,
        process_dictionary_at: layout.process.dictionary,
        dictionary_size_at: layout.dictionary.size,
        dictionary_data_at: layout.dictionary.data,
        process_current_at: layout.process.current,
        process_id_at: layout.process.id,
        process_scheduler_at: layout.process.scheduler,
        process_state_at: layout.process.state,
        process_state_gc: ProcessState::GC,
    };
    Ok(CaptureOptions {
        config,
        schedulers: vm.schedulers()?.iter().map(slot).collect(),
        frequency_hz: sampling.frequency_hz,
        clock: sampling.clock,
        ring_bytes: sampling.ring_bytes,
        code_probe: vm.jit_register_file_offset.map(|file_offset| CodeProbe {
            binary: format!("/proc/{}/exe", vm.pid).into(),
            file_offset,
        }),
    })
}

pub(crate) fn slot(scheduler: &Scheduler) -> (SchedulerKey, SchedulerSlot) {
    (
        SchedulerKey {
            thread_pointer: scheduler.thread,
        },
        SchedulerSlot {
            data: scheduler.data,
            kind: match scheduler.id.kind {
                SchedulerKind::Normal => 0,
                SchedulerKind::DirtyCpu => 1,
                SchedulerKind::DirtyIo => 2,
            },
            number: u32::from(scheduler.id.number),
        },
    )
}

/// A core dump of ours would have what is masked before it is told.
pub(crate) fn leave_no_core() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
