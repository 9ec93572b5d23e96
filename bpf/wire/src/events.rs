//! The records of events: what probes in the VM's own functions see.

use core::mem::size_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::CopyLayout;
use crate::records::wire_struct;

/// How many words an event can have besides its head.
pub const EVENT_WORDS: usize = 7;

/// [`EventRecord::what`], and the index into [`EventCounters::attempts`] and its like.
pub mod what {
    /// A process begins to run that has run before. Words: `Process.i`, state.
    pub const IN: u32 = 0;
    /// It stops. Words: `Process.i`, state, reductions of this run, those of all before.
    pub const OUT: u32 = 1;
    /// A message or another signal is put into the queue of the process. Words: sender, address,
    /// term, of a boxed one its header, and its first element or the header of that (where that of
    /// a tuple of two is a list, the head of it with the low two bits of a list, these alone for a
    /// pointer), and where the message has its own fragment, how many words are used in that.
    pub const ENQUEUE: u32 = 2;
    /// A message is taken out. Word: message.
    pub const DEQUEUE: u32 = 3;
    /// A process ends, for an atom or a number. Words: reason, its header, its first element or the header of that, the
    /// first element of a tuple there, and what its second element is ([`super::second`]).
    pub const EXIT: u32 = 4;
    /// A collection begins. Words: heap words, old heap words, minor collections since the last
    /// major one.
    pub const GC_START: u32 = 5;
    /// A collection ends. Words: the same.
    pub const GC_END: u32 = 6;
    /// A name was given to the process. Word: name.
    pub const REGISTER: u32 = 7;
    /// A name is taken away from the process. Word: name.
    pub const UNREGISTER: u32 = 8;
    /// A collection because of hibernation begins. Words: as of others.
    pub const HIBERNATE_START: u32 = 9;
    /// It ends. Words: the same.
    pub const HIBERNATE_END: u32 = 10;
    /// Code of a module is put in place. Word: module.
    pub const CODE_LOAD: u32 = 11;
    /// A step of removing the old code of a module. Words: module, which step.
    pub const CODE_PURGE: u32 = 12;
    /// A port is opened. Words: port, the process that it is connected to, its driver, and the
    /// first 32 bytes of what was said to open it, a C string.
    pub const PORT_OPEN: u32 = 13;
    /// A port is gone. Words: port, the process that it was connected to, its driver, bytes that it
    /// gave to processes and bytes that it got from them, by the VM's own count.
    pub const PORT_CLOSE: u32 = 14;
    /// A process gives data to a port. Words: port, driver, bytes, or all ones where these are
    /// not known.
    pub const PORT_OUTPUT: u32 = 15;
    /// A port gives something to a process. Words: port, process, or 0 for the one that it is
    /// connected to, driver, or 0, and bytes as above.
    pub const PORT_INPUT: u32 = 16;
    /// A signal for another node is encoded, or who sends it is suspended because the queue to that
    /// node is full ([`super::way::SUSPENDS`]). Words: name of the node, bytes, or all ones where
    /// these are not known; what it is for, or all ones for one that is suspended; and the first
    /// element after that, as terms.
    pub const DIST_SEND: u32 = 17;
    /// A part of a signal from another node has arrived that is not its last. Words: name of the
    /// node, bytes.
    pub const DIST_FRAGMENT: u32 = 18;
    /// A signal from another node is whole. Words: name of the node, or 0, bytes of its last part,
    /// or all ones; what it is for and the first element after that, as terms; and for whom it is, a
    /// pid, a name or a reference.
    pub const DIST_RECEIVE: u32 = 19;
    /// The kernel takes the CPU from a scheduler's thread. Words: for how long the thread has been
    /// ready without a CPU since it began, by the kernel's account (`sched_info.run_delay`), or
    /// [`super::NOT_COUNTED`]; and 1 if it could have gone on, 0 if it has to wait for something.
    pub const SWITCHED_OUT: u32 = 20;
    /// The kernel gives one to it. Words: the same account up to now, and how much of it is since
    /// the thread was put into the run queue that it comes out of, or [`super::NOT_COUNTED`] twice.
    pub const SWITCHED_IN: u32 = 21;
    /// The C function of a BIF or NIF is entered. Words: number of the function, the address that
    /// the JIT passes ([`super::native_call`]), where it returns to.
    pub const NATIVE_CALL: u32 = 22;
    /// It returns. Words: number of the function.
    pub const NATIVE_RETURN: u32 = 23;
    /// A message is put into a queue, and what it says is copied too: [`ENQUEUE`] with all words, and
    /// [`super::PayloadHead`] and what is announced there behind them.
    pub const PAYLOAD: u32 = 24;
    /// No event: a probe was hit and there was nothing to see, as where the last part of a signal
    /// from another node passes, which is told when it is whole. Such hits are counted, as attempts
    /// alone, because each costs.
    pub const PASSED: u32 = 25;
    /// A process begins to run that has not run before: [`IN`] with all words, and behind them
    /// parent, module, function, arity, [`super::ties`]. Counted apart because it costs more.
    pub const BORN: u32 = 26;
    /// A process ends for a reason that is more than a word: [`EXIT`]. Counted apart because it costs more.
    pub const FAILED: u32 = 27;
    /// A process stops because it has to wait, and its memory is copied too, into a record of
    /// [`crate::STATE_BYTES`]: [`OUT`], and [`crate::StateHead`] and what is announced there behind it.
    pub const STATE_FIRST: u32 = 28;
    /// The last of these, in the largest record.
    pub const STATE_LAST: u32 = STATE_FIRST + crate::STATE_CLASSES as u32 - 1;
    /// The same of a process of which nothing is copied: [`crate::StateHead::flags`] says why.
    pub const STATE_NONE: u32 = STATE_LAST + 1;
    /// One more than the highest.
    pub const COUNT: usize = STATE_NONE as usize + 1;
    /// What each is called in a recording; empty where there is no such event.
    pub const NAMES: [&str; COUNT] = [
        "schedule_in",
        "schedule_out",
        "enqueue",
        "dequeue",
        "exit",
        "gc_start",
        "gc_end",
        "register",
        "unregister",
        "hibernate_start",
        "hibernate_end",
        "code_load",
        "code_purge",
        "port_open",
        "port_close",
        "port_output",
        "port_input",
        "dist_send",
        "dist_fragment",
        "dist_receive",
        "switched_out",
        "switched_in",
        "native_call",
        "native_return",
        "enqueue_payload",
        "nothing",
        "schedule_in_first",
        "exit_with_reason",
        "state_1k",
        "state_4k",
        "state_16k",
        "state_64k",
        "state_uncopied",
    ];
}

