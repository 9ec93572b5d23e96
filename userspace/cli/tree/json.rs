//! Trees for programs.

use escope_session::{
    Behaviour, Group, Linked, Occupant, Outsiders, Presence, Root, StateAnswer, Supervision, Tree,
    TreeNode, Trees,
};
use serde_json::{Map, Value, json};

use super::Head;

/// The fields are promised in docs/commands.md.
pub(super) fn of(head: &Head, trees: &Trees) -> Value {
    json!({
        "node": head.title,
        "pid": head.pid,
        "otp_release": head.otp_release,
        "processes": trees.processes,
        "processes_in_trees": trees.inside,
        "supervisors_not_told": trees.untold,
        "trees": trees.trees.iter().map(tree).collect::<Vec<_>>(),
        "outside": trees.outside.iter().map(outsiders).collect::<Vec<_>>(),
    })
}

fn tree(tree: &Tree) -> Value {
    let mut value = match &tree.root {
        Root::Application {
            name,
            master,
            starter,
        } => json!({
            "root": "application",
            "application": name,
            "master": master,
            "starter": starter,
        }),
        Root::Spawned { by } => json!({
            "root": "spawned",
            "by": by.as_ref().map(linked),
        }),
        Root::AskedFor => json!({ "root": "asked_for" }),
    };
    if let Value::Object(value) = &mut value {
        value.insert("children".to_owned(), nodes(&tree.nodes));
    }
    value
}

fn nodes(all: &[TreeNode]) -> Value {
    all.iter().map(node).collect()
}

fn node(node: &TreeNode) -> Value {
    let mut value = Map::new();
    let mut put = |key: &str, is: Value| drop(value.insert(key.to_owned(), is));
    let child = node.child.as_ref();
    put("id", json!(child.and_then(|child| child.id.as_ref())));
    put("type", json!(child.and_then(|child| child.kind.as_ref())));
    put(
        "restart",
        json!(child.and_then(|child| child.restart.as_ref())),
    );
    put(
        "shutdown",
        json!(child.and_then(|child| child.shutdown.as_ref())),
    );
    let modules = child.and_then(|child| child.modules.as_ref());
    put("modules", json!(modules.map(|modules| modules.to_vec())));
    let (presence, pid) = match &node.presence {
        Presence::Here(occupant) => ("here", Some(&occupant.process.pid)),
        Presence::Restarting => ("restarting", None),
        Presence::Nothing => ("undefined", None),
        Presence::Ended(pid) => ("ended", Some(pid)),
        Presence::Remote(pid) => ("remote", Some(pid)),
        Presence::Elsewhere(pid) => ("elsewhere", Some(pid)),
    };
    put("presence", json!(presence));
    put("pid", json!(pid));
    if let Presence::Here(it) = &node.presence {
        occupant(it, &mut put);
    }
    put("children", nodes(&node.nodes));
    put("groups", node.groups.iter().map(group).collect());
    Value::Object(value)
}

fn occupant(it: &Occupant, put: &mut dyn FnMut(&str, Value)) {
    let process = &it.process;
    put("name", json!(process.name));
    put("label", json!(process.label));
    let call = process.initial_call.as_ref();
    put("initial_call", json!(call.map(ToString::to_string)));
    put("status", json!(process.status));
    put("mailbox", json!(process.mailbox));
    put("mailbox_cut", json!(process.mailbox_cut));
    put(
        "certainty",
        json!(it.told.as_ref().map(StateAnswer::certainty)),
    );
    let exact = match &it.told {
        Some(StateAnswer::Exact(state)) => Some(state),
        _ => None,
    };
    let behaviour = exact.map(|state| state.behaviour);
    put("behaviour", json!(behaviour.map(Behaviour::word)));
    put(
        "module",
        json!(exact.and_then(|state| state.module.as_ref())),
    );
    let supervision = exact.and_then(|state| state.supervision.as_ref());
    put("supervisor", json!(supervision.map(supervisor)));
    put("too_deep", json!(it.too_deep));
    put("links", it.links.iter().map(linked).collect());
}

fn supervisor(it: &Supervision) -> Value {
    json!({
        "callbacks": it.callbacks,
        "strategy": it.strategy,
        "dynamic": it.is_dynamic,
        "intensity": it.intensity,
        "period_s": it.period_s,
        "restarts_remembered": it.restarts,
        "children_not_read": it.missing,
    })
}

fn linked(it: &Linked) -> Value {
    json!({ "pid": it.pid, "who": it.who })
}

fn group(it: &Group) -> Value {
    json!({
        "module": it.module,
        "type": it.kind,
        "count": it.count,
        "absent": it.absent,
        "processes_below": it.below,
        "mailbox": it.mailbox,
    })
}

fn outsiders(it: &Outsiders) -> Value {
    json!({
        "who": it.who,
        "count": it.count,
        "pids": it.pids,
        "application": it.application,
        "linked": it.linked.iter().map(linked).collect::<Vec<_>>(),
    })
}
