//! Whom a supervisor supervises, word by word: start arguments, which may be large, are not read.
//!
//! | module | what its state is |
//! |---|---|
//! | `supervisor` | `#state{}` with `#child{}` (`lib/stdlib/src/supervisor.erl`, OTP 25 to 29) |
//! | `supervisor_bridge` | `#state{mod, pid, child_state, name}` (`lib/stdlib/src/supervisor_bridge.erl`) |
//! | `Elixir.DynamicSupervisor` | its struct (`lib/elixir/lib/dynamic_supervisor.ex`, Elixir 1.6 on) |
//!
//! What Elixir's `Supervisor`, `Task.Supervisor`, `PartitionSupervisor` and `Registry` start are
//! processes of these three.

mod bridge;
mod dynamic;
mod fixed;
mod sets;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::behaviour::Found;
use super::evidence::Evidence;
use crate::memory::Memory;
use crate::term::{Limits, small};

/// Of an id, a shutdown or a restart type.
const TERM: Limits = Limits {
    depth: 16,
    nodes: 1000,
    bytes: 4096,
};
const TERM_CHARS: usize = 400;
/// More modules than a child has.
const MODULES_MAX: usize = 10_000;
/// Restarts that are counted.
const RESTARTS_MAX: usize = 100_000;

/// What a supervisor supervises, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervision {
    /// The module of its callbacks.
    pub callbacks: Option<Arc<str>>,
    /// `one_for_one`, `one_for_all`, `rest_for_one` or `simple_one_for_one`; none for a
    /// `supervisor_bridge`.
    pub strategy: Option<Arc<str>>,
    /// Whether its children are started on demand, all by one specification or by one each without
    /// an id.
    pub is_dynamic: bool,
    /// How many restarts there may be in `period_s`.
    pub intensity: Option<i64>,
    /// Seconds.
    pub period_s: Option<i64>,
    /// Restarts that it remembers; older ones are forgotten at the next one only.
    pub restarts: usize,
    /// Its children, the one that was started first before others; dynamic ones in no order.
    pub children: Vec<Child>,
    /// How many children were not read, for there are too many.
    pub missing: usize,
}

/// What runs for a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// This process, as it prints; of another node too.
    Process(String),
    /// Nothing: it has ended, and the supervisor tries to start it again.
    Restarting,
    /// Nothing: `undefined`.
    Nothing,
}

/// A child, as its supervisor knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its id as Erlang prints it; none for a dynamic one.
    pub id: Option<String>,
    /// What runs for it.
    pub run: Run,
    /// `worker` or `supervisor`; none where the supervisor does not say so.
    pub kind: Option<Arc<str>>,
    /// `permanent`, `transient` or `temporary`.
    pub restart: Option<Arc<str>>,
    /// Milliseconds, `infinity` or `brutal_kill`.
    pub shutdown: Option<Arc<str>>,
    /// Modules of its callbacks; none where they are `dynamic`.
    pub modules: Option<Arc<[Arc<str>]>>,
}

/// What is supervised by a process in whose loop this was found; `None` where it is no supervisor,
/// or its state is not as it should be.
pub(super) fn read<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    found: &Found,
    most: usize,
) -> Option<Supervision> {
    let [state] = found.terms.as_slice() else {
        return None;
    };
    match found.module.as_deref()? {
        "supervisor" => fixed::read(evidence, state.term, most),
        "supervisor_bridge" => bridge::read(evidence, state.term),
        "Elixir.DynamicSupervisor" => dynamic::read(evidence, state.term, most),
        _ => None,
    }
}

/// What a child is beside who runs for it: the same for all of a `simple_one_for_one`.
#[derive(Debug, Clone)]
struct Kind {
    kind: Arc<str>,
    restart: Arc<str>,
    shutdown: Arc<str>,
    modules: Option<Arc<[Arc<str>]>>,
}

impl Kind {
    /// From restart type, shutdown, type and modules.
    fn read<M: Memory>(
        evidence: &Evidence<'_, '_, M>,
        [restart, shutdown, kind, modules]: [u64; 4],
    ) -> Option<Kind> {
        let kind = evidence.atom(kind)?;
        let restart = evidence.atom(restart)?;
        let known = matches!(&*kind, "worker" | "supervisor")
            && matches!(&*restart, "permanent" | "transient" | "temporary");
        let modules = match evidence.is_atom(modules, "dynamic") {
            true => None,
            false => {
                let names = evidence.list(modules, MODULES_MAX)?;
                let names: Option<Vec<_>> = names.iter().map(|name| evidence.atom(*name)).collect();
                Some(names?.into())
            }
        };
        known.then_some(Kind {
            kind,
            restart,
            shutdown: text(evidence, shutdown)?.into(),
            modules,
        })
    }

    fn child(&self, id: Option<String>, run: Run) -> Child {
        Child {
            id,
            run,
            kind: Some(self.kind.clone()),
            restart: Some(self.restart.clone()),
            shutdown: Some(self.shutdown.clone()),
            modules: self.modules.clone(),
        }
    }
}

/// What runs, from a pid, `undefined` or `{restarting, Pid}`.
fn run<M: Memory>(evidence: &Evidence<'_, '_, M>, term: u64) -> Option<Run> {
    if evidence.is_atom(term, "undefined") {
        return Some(Run::Nothing);
    }
    if evidence.record(term, "restarting").is_some() {
        return Some(Run::Restarting);
    }
    pid(evidence, term).map(Run::Process)
}

/// A pid as it prints.
fn pid<M: Memory>(evidence: &Evidence<'_, '_, M>, term: u64) -> Option<String> {
    evidence.vm.pids.print(term).or_else(|| {
        let text = text(evidence, term)?;
        text.starts_with('<').then_some(text)
    })
}

fn text<M: Memory>(evidence: &Evidence<'_, '_, M>, term: u64) -> Option<String> {
    let mut term = evidence.reader.decode(term, TERM).ok()?;
    // An id may be any term.
    if let Some(redaction) = &evidence.vm.redaction {
        redaction.mask(&mut term);
    }
    Some(term.text(TERM_CHARS))
}

/// How many restarts there were, from a list of their times.
fn restarts<M: Memory>(evidence: &Evidence<'_, '_, M>, list: u64) -> Option<usize> {
    evidence.list(list, RESTARTS_MAX).map(|list| list.len())
}

fn natural(term: u64) -> Option<i64> {
    small(term).filter(|value| *value >= 0)
}
