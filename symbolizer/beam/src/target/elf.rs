//! What an ELF file says of itself: symbols, segments, build id.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use object::elf::ProgramFlags;
use object::read::elf::{FileHeader, NoteIterator, ProgramHeader};
use object::{Object, ObjectSection, ObjectSymbol, ReadCache, ReadRef};

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
    debug_link: Option<(String, u32)>,
    has_debug_info: bool,
    functions: Vec<u64>,
    constants: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    address: u64,
    file_offset: u64,
    file_bytes: u64,
    memory_bytes: u64,
    flags: ProgramFlags,
}

/// More constants than an emulator has.
const CONSTANTS_MAX: u64 = 64 << 20;

impl Elf {
    /// Reads the file's dynamic and static symbols.
    ///
    /// # Errors
    /// When it cannot be opened or is no 64-bit little-endian ELF file.
    pub fn open(path: &Path) -> Result<Elf, BeamError> {
        let file = File::open(path).map_err(|error| BeamError::BadFile {
            path: PathBuf::from(path),
            what: error.to_string(),
        })?;
        Elf::read(file, path)
    }

    /// The same of an open file; `path` is for errors.
    ///
    /// # Errors
    /// When it is no 64-bit little-endian ELF file.
    pub fn read(file: File, path: &Path) -> Result<Elf, BeamError> {
        let cache = ReadCache::new(file);
        let bad = |what: String| BeamError::BadFile {
            path: PathBuf::from(path),
            what,
        };
        check_class(&cache).map_err(|what| bad(what.to_owned()))?;
        Elf::parse(&cache).map_err(|error| bad(error.to_string()))
    }

    /// Reads a file that is in memory.
    ///
    /// # Errors
    /// When it is no 64-bit little-endian ELF file.
    #[cfg(feature = "fuzz")]
    pub(crate) fn from_bytes(bytes: &[u8]) -> object::Result<Elf> {
        Elf::parse(bytes)
    }

    /// A file without symbols, mapped where it says.
    #[cfg(feature = "fuzz")]
    pub(crate) fn stripped(
        data: std::ops::Range<u64>,
        code: std::ops::Range<u64>,
        constants: Vec<u8>,
    ) -> Elf {
        let segment = |range: std::ops::Range<u64>, flags| Segment {
            address: range.start,
            file_offset: range.start,
            file_bytes: range.end - range.start,
            memory_bytes: range.end - range.start,
            flags,
        };
        Elf {
            symbols: HashMap::new(),
            functions: vec![code.start],
            segments: vec![
                segment(code, object::elf::PF_X),
                segment(data, object::elf::PF_W),
            ],
            build_id: None,
            debug_link: None,
            has_debug_info: false,
            constants,
        }
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
                memory_bytes: header.p_memsz(endian),
                flags: header.p_flags(endian),
            })
            .collect();
        let section = |name: &str| {
            let section = file.section_by_name(name)?;
            let small = section.size() <= CONSTANTS_MAX;
            Some((section.address(), section.data().ok().filter(|_| small)?))
        };
        let functions = section(".eh_frame_hdr");
        // Only where symbols do not tell.
        let stripped = !symbols.contains_key("etp_otp_release");
        let constants = section(".rodata").filter(|_| stripped);
        let build_id = file.build_id()?.map(hex);
        let debug_link = file.gnu_debuglink().ok().flatten();
        let debug_link =
            debug_link.and_then(|(name, sum)| Some((String::from_utf8(name.to_vec()).ok()?, sum)));
        // A file that was split off keeps the headers of what it lacks.
        let info = file.section_by_name(".debug_info");
        Ok(Elf {
            symbols,
            segments,
            build_id,
            debug_link,
            has_debug_info: info.is_some_and(|info| info.file_range().is_some()),
            functions: functions.map_or_else(Vec::new, |(at, bytes)| function_starts(at, bytes)),
            constants: constants.map_or_else(Vec::new, |(_, bytes)| bytes.to_vec()),
        })
    }

    /// Start and size of each writable segment, in the file's own address space.
    pub fn writable(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let writable = |segment: &&Segment| segment.flags.contains(object::elf::PF_W);
        let segments = self.segments.iter().filter(writable);
        segments.map(|segment| (segment.address, segment.memory_bytes))
    }

    /// Start and size of the executable segment.
    #[must_use]
    pub fn executable(&self) -> Option<(u64, u64)> {
        let executable = |segment: &&Segment| segment.flags.contains(object::elf::PF_X);
        let segment = self.segments.iter().find(executable)?;
        Some((segment.address, segment.memory_bytes))
    }

    /// Starts of functions, ascending.
    #[must_use]
    pub fn function_starts(&self) -> &[u64] {
        &self.functions
    }

    /// Constant data; empty in a file that has symbols.
    #[must_use]
    pub fn constants(&self) -> &[u8] {
        &self.constants
    }

    /// The same file, stripped.
    #[cfg(test)]
    pub(crate) fn without_symbols(&self) -> Elf {
        Elf {
            symbols: HashMap::new(),
            ..self.clone()
        }
    }

    /// The same file with the symbols of another one, which has those that were stripped from it.
    #[must_use]
    pub(crate) fn with_symbols_of(&self, other: &Elf) -> Elf {
        let mut all = self.clone();
        for (name, symbol) in &other.symbols {
            all.symbols.entry(name.clone()).or_insert(*symbol);
        }
        all
    }

    /// Whether it has debug information itself.
    #[must_use]
    pub fn has_debug_info(&self) -> bool {
        self.has_debug_info
    }

    /// The name of the file with its debug information, and that file's checksum.
    #[must_use]
    pub fn debug_link(&self) -> Option<&(String, u32)> {
        self.debug_link.as_ref()
    }

    /// A symbol by its exact name.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        self.symbols.get(name).copied()
    }

    /// A C++ function by the start of its mangled name, if there is only one. Parts of functions,
    /// which have a dot in their names, are none.
    #[must_use]
    pub(crate) fn symbol_of(&self, start: &str) -> Option<(String, Symbol)> {
        let is_it = |name: &str| name.starts_with(start) && !name.contains('.');
        let mut found = self.symbols.iter().filter(|(name, _)| is_it(name));
        match (found.next(), found.next()) {
            (Some((name, symbol)), None) => Some((name.clone(), *symbol)),
            _ => None,
        }
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

/// The GNU build id among notes, in hexadecimal.
pub(super) fn build_id_of_notes(notes: &[u8], align: u64) -> Option<String> {
    let little = object::LittleEndian;
    let notes =
        NoteIterator::<object::elf::FileHeader64<object::LittleEndian>>::new(little, align, notes);
    let mut notes = notes.ok()?;
    while let Ok(Some(note)) = notes.next() {
        if note.name() == object::elf::ELF_NOTE_GNU
            && note.n_type(little) == object::elf::NT_GNU_BUILD_ID
        {
            return Some(hex(note.desc()));
        }
    }
    None
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Refuses what terms and pointers of 64 bits cannot be in: `e_ident` in `elf(5)`.
fn check_class<'data>(data: impl ReadRef<'data>) -> Result<(), &'static str> {
    match data.read_bytes_at(0, 6) {
        Ok([0x7f, b'E', b'L', b'F', 1, _]) => {
            Err("it is a 32-bit program; only emulators of 64 bits have a JIT")
        }
        Ok([0x7f, b'E', b'L', b'F', _, 2]) => {
            Err("it is for a big-endian machine; the JIT knows x86-64 and 64-bit ARM only")
        }
        _ => Ok(()),
    }
}

