//! What this node and others sent each other.

use escope_model::{DistAction, DistEvent, ProcId};
use rustc_hash::FxHashMap;

use super::ReportScope;
use crate::merged::since_start;

/// More nodes than a node is connected to.
const NODES_MAX: usize = 1 << 14;
/// How many processes are told apart, each for each node.
const PROCESSES_MAX: usize = 1 << 20;

/// What went in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signals {
    /// How many signals.
    pub signals: u64,
    /// How many of them are messages.
    pub messages: u64,
    /// How many bytes all have, of those of which it is known.
    pub bytes: u64,
    /// Of how many it is not known.
    pub unknown: u64,
}

/// What went between this node and another one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DistOf {
    /// To the other node.
    pub sent: Signals,
    /// From it; bytes of parts too of which no whole was seen.
    pub received: Signals,
    /// How often a process that sends was suspended.
    pub suspended: u64,
}

/// What went between this node and all others.
#[derive(Debug, Default)]
pub struct Dist {
    numbers: FxHashMap<Option<String>, u32>,
    nodes: Vec<(Option<String>, DistOf)>,
    processes: FxHashMap<(u32, ProcId), DistOf>,
    /// All of it.
    pub all: DistOf,
    /// Rows of nodes or processes that are too many to be told apart.
    pub others: u64,
}

impl Dist {
    /// By node, in the order in which they were met; `None` is what is not known of which.
    pub fn nodes(&self) -> impl Iterator<Item = (Option<&str>, &DistOf)> {
        self.nodes.iter().map(|(name, of)| (name.as_deref(), of))
    }

    /// By process and node, in no order.
    pub fn processes(&self) -> impl Iterator<Item = (ProcId, Option<&str>, &DistOf)> {
        self.processes.iter().map(|(&(node, proc), of)| {
            let node = self.nodes.get(node as usize);
            (proc, node.and_then(|(name, _)| name.as_deref()), of)
        })
    }

    pub(super) fn add(&mut self, event: &DistEvent, scope: &ReportScope<'_>) {
        let at_ns = since_start(event.ts_ns);
        if !scope.contains(at_ns) || !(scope.wanted)(event.proc) {
            return;
        }
        self.all.add(event);
        let Some(number) = self.number(&event.node) else {
            self.others += 1;
            return;
        };
        if let Some((_, of)) = self.nodes.get_mut(number as usize) {
            of.add(event);
        }
        let Some(proc) = event.proc else { return };
        let key = (number, proc);
        if self.processes.len() < PROCESSES_MAX || self.processes.contains_key(&key) {
            self.processes.entry(key).or_default().add(event);
        } else {
            self.others += 1;
        }
    }

    fn number(&mut self, node: &Option<String>) -> Option<u32> {
        if let Some(&number) = self.numbers.get(node) {
            return Some(number);
        }
        if self.nodes.len() >= NODES_MAX {
            return None;
        }
        let number = u32::try_from(self.nodes.len()).ok()?;
        self.nodes.push((node.clone(), DistOf::default()));
        self.numbers.insert(node.clone(), number);
        Some(number)
    }
}

impl DistOf {
    fn add(&mut self, event: &DistEvent) {
        match event.event {
            DistAction::Sent => self.sent.add(event),
            DistAction::Received => self.received.add(event),
            DistAction::Fragment => {
                let bytes = event.bytes.unwrap_or(0);
                self.received.bytes = self.received.bytes.saturating_add(bytes);
            }
            DistAction::Suspended => self.suspended += 1,
        }
    }
}

impl Signals {
    fn add(&mut self, event: &DistEvent) {
        self.signals += 1;
        self.messages += u64::from(event.op.is_some_and(|op| op.is_message()));
        match event.bytes {
            Some(bytes) => self.bytes = self.bytes.saturating_add(bytes),
            None => self.unknown += 1,
        }
    }
}
