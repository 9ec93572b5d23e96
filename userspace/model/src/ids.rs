//! Sequential identities of a recording. Numbers start at 0 and are never reused.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// The id as an index into the table it numbers.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id! {
    /// One Erlang process over its whole life. Not its pid, which the VM may reuse.
    ProcId
}
id! {
    /// One port over its whole life. Not its number in the VM.
    PortId
}
id! {
    /// One distinct list of frames.
    StackId
}
id! {
    /// One distinct frame.
    FrameId
}
