//! Who sent how much to whom, how long that lay, and whose mailbox grew.

use escope_model::{Fate, Life, LifeEvent, Message, MessageKind, ProcId};
use rustc_hash::FxHashMap;

use super::{ReportScope, Weights};
use crate::at_least::AtLeast;
use crate::mailboxes::{Mailboxes, lies_in_mailbox};
use crate::merged::since_start;
use crate::rests::became_message;
use crate::spread::Spread;
use crate::worst::Worst;

/// Counts by kind of message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerKind([u64; MessageKind::ALL.len()]);

impl PerKind {
    /// How many there are of a kind.
    #[must_use]
    pub fn of(&self, kind: MessageKind) -> u64 {
        self.0.get(kind as usize).copied().unwrap_or(0)
    }

    /// How many there are.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    fn add(&mut self, kind: MessageKind) {
        if let Some(count) = self.0.get_mut(kind as usize) {
            *count += 1;
        }
    }
}

/// What was sent to one process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Letters {
    /// Put into its queue, by kind; signals that never became a message are not counted.
    pub sent: PerKind,
    /// How long those that it took out had lain.
    pub lain_ns: Spread,
    /// Those that still lay there when it was last seen, and how long they had.
    pub waiting: AtLeast,
    /// Those that it never took, since it ended.
    pub dropped: u64,
    /// Those of which nobody knows: events are missing. Replies to aliases, DOWN and EXIT
    /// that were never received are among them; they may have been mere signals.
    pub unknown: u64,
}

/// The length of one mailbox, of messages that were seen sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// When the part began.
    pub at_begin: u64,
    /// When it ended, or when the process did.
    pub at_end: u64,
    /// The most at a time within it.
    pub peak: u64,
    length: u64,
    is_begun: bool,
}

impl Mailbox {
    fn becomes(&mut self, at_ns: u64, length: u64, scope: &ReportScope<'_>) {
        if at_ns >= scope.since_ns {
            self.begin();
        }
        self.length = length;
        self.peak = self.peak.max(length);
    }

    fn begin(&mut self) {
        if !self.is_begun {
            self.is_begun = true;
            self.at_begin = self.length;
            self.peak = self.length;
        }
    }
}

/// A message that lay long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lain {
    /// It.
    pub message: Message,
    /// Whether it was still there at the end: it lay at least so long.
    pub is_there: bool,
}

/// All messages.
#[derive(Debug)]
pub struct Mail {
    sent: FxHashMap<ProcId, PerKind>,
    got: FxHashMap<ProcId, Letters>,
    boxes: FxHashMap<ProcId, Mailbox>,
    lying: Mailboxes<ProcId, u64>,
    /// The messages that lay longest, by nanoseconds.
    pub longest: Worst<Lain>,
    /// How large they were.
    pub weights: Weights,
    /// All that were sent, by kind.
    pub kinds: PerKind,
    /// Those of them without a process of this node as sender: from ports, timers, other
    /// nodes, the VM itself.
    pub from_outside: u64,
    /// Mailboxes whose length is not known, since too many messages lay in mailboxes.
    pub given_up: u64,
}

impl Mail {
    pub(super) fn new(scope: &ReportScope<'_>) -> Mail {
        Mail {
            sent: FxHashMap::default(),
            got: FxHashMap::default(),
            boxes: FxHashMap::default(),
            lying: Mailboxes::default(),
            longest: Worst::new(scope.worst),
            weights: Weights::new(scope),
            kinds: PerKind::default(),
            from_outside: 0,
            given_up: 0,
        }
    }

    /// How much each process sent, in no order.
    pub fn senders(&self) -> impl Iterator<Item = (ProcId, &PerKind)> {
        self.sent.iter().map(|(&proc, of)| (proc, of))
    }

    /// What each process got, in no order.
    pub fn receivers(&self) -> impl Iterator<Item = (ProcId, &Letters)> {
        self.got.iter().map(|(&proc, of)| (proc, of))
    }

