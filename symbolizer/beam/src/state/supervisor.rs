//! What the state of a supervisor says, in words.
//!
//! `#state{name, strategy, children, dynamics, intensity, period, restarts, ...}` and
//! `#child{pid, id, mfargs, restart_type, significant, shutdown, child_type, modules}`
//! (`lib/stdlib/src/supervisor.erl`, OTP 25 to 29).

use crate::term::{Term, atom_text};

/// Children that are told one by one.
const CHILDREN_MAX: usize = 100;
/// Characters of an id.
const ID_CHARS: usize = 60;

/// Strategy, restarts and children; nothing where the state is not one of a supervisor.
pub(super) fn words(state: &Term) -> Vec<String> {
    let Some(state) = record(state, "state") else {
        return Vec::new();
    };
    let [
        _,
        _name,
        Term::Atom(strategy),
        children,
        dynamics,
        Term::Integer(intensity),
        Term::Integer(period),
        Term::List(restarts),
        ..,
    ] = state
    else {
        return Vec::new();
    };
    let mut words = vec![
        format!("strategy {}", atom_text(strategy)),
        format!(
            "at most {intensity} restarts in {period} s; {} remembered",
            restarts.items.len()
        ),
    ];
    let told = match &**strategy {
        "simple_one_for_one" => dynamic(dynamics),
        _ => fixed(children),
    };
    words.extend(told.unwrap_or_else(|| vec!["its children are not as expected".to_owned()]));
    words
}

fn record<'t>(term: &'t Term, name: &str) -> Option<&'t [Term]> {
    match term {
        Term::Tuple(elements) if elements.missing == 0 => match elements.items.as_slice() {
            all @ [Term::Atom(first), ..] if &**first == name => Some(all),
            _ => None,
        },
        _ => None,
    }
}

/// `{Ids, #{Id => Child}}`, the last one started first.
fn fixed(children: &Term) -> Option<Vec<String>> {
    let Term::Tuple(pair) = children else {
        return None;
    };
    let [Term::List(ids), Term::Map(by_id)] = pair.items.as_slice() else {
        return None;
    };
    let mut words = vec![count(by_id.pairs.len() + by_id.missing)];
    for id in ids.items.iter().rev().take(CHILDREN_MAX) {
        let found = by_id.pairs.iter().find(|(key, _)| key == id);
        words.push(match found.and_then(|(_, child)| record(child, "child")) {
            Some(child) => described(child),
            None => format!("child {}: not read", id.text(ID_CHARS)),
        });
    }
    let more = ids.items.len().saturating_sub(CHILDREN_MAX);
    if more > 0 || ids.tail.is_some() {
        words.push(format!("and {more} more or not read"));
    }
    Some(words)
}

fn count(children: usize) -> String {
    match children {
        0 => "no children".to_owned(),
        1 => "1 child".to_owned(),
        many => format!("{many} children"),
    }
}

/// `{maps, #{Pid => Args}}`, or `{sets, Set}` for children that are not restarted.
fn dynamic(dynamics: &Term) -> Option<Vec<String>> {
    let Term::Tuple(pair) = dynamics else {
        return None;
    };
    match pair.items.as_slice() {
        [Term::Atom(_), Term::Map(children)] => {
            let all = children.pairs.len() + children.missing;
            let pids = children.pairs.iter().take(CHILDREN_MAX);
            let pids: Vec<String> = pids.map(|(pid, _)| pid.text(ID_CHARS)).collect();
            Some(vec![match pids.is_empty() {
                true => count(all),
                false => format!("{}: {}", count(all), pids.join(" ")),
            }])
        }
        _ => Some(vec!["its children are in a set: see its state".to_owned()]),
    }
}

fn described(child: &[Term]) -> String {
    let text = |at: usize| {
        let term = child.get(at);
        term.map_or_else(String::new, |term| term.text(ID_CHARS))
    };
    format!(
        "child {} {}: {}, {}, shutdown {}",
        text(2),
        text(1),
        text(7),
        text(4),
        text(6),
    )
}
