//! One ELF file: symbols, function bounds, unwind tables.
//!
//! A stripped file has its exported symbols only. The nearest one below an address is wrong
//! for every static function, so a symbol counts only where its own size, or the function's
//! bounds in `.eh_frame`, say that it covers the address.

use std::fs::File;
use std::sync::Arc;

use gimli::{BaseAddresses, CieOrFde, EhFrame, LittleEndian, UnwindSection};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{Object, ObjectSection, ObjectSymbol, ReadCache, ReadRef};

/// What is at an address of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NativeSymbol {
    /// A symbol that covers it.
    Named {
        /// Demangled.
        name: Arc<str>,
        /// Its address.
        start: u64,
    },
    /// A function without a name.
    Bounds {
        /// Its address.
        start: u64,
    },
    /// Nothing is known.
    Unknown,
}

/// A section that unwinding needs.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) start: u64,
    pub(super) bytes: Arc<[u8]>,
}

impl Section {
    pub(super) fn range(&self) -> std::ops::Range<u64> {
        self.start..self.start.saturating_add(self.bytes.len() as u64)
    }
}

#[derive(Debug, Clone)]
struct Named {
    start: u64,
    size: u64,
    name: Arc<str>,
}

/// One ELF file.
#[derive(Debug, Clone)]
pub(super) struct NativeObject {
    symbols: Vec<Named>,
    bounds: Vec<(u64, u64)>,
    segments: Vec<(u64, u64, u64)>,
    pub(super) text: Option<std::ops::Range<u64>>,
    pub(super) got: Option<std::ops::Range<u64>>,
    pub(super) eh_frame: Option<Section>,
    pub(super) eh_frame_hdr: Option<Section>,
    has_debug_info: bool,
}

impl NativeObject {
    /// Reads a file; `None` when it is not one we can use.
    #[must_use]
    pub(super) fn read(file: File) -> Option<NativeObject> {
        NativeObject::parse(&ReadCache::new(file)).ok()
    }

    /// Reads an image, such as the vdso's.
    #[must_use]
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<NativeObject> {
        NativeObject::parse(bytes).ok()
    }

    fn parse<'data, R: ReadRef<'data>>(data: R) -> object::Result<NativeObject> {
        let file = ElfFile64::<object::LittleEndian, R>::parse(data)?;
        let endian = object::LittleEndian;
        let segments = file
            .elf_header()
            .program_headers(endian, data)?
            .iter()
            .filter(|header| header.p_type(endian) == object::elf::PT_LOAD)
            .map(|header| {
                (
                    header.p_offset(endian),
                    header.p_filesz(endian),
                    header.p_vaddr(endian),
                )
            })
            .collect();
        let section = |name: &str| -> Option<Section> {
            let section = file.section_by_name(name)?;
            // Never compressed: it is mapped as it is.
            let bytes = section.data().ok()?;
            Some(Section {
                start: section.address(),
                bytes: bytes.into(),
            })
        };
        let range = |name: &str| {
            let section = file.section_by_name(name)?;
            Some(section.address()..section.address().saturating_add(section.size()))
        };
        let eh_frame = section(".eh_frame");
        let text = range(".text");
        let mut native = NativeObject {
            symbols: symbols(&file),
            bounds: Vec::new(),
            segments,
            got: range(".got"),
            eh_frame_hdr: section(".eh_frame_hdr")
                .filter(|table| eh_frame.as_ref().is_some_and(|of| leads_into(table, of))),
            has_debug_info: file.section_by_name(".debug_info").is_some()
                || matches!(file.gnu_debuglink(), Ok(Some(_))),
            text,
            eh_frame,
        };
        native.bounds = native.function_bounds().unwrap_or_default();
        Ok(native)
    }

    /// Starts and ends of functions by `.eh_frame`, ascending.
    fn function_bounds(&self) -> Option<Vec<(u64, u64)>> {
        let section = self.eh_frame.as_ref()?;
        let mut bases = BaseAddresses::default().set_eh_frame(section.start);
        if let Some(text) = &self.text {
            bases = bases.set_text(text.start);
        }
        if let Some(got) = &self.got {
            bases = bases.set_got(got.start);
        }
        let frames = EhFrame::new(&section.bytes, LittleEndian);
        let mut entries = frames.entries(&bases);
        let mut bounds = Vec::new();
        while let Ok(Some(entry)) = entries.next() {
            let CieOrFde::Fde(partial) = entry else {
                continue;
            };
            if let Ok(fde) = partial.parse(|_, bases, offset| frames.cie_from_offset(bases, offset))
                && fde.len() > 0
            {
                bounds.push((fde.initial_address(), fde.end_address()));
            }
        }
        bounds.sort_unstable();
        Some(bounds)
    }

    /// The address of a file offset.
    #[must_use]
    pub(super) fn address_of(&self, file_offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|(offset, bytes, address)| {
            let into = file_offset.checked_sub(*offset)?;
            (into < *bytes).then(|| address.wrapping_add(into))
        })
    }

    /// Whether the file or one that it links to has DWARF.
    #[must_use]
    pub(super) fn has_debug_info(&self) -> bool {
        self.has_debug_info
    }

    /// What covers an address.
    #[must_use]
    pub(super) fn symbol_at(&self, address: u64) -> NativeSymbol {
        let bounds = before(&self.bounds, address, |bounds| bounds.0)
            .filter(|(_, end)| address < *end)
            .map(|(start, _)| *start);
        if let Some(symbol) = before(&self.symbols, address, |symbol| symbol.start) {
            let by_size = address < symbol.start.saturating_add(symbol.size);
            if by_size || bounds == Some(symbol.start) {
                return NativeSymbol::Named {
                    name: symbol.name.clone(),
                    start: symbol.start,
                };
            }
        }
        match bounds {
            Some(start) => NativeSymbol::Bounds { start },
            None => NativeSymbol::Unknown,
        }
    }
}

