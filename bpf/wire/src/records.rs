//! The records themselves.

use core::mem::size_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Defines one record in Rust and, as `C_TEXT`, in C.
macro_rules! wire_struct {
    (
        $(#[$doc:meta])*
        $name:ident as $c_name:literal {
            $($(#[$field_doc:meta])* $field:ident : $ty:tt = $c:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq,
            FromBytes, IntoBytes, Immutable, KnownLayout,
        )]
        #[repr(C)]
        pub struct $name { $($(#[$field_doc])* pub $field: $ty,)* }

        // Arrays of more than 32 have no default of their own.
        impl Default for $name {
            fn default() -> Self {
                zerocopy::FromZeros::new_zeroed()
            }
        }

        impl $name {
            /// The same struct in C.
            pub(crate) const C_TEXT: &'static str = concat!(
                "struct ", $c_name, " {\n", $("\t", $c, ";\n",)* "};\n"
            );
            /// Its name in C and its size, for an assertion on the C side.
            pub(crate) const C_SIZE: (&'static str, usize) = ($c_name, size_of::<$name>());
        }

        // `IntoBytes` already refuses padding; records also keep the ring's alignment.
        const _: () = assert!(size_of::<$name>() % 8 == 0);
    };
}
pub(crate) use wire_struct;

wire_struct! {
    /// How every record begins.
    RecordHead as "record_head" {
        /// What follows.
        kind: u32 = "u32 kind",
        /// Length of the whole record.
        bytes: u32 = "u32 bytes",
    }
}

wire_struct! {
    /// The fixed part of a sample.
    SampleHead as "sample_head" {
        /// [`crate::KIND_SAMPLE`].
        kind: u32 = "u32 kind",
        /// Length of the whole record.
        bytes: u32 = "u32 bytes",
        /// `CLOCK_MONOTONIC`.
        monotonic_ns: u64 = "u64 monotonic_ns",
        /// CPU time this sample stands for.
        weight_ns: u64 = "u64 weight_ns",
        /// CPU number.
        cpu: u32 = "u32 cpu",
        /// Kernel thread id.
        tid: u32 = "u32 tid",
        /// [`crate::flag`].
        flags: u32 = "u32 flags",
        /// 0 normal, 1 dirty CPU, 2 dirty IO.
        scheduler_kind: u32 = "u32 scheduler_kind",
        /// From 1; 0 when the thread is no scheduler.
        scheduler_number: u32 = "u32 scheduler_number",
        /// The scheduler's sleep state.
        sleep_flags: u32 = "u32 sleep_flags",
        /// Program counter in user mode.
        ip: u64 = "u64 ip",
        /// Stack pointer.
        sp: u64 = "u64 sp",
        /// rbp.
        bp: u64 = "u64 bp",
        /// rbx.
        bx: u64 = "u64 bx",
        /// rdx.
        dx: u64 = "u64 dx",
        /// r12.
        r12: u64 = "u64 r12",
        /// r13.
        r13: u64 = "u64 r13",
        /// r14.
        r14: u64 = "u64 r14",
        /// r15.
        r15: u64 = "u64 r15",
        /// Address of the scheduler's data.
        scheduler_data: u64 = "u64 scheduler_data",
        /// Its register block.
        registers: u64 = "u64 registers",
        /// The process it runs.
        process: u64 = "u64 process",
        /// The port it runs.
        port: u64 = "u64 port",
        /// Return address of the last call from JIT code into C.
        jit_return: u64 = "u64 jit_return",
        /// Atom term of the registered name.
        registered_name: u64 = "u64 registered_name",
        /// Terms of `$initial_call`.
        initial_call: [u64; 3] = "u64 initial_call[3]",
        /// Module atom, function atom and arity of the native function it is in, or was
        /// in last.
        current_call: [u64; 3] = "u64 current_call[3]",
        /// Where the Erlang stack was copied from.
        erlang_address: u64 = "u64 erlang_address",
        /// Where its last part was copied from.
        erlang_bottom_address: u64 = "u64 erlang_bottom_address",
        /// Where the C stack was copied from.
        native_address: u64 = "u64 native_address",
        /// Valid bytes of the process section, which is always [`crate::PROCESS_BYTES`] long.
        process_bytes: u32 = "u32 process_bytes",
        /// Length of the C stack section.
        native_bytes: u32 = "u32 native_bytes",
        /// Length of the kernel stack section.
        kernel_bytes: u32 = "u32 kernel_bytes",
        /// Length of the Erlang stack section.
        erlang_bytes: u32 = "u32 erlang_bytes",
        /// Length of the section with the stack's last part.
        erlang_bottom_bytes: u32 = "u32 erlang_bottom_bytes",
        /// Zero.
        reserved: u32 = "u32 reserved",
    }
}

wire_struct! {
    /// The VM registered code with its debugger interface.
    CodeRecord as "code_record" {
        /// [`crate::KIND_CODE`].
        kind: u32 = "u32 kind",
        /// Length of the record.
        bytes: u32 = "u32 bytes",
        /// `CLOCK_MONOTONIC`.
        monotonic_ns: u64 = "u64 monotonic_ns",
        /// 1 registers, 2 unregisters.
        action: u32 = "u32 action",
        /// Size of the code.
        code_bytes: u32 = "u32 code_bytes",
        /// The entry concerned.
        entry: u64 = "u64 entry",
        /// Its blob.
        blob: u64 = "u64 blob",
        /// The blob's size.
        blob_bytes: u64 = "u64 blob_bytes",
        /// First address of the code.
        code_start: u64 = "u64 code_start",
    }
}

wire_struct! {
    /// What the kernel half counts, per CPU. `attempts == recorded + ring_full` holds
    /// exactly; the rest are kinds of defects of recorded samples.
    Counters as "counters" {
        /// Timer ticks that found a thread of the target.
        attempts: u64 = "u64 attempts",
        /// Of those, put into the ring.
        recorded: u64 = "u64 recorded",
        /// Of those, dropped because the ring was full.
        ring_full: u64 = "u64 ring_full",
        /// Code registrations seen.
        code_attempts: u64 = "u64 code_attempts",
        /// Of those, dropped because the ring was full.
        code_ring_full: u64 = "u64 code_ring_full",
        /// Samples whose scheduler block could not be read.
        scheduler_unreadable: u64 = "u64 scheduler_unreadable",
        /// Samples whose process block could not be read.
        process_unreadable: u64 = "u64 process_unreadable",
        /// Samples whose Erlang stack could not be read.
        erlang_unreadable: u64 = "u64 erlang_unreadable",
        /// Samples whose C stack could not be read.
        native_unreadable: u64 = "u64 native_unreadable",
        /// Bytes put into the ring.
        bytes: u64 = "u64 bytes",
        /// Time spent in the program, without the interrupt around it.
        busy_ns: u64 = "u64 busy_ns",
    }
}

wire_struct! {
    /// Key of the scheduler table: the thread's `fs` base, which is its `pthread_t`.
    SchedulerKey as "scheduler_key" {
        /// `fs` base.
        thread_pointer: u64 = "u64 thread_pointer",
    }
}

wire_struct! {
    /// Value of the scheduler table.
    SchedulerSlot as "scheduler_slot" {
        /// Address of its `ErtsSchedulerData`.
        data: u64 = "u64 data",
        /// 0 normal, 1 dirty CPU, 2 dirty IO.
        kind: u32 = "u32 kind",
        /// From 1.
        number: u32 = "u32 number",
    }
}

wire_struct! {
    /// What the kernel half must know of the target: fixed before the programs are
    /// loaded. Fields named `*_at` are offsets in bytes.
    Config as "config" {
        /// The target, as a thread group id.
        tgid: u32 = "u32 tgid",
        /// The PID namespace that `tgid` and every `tid` are of, by its inode; 0 for the
        /// host's.
        pid_namespace: u32 = "u32 pid_namespace",
        /// How much of the ring samples may fill: the rest is for code registrations.
        sample_ring_bytes: u32 = "u32 sample_ring_bytes",
        /// How much of the `Process` struct to copy.
        process_bytes: u32 = "u32 process_bytes",
        /// Limit of the Erlang stack copy.
        erlang_bytes: u32 = "u32 erlang_bytes",
        /// Limit of the C stack copy.
        native_bytes: u32 = "u32 native_bytes",
        /// CPU time per sample; 0 takes the event's own period, which is in ns.
        weight_ns: u64 = "u64 weight_ns",
        /// The JIT debugger interface's descriptor; 0 when not followed.
        jit_descriptor: u64 = "u64 jit_descriptor",
        /// The atom `proc_lib`, as a term.
        atom_proc_lib: u64 = "u64 atom_proc_lib",
        /// The atom `$initial_call`, as a term.
        atom_initial_call: u64 = "u64 atom_initial_call",
        /// `ErtsSchedulerData.registers`.
        scheduler_registers_at: u32 = "u32 scheduler_registers_at",
        /// `ErtsSchedulerData.ssi`.
        scheduler_sleep_info_at: u32 = "u32 scheduler_sleep_info_at",
        /// `ErtsSchedulerSleepInfo.flags`.
        sleep_flags_at: u32 = "u32 sleep_flags_at",
        /// `ErtsSchedulerData.current_process`.
        scheduler_process_at: u32 = "u32 scheduler_process_at",
        /// `ErtsSchedulerData.current_port`.
        scheduler_port_at: u32 = "u32 scheduler_port_at",
        /// `Process.htop`.
        process_htop_at: u32 = "u32 process_htop_at",
        /// `Process.stop`.
        process_stop_at: u32 = "u32 process_stop_at",
        /// `Process.heap`.
        process_heap_at: u32 = "u32 process_heap_at",
        /// `Process.hend`.
        process_hend_at: u32 = "u32 process_hend_at",
        /// `Process.common.u.alive.reg`.
        process_reg_at: u32 = "u32 process_reg_at",
        /// `RegProc.name`.
        reg_name_at: u32 = "u32 reg_name_at",
        /// `Process.u.initial`.
        process_initial_at: u32 = "u32 process_initial_at",
        /// `Process.dictionary`.
        process_dictionary_at: u32 = "u32 process_dictionary_at",
        /// `ProcDict.arraySize`.
        dictionary_size_at: u32 = "u32 dictionary_size_at",
        /// `ProcDict.data`.
        dictionary_data_at: u32 = "u32 dictionary_data_at",
        /// `Process.current`.
        process_current_at: u32 = "u32 process_current_at",
        /// `Process.common.id`.
        process_id_at: u32 = "u32 process_id_at",
        /// `Process.scheduler_data`.
        process_scheduler_at: u32 = "u32 process_scheduler_at",
        /// `Process.state`.
        process_state_at: u32 = "u32 process_state_at",
        /// The bit of it that says that a collection is under way.
        process_state_gc: u32 = "u32 process_state_gc",
    }
}
