//! The supervision trees of a VM: what its applications have started, and who supervises whom.
//!
//! Each supervisor's children are told as of one instant at which it rested; the instants of two
//! supervisors differ, so a child that has ended or come meanwhile is told as such. What could not
//! be read is told with what it is linked to, and nothing is guessed of it.

mod build;
mod collapse;
mod outside;
mod read;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use escope_beam::Vm;
use escope_beam::memory::Memory;
use escope_beam::snapshot::ProcessSnapshot;
use escope_beam::state::Child;

use crate::{SessionError, StateAnswer};

/// Supervisors within each other.
const DEPTH_MAX: usize = 64;

/// How trees are read.
#[derive(Debug, Clone, Copy)]
pub struct TreeOptions {
    /// How often a process is read before it is given up.
    pub tries: u32,
    /// After so long nothing more is read of any process.
    pub time: Duration,
    /// Children of all supervisors that are read at most.
    pub children: usize,
    /// Whether each child is shown where there are many of a kind.
    pub all: bool,
}

/// All trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trees {
    /// Those of applications first, each in the order in which they were started.
    pub trees: Vec<Tree>,
    /// How many processes there are.
    pub processes: usize,
    /// How many of them are in trees, application masters included.
    pub inside: usize,
    /// Those that are in none.
    pub outside: Vec<Outsiders>,
    /// How many supervisors there are whose children are not told.
    pub untold: usize,
}

/// A tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Where it hangs.
    pub root: Root,
    /// What is at its top: one supervisor as a rule.
    pub nodes: Vec<Node>,
}

/// What a tree hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// An application: what is linked to the process that called its `start/2`.
    Application {
        /// Its name, as its master has it; `None` where that was not told.
        name: Option<Arc<str>>,
        /// Its master.
        master: String,
        /// The process that called `start/2`.
        starter: Option<String>,
    },
    /// No supervisor that is known: who has spawned it.
    Spawned {
        /// By whom; `None` where the VM does not know.
        by: Option<Linked>,
    },
    /// What was asked for.
    AskedFor,
}

/// A process that another one is linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// As it prints.
    pub pid: String,
    /// What it is called, if it is there.
    pub who: Option<String>,
}

/// A child, or what is at the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// As its supervisor knows it; `None` at the top.
    pub child: Option<Child>,
    /// What runs there.
    pub presence: Presence,
    /// Its children.
    pub nodes: Vec<Node>,
    /// Children that are not shown one by one.
    pub groups: Vec<Group>,
}

/// What runs at a place of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// This process.
    Here(Box<Occupant>),
    /// Nothing: its supervisor tries to start it again.
    Restarting,
    /// Nothing: `undefined`.
    Nothing,
    /// A process that has ended meanwhile.
    Ended(String),
    /// A process of another node.
    Remote(String),
    /// A process that has its place elsewhere in these trees.
    Elsewhere(String),
}

/// A process in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    /// What is known of it without its state.
    pub process: ProcessSnapshot,
    /// Its state without terms, or why it is not told; `None` where nobody asked for it.
    pub told: Option<StateAnswer>,
    /// Whether it was started as a supervisor, or another one says that it is one.
    pub is_supervisor: bool,
    /// Of a supervisor that is not told, to whom it is linked; the first of them.
    pub links: Vec<Linked>,
    /// Whether there are more children below it than are read: trees this deep are none.
    pub too_deep: bool,
}

/// Children of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The module of their callbacks.
    pub module: String,
    /// `worker` or `supervisor`.
    pub kind: Option<Arc<str>>,
    /// How many there are.
    pub count: usize,
    /// How many of them do not run.
    pub absent: usize,
    /// How many processes are below them.
    pub below: usize,
    /// Messages in the mailboxes of all of them.
    pub mailbox: u64,
}

/// Processes that are in no tree, are called the same, and are linked to the same of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outsiders {
    /// What they are called.
    pub who: String,
    /// How many.
    pub count: usize,
    /// The first of them.
    pub pids: Vec<String>,
    /// The application whose master is their group leader.
    pub application: Option<Arc<str>>,
    /// To whom of the trees they are linked; the first of them.
    pub linked: Vec<Linked>,
}

/// Reads the trees of a VM, or what is below the processes of which `wanted` says so. What it returns
/// has no trees where none of the processes in them is wanted.
///
/// # Errors
/// When the VM's code or its process table cannot be read.
pub fn read_trees<M: Memory>(
    vm: &mut Vm<M>,
    wanted: Option<&dyn Fn(&ProcessSnapshot) -> bool>,
    options: &TreeOptions,
) -> Result<Trees, SessionError> {
    let code = read::code(vm)?;
    let mut reader = read::Reader::new(vm, code, *options)?;
    reader.read_supervisors()?;
    let applications = reader.applications();
    reader.forget_replaced()?;
    let (mut trees, met) = build::trees(&reader, applications);
    let outside = outside::outsiders(&reader, &met, &trees);
    if let Some(wanted) = wanted {
        trees = collapse::chosen(trees, wanted);
    }
    if !options.all {
        collapse::collapse(&mut trees);
    }
    reader.read_shown(&trees);
    reader.forget_replaced()?;
    reader.tell_shown(&mut trees);
    let processes = reader.table.len();
    Ok(Trees {
        trees,
        processes,
        inside: met.len(),
        untold: reader.untold(),
        outside,
    })
}
