//! The state of a behaviour, read from outside while its process waits.
//!
//! A process that waits in the loop of `gen_server`, `gen_statem` or `gen_event` has its state
//! on its stack, in the frame of that loop; one that hibernates has it in the arguments that it
//! will resume with. The loops keep those of their arguments that they need after the `receive`,
//! the last one on top (OTP 25.3, 27.3 and 29.0: `lib/stdlib/src/gen_server.erl`,
//! `gen_statem.erl`, `gen_event.erl`, as compiled). That is a compiler's choice, so nothing is
//! believed of a frame that does not prove itself: as many slots as there should be, a parent that
//! is the process's, a module that is loaded, a record that has the right name.
//!
//! What is told was so at one instant. The process is copied, what hangs on it is read, then its
//! state flags are read and after them the struct once more. A process that runs has the flag
//! before it changes anything, and its reductions grow before it loses the flag: so one that has
//! run in between has either the flag or other reductions. The flags have to be read first: read
//! after the reductions, they may be of when it had come to rest again.
//!
//! Of a VM that stands still all processes are at one instant, and none has to rest. One that runs has
//! its place in the registers of a thread. What a callback makes of a state is a variable of its, but
//! who has called it keeps the state of before, further down the stack, and that is told.

mod bare;
mod behaviour;
mod copied;
mod evidence;
mod frames;
mod gen_event;
mod gen_server;
mod gen_statem;
mod hibernating;
mod lines;
mod rest;
mod supervision;
mod supervisor;
mod taken;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use escope_model::Mfa;
use rustc_hash::FxHashSet;

use crate::Vm;
use crate::code::{CodeMap, read_module};
use crate::memory::Memory;
use crate::said::Redaction;
use crate::term::{Limits, Term};

pub use copied::{CalledWith, CopyReader, ProcessCopy, RanAt, RestsSince, StackPlace};
pub use lines::lines;
pub use rest::{read_state, read_still};
pub use supervision::{Child, Run, Supervision};
pub use taken::TakenCopy;

/// What to read of a state, and what not to tell.
#[derive(Debug, Clone)]
pub struct StateOptions {
    /// How much of each term is read.
    pub limits: Limits,
    /// Which values are masked; `None` tells all.
    pub redaction: Option<Redaction>,
    /// How many children of a supervisor are told; at 0 nothing of what it supervises is.
    pub children: usize,
}

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Behaviour {
    /// `gen_server`, and what is made of it.
    GenServer,
    /// `gen_statem`.
    GenStatem,
    /// `gen_event`.
    GenEvent,
    /// `supervisor`.
    Supervisor,
    /// Elixir's `Agent`.
    Agent,
    /// None that is known.
    None,
}

impl Behaviour {
    /// As its module is called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Behaviour::GenServer => "gen_server",
            Behaviour::GenStatem => "gen_statem",
            Behaviour::GenEvent => "gen_event",
            Behaviour::Supervisor => "supervisor",
            Behaviour::Agent => "Agent",
            Behaviour::None => "none",
        }
    }
}

/// How a process rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rests {
    /// In a `receive`.
    Waiting,
    /// Without a stack, until a message comes.
    Hibernating,
    /// `sys:suspend/1` keeps it from its messages.
    Suspended,
    /// It does not: it is in one of its callbacks, where its state is a variable of that function.
    /// What is told is its state as of before the callback, or none.
    InCallback,
    /// It has failed or is told to stop, and reports that: it has no state any more.
    Ending,
}

impl Rests {
    /// The word for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Rests::Waiting => "waiting",
            Rests::Hibernating => "hibernating",
            Rests::Suspended => "suspended",
            Rests::InCallback => "in_callback",
            Rests::Ending => "ending",
        }
    }
}

/// One term of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is: `state`, `data`, a handler, a slot of the stack.
    pub name: String,
    /// The term, as far as the limits allow, masked.
    pub term: Term,
    /// Whether nothing of it is missing.
    pub whole: bool,
}

