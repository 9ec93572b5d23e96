//! One line of a stack.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::names::ErlangName;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What kind of code a frame belongs to.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum FrameKind { $($(#[$doc])* $variant,)* }

        impl FrameKind {
            /// Every kind.
            pub const ALL: &'static [FrameKind] = &[$(FrameKind::$variant,)*];

            /// The word used in recordings.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(FrameKind::$variant => $text,)* }
            }

            /// The kind a recording's word stands for.
            #[must_use]
            pub fn parse(text: &str) -> Option<FrameKind> {
                match text { $($text => Some(FrameKind::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    /// A function compiled by the VM's JIT from a loaded module.
    Erlang = "erlang",
    /// A C function of the emulator that implements a built-in function.
    Bif = "bif",
    /// A native function (NIF) as Erlang sees it: module, function, arity.
    Nif = "nif",
    /// A helper fragment that the JIT emitted once for all modules.
    Helper = "helper",
    /// C or C++ code: the emulator, a NIF library, a driver, libc.
    Native = "native",
    /// The kernel.
    Kernel = "kernel",
    /// Not code: says that something is missing here, and why.
    Marker = "marker",
}

/// One frame of a stack, named as of the moment it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Frame {
    /// What kind of code it is.
    pub kind: FrameKind,
    /// Erlang module, for Erlang, BIF and NIF frames.
    pub module: Option<Arc<str>>,
    /// Function or symbol name; the whole text of a marker.
    pub function: Arc<str>,
    /// Arity, for Erlang, BIF and NIF frames.
    pub arity: Option<u32>,
    /// Source file.
    pub file: Option<Arc<str>>,
    /// Source line, from 1.
    pub line: Option<u32>,
    /// The file the code was mapped from, by its last path component.
    pub object: Option<Arc<str>>,
    /// Start of the function for Erlang code, the symbol's start for native code, in
    /// the target's address space; 0 where there is none.
    pub address: u64,
}

impl Frame {
    /// A frame that says what is missing.
    #[must_use]
    pub fn marker(text: &str) -> Frame {
        Frame {
            kind: FrameKind::Marker,
            module: None,
            function: text.into(),
            arity: None,
            file: None,
            line: None,
            object: None,
            address: 0,
        }
    }

    /// The name people use: `mod:fun/1`, `Mod.fun/1`, a C symbol, or `[marker]`.
    #[must_use]
    pub fn name(&self) -> String {
        match (self.kind, &self.module, self.arity) {
            (FrameKind::Marker, _, _) => format!("[{}]", self.function),
            (_, Some(module), Some(arity)) => {
                ErlangName::new(module, &self.function, arity).to_string()
            }
            _ => self.function.to_string(),
        }
    }

    /// Whether the module was compiled by Elixir.
    #[must_use]
    pub fn is_elixir(&self) -> bool {
        self.module
            .as_deref()
            .is_some_and(|module| module.starts_with("Elixir."))
    }

    /// `file:line` where both are known.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        Some(format!("{}:{}", self.file.as_deref()?, self.line?))
    }
}
