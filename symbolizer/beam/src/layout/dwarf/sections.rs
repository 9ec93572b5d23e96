//! The sections of an ELF file that types are in: decompressed, and relocated in an object file.

use std::fs::File;

use object::elf::FileHeader64;
use object::read::elf::ElfFile;
use object::{
    LittleEndian, Object, ObjectKind, ObjectSection, ObjectSymbol, ReadCache, RelocationKind,
    RelocationTarget,
};

/// More than the debug information of any emulator has; it is some 25 MB.
const BYTES_MAX: u64 = 512 << 20;

type Elf<'data> = ElfFile<'data, FileHeader64<LittleEndian>, &'data ReadCache<File>>;

/// The contents of the sections. One that is not there is empty.
#[derive(Debug, Default)]
pub(super) struct Sections {
    pub(super) info: Vec<u8>,
    pub(super) abbrev: Vec<u8>,
    pub(super) str: Vec<u8>,
    pub(super) line_str: Vec<u8>,
    pub(super) str_offsets: Vec<u8>,
}

impl Sections {
    /// Reads them.
    ///
    /// # Errors
    /// What is wrong with the file, in one sentence.
    pub(super) fn read(file: File) -> Result<Sections, String> {
        let cache = ReadCache::new(file);
        let elf = Elf::parse(&cache).map_err(|error| error.to_string())?;
        let section = |name| read(&elf, name);
        let sections = Sections {
            info: section(".debug_info")?,
            abbrev: section(".debug_abbrev")?,
            str: section(".debug_str")?,
            line_str: section(".debug_line_str")?,
            str_offsets: section(".debug_str_offsets")?,
        };
        match sections.info.is_empty() {
            true => Err("it has no debug information (.debug_info)".to_owned()),
            false => Ok(sections),
        }
    }
}

fn read(elf: &Elf<'_>, name: &str) -> Result<Vec<u8>, String> {
    let Some(section) = elf.section_by_name(name) else {
        return Ok(Vec::new());
    };
    let bad = |error: object::Error| format!("its section {name} cannot be read: {error}");
    let data = section.compressed_data().map_err(bad)?;
    // The size is what the file says, and is allocated before anything is decompressed.
    if data.uncompressed_size > BYTES_MAX {
        return Err(format!(
            "its section {name} has {} bytes, more than any emulator's",
            data.uncompressed_size
        ));
    }
    let mut bytes = data.decompress().map_err(bad)?.into_owned();
    if elf.kind() == ObjectKind::Relocatable {
        relocate(elf, &section, &mut bytes);
    }
    Ok(bytes)
}

/// Before linking, references from one section to another are relocations.
fn relocate<'data>(elf: &Elf<'data>, section: &impl ObjectSection<'data>, bytes: &mut [u8]) {
    for (offset, relocation) in section.relocations() {
        let RelocationTarget::Symbol(symbol) = relocation.target() else {
            continue;
        };
        if relocation.kind() != RelocationKind::Absolute || relocation.has_implicit_addend() {
            continue;
        }
        let Ok(symbol) = elf.symbol_by_index(symbol) else {
            continue;
        };
        let value = symbol.address().wrapping_add_signed(relocation.addend());
        let value = value.to_le_bytes();
        let size = usize::from(relocation.size() / 8).min(value.len());
        let place = usize::try_from(offset)
            .ok()
            .and_then(|at| bytes.get_mut(at..)?.get_mut(..size));
        if let Some(place) = place {
            place.copy_from_slice(&value[..size]);
        }
    }
}
