//! What a probe in the VM saw, decoded but not interpreted: terms and addresses are the target's.
//!
//! `ERTS` names below are functions of OTP 25 to 29: `erl_process.c`, `erl_proc_sig_queue.c`,
//! `erl_gc.c`, `beam_common.c`, `beam_load.c`, `beam_bif_load.c`, `io.c`, `dist.c`, `external.c`,
//! `erl_port_task.c`.

use crate::thread::SchedulerKind;

/// One event of the VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VmEvent {
    /// `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
    /// CPU number.
    pub cpu: u32,
    /// The scheduler whose thread it was, by kind and number from 1; `None` for other threads.
    pub scheduler: Option<(SchedulerKind, u16)>,
    /// Address of the `Process` struct that the thread ran then; 0 for none or unknown.
    pub process: u64,
    /// Its pid as a term; 0 for none or unknown.
    pub pid: u64,
    /// What happened.
    pub what: VmEventKind,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VmEventKind {
    /// A scheduler begins to run the process (`copy_in_registers`; dirty schedulers:
    /// `erts_call_dirty_nif` and the like).
    In {
        /// `Process.i`: where it goes on.
        at: u64,
        /// `Process.state`.
        state: u32,
    },
    /// A scheduler stops running the process (`erts_schedule`).
    Out {
        /// `Process.i`: where it will go on.
        at: u64,
        /// `Process.state`.
        state: u32,
        /// Reductions of this run.
        reductions: u32,
        /// Those of all its runs before, and of signals that a scheduler has handled for it.
        before: u64,
    },
    /// A message or signal is put into the receiver's queue
    /// (`erts_proc_sig_queue_try_enqueue_to_buffer`).
    Enqueue {
        /// Address of the receiver's `Process` struct.
        receiver: u64,
        /// The receiver's pid as a term.
        receiver_pid: u64,
        /// Who sent it, as a term; not always a pid.
        from: u64,
        /// Address of the `ErtsMessage`, or of what is put there for another signal.
        message: u64,
        /// What its term looks like.
        shape: MessageShape,
        /// How many words it takes: 0 for one that is a word itself. Known where it lies in the
        /// fragment within the message (`ErtsMessage.hfrag`) with nothing else; of another
        /// signal that is what that took.
        size_words: Option<u32>,
    },
    /// The process takes a message out of its queue (`beam_jit_remove_message`).
    Dequeue {
        /// Address of the `ErtsMessage`.
        message: u64,
    },
    /// The process runs for the first time: what [`VmEventKind::In`] follows with.
    Born {
        /// Who spawned it, as a term.
        parent: u64,
        /// Module, function, arity of its initial call, as terms and a number.
        call: [u64; 3],
        /// Whether it was spawned linked to that process.
        linked: bool,
        /// Whether that process monitors it since.
        monitored: bool,
    },
    /// The process is ending (`erts_continue_exit_process`, which may be called again and
    /// again).
    Exit {
        /// The reason.
        reason: ExitReason,
    },
    /// A collection of the process's heap begins.
    CollectionStart(Heaps),
    /// It has ended.
    CollectionEnd(Heaps),
    /// The process was given a name, by itself or another one.
    Register {
        /// The name, as a term.
        name: u64,
    },
    /// A name is taken away from the process, by itself or another one, or because it ends.
    Unregister {
        /// The name, as a term.
        name: u64,
    },
    /// The kernel takes the CPU from the scheduler's thread (`trace_sched_switch`).
    SwitchedOut {
        /// Whether the thread could have gone on; else it has to wait for something.
        is_ready: bool,
        /// For how long it has been ready without a CPU since it began, by the kernel's own
        /// account, if it keeps one.
        delayed_ns: Option<u64>,
    },
    /// The kernel gives it one.
    SwitchedIn {
        /// The same account.
        delayed_ns: Option<u64>,
        /// For how long it has lain in this CPU's queue, likewise.
        queued_ns: Option<u64>,
    },
    /// The process calls a BIF or NIF that was asked for: its C function is entered.
    NativeCall {
        /// Which, by the number that was given to it.
        function: u32,
        /// What the JIT passes a BIF besides process and arguments: an address in the caller, or
        /// in the code that stands for the BIF; 0 as guards call it, and for NIFs.
        code: u64,
        /// Where in Erlang code it returns to; 0 where that is not known.
        caller: u64,
    },
    /// The C function returns.
    NativeReturn {
        /// Which.
        function: u32,
    },
    /// The process puts the code of a module in place (`erts_finish_loading`).
    CodeLoad {
        /// The module, as a term.
        module: u64,
    },
    /// The process takes a step to remove the old code of a module
    /// (`erts_internal:purge_module/2`).
    CodePurge {
        /// The module, as a term.
        module: u64,
        /// Which step, as a term.
        step: u64,
    },
    /// A port is opened (`create_port`).
    PortOpen {
        /// The port, as a term.
        port: u64,
        /// The process that it is connected to, as a term.
        owner: u64,
        /// Address of its driver.
        driver: u64,
        /// What was said to open it, a C string that is cut.
        name: [u64; 4],
    },
    /// A port is gone (`erts_port_task_free_port`).
    PortClose {
        /// The port, as a term.
        port: u64,
        /// The process that it was connected to, as a term.
        owner: u64,
        /// Address of its driver.
        driver: u64,
        /// `Port.bytes_in`.
        bytes_in: u64,
        /// `Port.bytes_out`.
        bytes_out: u64,
    },
    /// The process gives data to a port (`erts_port_output`).
    PortOutput {
        /// The port, as a term.
        port: u64,
        /// Address of its driver.
        driver: u64,
        /// How many bytes, where that is known.
        bytes: Option<u64>,
    },
    /// A port gives something to a process (`driver_output2`, `erl_drv_output_term` and the like).
    PortInput {
        /// The port, as a term.
        port: u64,
        /// Who gets it, as a term; 0 for the one that the port is connected to.
        to: u64,
        /// Address of its driver; 0 for unknown.
        driver: u64,
        /// How many bytes, where that is known.
        bytes: Option<u64>,
    },
    /// A signal for another node is encoded, or the process that sends it is suspended
    /// (`erts_dsig_send`).
    DistSend {
        /// The node's name, as a term.
        node: u64,
        /// How many bytes, where that is known.
        bytes: Option<u64>,
        /// What the signal is for, and what its control message has next, as terms; `None` where
        /// the process is suspended.
        signal: Option<[u64; 2]>,
    },
    /// A part of a signal from another node has arrived, and more are to come
    /// (`erts_prepare_dist_ext`).
    DistFragment {
        /// The node's name, as a term.
        node: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// A signal from another node is whole (`erts_net_message`).
    DistReceive {
        /// The node's name, as a term; 0 for unknown.
        node: u64,
        /// How many bytes its last or only part has, where that is known.
        bytes: Option<u64>,
        /// What the signal is for, and what its control message has next, as terms.
        signal: [u64; 2],
        /// Who gets it, as a term: a pid, a name or a reference.
        to: u64,
    },
}

/// A process's heaps when a collection begins or ends: how many words they have room for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heaps {
    /// The young one, `Process.heap_sz`.
    pub young: u64,
    /// The old one.
    pub old: u64,
    /// Minor collections since the last major one (`Process.gen_gcs`).
    pub minor_collections: u16,
    /// Whether it is a collection because of hibernation.
    pub hibernates: bool,
}