    /// The mailboxes in which anything lay, in no order.
    pub fn mailboxes(&self) -> impl Iterator<Item = (ProcId, &Mailbox)> {
        self.boxes.iter().map(|(&proc, of)| (proc, of))
    }

    /// How much one sent, if it did.
    #[must_use]
    pub fn sender(&self, proc: ProcId) -> Option<&PerKind> {
        self.sent.get(&proc)
    }

    /// What one got, if anything.
    #[must_use]
    pub fn receiver(&self, proc: ProcId) -> Option<&Letters> {
        self.got.get(&proc)
    }

    /// The mailbox of one, if anything lay in it.
    #[must_use]
    pub fn mailbox(&self, proc: ProcId) -> Option<&Mailbox> {
        self.boxes.get(&proc)
    }

    /// Messages that were taken out until then are gone.
    pub(super) fn advance(&mut self, to_ns: u64, scope: &ReportScope<'_>) {
        while let Some(change) = self.lying.leave(Some(to_ns)) {
            if let Some(mailbox) = self.boxes.get_mut(&change.who) {
                mailbox.becomes(change.at_ns, change.length, scope);
            }
        }
    }

    pub(super) fn on_life(&mut self, life: &Life, scope: &ReportScope<'_>) {
        if life.event == LifeEvent::Exit {
            self.lying.end(life.proc);
            if let Some(mailbox) = self.boxes.get_mut(&life.proc) {
                mailbox.becomes(since_start(life.ts_ns), 0, scope);
            }
        }
    }

    pub(super) fn add(&mut self, message: &Message, scope: &ReportScope<'_>) {
        let sent_ns = since_start(message.sent_ns);
        let received_ns = message.received_ns.map(|ns| since_start(ns).max(sent_ns));
        let is_message = became_message(message);
        if lies_in_mailbox(message) && scope.wants(message.to) {
            let change = self.lying.put(message.to, sent_ns, received_ns);
            let mailbox = self.boxes.entry(message.to).or_default();
            if let Some(change) = change {
                mailbox.becomes(change.at_ns, change.length, scope);
            }
        }
        if !scope.contains(sent_ns) {
            return;
        }
        let seen_to_ns = scope.seen_from(sent_ns);
        if let Some(from) = message.from.filter(|&from| is_message && scope.wants(from)) {
            self.sent.entry(from).or_default().add(message.kind);
        }
        if is_message && scope.wants_either(message.from, message.to) {
            self.kinds.add(message.kind);
            self.weights.add(message, scope);
            self.from_outside += u64::from(message.from.is_none());
            let is_there = received_ns.is_none() && message.fate == Fate::Waiting;
            if let Some(end_ns) = received_ns.or(is_there.then_some(seen_to_ns)) {
                self.longest.add(end_ns.saturating_sub(sent_ns), || Lain {
                    message: message.clone(),
                    is_there,
                });
            }
        }
        if scope.wants(message.to) {
            let letters = self.got.entry(message.to).or_default();
            if is_message {
                letters.sent.add(message.kind);
            }
            match (received_ns, message.fate) {
                (Some(received_ns), _) => letters.lain_ns.add(received_ns - sent_ns),
                (None, Fate::Dropped) => letters.dropped += 1,
                (None, Fate::Unknown | Fate::Received) => letters.unknown += 1,
                (None, Fate::Waiting) => letters.waiting.add(seen_to_ns.saturating_sub(sent_ns)),
            }
        }
    }

    pub(super) fn finish(&mut self, scope: &ReportScope<'_>) {
        self.advance(scope.until_ns.saturating_sub(1), scope);
        let (lying, before) = (&self.lying, self.boxes.len());
        self.boxes.retain(|&proc, _| !lying.is_given_up(proc));
        self.given_up = (before - self.boxes.len()) as u64;
        for mailbox in self.boxes.values_mut() {
            mailbox.begin();
            mailbox.at_end = mailbox.length;
        }
    }
}
