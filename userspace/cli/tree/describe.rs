//! What is said of a place in a tree.

use escope_session::{
    Behaviour, Group, Linked, Occupant, Presence, ProcessState, Rests, Root, StateAnswer,
    Supervision, TreeNode, atom_text,
};

use crate::snapshot::who;

/// Links that are named.
const LINKS_NAMED: usize = 6;

/// What a place is called, and what is said of it.
pub(super) struct Description {
    /// Id or name, and pid.
    pub(super) title: String,
    /// The rest, between commas.
    pub(super) facts: String,
}

pub(super) fn node(node: &TreeNode) -> Description {
    let child = node.child.as_ref();
    let id = child.and_then(|child| child.id.clone());
    let kind = child.map(|child| {
        let words = [child.restart.as_deref(), child.kind.as_deref()];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        match words.is_empty() {
            true => "bridged".to_owned(),
            false => words.join(" "),
        }
    });
    let absent = |what: &str| Description {
        title: id.clone().unwrap_or_else(|| {
            let modules = child.and_then(|child| child.modules.as_ref());
            let module = modules.and_then(|modules| modules.first());
            module.map_or_else(|| "child".to_owned(), ToString::to_string)
        }),
        facts: facts([kind.clone(), Some(what.to_owned())]),
    };
    match &node.presence {
        Presence::Here(occupant) => Description {
            title: title(id, occupant),
            facts: facts([kind, Some(what(occupant, node)), busy(occupant)]),
        },
        Presence::Restarting => absent("restarting: it has ended and was not started again yet"),
        Presence::Nothing => absent("undefined: nothing runs"),
        Presence::Ended(pid) => absent(&format!("{pid}, which has ended meanwhile")),
        Presence::Remote(pid) => absent(&format!("{pid}, of another node")),
        Presence::Elsewhere(pid) => absent(&format!("{pid}, which is elsewhere in these trees")),
    }
}

fn facts<const N: usize>(facts: [Option<String>; N]) -> String {
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    facts.join(", ")
}

/// The id, the name where it is another, and the pid.
fn title(id: Option<String>, occupant: &Occupant) -> String {
    let process = &occupant.process;
    let pid = &process.pid;
    match (id, &process.name) {
        (Some(id), Some(name)) if id != atom_text(name) => format!("{id} {pid} {name}"),
        (Some(id), _) => format!("{id} {pid}"),
        (None, _) => format!("{} {pid}", who(process)),
    }
}

fn what(occupant: &Occupant, node: &TreeNode) -> String {
    match &occupant.told {
        Some(StateAnswer::Exact(state)) => match &state.supervision {
            Some(supervision) => supervises(supervision, occupant, node),
            None if occupant.is_supervisor => untold(unknown(state), &occupant.links),
            None => is(state, occupant),
        },
        told if occupant.is_supervisor => untold(why(told.as_ref()), &occupant.links),
        _ => call(occupant),
    }
}

/// What is said of a supervisor that is told.
fn supervises(supervision: &Supervision, occupant: &Occupant, node: &TreeNode) -> String {
    let mut words = Vec::new();
    match &supervision.strategy {
        Some(strategy) => words.push(strategy.to_string()),
        None => words.push("supervisor_bridge".to_owned()),
    }
    if let (Some(intensity), Some(period)) = (supervision.intensity, supervision.period_s) {
        words.push(format!(
            "{intensity} restart{} in {period} s",
            plural(intensity)
        ));
    }
    if supervision.restarts > 0 {
        words.push(format!("{} remembered", supervision.restarts));
    }
    if let Some(callbacks) = &supervision.callbacks {
        words.push(format!("of {callbacks}"));
    }
    if occupant.too_deep {
        words.push("its children lie too deep to be shown".to_owned());
    } else if node.nodes.is_empty() && node.groups.is_empty() {
        words.push("no children".to_owned());
    }
    if supervision.missing > 0 {
        words.push(format!("{} more children not read", supervision.missing));
    }
    words.join(", ")
}