/// The search table of `.eh_frame_hdr`: pairs of offsets from the section's start, of a function
/// and of its description (Linux Standard Base, "The .eh_frame_hdr section").
fn function_starts(section: u64, bytes: &[u8]) -> Vec<u64> {
    // Version 1, any pointer to .eh_frame of 4 bytes, count as udata4, table as datarel sdata4.
    let Some([1, pointer, 0x03, 0x3b]) = bytes.first_chunk::<4>() else {
        return Vec::new();
    };
    // The low 4 bits are the format: 4 bytes, signed or not.
    if !matches!(pointer & 0x0f, 0x03 | 0x0b) {
        return Vec::new();
    }
    let table = bytes.get(12..).unwrap_or_default();
    let mut starts: Vec<u64> = table
        .chunks_exact(8)
        .filter_map(|pair| {
            let offset = i32::from_le_bytes(*pair.first_chunk()?);
            Some(section.wrapping_add_signed(i64::from(offset)))
        })
        .collect();
    starts.sort_unstable();
    starts
}

#[cfg(test)]
mod tests {
    use super::{Elf, check_class, function_starts};

    #[test]
    fn programs_of_other_machines_are_refused_with_a_reason() {
        let header =
            |class, order| [&[0x7f, b'E', b'L', b'F', class, order, 1][..], &[0; 57]].concat();
        let refused = |bytes: &[u8]| check_class(bytes).err().unwrap_or_default().to_owned();
        assert!(refused(&header(1, 1)).contains("32-bit"));
        assert!(refused(&header(2, 2)).contains("big-endian"));
        assert_eq!(refused(&header(2, 1)), "");
        assert_eq!(refused(b"#!/"), "");
        let path = std::env::temp_dir().join(format!("escope-elf32-{}", std::process::id()));
        std::fs::write(&path, header(1, 1)).expect("a file");
        let said = Elf::open(&path).expect_err("refused").to_string();
        std::fs::remove_file(&path).expect("ours");
        assert!(
            said.starts_with("cannot understand ") && said.contains("32-bit"),
            "{said}"
        );
    }

    #[test]
    fn functions_start_where_the_search_table_says() {
        let mut bytes = vec![1, 0x1b, 0x03, 0x3b, 0, 0, 0, 0, 2, 0, 0, 0];
        for (start, description) in [(-0x100i32, 0x20i32), (0x40, 0x30)] {
            bytes.extend(start.to_le_bytes());
            bytes.extend(description.to_le_bytes());
        }
        assert_eq!(function_starts(0x1000, &bytes), [0xf00, 0x1040]);
        assert!(function_starts(0x1000, &bytes[..3]).is_empty());
        assert!(function_starts(0x1000, &[2; 40]).is_empty());
    }
}
