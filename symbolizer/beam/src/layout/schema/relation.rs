//! Links and monitors.

use super::offsets;

offsets! {
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
}
