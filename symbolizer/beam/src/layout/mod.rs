//! Where each release keeps what we read: the only place that knows OTP versions.
//!
//! A table per release, as data, in `layouts/otp-NN.toml`, with the source of each value.
//! Readers ask by name: `layout.process.htop`. Offsets are in bytes.

mod debug_file;
mod dwarf;
mod given;
mod globals;
#[cfg(feature = "image")]
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
#[cfg(feature = "image")]
pub(crate) use known::recognise;
pub(crate) use ladder::{Found, Target, climb};
pub use releases::{Build, Release, Said};
pub(crate) use scan::fragment;
pub(crate) use symbols::BIFS_MAX;
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
        /// Root of the tree of links.
        links,
        /// List of monitors of which it is the target.
        monitored_by,
        /// Root of the tree of monitors.
        monitors,
        /// Trace flags, 32 bits; whether it is sensitive is one of them.
        trace_flags,
        /// Flags of its own, 32 bits.
        flags,
        /// The heap that it has left, while it builds another.
        abandoned_heap,
        /// Words that its heap has at least.
        min_heap_words,
        /// How many minor collections come before a major one, 16 bits.
        fullsweep_after,
        /// Arguments that it resumes with, the low 8 bits.
        arity,
        /// Pointer to those arguments.
        arguments,
        /// Where they lie when they are few.
        own_arguments,
        /// Pointer to data that few processes have.
        specific,
        /// Pointer to the buffers that senders use when they are many.
        in_queue_buffers,
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
        /// The terms, in a fragment.
        fragment_memory,
        /// Bytes of a message.
        size,
        /// Bytes of a receive marker, which lies between messages.
        marker_size,
    }
    /// `ErtsSignalInQueueBufferArray`.
    QueueBuffersLayout {
        /// Bits of the buffers that are not empty.
        nonempty,
        /// Number of buffers.
        slots,
        /// Size of a buffer.
        stride,
        /// First signal, in a buffer.
        first,
    }
    /// `ErtsPSD` and what hangs on it.
    SpecificLayout {
        /// Its bytes.
        size,
        /// Pointer to the buffer of saved calls.
        saved_calls,
        /// Bytes of that buffer with one call.
        saved_calls_size,
        /// How many calls it has, 32 bits.
        saved_calls_length,
    }
    /// `ErtsMonLnkNode`: one half of a link or a monitor.
    RelationLayout {
        /// Its bytes.
        size,
        /// In a tree: the one above, with flags in the low bits.
        parent,
        /// In a tree.
        right,
        /// In a tree.
        left,
        /// In a ring.
        next,
        /// In a ring.
        previous,
        /// Who is at the other end, as a term.
        item,
        /// Bytes from where the whole begins, 16 bits.
        offset,
        /// Flags and kind, 32 bits.
        flags,
        /// Where the kind lies among them.
        kind_shift,
        /// Its mask, shifted down.
        kind_mask,
        /// Flag: the half of who is monitored.
        target,
        /// Flag: monitored by name.
        named,
        /// Flag: an extended structure.
        extended,
        /// Flag: a spawn is under way, no monitor yet.
        pending,
    }
    /// `ErtsILink` and `ErtsELink`.
    LinkLayout {
        /// Number of an unlink under way, after a node.
        unlinking,
        /// Bytes of the one with another node's process.
        external_size,
        /// Its references, 32 bits.
        external_references,
        /// Number of an unlink under way.
        external_unlinking,
        /// The external pid.
        external_heap,
    }
    /// `ErtsMonitorData` and what extends it.
    MonitorLayout {
        /// Its bytes.
        size,
        /// With a reference.
        heap_size,
        /// Extended, with one word of heap.
        extended_size,
        /// Of a suspension.
        suspend_size,
        /// The target's half.
        target,
        /// The reference, as a term.
        reference,
        /// How many halves hold it, 32 bits.
        references,
        /// The registered name, in an extended one.
        name,
        /// Pointer to the connection, in an extended one.
        dist,
        /// The node's name, in a connection.
        dist_node,
    }
    /// Binaries as OTP 25 has them: in bytes.
    BytesLayout {
        /// Subtag of one outside of the heap.
        reference,
        /// Subtag of one on the heap.
        heap,
        /// Subtag of a part of another.
        part,
        /// Bytes.
        size,
        /// Pointer to the bytes of one outside of the heap.
        reference_data,
        /// The bytes of one on the heap.
        heap_data,
        /// Offset of a part, in bytes.
        part_offset,
        /// Bits after the last whole byte of a part, 8 bits.
        part_bits,
        /// Bits before it, 8 bits.
        part_bit_offset,
        /// What it is a part of.
        part_original,
    }
    /// Bitstrings as OTP 27 has them: in bits.
    BitsLayout {
        /// Subtag of one on the heap.
        heap,
        /// Subtag of one that refers to bits elsewhere.
        part,
        /// Subtag of a reference to a binary, which is no term.
        reference,
        /// Bits of one on the heap.
        size,
        /// Its bytes.
        heap_data,
        /// Pointer to the bytes, flags in the low bits.
        base,
        /// First bit.
        start,
        /// Bit after the last.
        end,
        /// The reference.
        original,
        /// Pointer to the binary, in a reference.
        reference_binary,
        /// The bytes, in a binary.
        binary_bytes,
    }
    /// Native records.
    RecordLayout {
        /// Subtag.
        subtag,
        /// The definition, a boxed pointer.
        definition,
        /// The values.
        values,
        /// In a definition: a tuple that orders its fields.
        order,
        /// In a definition: module atom.
        module,
        /// In a definition: name atom.
        name,
        /// In a definition: names of the fields.
        keys,
    }
    /// A fun that tells its arity in bytes of its own.
    StoredFunLayout {
        /// Arity, 8 bits.
        arity,
        /// Size of the environment, 8 bits.
        free,
        /// Who made it; an atom for an external one.
        creator,
    }
    /// A fun that tells its arity in its header.
    HeaderFunLayout {
        /// Where the arity lies.
        arity_shift,
        /// Where the size of the environment lies.
        free_shift,
        /// Where the flag of an external one lies; 0 where the one without environment is.
        external_shift,
    }
    /// References and external identities.
    ReferenceLayout {
        /// How many numbers the VM prints of its own ones at most.
        printed,
        /// All ones in an ordinary one, 32 bits.
        marker,
        /// The numbers, 32 bits each.
        numbers,
        /// In a magic one: pointer to a binary.
        magic,
        /// The numbers, in that binary.
        magic_numbers,
        /// From those to a resource's data.
        resource,
        /// In an external one: pointer to the node.
        external_node,
        /// In an external one: number and serial, or numbers.
        external_data,
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
        /// Number of pairs.
        elements,
        /// The slots.
        data,
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

/// Terms: subtags of what is boxed, and how binaries are laid out, in one way or the other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TermLayout {
    /// Subtag of tuples.
    pub tuple: u32,
    /// Subtag of large positive integers.
    pub positive: u32,
    /// Subtag of large negative integers.
    pub negative: u32,
    /// Subtag of references.
    pub reference: u32,
    /// Subtag of funs.
    pub fun: u32,
    /// Subtag of floats.
    pub float: u32,
    /// Subtag of other nodes' pids.
    pub external_pid: u32,
    /// Subtag of other nodes' ports.
    pub external_port: u32,
    /// Subtag of other nodes' references.
    pub external_reference: u32,
    /// Subtag of maps.
    pub map: u32,
    /// Binaries, in bytes.
    pub bytes: Option<BytesLayout>,
    /// Bitstrings, in bits.
    pub bits: Option<BitsLayout>,
    /// Native records.
    pub record: Option<RecordLayout>,
}

