//! C types in DWARF: how large they are and where their members lie.
//!
//! Only what is asked for is read. Almost all types of interest are in the unit that implements
//! processes, so that one is looked through first, and units are left as soon as all are found.

use std::collections::HashMap;

use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugInfo, DebugInfoOffset, DebugLineStr, DebugStr,
    DebugStrOffsets, DebugStrOffsetsBase, DebuggingInformationEntry, EndianSlice, LittleEndian,
    UnitHeader, UnitOffset,
};
use gimli::{DwAt, DwTag, constants as dw};

use super::sections::Sections;

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Entry<'a> = DebuggingInformationEntry<Slice<'a>>;

/// More units than an emulator has; each is a source file.
const UNITS_MAX: usize = 1 << 16;
/// More members than any struct of it has.
const MEMBERS_MAX: usize = 4096;
/// Members that are looked at in all: nameless structs may lead to many.
const LOOKS_MAX: usize = 1 << 17;
/// Structs without a name, each in the other.
const DEPTH_MAX: usize = 8;
/// Typedefs and qualifiers before a struct.
const NAMES_MAX: usize = 16;
/// The unit that includes almost all headers.
const RICHEST: &str = "erl_process.c";

struct Unit<'a> {
    header: UnitHeader<Slice<'a>>,
    /// Read when first needed.
    abbreviations: Option<Abbreviations>,
    string_offsets: DebugStrOffsetsBase<usize>,
    is_richest: bool,
}

/// Where a type is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    unit: usize,
    offset: UnitOffset,
}

/// A struct or union, or a member that is none.
#[derive(Debug, Clone, Copy)]
struct Found {
    offset: u64,
    kind: Option<Place>,
    /// What a member is declared as.
    declared: Option<Place>,
}

/// The types of a file, as far as they were asked for.
pub(super) struct Types<'a> {
    info: DebugInfo<Slice<'a>>,
    abbrev: DebugAbbrev<Slice<'a>>,
    str: DebugStr<Slice<'a>>,
    line_str: DebugLineStr<Slice<'a>>,
    str_offsets: DebugStrOffsets<Slice<'a>>,
    units: Vec<Unit<'a>>,
    looks: usize,
    /// Structs and unions by the name asked for.
    known: HashMap<&'static str, Place>,
}

