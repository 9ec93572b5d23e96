//! Calls and their replies.
//!
//! Which reply belongs to which call, [`Pairing`](crate::Pairing) says. Where that cannot be told
//! the reply is counted as `ambiguous`, and none of these calls gets a time.
//!
//! Not paired, and counted: calls that somebody else answered (`gen_server:reply/2` in another process),
//! and replies that answer nothing that was seen asked, as what `Task` sends.
//!
//! A call's time has three parts: it lies in the mailbox of whom was called (`queued`), that works
//! on it (`service`: from `receive` to the reply's sending, of which it ran on a scheduler for
//! `running`), and the reply lies in the caller's mailbox (`returning`).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use escope_model::{Cut, Fate, Life, LifeEvent, Message, MessageKind, ProcId, Run};
use rustc_hash::FxHashMap;

use super::ReportScope;
use crate::merged::since_start;
use crate::pairing::{Answer, Asked, Pairing};
use crate::spread::Spread;
use crate::worst::Worst;

/// A call with its reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallTimes {
    /// The message that asks.
    pub msg: u64,
    /// The message that answers.
    pub reply: u64,
    /// Who asked.
    pub from: ProcId,
    /// Whom.
    pub to: ProcId,
    /// When: nanoseconds since the recording's start.
    pub sent_ns: u64,
    /// How long it lay in the mailbox of whom was called.
    pub queued_ns: u64,
    /// From then until the reply was sent.
    pub service_ns: u64,
    /// How much of that whom was called was on a scheduler; unknown without runs, and where a
    /// run was not seen whole.
    pub running_ns: Option<u64>,
    /// How long the reply lay in the caller's mailbox; unknown if the caller never took it.
    pub returning_ns: Option<u64>,
}

impl CallTimes {
    /// From asking until the answer was taken, or sent where it never was.
    #[must_use]
    pub fn total_ns(&self) -> u64 {
        self.queued_ns + self.service_ns + self.returning_ns.unwrap_or(0)
    }
}

/// The calls to one process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallsTo {
    /// How many there were.
    pub calls: u64,
    /// How long those with a reply took in all.
    pub total_ns: Spread,
    /// How long these lay in its mailbox.
    pub queued_ns: Spread,
    /// How long it worked on them.
    pub service_ns: Spread,
    /// How much of that it was on a scheduler, of those calls of which that is known.
    pub running_ns: u64,
    /// How many these are.
    pub running_known: u64,
    /// How long it worked on these.
    pub known_service_ns: u64,
    /// Calls of which it cannot be told which reply is theirs.
    pub ambiguous: u64,
    /// Calls without a reply from it: late, lost, or from another process.
    pub unanswered: u64,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    msg: u64,
    sent_ns: u64,
    received_ns: Option<u64>,
    /// What whom was called had run until it took the call.
    ran: Option<Ran>,
}

/// How long a process ran so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ran {
    before_ns: u64,
    start_ns: u64,
    end_ns: u64,
    /// Runs of which an end was not seen.
    cut: u64,
}

impl Ran {
    fn until(&self, ns: u64) -> u64 {
        let in_last_ns = ns.min(self.end_ns).saturating_sub(self.start_ns);
        self.before_ns + in_last_ns
    }
}

type Pair = (ProcId, ProcId);

/// All calls.
#[derive(Debug)]
pub struct Calls {
    open: Pairing<ProcId, Open>,
    /// Which open call is taken out when.
    takes: BinaryHeap<Reverse<(u64, u64, Pair)>>,
    ran: FxHashMap<ProcId, Ran>,
    to: FxHashMap<ProcId, CallsTo>,
    /// The slowest, by nanoseconds in all.
    pub slowest: Worst<CallTimes>,
    /// Replies to nothing that was seen asked.
    pub unasked: u64,
    /// Calls that were open when events went missing.
    pub lost_in_gaps: u64,
    /// Calls that were given up for want of room.
    pub given_up: u64,
    /// Calls from outside of the node, which have no caller to reply to.
    pub from_outside: u64,
}

impl Calls {
    pub(super) fn new(scope: &ReportScope<'_>) -> Calls {
        Calls {
            open: Pairing::new(&scope.gaps),
            takes: BinaryHeap::new(),
            ran: FxHashMap::default(),
            to: FxHashMap::default(),
            slowest: Worst::new(scope.worst),
            unasked: 0,
            lost_in_gaps: 0,
            given_up: 0,
            from_outside: 0,
        }
    }

    /// By whom was called, in no order.
    pub fn servers(&self) -> impl Iterator<Item = (ProcId, &CallsTo)> {
        self.to.iter().map(|(&proc, of)| (proc, of))
    }

    /// Calls that are taken out until then are noted with what whom was called has run.
    pub(super) fn advance(&mut self, to_ns: u64) {
        let lost = self.open.advance(to_ns);
        if lost > 0 {
            self.lost_in_gaps += lost;
            self.takes.clear();
        }
        while let Some(&Reverse((at_ns, msg, pair))) = self.takes.peek()
            && at_ns <= to_ns
        {
            self.takes.pop();
            let ran = self.ran.get(&pair.1).copied();
            if let Some(call) = self.open.of(pair).find(|it| it.msg == msg) {
                call.ran = ran;
            }
        }
    }

