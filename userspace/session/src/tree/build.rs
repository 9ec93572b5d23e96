//! Puts processes to their places in trees.

use escope_beam::memory::Memory;
use escope_beam::state::{Child, Run};
use rustc_hash::FxHashSet;

use super::read::{Application, Reader};
use super::{DEPTH_MAX, Linked, Node, Occupant, Presence, Root, Tree};

/// Links of a supervisor that are told where its children are not.
const LINKS_TOLD: usize = 50;

/// All trees, and which processes are in them. Each process has one place: who is met again is
/// told to be elsewhere, so that no tree has a cycle.
pub(super) fn trees<M: Memory>(
    reader: &Reader<'_, M>,
    applications: Vec<Application>,
) -> (Vec<Tree>, FxHashSet<usize>) {
    let mut builder = Builder {
        reader,
        met: FxHashSet::default(),
    };
    let mut trees: Vec<Tree> = Vec::new();
    for application in &applications {
        builder.met.insert(application.master);
        builder.met.extend(application.starter);
    }
    let claimed = claimed(reader);
    for application in applications {
        trees.push(builder.application(application, &claimed));
    }
    let order = reader.table.in_order();
    // Those that others supervise have their places there; only in a circle of some that supervise
    // each other there is none to begin with.
    for with_claimed in [false, true] {
        for &at in &order {
            let is_root = reader.is_supervisor(at) && (with_claimed || !claimed.contains(&at));
            if is_root && !builder.met.contains(&at) {
                trees.push(builder.root(at));
            }
        }
    }
    (trees, builder.met)
}

/// Whom a supervisor says to be its child.
fn claimed<M: Memory>(reader: &Reader<'_, M>) -> FxHashSet<usize> {
    let supervisions = (0..reader.table.len()).filter_map(|at| reader.supervision(at));
    let children = supervisions.flat_map(|supervision| &supervision.children);
    let pids = children.filter_map(|child| match &child.run {
        Run::Process(pid) => reader.table.find(pid),
        _ => None,
    });
    pids.collect()
}

struct Builder<'r, 'v, M: Memory> {
    reader: &'r Reader<'v, M>,
    met: FxHashSet<usize>,
}

impl<M: Memory> Builder<'_, '_, M> {
    /// What the process that called `start/2` is linked to has its place here, unless a supervisor
    /// has it.
    fn application(&mut self, application: Application, claimed: &FxHashSet<usize>) -> Tree {
        let table = &self.reader.table;
        let mut tops: Vec<usize> = match application.starter {
            Some(starter) => table.links(starter).collect(),
            None => Vec::new(),
        };
        let order = |at: &usize| table.get(*at).map(|entry| entry.pid);
        tops.sort_by_key(order);
        tops.retain(|at| !claimed.contains(at));
        let mut nodes = Vec::new();
        for at in tops {
            if !self.met.contains(&at) {
                nodes.push(self.at(None, at, 0));
            }
        }
        let pid = |at: usize| {
            let entry = self.reader.table.get(at);
            entry.map(|entry| entry.process.pid.clone())
        };
        Tree {
            root: Root::Application {
                name: application.name,
                master: pid(application.master).unwrap_or_default(),
                starter: application.starter.and_then(pid),
            },
            nodes,
        }
    }

    fn root(&mut self, at: usize) -> Tree {
        let entry = self.reader.table.get(at);
        let parent = entry.and_then(|entry| entry.process.parent.as_deref());
        Tree {
            root: Root::Spawned {
                by: parent.map(|pid| self.reader.table.linked(pid)),
            },
            nodes: vec![self.at(None, at, 0)],
        }
    }

    /// What a supervisor knows of a child, and what runs for it.
    fn child(&mut self, child: &Child, depth: usize) -> Node {
        let presence = match &child.run {
            Run::Restarting => Presence::Restarting,
            Run::Nothing => Presence::Nothing,
            Run::Process(pid) => match self.reader.table.find(pid) {
                Some(at) if self.met.contains(&at) => Presence::Elsewhere(pid.clone()),
                Some(at) => return self.at(Some(child.clone()), at, depth),
                None if pid.starts_with("<0.") => Presence::Ended(pid.clone()),
                None => Presence::Remote(pid.clone()),
            },
        };
        Node {
            child: Some(child.clone()),
            presence,
            nodes: Vec::new(),
            groups: Vec::new(),
        }
    }

    fn at(&mut self, child: Option<Child>, at: usize, depth: usize) -> Node {
        self.met.insert(at);
        let reader = self.reader;
        let mut nodes = Vec::new();
        let supervision = reader.supervision(at);
        let too_deep = supervision.is_some() && depth >= DEPTH_MAX;
        if let Some(supervision) = supervision.filter(|_| !too_deep) {
            for child in &supervision.children {
                nodes.push(self.child(child, depth + 1));
            }
        }
        let links = match reader.is_supervisor(at) && supervision.is_none() {
            true => self.links(at),
            false => Vec::new(),
        };
        let presence = match reader.table.get(at) {
            Some(entry) => Presence::Here(Box::new(Occupant {
                process: entry.process.clone(),
                told: None,
                is_supervisor: reader.is_supervisor(at),
                links,
                too_deep,
            })),
            None => Presence::Nothing,
        };
        Node {
            child,
            presence,
            nodes,
            groups: Vec::new(),
        }
    }

    fn links(&self, at: usize) -> Vec<Linked> {
        let table = &self.reader.table;
        let linked = table.links(at).take(LINKS_TOLD);
        let pids = linked.filter_map(|at| table.get(at));
        pids.map(|entry| table.linked(&entry.process.pid)).collect()
    }
}
