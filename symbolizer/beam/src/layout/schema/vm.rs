//! What the VM has once: schedulers and their registers, the tables of processes, atoms, BIFs and
//! nodes, and how pids are printed.

use serde::{Deserialize, Serialize};

use super::offsets;

offsets! {
    /// `ErtsSchedulerData`, inside its cache-aligned array element.
    SchedulerLayout {
        /// Size of an array element.
        stride,
        /// Pointer to the register block.
        registers,
        /// `pthread_t`.
        thread,
        /// Pointer to the sleep state.
        sleep_info,
        /// The running process.
        process,
        /// 0 normal, 1 dirty CPU, 2 dirty IO.
        kind,
        /// Number of a normal scheduler.
        number,
        /// Number of a dirty one.
        dirty_number,
        /// The running port.
        port,
        /// What the running native function is given; 0 where none runs.
        nif,
        /// Reductions of this run that are not the process's, 32 bits.
        virtual_reductions,
        /// Reductions of all that it has run.
        reductions,
    }
    /// `ErtsSchedulerSleepInfo`.
    SleepInfoLayout {
        /// Pointer back to its scheduler.
        scheduler,
        /// Its flags, 32 bits.
        flags,
    }
    /// The block that JIT code keeps its registers in.
    RegistersLayout {
        /// The x registers.
        x,
    }
    /// `ErtsPTab`.
    ProcessTableLayout {
        /// Where its read-only part begins, with the pointer to the slots.
        read_only,
        /// Number of slots, 32 bits, in the read-only part.
        max,
        /// What a slot that is being filled holds, in the read-only part.
        invalid,
    }
    /// `BifEntry`.
    BifLayout {
        /// Size of an entry.
        size,
        /// Module atom.
        module,
        /// Function atom.
        name,
        /// Arity, 32 bits.
        arity,
        /// The C function.
        function,
    }
    /// `Port`.
    PortLayout {
        /// Its number, a term.
        id,
        /// The process that it is connected to, a term.
        connected,
        /// Bytes that it has given to processes, of those that the VM counts.
        bytes_in,
        /// Bytes that processes have given to it.
        bytes_out,
        /// Pointer to what was said when it was opened, a C string.
        name,
        /// Pointer to its driver.
        driver,
        /// Pointer to a driver's name, a C string, in `erts_driver_t`.
        driver_name,
    }
    /// `ErtsDSigSendContext`, and what hangs together with it.
    DistLayout {
        /// The control message, a term.
        control,
        /// The process that it is sent for, a term.
        from,
        /// Pointer to the other node's `DistEntry`.
        entry,
        /// How far sending is, 32 bits.
        phase,
        /// Pointer to an array of `ErtsDistOutputBuf`, one for each fragment.
        buffers,
        /// How many fragments there are.
        fragments,
        /// Pointer to the `Process` that sends, or 0.
        process,
        /// Size of an `ErtsDistOutputBuf`.
        buffer_size,
        /// Its pointer to an `ErlIOVec`.
        buffer_vector,
        /// The node's name, in its `DistEntry`.
        entry_name,
    }
    /// `ErlNode`.
    NodeLayout {
        /// The name's atom.
        sysname,
        /// Which of the nodes of that name, 32 bits.
        creation,
        /// Pointer to what is known of its connection.
        dist_entry,
    }
    /// Masks of the process table, in `ErtsPTab`'s read-only part.
    PidTableLayout {
        /// Bits of the term that are the number's own, inverted.
        mask,
        /// Mask of the cache line bits.
        cl_mask,
        /// Mask of the index in a cache line.
        cli_mask,
        /// Shift of the cache line bits.
        cl_shift,
        /// Shift of the index.
        cli_shift,
    }
}

/// The atom table and its entries.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AtomLayout {
    /// Number of atoms, 32 bits, in `IndexTable`.
    pub entries: u32,
    /// Pointer to the segments, in `IndexTable`.
    pub segments: u32,
    /// Length of the name in bytes, 16 bits, in `Atom`.
    pub length: u32,
    /// The name, in `Atom`.
    pub name: u32,
    /// Whether the name is a binary term instead of a pointer to bytes.
    pub name_is_term: bool,
}

/// How a pid term becomes the numbers that are printed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PidLayout {
    /// Bits of the number; the serial lies above.
    pub number_bits: u32,
    /// Bits of number and serial.
    pub data_bits: u32,
    /// Where the table's masks lie, if the term is scrambled by them.
    pub table: Option<PidTableLayout>,
}
