//! The state of Elixir's `DynamicSupervisor`: a struct, in which `children` is `%{pid => {mfa, restart,
//! shutdown, type, modules}}`, or `{:restarting, child}` for one that is to be started again.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Child, Kind, Run, Supervision, natural, pid, restarts};
use crate::memory::Memory;
use crate::state::evidence::Evidence;

/// More fields than the struct has.
const FIELDS_MAX: usize = 64;

pub(super) fn read<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    state: u64,
    most: usize,
) -> Option<Supervision> {
    let fields = evidence.reader.pairs(state, FIELDS_MAX).ok()??.pairs;
    let named = |(key, value)| Some((evidence.atom(key)?, value));
    let fields: FxHashMap<Arc<str>, u64> = fields.into_iter().filter_map(named).collect();
    let field = |name: &str| fields.get(name).copied();
    if !evidence.is_atom(field("__struct__")?, "Elixir.DynamicSupervisor") {
        return None;
    }
    let all = evidence.reader.pairs(field("children")?, most).ok()??;
    let mut children = Vec::with_capacity(all.pairs.len());
    for (who, what) in all.pairs {
        children.push(child(evidence, who, what)?);
    }
    Some(Supervision {
        callbacks: field("mod").and_then(|name| evidence.module(name)),
        strategy: Some(evidence.atom(field("strategy")?)?),
        is_dynamic: true,
        intensity: Some(natural(field("max_restarts")?)?),
        period_s: Some(natural(field("max_seconds")?)?),
        restarts: restarts(evidence, field("restarts")?)?,
        children,
        missing: all.missing,
    })
}

fn child<M: Memory>(evidence: &Evidence<'_, '_, M>, who: u64, what: u64) -> Option<Child> {
    let what = evidence.tuple(what)?;
    let (run, what) = match what.as_slice() {
        [restarting, what] if evidence.is_atom(*restarting, "restarting") => {
            (Run::Restarting, evidence.tuple(*what)?)
        }
        _ => (Run::Process(pid(evidence, who)?), what),
    };
    let [_start, restart, shutdown, kind, modules] = what.as_slice() else {
        return None;
    };
    let kind = Kind::read(evidence, [*restart, *shutdown, *kind, *modules])?;
    Some(kind.child(None, run))
}
