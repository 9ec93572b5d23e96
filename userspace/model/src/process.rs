//! Who an Erlang process is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::ProcId;
use crate::names::{ErlangName, quote_atom};

/// Module, function, arity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mfa {
    /// Module atom, unquoted.
    pub module: String,
    /// Function atom, unquoted.
    pub function: String,
    /// Arity.
    pub arity: u32,
}

impl fmt::Display for Mfa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ErlangName::new(&self.module, &self.function, self.arity).fmt(f)
    }
}

/// What is known of one Erlang process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// Ours, sequential.
    pub proc: ProcId,
    /// As the VM prints it: `<0.N.S>`.
    pub pid: String,
    /// Registered name, unquoted.
    pub name: Option<String>,
    /// Process label (OTP 27 and later).
    pub label: Option<String>,
    /// Where it started; for `proc_lib` processes the real one, from `$initial_call`.
    pub initial_call: Option<Mfa>,
    /// The pid of the process that spawned it, as the VM prints it.
    pub parent: Option<String>,
}

impl ProcessInfo {
    /// The name to print: registered name, else label, else `initial_call <0.N.S>`.
    #[must_use]
    pub fn display_name(&self) -> String {
        match (&self.name, &self.label, &self.initial_call) {
            (Some(name), _, _) => registered(name),
            (None, Some(label), _) => label.clone(),
            (None, None, Some(call)) => format!("{call} {}", self.pid),
            (None, None, None) => self.pid.clone(),
        }
    }

    /// The name that processes of one kind share: registered name, else label, else
    /// initial call. Short-lived workers fold into one row by it.
    #[must_use]
    pub fn group_name(&self) -> String {
        match (&self.name, &self.label, &self.initial_call) {
            (Some(name), _, _) => registered(name),
            (None, Some(label), _) => label.clone(),
            (None, None, Some(call)) => call.to_string(),
            (None, None, None) => self.pid.clone(),
        }
    }

    /// Whether any of its names is `wanted`: registered name, label, pid, initial call, or
    /// the name that processes of its kind share.
    #[must_use]
    pub fn is_called(&self, wanted: &str) -> bool {
        self.pid == wanted
            || self.name.as_deref() == Some(wanted)
            || self.label.as_deref() == Some(wanted)
            || self.group_name() == wanted
            || self
                .initial_call
                .as_ref()
                .is_some_and(|call| call.to_string() == wanted)
    }
}

/// A registered name: Elixir's aliases lose their prefix, other atoms are quoted.
fn registered(name: &str) -> String {
    match name.strip_prefix("Elixir.") {
        Some(alias) => alias.to_owned(),
        None => quote_atom(name).into_owned(),
    }
}
