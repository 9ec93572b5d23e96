//! Processes that came and went: how many, by whom, for which reasons, after how long.

use escope_model::{Life as LifeRow, LifeEvent, ProcId};
use rustc_hash::FxHashMap;

use super::ReportScope;
use crate::merged::since_start;

/// How many different reasons are told apart. Those that name pids or contain data may be
/// as many as there are exits.
const REASONS_MAX: usize = 4096;

/// What was seen of a process's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Life {
    /// When it was spawned, if that was seen.
    pub spawned_ns: Option<u64>,
    /// By whom, if that is known.
    pub parent: Option<ProcId>,
    /// When it ended, if that was seen.
    pub ended_ns: Option<u64>,
    /// Processes that it spawned within the part.
    pub children: u64,
}

impl Life {
    /// How long it lived, if all of it was seen.
    #[must_use]
    pub fn lived_ns(&self) -> Option<u64> {
        let (from_ns, to_ns) = (self.spawned_ns?, self.ended_ns?);
        Some(to_ns.saturating_sub(from_ns))
    }
}

/// Why processes ended; the empty text where a reason is not known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reason(pub String);

/// All that came and went.
#[derive(Debug, Default)]
pub struct Lives {
    lives: FxHashMap<ProcId, Life>,
    reasons: FxHashMap<Reason, u64>,
    /// Spawns within the part.
    pub spawned: u64,
    /// Exits within it.
    pub ended: u64,
    /// Exits for reasons that are not told apart, since there are too many.
    pub other_reasons: u64,
}

impl Lives {
    /// Processes that came, went or spawned within the part, in no order.
    pub fn processes(&self) -> impl Iterator<Item = (ProcId, &Life)> {
        self.lives.iter().map(|(&proc, of)| (proc, of))
    }

    /// How many ended for each reason, in no order.
    pub fn reasons(&self) -> impl Iterator<Item = (&Reason, u64)> {
        self.reasons.iter().map(|(reason, &count)| (reason, count))
    }

    pub(super) fn add(&mut self, row: &LifeRow, scope: &ReportScope<'_>) {
        let at_ns = since_start(row.ts_ns);
        let is_wanted = scope.wants_either(row.other, row.proc);
        let is_within = scope.contains(at_ns);
        match row.event {
            LifeEvent::Spawn if is_wanted => {
                self.spawned += u64::from(is_within);
                let life = self.lives.entry(row.proc).or_default();
                life.spawned_ns = Some(at_ns);
                life.parent = row.other;
                if let Some(parent) = row.other.filter(|_| is_within) {
                    self.lives.entry(parent).or_default().children += 1;
                }
            }
            LifeEvent::Exit if scope.wants(row.proc) => {
                if !is_within {
                    self.lives.remove(&row.proc);
                    return;
                }
                self.ended += 1;
                self.lives.entry(row.proc).or_default().ended_ns = Some(at_ns);
                let reason = Reason(row.reason.clone().unwrap_or_default());
                if let Some(count) = self.reasons.get_mut(&reason) {
                    *count += 1;
                } else if self.reasons.len() < REASONS_MAX {
                    self.reasons.insert(reason, 1);
                } else {
                    self.other_reasons += 1;
                }
            }
            _ => {}
        }
    }
}
