//! Reads the states of supervisors, and of what is shown.

use std::sync::Arc;
use std::time::Instant;

use escope_beam::Vm;
use escope_beam::code::CodeMap;
use escope_beam::memory::Memory;
use escope_beam::state::{ProcessState, Run, StateCode, StateOptions, Supervision};
use escope_beam::term::{Limits, Term, TermReader};
use rustc_hash::{FxHashMap, FxHashSet};

use super::table::{Table, is_started_by, is_supervisor};
use super::{Node, Occupant, Presence, Tree, TreeOptions};
use crate::state::read_patiently;
use crate::{SessionError, StateAnswer, StatesOptions};

/// How often the process table is read again for children that were not in it.
const ROUNDS: usize = 3;
/// Tries for what is no supervisor: what it is, is seen at once or not needed.
const TRIES_OF_WORKERS: u32 = 20;
/// Of an application master's state: its name is among the first terms.
const MASTER: Limits = Limits {
    depth: 4,
    nodes: 64,
    bytes: 256,
};
const NOTHING: Limits = Limits {
    depth: 0,
    nodes: 0,
    bytes: 0,
};

/// An application.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) name: Option<Arc<str>>,
    /// Its master.
    pub(super) master: usize,
    /// The process that called its `start/2`.
    pub(super) starter: Option<usize>,
}

/// The VM's code.
pub(super) fn code<M: Memory>(vm: &mut Vm<M>) -> Result<StateCode, SessionError> {
    let mut map = CodeMap::new();
    vm.read_code(&mut map)?;
    Ok(StateCode::new(vm, map))
}

/// What was read so far.
pub(super) struct Reader<'v, M: Memory> {
    vm: &'v Vm<M>,
    code: StateCode,
    terms: TermReader<'v, M>,
    options: TreeOptions,
    end: Instant,
    children_left: usize,
    pub(super) table: Table,
    told: FxHashMap<usize, StateAnswer>,
    supervisors: FxHashSet<usize>,
}

