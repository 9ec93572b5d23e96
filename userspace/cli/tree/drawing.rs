//! Trees as boxes.

use escope_export::supervision::{Item, Shape};
use escope_session::{Presence, TreeNode, Trees};

use super::describe::{self, Description, is_told};

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
        Presence::Here(occupant) if is_told(occupant) => Shape::Supervisor,
        Presence::Here(occupant) if occupant.is_supervisor => Shape::Untold,
        Presence::Here(_) => Shape::Worker,
        _ => Shape::Absent,
    };
    boxed(shape, describe::node(node), items)
}
