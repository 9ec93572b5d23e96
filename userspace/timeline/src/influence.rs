//! What can have led to what a process did, and whether one process influenced another.
//!
//! The edges are those of [`Clocks`](crate::Clocks), made from the rows of a recording: a
//! message from its sending to its receiving, a spawn, and an exit signal that is
//! no message, from its sending to the end of whom it was sent to. A `spawn` is stamped when
//! the child first runs; what its parent took in until then counts as before it.
//!
//! Vector clocks of all events would take processes times events, and one of each process
//! still the square of the processes. Neither question needs them:
//!
//! - **What led to this** is answered backwards. Of each process that is in the past the
//!   latest instant that is in it is kept, which is the vector clock of the one instant that
//!   was asked for, in times, and sparse: who is not in the past has no entry. Edges are
//!   looked at from the latest end to the earliest, once each.
//! - **Did A influence B** is answered forwards, as the earliest arrival in a network with a
//!   timetable: of each process that A reaches the earliest instant is kept, and the edge that
//!   it came by. Edges are looked at in the order of their beginnings, as rows come.

use std::collections::VecDeque;

use escope_model::{Fate, LifeEvent, Message, MessageKind, ProcId};
use rustc_hash::FxHashMap;

use crate::merged::{Happening, since_start};

/// How an edge passes something on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// A message was received.
    Message(u64, MessageKind),
    /// A process was spawned.
    Spawn,
    /// A signal to exit was sent by this number, and whom it was sent to ended later. Whether
    /// because of it is not known.
    ExitSignal(u64),
}

/// Something that one process passes on to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Edge {
    /// Who.
    pub from: ProcId,
    /// When: nanoseconds since the recording's start.
    pub sent_ns: u64,
    /// To whom.
    pub to: ProcId,
    /// When that took it in; never before it was sent.
    pub got_ns: u64,
    /// As what.
    pub how: How,
}

/// Makes edges of rows.
#[derive(Debug, Default)]
pub struct Edges {
    /// When processes ended, and whether normally.
    ended: FxHashMap<ProcId, (u64, bool)>,
    /// How many messages to a process have an unknown fate.
    unknown: FxHashMap<ProcId, u64>,
}

impl Edges {
    /// Learns of the end of a process. All are to be known before edges are asked for.
    pub fn learn(&mut self, life: &escope_model::Life) {
        if life.event == LifeEvent::Exit {
            let is_normal = life.reason.as_deref() == Some("normal");
            self.ended
                .insert(life.proc, (since_start(life.ts_ns), is_normal));
        }
    }

    /// The edge that a row stands for, if it does.
    pub fn of(&mut self, row: &Happening) -> Option<Edge> {
        match row {
            Happening::Life(life) if life.event == LifeEvent::Spawn => {
                let at_ns = since_start(life.ts_ns);
                Some(Edge {
                    from: life.other?,
                    sent_ns: at_ns,
                    to: life.proc,
                    got_ns: at_ns,
                    how: How::Spawn,
                })
            }
            Happening::Message(message) => self.message(message),
            _ => None,
        }
    }

    /// How many messages to a process that were seen so far may have been taken or not.
    #[must_use]
    pub fn unknown(&self, to: ProcId) -> u64 {
        self.unknown.get(&to).copied().unwrap_or(0)
    }

    fn message(&mut self, message: &Message) -> Option<Edge> {
        let from = message.from?;
        let sent_ns = since_start(message.sent_ns);
        let (got_ns, how) = match (message.received_ns, message.fate) {
            (Some(ns), _) => {
                let how = How::Message(message.msg, message.kind);
                (since_start(ns).max(sent_ns), how)
            }
            (None, Fate::Unknown) if message.kind == MessageKind::Exit => {
                let &(ended_ns, _) = self.ended.get(&message.to)?;
                // A link's signal of a normal end is ignored by who does not trap it.
                let sender = self.ended.get(&from);
                let is_ignored = sender.is_some_and(|&(ns, normal)| normal && ns <= sent_ns);
                if is_ignored || ended_ns < sent_ns {
                    return None;
                }
                (ended_ns, How::ExitSignal(message.msg))
            }
            (None, Fate::Unknown) => {
                *self.unknown.entry(message.to).or_default() += 1;
                return None;
            }
            (None, _) => return None,
        };
        Some(Edge {
            from,
            sent_ns,
            to: message.to,
            got_ns,
            how,
        })
    }
}

/// The latest edges, as many as there is room for.
#[derive(Debug)]
pub struct Latest {
    room: usize,
    edges: Vec<Edge>,
    /// Nothing is missing that was taken in later than this.
    complete_since_ns: u64,
}

impl Latest {
    /// Room for so many; up to twice as many are held, 48 bytes each.
    #[must_use]
    pub fn new(room: usize) -> Latest {
        Latest {
            room: room.max(1),
            edges: Vec::new(),
            complete_since_ns: 0,
        }
    }

    /// One more, in any order.
    pub fn push(&mut self, edge: Edge) {
        if edge.got_ns < self.complete_since_ns {
            return;
        }
        self.edges.push(edge);
        if self.edges.len() >= 2 * self.room {
            let nth = self.edges.len() - self.room;
            self.edges
                .select_nth_unstable_by_key(nth, |edge| edge.got_ns);
            let dropped = self.edges.drain(..nth);
            let latest_ns = dropped.map(|edge| edge.got_ns).max().unwrap_or(0);
            self.complete_since_ns = latest_ns.saturating_add(1);
            let since_ns = self.complete_since_ns;
            self.edges.retain(|edge| edge.got_ns >= since_ns);
        }
    }
}

