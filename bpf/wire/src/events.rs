//! The records of events: what probes in the VM's own functions see.

use core::mem::size_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::records::wire_struct;

/// How many words an event can have besides its head.
pub const EVENT_WORDS: usize = 8;

/// [`EventRecord::what`], and the index into [`EventCounters::attempts`] and its like.
pub mod what {
    /// A process begins to run. Words: `Process.i`, state, and of one that has not run before:
    /// parent, module, function, arity.
    pub const IN: u32 = 0;
    /// It stops. Words: `Process.i`, state, reductions of this run, those of all before.
    pub const OUT: u32 = 1;
    /// Messages or signals are put into a queue. Words: receiver, its pid, sender, first, last,
    /// term of the last, its header, its first element or
    /// the header of that.
    pub const ENQUEUE: u32 = 2;
    /// A message is taken out. Word: message.
    pub const DEQUEUE: u32 = 3;
    /// A process ends. Words: reason, its header, its first element.
    pub const EXIT: u32 = 4;
    /// A collection begins. Words: heap words, old heap words.
    pub const GC_START: u32 = 5;
    /// A collection ends. Words: the same.
    pub const GC_END: u32 = 6;
    /// A name is given. Words: name, whose.
    pub const REGISTER: u32 = 7;
    /// A name is taken away. Word: name.
    pub const UNREGISTER: u32 = 8;
    /// How many there are.
    pub const COUNT: usize = 9;
}

/// A probe's cookie has [`what`] it sees above this bit, and below it where the probe finds its
/// values.
pub const COOKIE_WHAT_SHIFT: u32 = 32;
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
        kind: u32 = "u32 kind",
        /// Length of the record: the head and its words.
        bytes: u32 = "u32 bytes",
        /// `CLOCK_MONOTONIC`.
        monotonic_ns: u64 = "u64 monotonic_ns",
        /// [`what`].
        what: u32 = "u32 what",
        /// CPU number.
        cpu: u32 = "u32 cpu",
        /// 0 normal, 1 dirty CPU, 2 dirty IO.
        scheduler_kind: u32 = "u32 scheduler_kind",
        /// From 1; 0 when the thread is no scheduler, or was not looked up.
        scheduler_number: u32 = "u32 scheduler_number",
        /// Address of the process that it concerns; 0 for none.
        process: u64 = "u64 process",
        /// Its pid, as a term; 0 when it was not read.
        pid: u64 = "u64 pid",
        /// What else was seen.
        words: [u64; 8] = "u64 words[8]",
    }
}

wire_struct! {
    /// What the event half counts, per CPU and by [`what`]: `attempts == recorded + ring_full`.
    EventCounters as "event_counters" {
        /// Hits of probes.
        attempts: [u64; 9] = "u64 attempts[9]",
        /// Of those, put into the ring.
        recorded: [u64; 9] = "u64 recorded[9]",
        /// Of those, dropped because the ring was full.
        ring_full: [u64; 9] = "u64 ring_full[9]",
        /// Of those recorded, with memory of the target that could not be read.
        unreadable: [u64; 9] = "u64 unreadable[9]",
    }
}

wire_struct! {
    /// What the event half must know of the target. Fields named `*_at` are offsets in bytes.
    EventConfig as "event_config" {
        /// The target, as a thread group id.
        tgid: u32 = "u32 tgid",
        /// The PID namespace that it is of, by its inode; 0 for the host's.
        pid_namespace: u32 = "u32 pid_namespace",
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
        /// `Process.sig_qs.save`.
        process_save_at: u32 = "u32 process_save_at",
        /// `Process.heap_sz`.
        process_heap_words_at: u32 = "u32 process_heap_words_at",
        /// `Process.old_heap`.
        process_old_heap_at: u32 = "u32 process_old_heap_at",
        /// `Process.old_hend`.
        process_old_hend_at: u32 = "u32 process_old_hend_at",
        /// `ErtsMessage.m[0]`.
        message_term_at: u32 = "u32 message_term_at",
    }
}

const _: () = assert!(EVENT_WORDS * 8 + 48 == size_of::<EventRecord>());
const _: () = assert!(what::COUNT * 8 * 4 == size_of::<EventCounters>());
