//! What is shown of trees: some of them, and many children of a kind as one line.

use std::collections::BTreeMap;

use escope_beam::snapshot::ProcessSnapshot;

use super::table::callbacks;
use super::{Group, Node, Presence, Root, Tree};

/// Dynamic children that are shown one by one, and others.
const DYNAMIC_SHOWN: usize = 8;
const OTHERS_SHOWN: usize = 200;

/// What is below the processes that are wanted, each in a tree of its own.
pub(super) fn chosen(trees: Vec<Tree>, wanted: &dyn Fn(&ProcessSnapshot) -> bool) -> Vec<Tree> {
    let mut chosen = Vec::new();
    for tree in trees {
        choose(tree.nodes, wanted, &mut chosen);
    }
    let tree = |node| Tree {
        root: Root::AskedFor,
        nodes: vec![node],
    };
    chosen.into_iter().map(tree).collect()
}

fn choose(nodes: Vec<Node>, wanted: &dyn Fn(&ProcessSnapshot) -> bool, chosen: &mut Vec<Node>) {
    for node in nodes {
        match &node.presence {
            Presence::Here(occupant) if wanted(&occupant.process) => chosen.push(node),
            _ => choose(node.nodes, wanted, chosen),
        }
    }
}

/// Puts children together where there are many.
pub(super) fn collapse(trees: &mut [Tree]) {
    for tree in trees {
        tree.nodes.iter_mut().for_each(collapse_below);
    }
}

fn collapse_below(node: &mut Node) {
    // Dynamic ones have no ids.
    let is_dynamic = node.nodes.iter().any(|node| {
        let child = node.child.as_ref();
        child.is_some_and(|child| child.id.is_none())
    });
    let shown = match is_dynamic {
        true => DYNAMIC_SHOWN,
        false => OTHERS_SHOWN,
    };
    if node.nodes.len() > shown {
        node.groups = groups(std::mem::take(&mut node.nodes));
    }
    node.nodes.iter_mut().for_each(collapse_below);
}

fn groups(nodes: Vec<Node>) -> Vec<Group> {
    let mut groups: BTreeMap<(String, Option<String>), Group> = BTreeMap::new();
    for node in nodes {
        let module = module(&node);
        let kind = node.child.as_ref().and_then(|child| child.kind.clone());
        let key = (module.clone(), kind.as_deref().map(str::to_owned));
        let group = groups.entry(key).or_insert(Group {
            module,
            kind,
            count: 0,
            absent: 0,
            below: 0,
            mailbox: 0,
        });
        group.count += 1;
        group.below += below(&node);
        match &node.presence {
            Presence::Here(occupant) => {
                let mailbox = occupant.process.mailbox.unwrap_or(0);
                group.mailbox = group.mailbox.saturating_add(mailbox);
            }
            _ => group.absent += 1,
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

/// Processes below a node.
fn below(node: &Node) -> usize {
    let of = |node: &Node| usize::from(matches!(node.presence, Presence::Here(_))) + below(node);
    node.nodes.iter().map(of).sum()
}

/// The module of a child's callbacks, by what it was started with, else by its supervisor.
fn module(node: &Node) -> String {
    let of_process = match &node.presence {
        Presence::Here(occupant) => callbacks(&occupant.process),
        _ => None,
    };
    let of_child = || {
        let modules = node.child.as_ref()?.modules.as_ref()?;
        Some(modules.first()?.to_string())
    };
    of_process
        .or_else(of_child)
        .unwrap_or_else(|| "unknown".to_owned())
}
