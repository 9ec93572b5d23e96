//! The state of `supervisor`: `#state{name, strategy, children, dynamics, intensity, period, restarts,
//! ...}`, which has more fields behind these in later releases.
//!
//! `children` is `{Ids, #{Id => #child{}}}`, the last one started first, and `#child{pid, id, mfargs,
//! restart_type, significant, shutdown, child_type, modules}`. A `simple_one_for_one` has one child
//! there, which says what all are, and its pids in `dynamics`: `{maps, #{Pid => Args}}`, and for
//! temporary ones `{sets, Set}` or `{mapsets, #{Pid => []}}`. A dead one that is to be started again
//! is `{restarting, Pid}` there.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Child, Kind, Run, Supervision, natural, restarts, run, sets, text};
use crate::memory::Memory;
use crate::state::evidence::Evidence;

const STRATEGIES: [&str; 4] = [
    "one_for_one",
    "one_for_all",
    "rest_for_one",
    "simple_one_for_one",
];

pub(super) fn read<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    state: u64,
    most: usize,
) -> Option<Supervision> {
    let state = evidence.record(state, "state")?;
    let [
        _,
        name,
        strategy,
        children,
        dynamics,
        intensity,
        period,
        remembered,
        ..,
        _,
        _,
    ] = state.as_slice()
    else {
        return None;
    };
    let strategy = evidence.atom(*strategy)?;
    if !STRATEGIES.contains(&&*strategy) {
        return None;
    }
    let is_dynamic = &*strategy == "simple_one_for_one";
    let (children, missing) = match is_dynamic {
        true => started(evidence, *children, *dynamics, most)?,
        false => specified(evidence, *children, most)?,
    };
    Some(Supervision {
        callbacks: callbacks(evidence, *name, &state),
        strategy: Some(strategy),
        is_dynamic,
        intensity: Some(natural(*intensity)?),
        period_s: Some(natural(*period)?),
        restarts: restarts(evidence, *remembered)?,
        children,
        missing,
    })
}

/// The module of its callbacks: in the name of one that has no other, `{Pid, Module}`, else in the
/// state.
fn callbacks<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    name: u64,
    state: &[u64],
) -> Option<Arc<str>> {
    match evidence.tuple(name).as_deref() {
        Some([pid, module]) if evidence.vm.pids.numbers(*pid).is_some() => evidence.module(*module),
        // Before the arguments of its `init/1`, which are the last in every release.
        _ => evidence.module(*state.get(state.len().checked_sub(2)?)?),
    }
}

/// Children by id.
fn specified<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    children: u64,
    most: usize,
) -> Option<(Vec<Child>, usize)> {
    let children = evidence.tuple(children)?;
    let [ids, by_id] = children.as_slice() else {
        return None;
    };
    let by_id = evidence.reader.pairs(*by_id, most).ok()??;
    // One that was left out is missing in its place, which cannot be told.
    let ids = evidence.list(*ids, most.saturating_add(by_id.missing))?;
    let mut all: Vec<(u64, Child)> = Vec::with_capacity(by_id.pairs.len());
    for (id, record) in by_id.pairs {
        all.push((id, child(evidence, record)?));
    }
    if ids.len() != all.len().saturating_add(by_id.missing) {
        return None;
    }
    // The same term, in list and map: mostly the same word, else the same text.
    let place: FxHashMap<u64, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let by_word = all.iter().all(|(id, _)| place.contains_key(id));
    match by_word {
        true => all.sort_by_key(|(id, _)| place.get(id).copied()),
        false => {
            let mut texts = FxHashMap::default();
            for (at, id) in ids.iter().enumerate() {
                texts.insert(text(evidence, *id)?, at);
            }
            let at = |child: &Child| texts.get(child.id.as_deref().unwrap_or_default()).copied();
            all.sort_by_cached_key(|(_, child)| at(child));
        }
    }
    let children = all.into_iter().rev().map(|(_, child)| child).collect();
    Some((children, by_id.missing))
}

fn child<M: Memory>(evidence: &Evidence<'_, '_, M>, record: u64) -> Option<Child> {
    let record = evidence.record(record, "child")?;
    let [
        _,
        pid,
        id,
        _start,
        restart,
        _significant,
        shutdown,
        kind,
        modules,
    ] = record.as_slice()
    else {
        return None;
    };
    let kind = Kind::read(evidence, [*restart, *shutdown, *kind, *modules])?;
    // Of a `simple_one_for_one` it is nobody.
    Some(kind.child(Some(text(evidence, *id)?), run(evidence, *pid)?))
}

/// Children of one specification.
fn started<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    children: u64,
    dynamics: u64,
    most: usize,
) -> Option<(Vec<Child>, usize)> {
    let template = specified(evidence, children, 1)?.0.pop()?;
    // None was started yet.
    if evidence.is_atom(dynamics, "undefined") {
        return Some((Vec::new(), 0));
    }
    let dynamics = evidence.tuple(dynamics)?;
    let [how, kept] = dynamics.as_slice() else {
        return None;
    };
    let (keys, missing) = match &*evidence.atom(*how)? {
        "maps" | "mapsets" | "sets" => match evidence.reader.pairs(*kept, most).ok()? {
            Some(map) => {
                let keys = map.pairs.into_iter().map(|(key, _)| key);
                (keys.collect(), map.missing)
            }
            None => sets::elements(evidence, *kept, most)?,
        },
        _ => return None,
    };
    let child = |key: u64| {
        let run = run(evidence, key).filter(|run| *run != Run::Nothing)?;
        Some(Child {
            id: None,
            run,
            ..template.clone()
        })
    };
    let children: Option<Vec<Child>> = keys.into_iter().map(child).collect();
    Some((children?, missing))
}
