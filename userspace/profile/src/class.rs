//! What a frame is to its reader: finer than its kind, and what colours follow.

use escope_model::{Frame, FrameKind};
use serde::{Deserialize, Serialize};

macro_rules! classes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What a frame is to its reader.
        ///
        /// A [`FrameKind`], with Elixir told from Erlang and garbage collection told
        /// from the emulator's other C code.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum FrameClass { $($(#[$doc])* $variant,)* }

        impl FrameClass {
            /// Every class, in the order legends print them.
            pub const ALL: &'static [FrameClass] = &[$(FrameClass::$variant,)*];

            /// The word for it in legends and labels.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(FrameClass::$variant => $text,)* }
            }
        }
    };
}

classes! {
    /// What stacks were grouped by; not code.
    Group = "group",
    /// A function of an Erlang module.
    Erlang = "Erlang",
    /// A function of an Elixir module.
    Elixir = "Elixir",
    /// A built-in function.
    Bif = "BIF",
    /// A native function (NIF), as Erlang sees it.
    Nif = "NIF",
    /// Garbage collection: its functions, and the C code they call.
    Gc = "GC",
    /// A fragment that the JIT emitted once for all modules.
    Helper = "helper",
    /// C or C++ code.
    Native = "C",
    /// The kernel.
    Kernel = "kernel",
    /// Not code: says what is missing.
    Marker = "missing",
}

impl FrameClass {
    /// Whether an Erlang program can call it by module, function and arity.
    #[must_use]
    pub fn is_callable(self) -> bool {
        matches!(
            self,
            FrameClass::Erlang | FrameClass::Elixir | FrameClass::Bif | FrameClass::Nif
        )
    }
}

/// Classifies the frames of one stack, walked from its root to its leaf.
///
/// The order matters: a `memcpy` below a collection is garbage collection, the
/// same `memcpy` below a BIF is C. The collection ends at the next frame that is
/// neither C nor a helper.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Classifier {
    collecting: bool,
}

impl Classifier {
    /// The class of the next frame towards the leaf.
    pub(crate) fn next(&mut self, frame: &Frame) -> FrameClass {
        let c_code = matches!(
            frame.kind,
            FrameKind::Native | FrameKind::Helper | FrameKind::Marker
        );
        if frame.kind != FrameKind::Kernel {
            self.collecting = c_code && (self.collecting || collects(&frame.function));
        }
        match frame.kind {
            FrameKind::Native | FrameKind::Helper if self.collecting => FrameClass::Gc,
            FrameKind::Erlang if frame.is_elixir() => FrameClass::Elixir,
            FrameKind::Erlang => FrameClass::Erlang,
            FrameKind::Bif => FrameClass::Bif,
            FrameKind::Nif => FrameClass::Nif,
            FrameKind::Helper => FrameClass::Helper,
            FrameKind::Native => FrameClass::Native,
            FrameKind::Kernel => FrameClass::Kernel,
            FrameKind::Marker => FrameClass::Marker,
        }
    }
}

/// Whether a symbol is an entry to the VM's garbage collector.
///
/// The entries are enough, since everything below them counts too. The inner names
/// are here for stacks that lost their entry to inlining or to a bad unwind.
fn collects(symbol: &str) -> bool {
    const ENTRIES: &[&str] = &[
        "garbage_collect",
        "minor_collection",
        "major_collection",
        "sweep_heap",
        "sweep_rootset",
        "sweep_off_heap",
        "full_sweep_heaps",
        "collect_live_heap_frags",
    ];
    ENTRIES.iter().any(|entry| symbol.contains(entry))
}

#[cfg(test)]
mod tests {
    use super::{Classifier, FrameClass};
    use escope_model::{Frame, FrameKind};

    fn frame(kind: FrameKind, function: &str) -> Frame {
        Frame {
            kind,
            ..Frame::marker(function)
        }
    }

    #[test]
    fn what_a_collection_calls_is_collection() {
        let mut classifier = Classifier::default();
        let classes: Vec<FrameClass> = [
            frame(FrameKind::Erlang, "loop"),
            frame(FrameKind::Native, "memcpy"),
            frame(FrameKind::Helper, "garbage_collect"),
            frame(FrameKind::Native, "memcpy"),
            frame(FrameKind::Kernel, "asm_exc_page_fault"),
            frame(FrameKind::Erlang, "loop"),
            frame(FrameKind::Native, "memcpy"),
        ]
        .iter()
        .map(|frame| classifier.next(frame))
        .collect();
        assert_eq!(
            classes,
            [
                FrameClass::Erlang,
                FrameClass::Native,
                FrameClass::Gc,
                FrameClass::Gc,
                FrameClass::Kernel,
                FrameClass::Erlang,
                FrameClass::Native,
            ]
        );
    }

    #[test]
    fn an_erlang_function_of_that_name_is_erlang() {
        let mut classifier = Classifier::default();
        let erlang = frame(FrameKind::Erlang, "garbage_collect");
        assert_eq!(classifier.next(&erlang), FrameClass::Erlang);
        let bif = frame(FrameKind::Bif, "garbage_collect");
        assert_eq!(classifier.next(&bif), FrameClass::Bif);
        let c = frame(FrameKind::Native, "memcpy");
        assert_eq!(classifier.next(&c), FrameClass::Native);
    }
}