/// How a probe of [`what::PORT_INPUT`] sees what a port gives, and what one of
/// [`what::DIST_SEND`] sees, above [`COOKIE_WAY_SHIFT`].
pub mod way {
    /// As bytes. Values: port, bytes before, bytes.
    pub const BYTES: u32 = 0;
    /// As a vector of bytes. Values: port, bytes before, `ErlIOVec`, how many of those to skip.
    pub const VECTOR: u32 = 1;
    /// As a term that is to be made. Values: port, its parts, how many words these are.
    pub const TERM: u32 = 2;
    /// The same for another process. Values: port, its parts, how many words, process.
    pub const TERM_TO: u32 = 3;
    /// As [`TERM`], but with the port as a term.
    pub const ID_TERM: u32 = 4;
    /// As [`TERM_TO`], but with the port as a term.
    pub const ID_TERM_TO: u32 = 5;
    /// Of [`super::what::DIST_SEND`]: who sends is suspended.
    pub const SUSPENDS: u32 = 1;
}

/// What [`PayloadHead::flags`] says of a message.
pub mod payload_flag {
    /// The receiver has asked not to be looked at: nothing was copied.
    pub const RECEIVER_SENSITIVE: u32 = 1;
    /// The sender has, likewise.
    pub const SENDER_SENSITIVE: u32 = 1 << 1;
    /// Who sent it does not run here, so that it could not be asked: it must be before anything
    /// is told.
    pub const SENDER_UNKNOWN: u32 = 1 << 2;
    /// The receiver could not be asked, or the memory could not be read: nothing was copied.
    pub const UNREADABLE: u32 = 1 << 3;
    /// There was no room for it in the ring: nothing was copied.
    pub const NO_ROOM: u32 = 1 << 4;
}

/// The least and the most that can be copied of a message.
pub const PAYLOAD_BYTES: core::ops::RangeInclusive<u32> = 64..=4096;
/// How many pieces of memory are copied that it points to elsewhere: literals are not copied
/// when a message is sent, among them the keys of maps.
pub const PAYLOAD_PIECES: usize = 4;
/// Bytes of such a piece.
pub const PAYLOAD_PIECE_BYTES: usize = 256;

