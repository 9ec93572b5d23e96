//! Trees as boxes.

use escope_export::supervision::{Item, Shape};
use escope_session::{Presence, TreeNode, Trees};

use super::describe::{self, Description};

pub(super) fn items(trees: &Trees) -> Vec<Item> {
    let mut items = Vec::new();
    for tree in &trees.trees {
        let nodes: Vec<Item> = tree.nodes.iter().map(item).collect();
        match describe::root(&tree.root) {
            Some(root) => items.push(boxed(Shape::Root, root, nodes)),
            None => items.extend(nodes),
        }
    }
    items
}

fn boxed(shape: Shape, what: Description, items: Vec<Item>) -> Item {
    Item {
        shape,
        label: what.title,
        known: what.facts.split(", ").map(str::to_owned).collect(),
        items,
    }
}

fn item(node: &TreeNode) -> Item {
    let mut items: Vec<Item> = node.nodes.iter().map(item).collect();
    let groups = node.groups.iter();
    items.extend(groups.map(|group| boxed(Shape::Group, describe::group(group), Vec::new())));
    let shape = match &node.presence {
        Presence::Here(occupant) if describe::supervision(occupant).is_some() => Shape::Supervisor,
        Presence::Here(occupant) if occupant.is_supervisor => Shape::Untold,
        Presence::Here(_) => Shape::Worker,
        _ => Shape::Absent,
    };
    let mut what = describe::node(node);
    what.title.push_str(&short(node));
    boxed(shape, what, items)
}

/// What is worth to be seen at once.
fn short(node: &TreeNode) -> String {
    match &node.presence {
        Presence::Here(occupant) => {
            let strategy = describe::supervision(occupant).and_then(|it| it.strategy.as_deref());
            let strategy = strategy.map_or_else(String::new, |strategy| format!(" {strategy}"));
            match occupant.process.mailbox {
                Some(0) | None => strategy,
                Some(count) => format!("{strategy}, mailbox {count}"),
            }
        }
        Presence::Restarting => ": restarting".to_owned(),
        Presence::Nothing => ": undefined".to_owned(),
        Presence::Ended(pid) => format!(": {pid} has ended"),
        Presence::Remote(pid) | Presence::Elsewhere(pid) => format!(": {pid} elsewhere"),
    }
}
