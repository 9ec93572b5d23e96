//! Modules that processes load and purge, as rows of the recording.

use serde::{Deserialize, Serialize};

use crate::happening::words;
use crate::ids::ProcId;

words! {
    /// What happened to the code of a module.
    ModuleAction {
        /// New code was put in place; code that was there before is old from then on.
        Load = "load",
        /// Old code was removed.
        Purge = "purge",
    }
}

/// Code of a module that was loaded or purged: a row of `modules`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleEvent {
    /// Nanoseconds since the recording's start.
    pub ts_ns: i64,
    /// The process that did it, if one did: code is purged by a process of the VM's own, whoever
    /// asks for it.
    pub proc: Option<ProcId>,
    /// What.
    pub event: ModuleAction,
    /// The module, unquoted.
    pub module: String,
}

#[cfg(test)]
mod tests {
    use super::ModuleAction;

    #[test]
    fn every_word_parses_back() {
        let parses = |it: &ModuleAction| ModuleAction::parse(it.as_str()) == Some(*it);
        assert!(ModuleAction::ALL.iter().all(parses));
        assert_eq!(ModuleAction::parse("unload"), None);
    }
}