/// The last word of [`what::EXIT`], below [`SHIFT`](second::SHIFT): what the three before and
/// including it say of the second element of the reason.
pub mod second {
    /// The element itself, if it is no pointer; else 0.
    pub const WORD: u32 = 0;
    /// It is a list with a function of a stack trace in front: module, function, and above the
    /// shift the arity, or [`ARITY_UNKNOWN`].
    pub const TRACE: u32 = 1;
    /// It is a tuple: its first two elements, 0 for a pointer, and above the shift its size.
    pub const TUPLE: u32 = 2;
    /// Bits of the kind.
    pub const SHIFT: u32 = 8;
    /// The function was called with more arguments than are counted, or the trace does not say.
    pub const ARITY_UNKNOWN: u32 = 256;
    /// So many arguments are counted where a trace has them in place of the arity.
    pub const ARGUMENTS_MAX: u32 = 16;
}

/// How a process that has just been spawned is tied to the one that did it, by what is on its
/// own side of links and monitors.
pub mod ties {
    /// They are linked.
    pub const LINKED: u32 = 1;
    /// The one that spawned it monitors it.
    pub const MONITORED: u32 = 2;
}

/// The kernel does not count how long threads wait for a CPU.
pub const NOT_COUNTED: u64 = u64::MAX;

/// What the cookie of a site of [`what::NATIVE_CALL`] has below [`COOKIE_WHAT_SHIFT`], besides
/// two registers: the lowest nibble is where what the JIT passes as third argument is
/// (`ErtsCodePtr I`; of [`REGISTERS`]), the next one where `rbp` of the caller is.
pub mod native_call {
    /// It is a BIF. One that is called as guards are gets 0 for that argument, and `Process.stop`
    /// is not stored for it: the Erlang stack is where `rbp` is (`emit_i_bif_guard_shared`,
    /// `emit_enter_runtime` in `jit/x86`).
    pub const BIF: u32 = 1 << 8;
    /// The VM keeps frame pointers: the return address is the second word of the stack.
    pub const FRAME_POINTERS: u32 = 1 << 9;
    /// Above this bit is the function's number.
    pub const FUNCTION_SHIFT: u32 = 16;
    /// How many functions can be asked for.
    pub const FUNCTIONS_MAX: usize = 64;
}

/// How many initial calls can be wanted.
pub const WANTED_CALLS_MAX: usize = 8;
/// How many names can be wanted.
pub const WANTED_NAMES_MAX: usize = 8;

/// A probe's cookie has [`what`] it sees above this bit, in eight bits, and below it where the probe
/// finds its values.
pub const COOKIE_WHAT_SHIFT: u32 = 32;
/// Above this bit is the number of a probe whose hits are counted apart, as others see the same; 0 for
/// one whose hits are known from those of its kind.
pub const COOKIE_SITE_SHIFT: u32 = 40;
/// One more than the highest number of a probe.
pub const SITES: usize = 16;
/// The four bits of a cookie below [`COOKIE_WHAT_SHIFT`] are a [`way`].
pub const COOKIE_WAY_SHIFT: u32 = 28;
/// Where a probe finds a value: a nibble of its cookie, the index of a register in
/// x86-64 `pt_regs` (`asm/ptrace.h`: r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx,
/// si, di).
pub const REGISTERS: u32 = 15;
/// No register: the value is not there.
pub const NO_REGISTER: u32 = 15;

wire_struct! {
    /// One event. As many words follow the head as belong to what it is.
    EventRecord as "event_record" {
        /// [`crate::KIND_EVENT`].
        kind: u16 = "u16 kind",
        /// [`what`].
        what: u8 = "u8 what",
        /// 0 normal, 1 dirty CPU, 2 dirty IO.
        scheduler_kind: u8 = "u8 scheduler_kind",
        /// CPU number.
        cpu: u16 = "u16 cpu",
        /// From 1; 0 when the thread is no scheduler, or was not looked up.
        scheduler_number: u16 = "u16 scheduler_number",
        /// `CLOCK_MONOTONIC`.
        monotonic_ns: u64 = "u64 monotonic_ns",
        /// Address of the process that it concerns; 0 for none.
        process: u64 = "u64 process",
        /// Its pid, as a term; 0 when it was not read.
        pid: u64 = "u64 pid",
        /// What else was seen.
        words: [u64; 7] = "u64 words[7]",
    }
}

wire_struct! {
    /// What is copied of a message. [`PAYLOAD_PIECES`] times [`PAYLOAD_PIECE_BYTES`] follow, then
    /// as many bytes as the configuration says: the block in which its term begins. Where nothing
    /// was copied nothing follows.
    PayloadHead as "payload_head" {
        /// What it says, as a term.
        term: u64 = "u64 term",
        /// Address of the block.
        block: u64 = "u64 block",
        /// How many bytes of it could be read.
        bytes: u32 = "u32 bytes",
        /// [`payload_flag`].
        flags: u32 = "u32 flags",
        /// Addresses of the pieces; 0 from the first that there is not.
        pieces: [u64; 4] = "u64 pieces[4]",
    }
}