/// Whether a search table is in the form that linkers write and leads into its `.eh_frame` only
/// (Linux Standard Base, "The .eh_frame_hdr section"). Without one that does, functions are
/// looked for in `.eh_frame` itself.
fn leads_into(table: &Section, eh_frame: &Section) -> bool {
    // Version 1, .eh_frame as pcrel sdata4, count as udata4, table as datarel sdata4.
    let Some(([1, 0x1b, 0x03, 0x3b], rest)) = table.bytes.split_first_chunk::<4>() else {
        return false;
    };
    let Some(([to, count], pairs)) = rest
        .split_first_chunk::<8>()
        .map(|(head, pairs)| (head.as_chunks::<4>().0, pairs))
        .and_then(|(head, pairs)| Some((*head.first_chunk::<2>()?, pairs)))
    else {
        return false;
    };
    let at = |from: u64, offset: [u8; 4]| {
        from.wrapping_add_signed(i64::from(i32::from_le_bytes(offset)))
    };
    let (pairs, range) = (pairs.as_chunks::<8>().0, eh_frame.range());
    let pairs = pairs.get(..u32::from_le_bytes(count) as usize);
    at(table.start.wrapping_add(4), to) == eh_frame.start
        && pairs.is_some_and(|pairs| {
            pairs.iter().all(|pair| {
                let description = pair.last_chunk::<4>().copied().unwrap_or_default();
                range.contains(&at(table.start, description))
            })
        })
}

fn before<T>(sorted: &[T], address: u64, start: impl Fn(&T) -> u64) -> Option<&T> {
    let after = sorted.partition_point(|item| start(item) <= address);
    sorted.get(after.checked_sub(1)?)
}

/// Functions by address, one name each.
fn symbols<'data, R: ReadRef<'data>>(
    file: &ElfFile64<'data, object::LittleEndian, R>,
) -> Vec<Named> {
    let mut symbols: Vec<(u64, u64, bool, &str)> = file
        .symbols()
        .chain(file.dynamic_symbols())
        .filter(|symbol| symbol.kind() == object::SymbolKind::Text && !symbol.is_undefined())
        .filter_map(|symbol| {
            let name = symbol.name().ok().filter(|name| !name.is_empty())?;
            Some((symbol.address(), symbol.size(), symbol.is_local(), name))
        })
        .collect();
    // Of several names for one address: exported before local, `write` before `__write`,
    // then the shorter one.
    symbols.sort_by_key(|&(start, _, local, name)| {
        let underscores = name.bytes().take_while(|&byte| byte == b'_').count();
        (start, local, underscores, name.len(), name)
    });
    symbols.dedup_by_key(|symbol| symbol.0);
    symbols
        .into_iter()
        .map(|(start, size, _, name)| Named {
            start,
            size,
            name: demangle(name),
        })
        .collect()
}

fn demangle(name: &str) -> Arc<str> {
    // A symbol version (`write@@GLIBC_2.2.5`) is no part of the name.
    let name = name.split('@').next().unwrap_or(name);
    if name.starts_with("_Z")
        && let Ok(symbol) = cpp_demangle::Symbol::new(name)
    {
        let options = cpp_demangle::DemangleOptions::new().no_params();
        if let Ok(text) = symbol.demangle_with_options(&options) {
            return text.into();
        }
    }
    name.into()
}

#[cfg(test)]
mod tests {
    use super::{NativeObject, NativeSymbol, demangle};

    #[test]
    fn this_program_has_symbols_and_bounds() {
        let path = std::env::current_exe().expect("a path");
        let file = std::fs::File::open(path).expect("it runs");
        let object = NativeObject::read(file).expect("an ELF file");
        assert!(!object.bounds.is_empty() && !object.symbols.is_empty());
        assert!(object.eh_frame_hdr.is_some());
        let symbol = &object.symbols[object.symbols.len() / 2];
        assert!(matches!(
            object.symbol_at(symbol.start),
            NativeSymbol::Named { .. }
        ));
        assert_eq!(object.symbol_at(0), NativeSymbol::Unknown);
    }

    #[test]
    fn garbage_is_no_object() {
        assert!(NativeObject::from_bytes(b"\x7fELF garbage").is_none());
        assert!(NativeObject::from_bytes(&[]).is_none());
    }

    #[test]
    fn cpp_names_are_readable() {
        assert_eq!(
            &*demangle("_Z23beam_jit_remove_messageP7processlPmS1_j"),
            "beam_jit_remove_message"
        );
        assert_eq!(&*demangle("write@@GLIBC_2.2.5"), "write");
        assert_eq!(&*demangle("_Znonsense"), "_Znonsense");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_an_answer(bytes: Vec<u8>) {
            if let Some(object) = NativeObject::from_bytes(&bytes) {
                let _ = object.symbol_at(0x1000);
            }
        }
    }
}
