//! Types in debug information made by hand, sound and damaged.

use gimli::write::{
    Address, AttributeValue, DwarfUnit, EndianVec, Expression, LineProgram, Sections as Written,
    UnitEntryId,
};
use gimli::{Encoding, Format, LittleEndian, SectionId, constants as dw};

use super::sections::Sections;
use super::types::Types;
use super::{Datum, Source, differences, number};
use crate::layout::table_for;

/// `struct process` with a member, a named union of structs, a nameless union of a nameless
/// struct, a field of bits, an array; `Process`, a typedef of a constant one; a struct that is declared
/// only and one whose member's place is computed.
fn sections(version: u16) -> Sections {
    let encoding = Encoding {
        format: Format::Dwarf32,
        version,
        address_size: 8,
    };
    let mut dwarf = DwarfUnit::new(encoding);
    dwarf.unit.line_program = LineProgram::none();
    let root = dwarf.unit.root();
    let name = AttributeValue::String(b"beam/erl_process.c".to_vec());
    dwarf.unit.get_mut(root).set(dw::DW_AT_name, name);
    let word = add(&mut dwarf, root, dw::DW_TAG_base_type, Some("Eterm"), 8);
    let process = add(
        &mut dwarf,
        root,
        dw::DW_TAG_structure_type,
        Some("process"),
        48,
    );
    let union = add(&mut dwarf, root, dw::DW_TAG_union_type, None, 16);
    let inner = add(&mut dwarf, root, dw::DW_TAG_structure_type, None, 16);
    member(&mut dwarf, process, Some("htop"), Some(8), word);
    member(&mut dwarf, process, Some("u"), Some(16), union);
    member(&mut dwarf, process, None, Some(32), union);
    let array = add(&mut dwarf, root, dw::DW_TAG_array_type, None, 0);
    points_to(&mut dwarf, array, word);
    let range = add(&mut dwarf, array, dw::DW_TAG_subrange_type, None, 0);
    let last = AttributeValue::Udata(63);
    dwarf.unit.get_mut(range).set(dw::DW_AT_upper_bound, last);
    let slots = add(&mut dwarf, root, dw::DW_TAG_typedef, Some("Slots"), 0);
    points_to(&mut dwarf, slots, array);
    member(&mut dwarf, process, Some("slots"), Some(0), slots);
    let bits = member(&mut dwarf, process, Some("flag"), Some(44), word);
    let one = AttributeValue::Udata(1);
    dwarf.unit.get_mut(bits).set(dw::DW_AT_bit_size, one);
    member(&mut dwarf, union, Some("inner"), None, inner);
    member(&mut dwarf, union, None, None, inner);
    member(&mut dwarf, inner, Some("initial"), Some(8), word);
    let constant = add(&mut dwarf, root, dw::DW_TAG_const_type, None, 0);
    points_to(&mut dwarf, constant, process);
    let typedef = add(&mut dwarf, root, dw::DW_TAG_typedef, Some("Process"), 0);
    points_to(&mut dwarf, typedef, constant);
    add(
        &mut dwarf,
        root,
        dw::DW_TAG_structure_type,
        Some("declared"),
        0,
    );
    let odd = add(&mut dwarf, root, dw::DW_TAG_structure_type, Some("odd"), 8);
    let at = member(&mut dwarf, odd, Some("computed"), None, word);
    let mut computed = Expression::new();
    computed.op_addr(Address::Constant(8));
    let computed = AttributeValue::Exprloc(computed);
    dwarf
        .unit
        .get_mut(at)
        .set(dw::DW_AT_data_member_location, computed);
    // A struct within itself many times, and one that is named like itself for ever.
    let within = add(
        &mut dwarf,
        root,
        dw::DW_TAG_structure_type,
        Some("within"),
        8,
    );
    for _ in 0..64 {
        member(&mut dwarf, within, None, Some(0), within);
    }
    let endless = add(&mut dwarf, root, dw::DW_TAG_typedef, Some("endless"), 0);
    points_to(&mut dwarf, endless, endless);

    let mut written = Written::new(EndianVec::new(LittleEndian));
    dwarf.write(&mut written).expect("written");
    let mut sections = Sections::default();
    let fill = |id: SectionId, bytes: &EndianVec<LittleEndian>| {
        let bytes = bytes.slice().to_vec();
        match id {
            SectionId::DebugInfo => sections.info = bytes,
            SectionId::DebugAbbrev => sections.abbrev = bytes,
            SectionId::DebugStr => sections.str = bytes,
            SectionId::DebugLineStr => sections.line_str = bytes,
            _ => {}
        }
        Ok::<_, gimli::Error>(())
    };
    written.for_each(fill).expect("sections");
    sections
}