    pub(super) fn on_run(&mut self, run: &Run) {
        let start_ns = since_start(run.start_ns);
        let ran = self.ran.entry(run.proc).or_default();
        *ran = Ran {
            before_ns: ran.until(u64::MAX),
            start_ns,
            end_ns: since_start(run.end_ns).max(start_ns),
            cut: ran.cut + u64::from(run.cut.is_some_and(|cut| cut != Cut::Start)),
        };
        if run.cut.is_some_and(|cut| cut != Cut::End) {
            ran.cut += 1;
        }
    }

    pub(super) fn on_life(&mut self, life: &Life) {
        if life.event == LifeEvent::Exit {
            self.ran.remove(&life.proc);
        }
    }

    pub(super) fn on_message(&mut self, message: &Message, scope: &ReportScope<'_>) {
        let Some(from) = message.from else {
            let is_call = message.kind == MessageKind::Call;
            let counts = is_call && scope.wants(message.to);
            self.from_outside += u64::from(counts && scope.contains(since_start(message.sent_ns)));
            return;
        };
        match message.kind {
            MessageKind::Call => self.ask(message, from, scope),
            MessageKind::Reply => self.answer(message, from, scope),
            _ => {}
        }
    }

    fn ask(&mut self, message: &Message, from: ProcId, scope: &ReportScope<'_>) {
        let pair = (from, message.to);
        if !scope.wants_either(Some(from), message.to) {
            return;
        }
        let sent_ns = since_start(message.sent_ns);
        if scope.contains(sent_ns) {
            self.to.entry(message.to).or_default().calls += 1;
        }
        let received_ns = message.received_ns.map(|ns| since_start(ns).max(sent_ns));
        let call = Open {
            msg: message.msg,
            sent_ns,
            received_ns,
            ran: None,
        };
        match self.open.ask(pair, sent_ns, received_ns, call) {
            Asked::Open => {
                let take = received_ns.map(|ns| Reverse((ns, message.msg, pair)));
                self.takes.extend(take);
            }
            Asked::InGap => self.lost_in_gaps += 1,
            Asked::NoRoom => self.given_up += 1,
        }
    }

    fn answer(&mut self, reply: &Message, from: ProcId, scope: &ReportScope<'_>) {
        let pair = (reply.to, from);
        if !scope.wants_either(Some(from), reply.to) {
            return;
        }
        let sent_ns = since_start(reply.sent_ns);
        match self.open.answer(pair, sent_ns) {
            Answer::To(call) if scope.contains(call.sent_ns) => {
                self.pair(&call, reply, pair, sent_ns);
            }
            Answer::Ambiguous(call) if scope.contains(call.sent_ns) => {
                self.to.entry(pair.1).or_default().ambiguous += 1;
            }
            Answer::To(_) | Answer::Ambiguous(_) => {}
            Answer::Unasked => self.unasked += u64::from(scope.contains(sent_ns)),
        }
    }

    fn pair(&mut self, call: &Open, reply: &Message, pair: Pair, answered_ns: u64) {
        let received_ns = call.received_ns.unwrap_or(answered_ns);
        let ran = self.ran.get(&pair.1);
        let running_ns = ran.and_then(|now| {
            let then = call.ran.unwrap_or_default();
            let is_whole = now.cut == then.cut;
            is_whole.then(|| {
                now.until(answered_ns)
                    .saturating_sub(then.until(received_ns))
            })
        });
        let took = reply.received_ns.filter(|_| reply.fate == Fate::Received);
        let times = CallTimes {
            msg: call.msg,
            reply: reply.msg,
            from: pair.0,
            to: pair.1,
            sent_ns: call.sent_ns,
            queued_ns: received_ns - call.sent_ns,
            service_ns: answered_ns.saturating_sub(received_ns),
            running_ns,
            returning_ns: took.map(|ns| since_start(ns).saturating_sub(answered_ns)),
        };
        let to = self.to.entry(pair.1).or_default();
        to.total_ns.add(times.total_ns());
        to.queued_ns.add(times.queued_ns);
        to.service_ns.add(times.service_ns);
        if let Some(running_ns) = running_ns {
            to.running_ns += running_ns;
            to.running_known += 1;
            to.known_service_ns += times.service_ns;
        }
        self.slowest.add(times.total_ns(), || times);
    }

    pub(super) fn finish(&mut self, scope: &ReportScope<'_>) {
        for ((_, to), call, is_doubtful) in self.open.unanswered() {
            if !scope.contains(call.sent_ns) {
                continue;
            }
            let to = self.to.entry(to).or_default();
            match is_doubtful {
                true => to.ambiguous += 1,
                false => to.unanswered += 1,
            }
        }
        self.takes.clear();
    }
}