fn plural(count: i64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn untold(why: &str, links: &[Linked]) -> String {
    let named: Vec<String> = links.iter().take(LINKS_NAMED).map(linked).collect();
    let more = match links.len().saturating_sub(LINKS_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let links = match named.is_empty() {
        true => String::new(),
        false => format!("; linked to {}{more}", named.join(", ")),
    };
    format!("children not told: {why}{links}")
}

/// Why the state of a process is not told.
pub(super) fn why(told: Option<&StateAnswer>) -> &'static str {
    match told {
        None => "not asked for",
        Some(StateAnswer::Exact(_)) => "its state is not as expected",
        Some(StateAnswer::Ran(_)) => "it ran each time it was read (--tries)",
        Some(StateAnswer::Gone) => "it has ended meanwhile",
        Some(StateAnswer::Sensitive) => "it is sensitive",
        Some(StateAnswer::Unreadable(_)) => "it waits, and cannot be read",
        Some(StateAnswer::Replaced) => "its code was loaded or purged meanwhile",
        Some(StateAnswer::NoTime) => "the time was up (--max-time)",
    }
}

/// Why a supervisor that was read is not told.
fn unknown(state: &ProcessState) -> &'static str {
    match state.rests {
        Rests::InCallback => "it waits in a callback, as while a child is started",
        Rests::Ending => "it is about to end",
        _ => "its state is not that of a supervisor that is known",
    }
}

fn is(state: &ProcessState, occupant: &Occupant) -> String {
    let behaviour = state.behaviour.word();
    match (state.behaviour, &state.module) {
        (Behaviour::None, _) => call(occupant),
        (_, Some(module)) if **module != *behaviour => format!("{behaviour} of {module}"),
        _ => behaviour.to_owned(),
    }
}

fn call(occupant: &Occupant) -> String {
    let call = occupant.process.initial_call.as_ref();
    call.map_or_else(|| "unknown".to_owned(), ToString::to_string)
}

/// What is not as it is with most: messages, something to do.
fn busy(occupant: &Occupant) -> Option<String> {
    let process = &occupant.process;
    let at_least = if process.mailbox_cut { ">" } else { "" };
    let mailbox = match process.mailbox {
        Some(0) => None,
        Some(count) => Some(format!("mailbox {at_least}{count}")),
        None => Some("mailbox ?".to_owned()),
    };
    let status = (process.status != "waiting").then(|| process.status.to_owned());
    let words: Vec<String> = [mailbox, status].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

pub(super) fn linked(linked: &Linked) -> String {
    match &linked.who {
        Some(who) => format!("{who} {}", linked.pid),
        None => linked.pid.clone(),
    }
}

pub(super) fn group(group: &Group) -> Description {
    let absent = (group.absent > 0).then(|| format!("{} of them do not run", group.absent));
    let below = (group.below > 0).then(|| match group.below {
        1 => "1 process below".to_owned(),
        many => format!("{many} processes below"),
    });
    let mailbox = (group.mailbox > 0).then(|| format!("{} messages waiting", group.mailbox));
    Description {
        title: format!("{} x {}", group.count, group.module),
        facts: facts([
            group.kind.as_deref().map(str::to_owned),
            absent,
            below,
            mailbox,
        ]),
    }
}

/// What a tree hangs on; `None` where that is not to be said.
pub(super) fn root(root: &Root) -> Option<Description> {
    match root {
        Root::Application {
            name,
            master,
            starter,
        } => Some(Description {
            title: format!("{} {master}", name.as_deref().unwrap_or("unknown")),
            facts: match starter {
                Some(_) => "application".to_owned(),
                None => "application; who has called its start/2 is not told".to_owned(),
            },
        }),
        Root::Spawned { by } => Some(Description {
            title: match by {
                Some(by) => format!("spawned by {}", linked(by)),
                None => "spawned by nobody that is known".to_owned(),
            },
            facts: String::new(),
        }),
        Root::AskedFor => None,
    }
}

/// What a process supervises, where that is told.
pub(super) fn supervision(occupant: &Occupant) -> Option<&Supervision> {
    match &occupant.told {
        Some(StateAnswer::Exact(state)) => state.supervision.as_ref(),
        _ => None,
    }
}