/// What can be told of a message by its first words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageShape {
    /// `ErtsMessage.m[0]`: the term, or the tag of a signal.
    pub term: u64,
    /// If the term is a boxed tuple, its header; else 0.
    pub header: u64,
    /// If so, its first element; where that is boxed, the header that it points to, whose low
    /// two bits are 0 as those of no term are. Where it is a list, and the tuple a message of two:
    /// the head of that list with the low two bits of a list, or these alone for a pointer.
    pub first: u64,
}

/// What can be told of the reason of an exit by its first words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExitReason {
    /// The reason itself.
    pub shape: MessageShape,
    /// If it is a tuple that begins with one: the first element of that, unless it is a pointer.
    pub inner: u64,
    /// If it is a tuple: what its second element is.
    pub second: SecondElement,
}

/// The second element of a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondElement {
    /// A term that is no pointer; 0 for any that is told nothing of.
    Word(u64),
    /// A stack trace (`add_stacktrace` in `beam_common.c`), by the function in front.
    Trace {
        /// Its module and name, as terms.
        function: [u64; 2],
        /// How many arguments it takes, where that was counted.
        arity: Option<u32>,
    },
    /// A tuple.
    Tuple {
        /// How many elements it has.
        size: u64,
        /// The first two, as terms, 0 for a pointer.
        elements: [u64; 2],
    },
}

impl Default for SecondElement {
    fn default() -> SecondElement {
        SecondElement::Word(0)
    }
}