/// Funs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FunLayout {
    /// Pointer to the entry, or to the export of an external one.
    pub entry: u32,
    /// Values of its free variables.
    pub environment: u32,
    /// In an entry: module atom.
    pub module: u32,
    /// In an entry: index, 32 bits.
    pub index: u32,
    /// In an entry: hash of the module, 16 bytes.
    pub uniq: u32,
    /// In an entry: the number that is printed, 32 bits.
    pub old_uniq: u32,
    /// In an entry: the index that is printed, 32 bits.
    pub old_index: u32,
    /// In an export: module and function atom, arity.
    pub export_mfa: u32,
    /// Where it tells its arity in bytes of its own.
    pub stored: Option<StoredFunLayout>,
    /// Where it tells it in its header.
    pub header: Option<HeaderFunLayout>,
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
    /// Buffers of the in-queue.
    pub queue_buffers: QueueBuffersLayout,
    /// Data that few processes have.
    pub specific: SpecificLayout,
    /// Halves of links and monitors.
    pub relation: RelationLayout,
    /// Links.
    pub link: LinkLayout,
    /// Monitors.
    pub monitor: MonitorLayout,
    /// Terms.
    pub term: TermLayout,
    /// Funs.
    pub fun: FunLayout,
    /// References and external identities.
    pub reference: ReferenceLayout,
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
