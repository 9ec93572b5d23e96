//! Terms: subtags of what is boxed, and how it is laid out.

use serde::{Deserialize, Serialize};

use super::offsets;

offsets! {
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
        /// In a definition: whether other modules may use it, an atom.
        exported,
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