wire_struct! {
    /// What the event half counts, per CPU and by [`what`]. Attempts that are neither `ring_full`
    /// nor `filtered` are in the ring: who reads it counts them, so that each is counted once.
    EventCounters as "event_counters" {
        /// Hits of probes; of one that sees several signals at once, each.
        attempts: [u64; 33] = "u64 attempts[33]",
        /// Of those, dropped because the ring was full.
        ring_full: [u64; 33] = "u64 ring_full[33]",
        /// Of those, of processes that nobody asked for.
        filtered: [u64; 33] = "u64 filtered[33]",
        /// Of those in the ring, with memory of the target that could not be read.
        unreadable: [u64; 33] = "u64 unreadable[33]",
        /// Hits by number of the probe, of those that have one.
        sites: [u64; 16] = "u64 sites[16]",
        /// Processes that were asked for and that there was no room to remember.
        wanted_full: u64 = "u64 wanted_full",
    }
}

wire_struct! {
    /// What the event half must know of the target. Fields named `*_at` are offsets in bytes.
    EventConfig as "event_config" {
        /// One less than how many bytes the ring has, a power of two.
        ring_mask: u64 = "u64 ring_mask",
        /// What the words of the ring are xored with.
        ring_key: u64 = "u64 ring_key",
        /// The target, as a thread group id.
        tgid: u32 = "u32 tgid",
        /// The PID namespace that it is of, by its inode; 0 for the host's.
        pid_namespace: u32 = "u32 pid_namespace",
        /// Bits of `Process.state` of one that is ending.
        process_ending: u32 = "u32 process_ending",
        /// `Process.common.id`.
        process_id_at: u32 = "u32 process_id_at",
        /// `Process.i`.
        process_i_at: u32 = "u32 process_i_at",
        /// `Process.reds`.
        process_reds_at: u32 = "u32 process_reds_at",
        /// `Process.state`.
        process_state_at: u32 = "u32 process_state_at",
        /// `Process.parent`.
        process_parent_at: u32 = "u32 process_parent_at",
        /// `Process.u.initial`.
        process_initial_at: u32 = "u32 process_initial_at",
        /// `Process.current`.
        process_current_at: u32 = "u32 process_current_at",
        /// `ErtsSchedulerData.virtual_reds`.
        virtual_reds_at: u32 = "u32 virtual_reds_at",
        /// `Process.fvalue`.
        process_reason_at: u32 = "u32 process_reason_at",
        /// `RegProc.p`.
        registration_process_at: u32 = "u32 registration_process_at",
        /// `RegProc.name`.
        registration_name_at: u32 = "u32 registration_name_at",
        /// `Process.sig_qs.save`.
        process_save_at: u32 = "u32 process_save_at",
        /// `Process.heap_sz`.
        process_heap_words_at: u32 = "u32 process_heap_words_at",
        /// `Process.old_heap`.
        process_old_heap_at: u32 = "u32 process_old_heap_at",
        /// `Process.old_hend`.
        process_old_hend_at: u32 = "u32 process_old_hend_at",
        /// `Process.gen_gcs`, 16 bits.
        process_minor_collections_at: u32 = "u32 process_minor_collections_at",
        /// `Process.common.u.alive.links`.
        process_links_at: u32 = "u32 process_links_at",
        /// `Process.common.u.alive.lt_monitors`.
        process_monitored_by_at: u32 = "u32 process_monitored_by_at",
        /// `ErtsMonLnkNode.node.tree.right`.
        relation_right_at: u32 = "u32 relation_right_at",
        /// `ErtsMonLnkNode.node.tree.left`.
        relation_left_at: u32 = "u32 relation_left_at",
        /// `ErtsMonLnkNode.other.item`.
        relation_item_at: u32 = "u32 relation_item_at",
        /// `ErtsMessage.next`.
        message_next_at: u32 = "u32 message_next_at",
        /// `ErtsMessage.m[0]`.
        message_term_at: u32 = "u32 message_term_at",
        /// `ErtsMessage.data`.
        message_attached_at: u32 = "u32 message_attached_at",
        /// `ErtsMessage.hfrag.used_size`.
        message_used_at: u32 = "u32 message_used_at",
        /// `ErtsSchedulerData.current_process`.
        current_process_at: u32 = "u32 current_process_at",
        /// `Process.stop`.
        process_stop_at: u32 = "u32 process_stop_at",
        /// `Port.common.id`.
        port_id_at: u32 = "u32 port_id_at",
        /// `Port.connected`.
        port_connected_at: u32 = "u32 port_connected_at",
        /// `Port.bytes_in`.
        port_bytes_in_at: u32 = "u32 port_bytes_in_at",
        /// `Port.bytes_out`.
        port_bytes_out_at: u32 = "u32 port_bytes_out_at",
        /// `Port.name`.
        port_name_at: u32 = "u32 port_name_at",
        /// `Port.drv_ptr`.
        port_driver_at: u32 = "u32 port_driver_at",
        /// Subtag of binaries on the heap.
        binary_heap: u32 = "u32 binary_heap",
        /// Subtag of binaries outside of it; that of those on it where no term has one.
        binary_reference: u32 = "u32 binary_reference",
        /// Subtag of parts of binaries.
        binary_part: u32 = "u32 binary_part",
        /// Where a part tells how many bytes it has; where bits are counted, its first bit.
        binary_start_at: u32 = "u32 binary_start_at",
        /// Where bits are counted, the bit after the last of a part; else 0.
        binary_end_at: u32 = "u32 binary_end_at",
        /// How far the size of a binary on the heap is shifted to be one in bytes.
        binary_shift: u32 = "u32 binary_shift",
        /// How many bytes of what a message says are copied; 0 for nothing of any.
        payload_bytes: u32 = "u32 payload_bytes",
        /// The word of a `Process` with the flag that says that it is sensitive.
        process_trace_flags_at: u32 = "u32 process_trace_flags_at",
        /// That flag.
        sensitive: u32 = "u32 sensitive",
        /// `ErtsDSigSendContext.ctl`.
        dist_control_at: u32 = "u32 dist_control_at",
        /// `ErtsDSigSendContext.from`.
        dist_from_at: u32 = "u32 dist_from_at",
        /// `ErtsDSigSendContext.dep`.
        dist_node_at: u32 = "u32 dist_node_at",
        /// `ErtsDSigSendContext.obuf`.
        dist_buffers_at: u32 = "u32 dist_buffers_at",
        /// `ErtsDSigSendContext.fragments`.
        dist_fragments_at: u32 = "u32 dist_fragments_at",
        /// `ErtsDSigSendContext.c_p`.
        dist_process_at: u32 = "u32 dist_process_at",
        /// Size of an `ErtsDistOutputBuf`.
        dist_buffer_size: u32 = "u32 dist_buffer_size",
        /// `ErtsDistOutputBuf.eiov`.
        dist_buffer_vector_at: u32 = "u32 dist_buffer_vector_at",
        /// `DistEntry.sysname`.
        dist_entry_name_at: u32 = "u32 dist_entry_name_at",
        /// 1 where what some processes have is copied when they stop to wait.
        states: u32 = "u32 states",
        /// 1 where of what begins to run only those are recorded.
        in_for_states: u32 = "u32 in_for_states",
        /// The same of what stops.
        out_for_states: u32 = "u32 out_for_states",
        /// How those are copied.
        copies: CopyLayout = "struct copy_layout copies",
        /// How many names are those of processes whose states are wanted.
        state_names: u32 = "u32 state_names",
        /// 1 where of what begins to run only processes that have not run before are recorded.
        births_only: u32 = "u32 births_only",
        /// 1 where only events of wanted processes are recorded.
        filtered: u32 = "u32 filtered",
        /// How many initial calls are wanted.
        calls: u32 = "u32 calls",
        /// How many names are wanted.
        names: u32 = "u32 names",
        /// Initial calls, module, function and arity each, whose processes are wanted.
        call: [u64; 24] = "u64 call[24]",
        /// Bits of `Process.state` of one that stops and does not wait.
        process_busy: u64 = "u64 process_busy",
        /// Names, as terms: who registers one of them is wanted.
        name: [u64; 8] = "u64 name[8]",
        /// The same for states.
        state_name: [u64; 8] = "u64 state_name[8]",
    }
}

const _: () = assert!(EVENT_WORDS * 8 + 32 == size_of::<EventRecord>());
const _: () = assert!(PAYLOAD_PIECES * 8 + 24 == size_of::<PayloadHead>());
const _: () = assert!((what::COUNT * 4 + SITES + 1) * 8 == size_of::<EventCounters>());
const _: () = assert!(SITES.is_power_of_two());