impl<'a> Types<'a> {
    /// Finds the types of these names, which are C's: `struct process`, or a typedef's.
    /// Damaged units are passed over: what they had is then not found.
    pub(super) fn find(sections: &'a Sections, wanted: &[&'static str]) -> Types<'a> {
        let mut types = Types {
            info: DebugInfo::new(&sections.info, LittleEndian),
            abbrev: DebugAbbrev::new(&sections.abbrev, LittleEndian),
            str: DebugStr::new(&sections.str, LittleEndian),
            line_str: DebugLineStr::new(&sections.line_str, LittleEndian),
            str_offsets: DebugStrOffsets::from(EndianSlice::new(
                &sections.str_offsets,
                LittleEndian,
            )),
            units: Vec::new(),
            looks: 0,
            known: HashMap::new(),
        };
        types.list_units();
        let count = types.units.len();
        let richest = (0..count).find(|&unit| types.is_richest(unit));
        let others = (0..count).filter(|&unit| Some(unit) != richest);
        for unit in richest.into_iter().chain(others) {
            if wanted.iter().all(|name| types.known.contains_key(name)) {
                break;
            }
            // What was found before a fault stands.
            let _ = types.look_through(unit, wanted);
        }
        types
    }

    fn list_units(&mut self) {
        let mut headers = self.info.units();
        while let Ok(Some(header)) = headers.next() {
            if self.units.len() == UNITS_MAX {
                break;
            }
            self.units.push(Unit {
                string_offsets: DebugStrOffsetsBase::default_for_encoding_and_file(
                    header.encoding(),
                    gimli::DwarfFileType::Main,
                ),
                header,
                abbreviations: None,
                is_richest: false,
            });
        }
    }

    fn is_richest(&mut self, unit: usize) -> bool {
        let _ = self.open(unit);
        self.units.get(unit).is_some_and(|unit| unit.is_richest)
    }

    /// Reads a unit's abbreviations and what its first entry says.
    fn open(&mut self, index: usize) -> Option<()> {
        let unit = self.units.get(index)?;
        if unit.abbreviations.is_some() {
            return Some(());
        }
        let abbreviations = unit.header.abbreviations(&self.abbrev).ok()?;
        let root = unit.header.root_offset();
        let root = unit.header.entry(&abbreviations, root).ok()?;
        let base = match root.attr_value(dw::DW_AT_str_offsets_base) {
            Some(AttributeValue::DebugStrOffsetsBase(base)) => base,
            _ => unit.string_offsets,
        };
        let unit = self.units.get_mut(index)?;
        unit.abbreviations = Some(abbreviations);
        unit.string_offsets = base;
        let name = self.text(index, root.attr_value(dw::DW_AT_name));
        let is_richest = name.is_some_and(|name| name.ends_with(RICHEST.as_bytes()));
        self.units.get_mut(index)?.is_richest = is_richest;
        Some(())
    }

    /// A string attribute.
    fn text(&self, unit: usize, value: Option<AttributeValue<Slice<'a>>>) -> Option<&'a [u8]> {
        let slice = match value? {
            AttributeValue::String(text) => text,
            AttributeValue::DebugStrRef(at) => self.str.get_str(at).ok()?,
            AttributeValue::DebugLineStrRef(at) => self.line_str.get_str(at).ok()?,
            AttributeValue::DebugStrOffsetsIndex(index) => {
                let unit = self.units.get(unit)?;
                let format = unit.header.format();
                let base = unit.string_offsets;
                let at = self.str_offsets.get_str_offset(format, base, index).ok()?;
                self.str.get_str(at).ok()?
            }
            _ => return None,
        };
        Some(slice.slice())
    }

    /// Looks for types among the declarations of a unit that are in no other one.
    fn look_through(&mut self, index: usize, wanted: &[&'static str]) -> Option<()> {
        self.open(index)?;
        let mut found = Vec::new();
        let unit = self.units.get(index)?;
        let abbreviations = unit.abbreviations.as_ref()?;
        let mut entries = unit.header.entries(abbreviations);
        entries.next_entry().ok()?;
        entries.next_entry().ok()?;
        while let Some(entry) = entries.current() {
            if let Some(prefix) = prefix(entry.tag())
                && let Some(name) = self.text(index, entry.attr_value(dw::DW_AT_name))
            {
                let place = Place {
                    unit: index,
                    offset: entry.offset(),
                };
                let same = |wanted: &&&'static str| {
                    wanted
                        .strip_prefix(prefix)
                        .is_some_and(|wanted| wanted.as_bytes() == name)
                };
                found.extend(wanted.iter().find(same).map(|wanted| (*wanted, place)));
            }
            if entries.next_sibling().ok()?.is_none() {
                break;
            }
        }
        for (name, place) in found {
            if !self.known.contains_key(name)
                && let Some(place) = self.aggregate(place)
            {
                self.known.insert(name, place);
            }
        }
        Some(())
    }

    fn entry(&self, place: Place) -> Option<Entry<'a>> {
        let unit = self.units.get(place.unit)?;
        let abbreviations = unit.abbreviations.as_ref()?;
        unit.header.entry(abbreviations, place.offset).ok()
    }

    /// The struct or union behind typedefs and qualifiers, if it is a whole one.
    fn aggregate(&mut self, place: Place) -> Option<Place> {
        let place = self.behind_names(place)?;
        let entry = self.entry(place)?;
        let is_aggregate = matches!(
            entry.tag(),
            dw::DW_TAG_structure_type | dw::DW_TAG_union_type | dw::DW_TAG_class_type
        );
        (is_aggregate && entry.has_attr(dw::DW_AT_byte_size)).then_some(place)
    }

    /// What typedefs and qualifiers stand for.
    fn behind_names(&mut self, mut place: Place) -> Option<Place> {
        for _ in 0..NAMES_MAX {
            let entry = self.entry(place)?;
            match entry.tag() {
                dw::DW_TAG_typedef
                | dw::DW_TAG_const_type
                | dw::DW_TAG_volatile_type
                | dw::DW_TAG_atomic_type => place = self.type_of(place.unit, &entry)?,
                _ => return Some(place),
            }
        }
        None
    }

    /// Where the type of an entry is described, in this unit or in another one.
    fn type_of(&mut self, unit: usize, entry: &Entry<'a>) -> Option<Place> {
        match entry.attr_value(dw::DW_AT_type)? {
            AttributeValue::UnitRef(offset) => Some(Place { unit, offset }),
            AttributeValue::DebugInfoRef(offset) => {
                let start = |unit: &Unit<'a>| unit.header.debug_info_offset();
                let after = self.units.partition_point(|u| start(u) <= Some(offset));
                let unit = after.checked_sub(1)?;
                self.open(unit)?;
                let offset = self.within(unit, offset)?;
                Some(Place { unit, offset })
            }
            _ => None,
        }
    }

    fn within(&self, unit: usize, offset: DebugInfoOffset) -> Option<UnitOffset> {
        offset.to_unit_offset(&self.units.get(unit)?.header)
    }

    /// Size of a type in bytes.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        let entry = self.entry(*self.known.get(name)?)?;
        number(&entry, dw::DW_AT_byte_size)
    }

    /// Offset in bytes of a member of a type: names with dots between them.
    pub(super) fn offset(&mut self, name: &str, path: &str) -> Option<u64> {
        Some(self.find_member(name, path)?.offset)
    }

    /// How many elements a member has that is an array; of several dimensions, the first one.
    pub(super) fn length(&mut self, name: &str, path: &str) -> Option<u64> {
        let declared = self.find_member(name, path)?.declared?;
        let array = self.behind_names(declared)?;
        let unit = self.units.get(array.unit)?;
        let abbreviations = unit.abbreviations.as_ref()?;
        let mut entries = unit
            .header
            .entries_at_offset(abbreviations, array.offset)
            .ok()?;
        entries.next_entry().ok()?;
        let is_array = entries.current()?.tag() == dw::DW_TAG_array_type;
        if !is_array || !entries.current()?.has_children() {
            return None;
        }
        entries.next_entry().ok()?;
        let range = entries.current()?;
        match number(range, dw::DW_AT_count) {
            Some(count) => Some(count),
            None => number(range, dw::DW_AT_upper_bound)?.checked_add(1),
        }
    }

    fn find_member(&mut self, name: &str, path: &str) -> Option<Found> {
        let mut at = Found {
            offset: 0,
            kind: Some(*self.known.get(name)?),
            declared: None,
        };
        for member in path.split('.') {
            let inner = self.member(at.kind?, member.as_bytes(), DEPTH_MAX)?;
            at = Found {
                offset: at.offset.checked_add(inner.offset)?,
                ..inner
            };
        }
        Some(at)
    }

    /// A member by its name, also of structs and unions without one.
    fn member(&mut self, of: Place, name: &[u8], depth: usize) -> Option<Found> {
        let members = self.members(of)?;
        self.looks += members.len() + 1;
        if self.looks > LOOKS_MAX {
            return None;
        }
        let mut nameless = Vec::new();
        for (offset, is_bits, entry) in members {
            let called = self.text(of.unit, entry.attr_value(dw::DW_AT_name));
            if called == Some(name) {
                let declared = self.type_of(of.unit, &entry);
                let kind = declared.and_then(|kind| self.aggregate(kind));
                return (!is_bits).then_some(Found {
                    offset: offset?,
                    kind,
                    declared,
                });
            }
            if called.is_none() {
                nameless.push((offset, entry));
            }
        }
        let depth = depth.checked_sub(1)?;
        for (offset, entry) in nameless {
            let kind = self.type_of(of.unit, &entry);
            let Some(kind) = kind.and_then(|kind| self.aggregate(kind)) else {
                continue;
            };
            if let Some(inner) = self.member(kind, name, depth) {
                return Some(Found {
                    offset: offset?.checked_add(inner.offset)?,
                    ..inner
                });
            }
        }
        None
    }

    /// Offset, whether it is a field of bits, and entry of each member.
    fn members(&self, of: Place) -> Option<Vec<(Option<u64>, bool, Entry<'a>)>> {
        let unit = self.units.get(of.unit)?;
        let abbreviations = unit.abbreviations.as_ref()?;
        let mut entries = unit
            .header
            .entries_at_offset(abbreviations, of.offset)
            .ok()?;
        entries.next_entry().ok()?;
        if !entries.current()?.has_children() {
            return Some(Vec::new());
        }
        entries.next_entry().ok()?;
        let mut members = Vec::new();
        while let Some(entry) = entries.current() {
            if members.len() == MEMBERS_MAX {
                return None;
            }
            if entry.tag() == dw::DW_TAG_member {
                let is_bits = entry.has_attr(dw::DW_AT_bit_size);
                let offset = match entry.has_attr(dw::DW_AT_data_member_location) {
                    true => number(entry, dw::DW_AT_data_member_location),
                    // What lies at the start needs no location: DWARF 5, section 5.7.6.
                    false => Some(0),
                };
                members.push((offset, is_bits, entry.clone()));
            }
            if entries.next_sibling().ok()?.is_none() {
                break;
            }
        }
        Some(members)
    }
}

/// What C writes before the name of a type.
fn prefix(tag: DwTag) -> Option<&'static str> {
    match tag {
        dw::DW_TAG_structure_type | dw::DW_TAG_class_type => Some("struct "),
        dw::DW_TAG_union_type => Some("union "),
        dw::DW_TAG_typedef => Some(""),
        _ => None,
    }
}

fn number(entry: &Entry<'_>, name: DwAt) -> Option<u64> {
    entry.attr(name)?.udata_value()
}
