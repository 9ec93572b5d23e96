//! The records of calls: what hardware breakpoints in Erlang code see.

use core::mem::size_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::CopyLayout;
use crate::records::wire_struct;

/// How many functions can be watched at once: x86-64 has four breakpoint registers.
pub const WATCH_FUNCTIONS: usize = 4;
/// How many arguments of a call are copied.
pub const WATCH_ARGUMENTS: usize = 12;
/// How many conditions on arguments there can be.
pub const WATCH_CONDITIONS: usize = 4;
/// The function in the cookie of a breakpoint in our own code, by which the price of a hit is
/// measured; with the next bit up, by which it is tried whether a hit can turn it off; with the one
/// after that, by which the price of a copy is measured.
pub const WATCH_MEASURE: u32 = 255;
/// A breakpoint's cookie has the function's number in its lowest byte, its arity in the next,
/// and above this bit how many times its breakpoints were moved.
pub const WATCH_MOVED_SHIFT: u32 = 32;

/// Bits of [`CallRecord::flags`].
pub mod call_flag {
    /// Something of the process could not be read.
    pub const PROCESS_UNREADABLE: u32 = 1;
    /// The return address could not be read.
    pub const CALLER_UNREADABLE: u32 = 1 << 1;
    /// Arguments, or what they point to, could not be read.
    pub const ARGUMENTS_UNREADABLE: u32 = 1 << 2;
    /// The process has asked not to be looked at: its arguments were not copied.
    pub const SENSITIVE: u32 = 1 << 3;
    /// The process was copied too: all [`super::WATCH_ARGUMENTS`] arguments follow the head, then
    /// [`super::CallCopy`], then what [`crate::StateHead`] announces.
    pub const COPIED: u32 = 1 << 4;
    /// It was to be copied, and there was no room for it.
    pub const NO_ROOM: u32 = 1 << 5;
}

wire_struct! {
    /// An argument: its word, and of what is boxed the first words.
    CallArgument as "call_argument" {
        /// The term.
        term: u64 = "u64 term",
        /// Of what is boxed, its header and what follows; a header of 1 where that could not be
        /// read.
        boxed: [u64; 4] = "u64 boxed[4]",
    }
}

wire_struct! {
    /// One call. As many of the arguments follow the head as were copied.
    CallRecord as "call_record" {
        /// [`crate::KIND_CALL`].
        kind: u32 = "u32 kind",
        /// Length of the record.
        bytes: u32 = "u32 bytes",
        /// `CLOCK_MONOTONIC`.
        monotonic_ns: u64 = "u64 monotonic_ns",
        /// The function's number.
        function: u32 = "u32 function",
        /// How many times its breakpoints had been moved.
        moved: u32 = "u32 moved",
        /// [`call_flag`].
        flags: u32 = "u32 flags",
        /// How many arguments follow.
        arguments: u32 = "u32 arguments",
        /// Where the breakpoint is.
        ip: u64 = "u64 ip",
        /// Where the call returns to.
        return_address: u64 = "u64 return_address",
        /// Address of the process.
        process: u64 = "u64 process",
        /// Its pid, as a term.
        pid: u64 = "u64 pid",
        /// The atom of its registered name; 0 for none.
        name: u64 = "u64 name",
        /// What it was spawned with: two atoms and a number.
        initial: [u64; 3] = "u64 initial[3]",
    }
}

wire_struct! {
    /// Of a call whose process was copied: where it was, which its struct does not know while it runs.
    CallCopy as "call_copy" {
        /// Its stack pointer, at the return address.
        stop: u64 = "u64 stop",
        /// The top of its heap.
        htop: u64 = "u64 htop",
        /// How long the copy took, in nanoseconds.
        took_ns: u64 = "u64 took_ns",
    }
}

wire_struct! {
    /// A condition on an argument: the argument's word must be this one.
    CallCondition as "call_condition" {
        /// Which argument, from 0.
        argument: u64 = "u64 argument",
        /// The term.
        term: u64 = "u64 term",
    }
}

wire_struct! {
    /// What is counted, per CPU and function. `hits == recorded + filtered + ring_full`.
    WatchCounters as "watch_counters" {
        /// Calls until the limit.
        hits: [u64; 4] = "u64 hits[4]",
        /// Of those, put into the ring.
        recorded: [u64; 4] = "u64 recorded[4]",
        /// Of those, not what was asked for.
        filtered: [u64; 4] = "u64 filtered[4]",
        /// Of those, dropped because the ring was full.
        ring_full: [u64; 4] = "u64 ring_full[4]",
        /// Calls beyond the limit, which turned their breakpoints off.
        beyond: [u64; 4] = "u64 beyond[4]",
    }
}

wire_struct! {
    /// What the kernel half must know. Fields named `*_at` are offsets in bytes.
    WatchConfig as "watch_config" {
        /// How many calls are taken.
        hits_max: u64 = "u64 hits_max",
        /// Of how many wanted calls processes are copied; what comes after them is beyond the limit.
        copies_max: u64 = "u64 copies_max",
        /// Only this process, by its pid as a term; 0 for all.
        only_pid: u64 = "u64 only_pid",
        /// Only the process that has this atom as its name; 0 for all.
        only_name: u64 = "u64 only_name",
        /// The conditions on arguments.
        conditions: [CallCondition; 4] = "struct call_condition conditions[4]",
        /// How many of them there are.
        condition_count: u32 = "u32 condition_count",
        /// 1 to copy arguments.
        with_arguments: u32 = "u32 with_arguments",
        /// `Process.common.id`.
        process_id_at: u32 = "u32 process_id_at",
        /// `Process.common.u.alive.reg`.
        process_reg_at: u32 = "u32 process_reg_at",
        /// `RegProc.name`.
        reg_name_at: u32 = "u32 reg_name_at",
        /// `Process.u.initial`.
        process_initial_at: u32 = "u32 process_initial_at",
        /// The word with the flag that says that a process is sensitive.
        process_trace_flags_at: u32 = "u32 process_trace_flags_at",
        /// That flag.
        sensitive: u32 = "u32 sensitive",
        /// How they are copied.
        copies: CopyLayout = "struct copy_layout copies",
        /// Memory of ours, as much as the largest copy has, to measure what one costs.
        rehearsal_at: u64 = "u64 rehearsal_at",
    }
}

const _: () = assert!(WATCH_FUNCTIONS * 8 * 5 == size_of::<WatchCounters>());
const _: () = assert!(WATCH_CONDITIONS * size_of::<CallCondition>() == 64);
