//! What an ELF file says of itself: symbols, segments, build id.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use object::read::elf::{FileHeader, ProgramHeader};
use object::{Object, ObjectSymbol, ReadCache, ReadRef};

use crate::BeamError;

/// A symbol, at its address in the file's own address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbol {
    /// Address before relocation.
    pub address: u64,
    /// Size in bytes; 0 where the file does not say.
    pub size: u64,
}

/// The parts of an ELF file that are needed to find a variable in a process.
#[derive(Debug, Clone)]
pub struct Elf {
    symbols: HashMap<String, Symbol>,
    segments: Vec<Segment>,
    build_id: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    address: u64,
    file_offset: u64,
    file_bytes: u64,
}

impl Elf {
    /// Reads the file's dynamic and static symbols.
    ///
    /// # Errors
    /// When it cannot be opened or is no 64-bit little-endian ELF file.
    pub fn open(path: &Path) -> Result<Elf, BeamError> {
        let bad = |what: String| BeamError::BadFile {
            path: PathBuf::from(path),
            what,
        };
        let file = File::open(path).map_err(|error| bad(error.to_string()))?;
        let cache = ReadCache::new(file);
        Elf::parse(&cache).map_err(|error| bad(error.to_string()))
    }

    fn parse<'data, R: ReadRef<'data>>(data: R) -> object::Result<Elf> {
        let file = object::read::elf::ElfFile64::<object::LittleEndian, R>::parse(data)?;
        let mut symbols = HashMap::new();
        for symbol in file.dynamic_symbols().chain(file.symbols()) {
            if symbol.is_undefined() || symbol.address() == 0 {
                continue;
            }
            let Ok(name) = symbol.name() else { continue };
            symbols.entry(name.to_owned()).or_insert(Symbol {
                address: symbol.address(),
                size: symbol.size(),
            });
        }
        let endian = object::LittleEndian;
        let segments = file
            .elf_header()
            .program_headers(endian, data)?
            .iter()
            .filter(|header| header.p_type(endian) == object::elf::PT_LOAD)
            .map(|header| Segment {
                address: header.p_vaddr(endian),
                file_offset: header.p_offset(endian),
                file_bytes: header.p_filesz(endian),
            })
            .collect();
        let build_id = file
            .build_id()?
            .map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect());
        Ok(Elf {
            symbols,
            segments,
            build_id,
        })
    }

    /// A symbol by its exact name.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        self.symbols.get(name).copied()
    }

    /// The file offset of an address.
    #[must_use]
    pub fn file_offset(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let offset = address.checked_sub(segment.address)?;
            (offset < segment.file_bytes).then(|| segment.file_offset.wrapping_add(offset))
        })
    }

    /// The address of a file offset.
    #[must_use]
    pub fn address_of(&self, file_offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let offset = file_offset.checked_sub(segment.file_offset)?;
            (offset < segment.file_bytes).then(|| segment.address.wrapping_add(offset))
        })
    }

    /// The GNU build id, in hexadecimal.
    #[must_use]
    pub fn build_id(&self) -> Option<&str> {
        self.build_id.as_deref()
    }
}
