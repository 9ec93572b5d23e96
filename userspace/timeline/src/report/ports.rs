//! What ports and processes gave each other.

use escope_model::{PortAction, PortEvent, PortId};
use rustc_hash::FxHashMap;

use super::ReportScope;
use crate::merged::since_start;

/// What one port and processes gave each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PortOf {
    /// How often it was opened: 0 or 1, of all ports how many were.
    pub opened: u64,
    /// The same of its end.
    pub closed: u64,
    /// To the port.
    pub out: Given,
    /// From the port.
    pub into: Given,
}

/// What was given in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Given {
    /// How often.
    pub times: u64,
    /// How many bytes, of those of which it is known.
    pub bytes: u64,
    /// How often it is not known.
    pub unknown: u64,
}

/// What all ports and processes gave each other.
#[derive(Debug, Default)]
pub struct Ports {
    of: FxHashMap<PortId, PortOf>,
    /// All of them.
    pub all: PortOf,
}

impl Ports {
    /// By port, in no order.
    pub fn each(&self) -> impl Iterator<Item = (PortId, &PortOf)> {
        self.of.iter().map(|(&port, of)| (port, of))
    }

    pub(super) fn add(&mut self, event: &PortEvent, scope: &ReportScope<'_>) {
        let at_ns = since_start(event.ts_ns);
        if !scope.contains(at_ns) || !(scope.wanted)(event.proc) {
            return;
        }
        let of = self.of.entry(event.port).or_default();
        for of in [of, &mut self.all] {
            match event.event {
                PortAction::Open => of.opened += 1,
                PortAction::Close => of.closed += 1,
                PortAction::Output => of.out.add(event.bytes),
                PortAction::Input => of.into.add(event.bytes),
            }
        }
    }
}

impl Given {
    fn add(&mut self, bytes: Option<u64>) {
        self.times += 1;
        match bytes {
            Some(bytes) => self.bytes = self.bytes.saturating_add(bytes),
            None => self.unknown += 1,
        }
    }
}