impl<'v, M: Memory> Reader<'v, M> {
    pub(super) fn new(
        vm: &'v Vm<M>,
        code: StateCode,
        options: TreeOptions,
    ) -> Result<Reader<'v, M>, SessionError> {
        let mut table = Table::default();
        table.read(vm)?;
        Ok(Reader {
            vm,
            code,
            terms: TermReader::new(vm),
            options,
            end: Instant::now() + options.time,
            children_left: options.children,
            table,
            told: FxHashMap::default(),
            supervisors: FxHashSet::default(),
        })
    }

    /// Reads every process that was started as a supervisor, or that one says is.
    pub(super) fn read_supervisors(&mut self) -> Result<(), SessionError> {
        let mut waiting: Vec<usize> = self.started_as_supervisors();
        for round in 0..=ROUNDS {
            let mut unknown = false;
            while let Some(at) = waiting.pop() {
                if !self.supervisors.insert(at) {
                    continue;
                }
                self.read(at, self.options.tries, NOTHING, self.children_left.max(1));
                let Some(supervision) = self.supervision(at) else {
                    continue;
                };
                let mut children = 0;
                for child in &supervision.children {
                    children += 1;
                    let Run::Process(pid) = &child.run else {
                        continue;
                    };
                    match self.table.find(pid) {
                        Some(at) if child.kind.as_deref() == Some("supervisor") => waiting.push(at),
                        Some(_) => {}
                        None => unknown |= pid.starts_with("<0."),
                    }
                }
                self.children_left = self.children_left.saturating_sub(children);
            }
            // A child that came after the table was read.
            if !unknown || round == ROUNDS || !self.vm.memory.is_running() {
                break;
            }
            self.table.read(self.vm)?;
            waiting = self.started_as_supervisors();
            waiting.extend(self.supervisors_said());
            waiting.retain(|at| !self.supervisors.contains(at));
        }
        Ok(())
    }

    fn started_as_supervisors(&self) -> Vec<usize> {
        let is = |at: &usize| {
            let entry = self.table.get(*at);
            entry.is_some_and(|entry| is_supervisor(&entry.process))
        };
        (0..self.table.len()).filter(is).collect()
    }

    /// Those that a supervisor says are supervisors.
    fn supervisors_said(&self) -> Vec<usize> {
        let all = self.supervisors.iter();
        let supervisions = all.filter_map(|&at| self.supervision(at));
        let children = supervisions.flat_map(|supervision| &supervision.children);
        let pids = children.filter_map(|child| match (&child.run, child.kind.as_deref()) {
            (Run::Process(pid), Some("supervisor")) => Some(pid),
            _ => None,
        });
        pids.filter_map(|pid| self.table.find(pid)).collect()
    }

    fn read(&mut self, at: usize, tries: u32, limits: Limits, children: usize) {
        let Some(entry) = self.table.get(at) else {
            return;
        };
        let told = if Instant::now() > self.end {
            StateAnswer::NoTime
        } else {
            let options = StatesOptions {
                state: StateOptions {
                    limits,
                    redaction: None,
                    children,
                },
                processes: 1,
                tries,
            };
            let who = (entry.address, entry.pid, entry.process.name.as_deref());
            read_patiently(&self.terms, self.vm, &mut self.code, who, &options).0
        };
        self.told.insert(at, told);
    }

    fn exact(&self, at: usize) -> Option<&ProcessState> {
        match self.told.get(&at)? {
            StateAnswer::Exact(state) => Some(state),
            _ => None,
        }
    }

    /// Whom a process supervises.
    pub(super) fn supervision(&self, at: usize) -> Option<&Supervision> {
        self.exact(at)?.supervision.as_ref()
    }

    /// What was told of a process.
    pub(super) fn told(&self, at: usize) -> Option<&StateAnswer> {
        self.told.get(&at)
    }

    /// Whether a process is a supervisor, or another one says so.
    pub(super) fn is_supervisor(&self, at: usize) -> bool {
        self.supervisors.contains(&at)
    }

    /// How many supervisors there are whose children are not told.
    pub(super) fn untold(&self) -> usize {
        let all = self.supervisors.iter();
        all.filter(|&&at| self.supervision(at).is_none()).count()
    }

    /// All applications that have processes of their own, by their masters.
    pub(super) fn applications(&mut self) -> Vec<Application> {
        let mut applications = Vec::new();
        for master in self.table.in_order() {
            let is_master = |at: usize, function: &str| {
                let entry = self.table.get(at);
                entry.is_some_and(|it| is_started_by(&it.process, "application_master", function))
            };
            if !is_master(master, "init") {
                continue;
            }
            let mut linked = self.table.links(master);
            let starter = linked.find(|&at| is_master(at, "start_it"));
            drop(linked);
            self.read(master, self.options.tries, MASTER, 0);
            applications.push(Application {
                name: self.exact(master).and_then(name),
                master,
                starter,
            });
        }
        applications
    }

    /// Takes back what was told of processes that wait in code that was loaded or purged meanwhile.
    pub(super) fn forget_replaced(&mut self) -> Result<(), SessionError> {
        let mut now = CodeMap::new();
        self.vm.list_code(&mut now)?;
        let replaced = self.code.replaced(self.vm, &now);
        for told in self.told.values_mut() {
            if let StateAnswer::Exact(state) = told {
                let in_replaced = |place| replaced.iter().any(|range| range.contains(place));
                if state.places.iter().any(in_replaced) {
                    *told = StateAnswer::Replaced;
                }
            }
        }
        Ok(())
    }

    /// Reads what all processes are that are shown.
    pub(super) fn read_shown(&mut self, trees: &[Tree]) {
        let mut shown = Vec::new();
        for tree in trees {
            pids(&tree.nodes, &mut shown);
        }
        for pid in shown {
            if let Some(at) = self.table.find(&pid)
                && !self.told.contains_key(&at)
            {
                let tries = self.options.tries.min(TRIES_OF_WORKERS);
                self.read(at, tries, NOTHING, 0);
            }
        }
    }

    /// Puts what was told of processes to where they are shown.
    pub(super) fn tell_shown(&self, trees: &mut [Tree]) {
        for tree in trees {
            self.tell(&mut tree.nodes);
        }
    }

    fn tell(&self, nodes: &mut [Node]) {
        for node in nodes {
            if let Presence::Here(occupant) = &mut node.presence {
                let at = self.table.find(&occupant.process.pid);
                occupant.told = at.and_then(|at| self.told(at)).map(without_children);
            }
            self.tell(&mut node.nodes);
        }
    }
}

/// Children are in the tree.
fn without_children(told: &StateAnswer) -> StateAnswer {
    let mut told = told.clone();
    if let StateAnswer::Exact(state) = &mut told
        && let Some(supervision) = &mut state.supervision
    {
        supervision.children = Vec::new();
    }
    told
}

fn pids(nodes: &[Node], found: &mut Vec<String>) {
    for node in nodes {
        if let Presence::Here(occupant) = &node.presence {
            let Occupant { process, .. } = &**occupant;
            found.push(process.pid.clone());
        }
        pids(&node.nodes, found);
    }
}

/// The name of an application, from what its master keeps while it waits: `#state{child, appl_data,
/// ...}` with `#appl_data{name, ...}` (`lib/kernel/src/application_master.erl`, OTP 25 to 29).
fn name(state: &ProcessState) -> Option<Arc<str>> {
    state.parts.iter().find_map(|part| {
        let [Term::Atom(first), _child, Term::Tuple(data), ..] = tuple(&part.term)? else {
            return None;
        };
        match data.items.as_slice() {
            [Term::Atom(second), Term::Atom(name), ..]
                if &**first == "state" && &**second == "appl_data" =>
            {
                Some(name.clone())
            }
            _ => None,
        }
    })
}

fn tuple(term: &Term) -> Option<&[Term]> {
    match term {
        Term::Tuple(elements) => Some(&elements.items),
        _ => None,
    }
}