/// The state of a process at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessState {
    /// What it is.
    pub behaviour: Behaviour,
    /// As `process_info(Pid, status)` would put it: `waiting`, unless its VM stood still.
    pub status: &'static str,
    /// How it rests.
    pub rests: Rests,
    /// The module of its callbacks.
    pub module: Option<Arc<str>>,
    /// The function that it waits in, with file and line where the code has them.
    pub waits_in: Option<Mfa>,
    /// Source file and line of that.
    pub location: Option<(Arc<str>, u32)>,
    /// The callback that it waits in.
    pub callback: Option<Mfa>,
    /// What its state is made of: one term of a `gen_server`, name and data of a `gen_statem`, one
    /// term a handler of a `gen_event`, the slots of the frame of others.
    pub parts: Vec<Part>,
    /// What the state says, in words: of a supervisor.
    pub words: Vec<String>,
    /// Whom it supervises, where that was asked for and it is a supervisor.
    pub supervision: Option<Supervision>,
    /// How many values are masked.
    pub masked: u32,
    /// Names of parts that look like records whose fields have no names here, so that no secret among them
    /// is known by its name; none where nothing is masked.
    pub nameless: Vec<String>,
    /// Reductions since it was spawned.
    pub reductions: u64,
    /// Where the code of its frames lies: what was loaded there meanwhile makes it void.
    pub places: Vec<u64>,
}

/// What came of reading a process once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// It waited all the time: this is exact.
    Exact(Box<ProcessState>),
    /// It ran, or changed, or had something to do; its status when that was seen.
    Ran(&'static str),
    /// It is not there any more.
    Gone,
    /// It has asked not to be looked at.
    Sensitive,
    /// It waits, and what it waits with cannot be read: the reason.
    Unreadable(String),
}

/// The VM's code as states need it: functions by address, and which modules there are.
#[derive(Debug)]
pub struct StateCode {
    map: CodeMap,
    /// Their names; `None` where they are looked for in the map.
    modules: Option<FxHashSet<Arc<str>>>,
    /// As of when, on `CLOCK_MONOTONIC`.
    at_ns: u64,
}

impl StateCode {
    /// Reads all names of a map.
    pub fn new<M: Memory>(vm: &Vm<M>, mut map: CodeMap) -> StateCode {
        map.read_all(|blob, bytes| read_module(&vm.memory, blob, bytes));
        let modules = map.modules().map(|module| module.name.clone()).collect();
        StateCode {
            map,
            modules: Some(modules),
            at_ns: u64::MAX,
        }
    }

    /// The code as of a time, by a map that is followed. Names that were not read yet are not known.
    #[must_use]
    pub fn at(map: CodeMap, at_ns: u64) -> StateCode {
        StateCode {
            map,
            modules: None,
            at_ns,
        }
    }

    /// The same code as of another time.
    pub fn set_time(&mut self, at_ns: u64) {
        self.at_ns = at_ns;
    }

    /// As of when it is.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.at_ns
    }

    /// Gives the map back.
    #[must_use]
    pub fn into_map(self) -> CodeMap {
        self.map
    }

    /// Whether a module of this name is loaded.
    pub(crate) fn has_module(&self, name: &str) -> bool {
        match &self.modules {
            Some(modules) => modules.contains(name),
            None => self.map.modules().any(|module| *module.name == *name),
        }
    }

    /// Where code has come or gone since, going by a list that was read just now.
    #[must_use]
    pub fn replaced<M: Memory>(&self, vm: &Vm<M>, now: &CodeMap) -> Vec<std::ops::Range<u64>> {
        let read = |blob, bytes| read_module(&vm.memory, blob, bytes);
        self.map.changed_since(now, read)
    }

    /// The function at an address, with file and line.
    fn function<M: Memory>(&mut self, vm: &Vm<M>, address: u64) -> Option<Function> {
        let is_followed = self.modules.is_none();
        // What a map that is followed says of code that came later must not be read now.
        let read = |blob, bytes| match is_followed {
            true => None,
            false => read_module(&vm.memory, blob, bytes),
        };
        let located = self
            .map
            .locate(address, self.at_ns, read, || !is_followed)?;
        let function = located.function()?;
        Some(Function {
            location: located.module.line_at(function, located.offset),
            mfa: Mfa {
                module: located.module.name.to_string(),
                function: function.name.to_string(),
                arity: function.arity?,
            },
        })
    }
}

/// A function that a process is in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Function {
    mfa: Mfa,
    location: Option<(Arc<str>, u32)>,
}