/// What can have led to what some processes did until an instant.
#[derive(Debug)]
pub struct Past {
    /// The edges in it, from the latest end to the earliest.
    pub edges: Vec<Edge>,
    /// Of each process that is in it the latest instant: the vector clock, in times.
    pub until_ns: FxHashMap<ProcId, u64>,
    /// From when on nothing is missing in it for want of room; 0 if nothing is.
    pub complete_since_ns: u64,
}

impl Past {
    /// Of what `who` did until `at_ns`, that instant included.
    #[must_use]
    pub fn of(latest: Latest, who: &[ProcId], at_ns: u64) -> Past {
        let mut edges = latest.edges;
        edges.retain(|edge| edge.got_ns <= at_ns);
        // Of one instant in an order that depends on nothing else; by whom they end in first.
        edges.sort_unstable_by(|one, other| {
            let key = |edge: &Edge| (edge.got_ns, edge.to, edge.sent_ns, edge.from);
            key(other).cmp(&key(one))
        });
        let mut past = Past {
            edges: Vec::new(),
            until_ns: who.iter().map(|&who| (who, at_ns)).collect(),
            complete_since_ns: latest.complete_since_ns,
        };
        for instant in edges.chunk_by(|one, other| one.got_ns == other.got_ns) {
            past.instant(instant);
        }
        past
    }

    /// The edges that end at one instant, those to one process beside each other. One that also
    /// begins then may bring a process into the past that others of them lead to.
    fn instant(&mut self, edges: &[Edge]) {
        let groups: FxHashMap<ProcId, &[Edge]> = edges
            .chunk_by(|one, other| one.to == other.to)
            .filter_map(|group| Some((group.first()?.to, group)))
            .collect();
        let Some(at_ns) = edges.first().map(|edge| edge.got_ns) else {
            return;
        };
        let is_in = |past: &Past, who| past.until_ns.get(&who).is_some_and(|&ns| ns >= at_ns);
        let order = edges.chunk_by(|one, other| one.to == other.to);
        let to = order.filter_map(|group| Some(group.first()?.to));
        let mut ready: VecDeque<ProcId> = to.filter(|&to| is_in(self, to)).collect();
        while let Some(to) = ready.pop_front() {
            for edge in groups.get(&to).copied().unwrap_or(&[]) {
                let was_in = is_in(self, edge.from);
                let until_ns = self.until_ns.entry(edge.from).or_default();
                *until_ns = (*until_ns).max(edge.sent_ns);
                self.edges.push(*edge);
                if !was_in && is_in(self, edge.from) {
                    ready.push_back(edge.from);
                }
            }
        }
    }
}

/// Whom a process can have influenced from some instant on, and by what first.
#[derive(Debug)]
pub struct Reach {
    /// When each was reached first, and by which edge; those that it began with by none.
    reached: FxHashMap<ProcId, (u64, Option<Edge>)>,
    /// Edges that begin at one instant, the last that was seen.
    instant: Vec<Edge>,
}

impl Reach {
    /// From what `who` do from `since_ns` on.
    #[must_use]
    pub fn from(who: &[ProcId], since_ns: u64) -> Reach {
        Reach {
            reached: who.iter().map(|&who| (who, (since_ns, None))).collect(),
            instant: Vec::new(),
        }
    }

    /// The next edge, in the order of their beginnings.
    pub fn push(&mut self, edge: Edge) {
        if self
            .instant
            .last()
            .is_some_and(|last| last.sent_ns != edge.sent_ns)
        {
            self.settle();
        }
        self.instant.push(edge);
    }

    /// No more edges.
    pub fn finish(&mut self) {
        self.settle();
    }

    /// How many processes were reached, those that it began with among them.
    #[must_use]
    pub fn count(&self) -> usize {
        self.reached.len()
    }

    /// When a process was reached, if it was.
    #[must_use]
    pub fn at_ns(&self, who: ProcId) -> Option<u64> {
        self.reached.get(&who).map(|reached| reached.0)
    }

    /// By which edges it was reached first, in the order of time.
    #[must_use]
    pub fn chain(&self, to: ProcId) -> Option<Vec<Edge>> {
        let mut chain = Vec::new();
        let mut by = self.reached.get(&to)?.1;
        while let Some(edge) = by {
            chain.push(edge);
            // An edge leaves who was reached before it, so that there is no way around.
            if chain.len() > self.reached.len() {
                return None;
            }
            by = self.reached.get(&edge.from)?.1;
        }
        chain.reverse();
        Some(chain)
    }

    fn settle(&mut self) {
        let edges = std::mem::take(&mut self.instant);
        let Some(at_ns) = edges.first().map(|edge| edge.sent_ns) else {
            return;
        };
        let mut groups: FxHashMap<ProcId, Vec<Edge>> = FxHashMap::default();
        let mut ready: VecDeque<ProcId> = VecDeque::new();
        for edge in edges {
            let group = groups.entry(edge.from).or_default();
            if group.is_empty() && self.at_ns(edge.from).is_some_and(|ns| ns <= at_ns) {
                ready.push_back(edge.from);
            }
            group.push(edge);
        }
        while let Some(from) = ready.pop_front() {
            for edge in groups.get(&from).into_iter().flatten() {
                let earlier = self.at_ns(edge.to);
                if earlier.is_some_and(|ns| ns <= edge.got_ns) {
                    continue;
                }
                self.reached.insert(edge.to, (edge.got_ns, Some(*edge)));
                let was_there = earlier.is_some_and(|ns| ns <= at_ns);
                if edge.got_ns <= at_ns && !was_there && groups.contains_key(&edge.to) {
                    ready.push_back(edge.to);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
