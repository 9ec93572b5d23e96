//! Names of kernel functions, from `/proc/kallsyms`.

use std::sync::Arc;

use blazesym::MaybeDefault;
use blazesym::symbolize::source::{Kernel, Source};
use blazesym::symbolize::{Input, Symbolized, Symbolizer};
use rustc_hash::FxHashMap;

/// The kernel's symbols; nothing is read before the first question.
pub(crate) struct KernelNames {
    source: Source<'static>,
    symbolizer: Option<Symbolizer>,
    known: FxHashMap<u64, Option<(Arc<str>, u64)>>,
}

impl KernelNames {
    pub(crate) fn new() -> KernelNames {
        KernelNames {
            source: Source::Kernel(Kernel {
                kallsyms: MaybeDefault::Default,
                vmlinux: MaybeDefault::None,
                ..Kernel::default()
            }),
            symbolizer: None,
            known: FxHashMap::default(),
        }
    }

    /// Name and start of the function at an address; `None` where the kernel hides it.
    pub(crate) fn find(&mut self, address: u64) -> Option<(Arc<str>, u64)> {
        if let Some(known) = self.known.get(&address) {
            return known.clone();
        }
        let symbolizer = self.symbolizer.get_or_insert_with(Symbolizer::new);
        let found = match symbolizer.symbolize_single(&self.source, Input::AbsAddr(address)) {
            Ok(Symbolized::Sym(symbol)) => Some((Arc::from(symbol.name.as_ref()), symbol.addr)),
            _ => None,
        };
        self.known.insert(address, found.clone());
        found
    }
}
