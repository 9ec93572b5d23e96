//! Where each release keeps what we read: the only place that knows OTP versions.
//!
//! A table per release, as data, in `layouts/otp-NN.toml`, with the source of each value.
//! Readers ask by name: `layout.process.htop`. Offsets are in bytes.

mod debug_file;
mod dwarf;
mod given;
mod globals;
mod known;
mod ladder;
mod proof;
mod releases;
mod scan;
mod symbols;
mod tables;

use serde::{Deserialize, Serialize};

pub use dwarf::{Datum, Derived, Value, Values, derive, differences};
pub use given::Given;
pub use globals::{Count, Globals, SchedulerArray};
pub(crate) use known::recognise;
pub(crate) use ladder::{Found, Target, climb};
pub use releases::{Build, Release, Said};
pub use tables::{known_releases, table_for, table_for_erts};

macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name { $($(#[$field_doc])* pub $field: u32,)* }
        )*
    };
}

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
    }
    /// `ErtsSchedulerSleepInfo`.
    SleepInfoLayout {
        /// Pointer back to its scheduler.
        scheduler,
        /// Its flags, 32 bits.
        flags,
    }
    /// `Process`.
    ProcessLayout {
        /// How much of it there is.
        size,
        /// The pid, as a term.
        id,
        /// Pointer to the registration.
        reg,
        /// Heap top.
        htop,
        /// Stack top.
        stop,
        /// Heap start.
        heap,
        /// Heap and stack end.
        hend,
        /// Where it resumes.
        i,
        /// Reductions.
        reds,
        /// Pointer to the process dictionary.
        dictionary,
        /// Initial call: module, function, arity.
        initial,
        /// Pointer to the current native function's module, function, arity.
        current,
        /// Parent, as a term.
        parent,
        /// State flags, 32 bits.
        state,
        /// The scheduler it runs on.
        scheduler,
        /// Size of the young heap, in words.
        heap_words,
        /// Start of the old heap.
        old_heap,
        /// Its end.
        old_hend,
        /// Words in heap fragments.
        fragment_words,
        /// Group leader, as a term.
        group_leader,
        /// First message of the inner queue, which receive looks at.
        inner_queue,
        /// First signal of the middle queue.
        middle_queue,
        /// First signal of the in-queue, which senders append to.
        in_queue,
        /// Flags of the queues, 32 bits.
        queue_flags,
    }
    /// `ErtsMessage` and `ErlHeapFragment`.
    MessageLayout {
        /// The next one in the queue.
        next,
        /// What holds its data: nothing, 1 for the fragment within, or a fragment.
        attached,
        /// The message, or the tag of another signal.
        term,
        /// The fragment within.
        fragment,
        /// The next fragment, in a fragment.
        fragment_next,
        /// Words used, in a fragment.
        fragment_used,
    }
    /// `RegProc`.
    RegProcLayout {
        /// The name's atom.
        name,
    }
    /// `ProcDict`.
    DictionaryLayout {
        /// Number of slots, 32 bits.
        size,
        /// The slots.
        data,
    }
    /// `ErlNode`.
    NodeLayout {
        /// The name's atom.
        sysname,
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

/// How sure the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Seen right in a running VM.
    Verified,
    /// From headers alone.
    Unverified,
}

impl Status {
    /// As tables and recordings have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Status::Verified => "verified",
            Status::Unverified => "unverified",
        }
    }
}

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// OTP release.
    pub otp: u16,
    /// The first ERTS version that it holds for, such as `14.2.4`, where structs changed within
    /// the release; none if it holds from the release's first one.
    #[serde(default)]
    pub erts_from: Option<String>,
    /// Architecture, as Rust names it.
    pub arch: String,
    /// How sure it is.
    pub status: Status,
    /// `ErtsSchedulerData`.
    pub scheduler: SchedulerLayout,
    /// `ErtsSchedulerSleepInfo`.
    pub sleep_info: SleepInfoLayout,
    /// `Process`.
    pub process: ProcessLayout,
    /// Messages.
    pub message: MessageLayout,
    /// `RegProc`.
    pub reg_proc: RegProcLayout,
    /// `ProcDict`.
    pub dictionary: DictionaryLayout,
    /// Atoms.
    pub atom: AtomLayout,
    /// `ErlNode`.
    pub node: NodeLayout,
    /// `BifEntry`.
    pub bif: BifLayout,
    /// The register block.
    pub registers: RegistersLayout,
    /// The process table.
    pub process_table: ProcessTableLayout,
    /// Pids.
    pub pid: PidLayout,
}
