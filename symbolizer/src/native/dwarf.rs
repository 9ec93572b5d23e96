//! Source lines of native code, where a file or its debug link has DWARF.

use std::path::PathBuf;
use std::sync::Arc;

use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{Input, Symbolized, Symbolizer};

/// What DWARF says of an address.
pub(super) struct Found {
    pub(super) function: Option<Arc<str>>,
    pub(super) location: Option<(Arc<str>, u32)>,
}

pub(super) struct Dwarf {
    source: Source<'static>,
    symbolizer: Symbolizer,
}

impl Dwarf {
    /// Nothing is read before the first question.
    pub(super) fn new(path: PathBuf) -> Dwarf {
        Dwarf {
            source: Source::Elf(Elf::new(path)),
            symbolizer: Symbolizer::new(),
        }
    }

    pub(super) fn find(&self, address: u64) -> Option<Found> {
        let symbolized = self
            .symbolizer
            .symbolize_single(&self.source, Input::VirtOffset(address));
        let Ok(Symbolized::Sym(symbol)) = symbolized else {
            return None;
        };
        let location = symbol.code_info.as_ref().and_then(|info| {
            let file: Arc<str> = info.file.to_string_lossy().into_owned().into();
            Some((file, info.line?))
        });
        Some(Found {
            function: Some(symbol.name.as_ref().into()),
            location,
        })
    }
}
