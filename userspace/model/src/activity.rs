//! What a thread of the VM was doing when it was sampled.

use serde::{Deserialize, Serialize};

macro_rules! activities {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What a thread of the VM was doing when it was sampled.
        ///
        /// Exactly one holds for each sample; the order of precedence is idle and
        /// busy wait, garbage collection, kernel, then where the user code was.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Activity { $($(#[$doc])* $variant,)* }

        impl Activity {
            /// Every activity, in the order reports print them.
            pub const ALL: &'static [Activity] = &[$(Activity::$variant,)*];

            /// The word used in recordings, reports and labels.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Activity::$variant => $text,)* }
            }

            /// The activity a recording's word stands for.
            #[must_use]
            pub fn parse(text: &str) -> Option<Activity> {
                match text { $($text => Some(Activity::$variant),)* _ => None }
            }
        }
    };
}

activities! {
    /// Compiled Erlang code of a process.
    Jit = "jit",
    /// A built-in function written in C, called by a process.
    Bif = "bif",
    /// A native function of a loaded library, called by a process.
    Nif = "nif",
    /// Garbage collection of a process.
    Gc = "gc",
    /// A NIF or BIF on a dirty scheduler.
    Dirty = "dirty",
    /// A port: a driver's callback or the port machinery around it.
    Port = "port",
    /// The emulator's own work: scheduling, timers, polling, code loading.
    Emulator = "emulator",
    /// The kernel, on behalf of a process or of the emulator.
    Kernel = "kernel",
    /// A thread that is no scheduler.
    Native = "native",
    /// A scheduler that spins because it hopes for work: CPU burnt, nothing done.
    BusyWait = "busy_wait",
    /// A scheduler on its way to sleep or waking from it.
    Idle = "idle",
}

impl Activity {
    /// Whether the CPU did something that the program asked for.
    #[must_use]
    pub fn is_work(self) -> bool {
        !matches!(self, Activity::BusyWait | Activity::Idle)
    }
}

#[cfg(test)]
mod tests {
    use super::Activity;

    #[test]
    fn every_word_parses_back() {
        for &activity in Activity::ALL {
            assert_eq!(Activity::parse(activity.as_str()), Some(activity));
        }
        assert_eq!(Activity::parse("JIT"), None);
    }
}
