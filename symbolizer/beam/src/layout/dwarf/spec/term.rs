//! Terms: `schema/term.rs`.

use super::{Section, Source, at, section};

pub(super) const SECTIONS: &[Section] = &[
    section(
        "term",
        "Subtags of what is boxed, bits 2 to 5 of its header: erl_term.h",
        &[
            ("tuple", Source::Release),
            ("positive", Source::Release),
            ("negative", Source::Release),
            ("reference", Source::Release),
            ("fun", Source::Release),
            ("float", Source::Release),
            ("external_pid", Source::Release),
            ("external_port", Source::Release),
            ("external_reference", Source::Release),
            ("map", Source::Release),
        ],
    ),
    section(
        "term.bytes",
        "ErlHeapBin: erl_binary.h; ErlSubBin: erl_bits.h; ProcBin: global.h",
        &[
            ("reference", Source::Release),
            ("heap", Source::Release),
            ("part", Source::Release),
            (
                "size",
                Source::Common("ProcBin: size & ErlHeapBin: size & ErlSubBin: size"),
            ),
            ("reference_data", at("ProcBin: bytes")),
            ("heap_data", at("ErlHeapBin: data")),
            ("part_offset", at("ErlSubBin: offs")),
            ("part_bits", at("ErlSubBin: bitsize")),
            ("part_bit_offset", at("ErlSubBin: bitoffs")),
            ("part_original", at("ErlSubBin: orig")),
        ],
    ),
    section(
        "term.bits",
        "ErlHeapBits, ErlSubBits and BinRef: erl_bits.h; Binary: erl_binary.h",
        &[
            ("heap", Source::Release),
            ("part", Source::Release),
            ("reference", Source::Release),
            ("size", at("ErlHeapBits: size")),
            ("heap_data", at("ErlHeapBits: data")),
            ("base", at("ErlSubBits: base_flags")),
            ("start", at("ErlSubBits: start")),
            ("end", at("ErlSubBits: end")),
            ("original", at("ErlSubBits: orig")),
            ("reference_binary", at("BinRef: val")),
            ("binary_bytes", at("Binary: orig_bytes")),
        ],
    ),
    section(
        "term.record",
        "ErtsRecordInstance and ErtsRecordDefinition: erl_record.h",
        &[
            ("subtag", Source::Release),
            ("definition", at("ErtsRecordInstance: record_definition")),
            ("values", at("ErtsRecordInstance: values")),
            ("order", at("ErtsRecordDefinition: field_order")),
            ("module", at("ErtsRecordDefinition: module")),
            ("name", at("ErtsRecordDefinition: name")),
            ("exported", at("ErtsRecordDefinition: is_exported")),
            ("keys", at("ErtsRecordDefinition: keys")),
        ],
    ),
    section(
        "fun",
        "ErlFunThing and ErlFunEntry: erl_fun.h; Export: export.h",
        &[
            ("entry", at("ErlFunThing: entry")),
            ("environment", at("ErlFunThing: env")),
            ("module", at("ErlFunEntry: module")),
            ("index", at("ErlFunEntry: index")),
            ("uniq", at("ErlFunEntry: uniq")),
            ("old_uniq", at("ErlFunEntry: old_uniq")),
            ("old_index", at("ErlFunEntry: old_index")),
            ("export_mfa", at("Export: info.mfa")),
        ],
    ),
    section(
        "fun.stored",
        "What a fun says of itself in bytes of its own: erl_fun.h",
        &[
            ("arity", at("ErlFunThing: arity")),
            ("free", at("ErlFunThing: num_free")),
            ("creator", at("ErlFunThing: creator")),
        ],
    ),
    section(
        "fun.header",
        "What it says in its header: erl_term.h",
        &[
            ("arity_shift", Source::Release),
            ("free_shift", Source::Release),
            ("external_shift", Source::Release),
        ],
    ),
    section(
        "reference",
        "ErtsORefThing, ErtsMRefThing and ExternalThing: erl_term.h; ErtsMagicBinary: erl_binary.h",
        &[
            ("printed", Source::Release),
            ("marker", at("ErtsORefThing: marker")),
            ("numbers", at("ErtsORefThing: num")),
            ("magic", at("ErtsMRefThing: mb")),
            ("magic_numbers", at("struct magic_binary: refn")),
            (
                "resource",
                Source::Distance("struct magic_binary: refn", "u.unaligned.data"),
            ),
            ("external_node", at("ExternalThing: node")),
            ("external_data", at("ExternalThing: data")),
        ],
    ),
];