fn add(
    dwarf: &mut DwarfUnit,
    parent: UnitEntryId,
    tag: gimli::DwTag,
    name: Option<&str>,
    bytes: u64,
) -> UnitEntryId {
    let entry = dwarf.unit.add(parent, tag);
    if let Some(name) = name {
        // A string of the string section, as compilers write it.
        let name = dwarf.strings.add(name);
        let name = AttributeValue::StringRef(name);
        dwarf.unit.get_mut(entry).set(dw::DW_AT_name, name);
    }
    if bytes > 0 {
        let bytes = AttributeValue::Udata(bytes);
        dwarf.unit.get_mut(entry).set(dw::DW_AT_byte_size, bytes);
    }
    entry
}

fn member(
    dwarf: &mut DwarfUnit,
    parent: UnitEntryId,
    name: Option<&str>,
    at: Option<u64>,
    kind: UnitEntryId,
) -> UnitEntryId {
    let entry = add(dwarf, parent, dw::DW_TAG_member, name, 0);
    if let Some(at) = at {
        let at = AttributeValue::Udata(at);
        let member = dwarf.unit.get_mut(entry);
        member.set(dw::DW_AT_data_member_location, at);
    }
    points_to(dwarf, entry, kind);
    entry
}

fn points_to(dwarf: &mut DwarfUnit, from: UnitEntryId, to: UnitEntryId) {
    let to = AttributeValue::UnitRef(to);
    dwarf.unit.get_mut(from).set(dw::DW_AT_type, to);
}

const NAMES: [&str; 6] = [
    "struct within",
    "struct process",
    "Process",
    "struct declared",
    "struct odd",
    "endless",
];

#[test]
fn members_are_found_through_unions_and_what_has_no_name() {
    for version in [4, 5] {
        let sections = sections(version);
        let mut types = Types::find(&sections, &NAMES);
        for name in ["struct process", "Process"] {
            assert_eq!(types.size(name), Some(48));
            for (path, offset) in [
                ("htop", Some(8)),
                ("u", Some(16)),
                ("u.inner.initial", Some(24)),
                ("inner", Some(32)),
                ("initial", Some(40)),
                ("u.initial", Some(24)),
                ("flag", None),
                ("missing", None),
                ("htop.initial", None),
                ("u..initial", None),
                ("", None),
            ] {
                assert_eq!(types.offset(name, path), offset, "{name}: {path}");
            }
        }
        for name in ["struct declared", "endless", "struct nowhere"] {
            assert_eq!(types.size(name), None, "{name}");
        }
        assert_eq!(types.offset("struct within", "missing"), None);
        let mut types = Types::find(&sections, &NAMES);
        assert_eq!(types.size("struct odd"), Some(8));
        assert_eq!(types.offset("struct odd", "computed"), None);
    }
}

#[test]
fn numbers_are_of_one_member_of_several_or_between_two() {
    let sections = sections(5);
    let mut types = Types::find(&sections, &NAMES);
    assert_eq!(types.length("struct process", "slots"), Some(64));
    assert_eq!(types.length("struct process", "htop"), None);
    assert_eq!(types.length("struct process", "u"), None);
    for (source, found) in [
        (Source::Size("Process"), Some(48)),
        (Source::Length("Process: slots"), Some(64)),
        (Source::Offset("Process: missing | Process: htop"), Some(8)),
        (
            Source::Common("Process: u & struct process: u.inner"),
            Some(16),
        ),
        (Source::Common("Process: u & Process: htop"), None),
        (Source::Common("Process: u & Process: missing"), None),
        (Source::Distance("Process: htop", "u.initial"), Some(16)),
        (Source::Distance("Process: u.initial", "htop"), None),
        (Source::Has("Process: htop"), None),
        (Source::Release, None),
    ] {
        let number = number(&mut types, source).map(|(number, _)| number);
        assert_eq!(number, found, "{source:?}");
    }
}

#[test]
fn layouts_are_compared_value_by_value() {
    let table = table_for("27").expect("a table");
    assert!(differences(&table, &table).is_empty());
    let mut other = table.clone();
    other.process.htop = 88;
    other.pid.table = None;
    let seen = differences(&table, &other);
    assert_eq!(seen.len(), 6, "{seen:?}");
    assert!(seen.contains(&"process.htop (80, not 88)".to_owned()));
    assert!(seen.contains(&"pid.table.mask (24, not absent)".to_owned()));
    assert_eq!(Datum::Truth(true).to_string(), "true");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]
    /// Whatever is in the file, the answer comes, and is an answer.
    #[test]
    fn damage_is_survived(
        places in proptest::collection::vec((0usize..4096, 0u8..=255), 1..8),
        cut in 0usize..4096,
        in_info: bool,
    ) {
        let mut sections = sections(5);
        let damaged = if in_info { &mut sections.info } else { &mut sections.abbrev };
        let length = damaged.len();
        for (at, byte) in places {
            damaged[at % length] = byte;
        }
        if cut % 4 == 0 {
            damaged.truncate(cut % length);
        }
        let names = &NAMES[1..];
        let mut types = Types::find(&sections, names);
        for name in names {
            let _ = types.size(name);
            for path in ["htop", "u.initial", "initial", "slots", "missing"] {
                let _ = types.offset(name, path);
                let _ = types.length(name, path);
            }
        }
    }
}
