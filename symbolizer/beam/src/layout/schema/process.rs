//! A process, what hangs on it and what it is sent.

use super::offsets;

offsets! {
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
        /// Where `receive` is in the inner queue: address of the link to the message.
        save,
        /// Why it ends, once it does.
        reason,
        /// Minor collections since the last major one, 16 bits.
        minor_collections,
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
    /// `RegProc`.
    RegProcLayout {
        /// The name's atom.
        name,
        /// Whose name it is.
        process,
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
}
