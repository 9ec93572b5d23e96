//! Messages from sending to receiving, told by their addresses.
//!
//! A message is put into the receiver's queue as an `ErtsMessage`
//! (`erts_proc_sig_queue_try_enqueue_to_buffer`), is moved from the outer queue to the
//! middle and the inner one (`erts_proc_sig_fetch`) without changing its address, and is
//! taken out when a `receive` matched it (`beam_jit_remove_message`). Then its memory
//! is free, and the next message may have the same address at once. So an address names
//! a message only from one Enqueue to the next:
//!
//! | seen | told |
//! |---|---|
//! | Enqueue of an address that is open | the older message is gone, how was not seen: `unknown` |
//! | Dequeue of an open address by its receiver | `received` |
//! | Dequeue of an open address by another process | an Enqueue is missing: what was open is `unknown`, the Dequeue is unmatched |
//! | Dequeue of any other address | unmatched: it was sent before that could be seen |
//! | the receiver exits, or has (`erts_do_exit_process`) | `dropped` |
//! | events are missing | all that is open is `unknown`, for a later Dequeue may be of another message |
//! | the end | `waiting` |
//!
//! Signals share the queue. A link or a monitor never becomes a message; a reply to an
//! alias, a DOWN or an EXIT may, when the receiver handles it
//! (`erts_proc_sig_handle_incoming`), and keeps its address then; or it is handled and
//! freed without a trace. What a signal is, the caller tells by its shape, see [`Entry`].

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use escope_model::Fate;
use rustc_hash::FxHashMap;

use crate::since::Recent;

/// How many receivers are remembered after they exited. Later nothing reaches their
/// queue: who sends looks the process up first, and it is not in the table any more.
const EXITED: usize = 1 << 14;

/// What is put into a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A message: it is in the mailbox until it is received.
    Message,
    /// A signal that the receiver may turn into a message: a reply to an alias, DOWN,
    /// EXIT. Unless it is received its fate is unknown.
    MayBecomeMessage,
    /// Any other signal. No row is told of it; its address was free before.
    Signal,
}

/// An Enqueue of which the caller found out who is who.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent<P, T> {
    /// `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// Address of the `ErtsMessage`: of several that are put in at once, the last. A
    /// request of `gen` has a monitor signal before it.
    pub address: u64,
    /// The sender, if a process that is known.
    pub from: Option<P>,
    /// The receiver.
    pub to: P,
    /// What it is in the queue.
    pub entry: Entry,
    /// What else is known of it, as its kind and tag.
    pub what: T,
}

/// One message. Rows come out when messages are closed, so not in order of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRow<P, T> {
    /// Sequential in the order of sending, from 0.
    pub msg: u64,
    /// As it was sent.
    pub sent: Sent<P, T>,
    /// When it was taken out of the mailbox, never before it was sent.
    pub received_ns: Option<u64>,
    /// What became of it.
    pub fate: Fate,
}

/// From Enqueue and Dequeue to messages.
///
/// Holds at most as many open messages as its capacity, and one small entry for each
/// process that was sent something and did not exit yet.
#[derive(Debug)]
pub struct Messages<P, T> {
    capacity: usize,
    sent: u64,
    open: BTreeMap<u64, Sent<P, T>>,
    at: FxHashMap<u64, u64>,
    /// The open ones by receiver.
    boxes: FxHashMap<P, BTreeSet<u64>>,
    exited: Recent<P>,
    unmatched: u64,
    evicted: u64,
}

impl<P: Copy + Eq + Hash, T> Default for Messages<P, T> {
    fn default() -> Messages<P, T> {
        Messages::new(Messages::<P, T>::CAPACITY)
    }
}

impl<P: Copy + Eq + Hash, T> Messages<P, T> {
    /// How many messages may be open, unless told otherwise.
    pub const CAPACITY: usize = 1 << 20;

    /// Nothing was sent yet. Beyond `capacity` open messages the oldest are closed as
    /// unknown, and counted.
    #[must_use]
    pub fn new(capacity: usize) -> Messages<P, T> {
        Messages {
            capacity,
            sent: 0,
            open: BTreeMap::new(),
            at: FxHashMap::default(),
            boxes: FxHashMap::default(),
            exited: Recent::new(EXITED),
            unmatched: 0,
            evicted: 0,
        }
    }

    /// Something is put into a queue. Returns its number, unless it is a mere signal.
    pub fn on_enqueue(
        &mut self,
        sent: Sent<P, T>,
        rows: &mut Vec<MessageRow<P, T>>,
    ) -> Option<u64> {
        if let Some(&older) = self.at.get(&sent.address) {
            rows.extend(self.close(older, Fate::Unknown));
        }
        if sent.entry == Entry::Signal {
            return None;
        }
        let msg = self.sent;
        self.sent += 1;
        if self.exited.knows(sent.to) {
            rows.push(row(msg, sent, Fate::Dropped));
            return Some(msg);
        }
        self.boxes.entry(sent.to).or_default().insert(msg);
        self.at.insert(sent.address, msg);
        self.open.insert(msg, sent);
        while self.open.len() > self.capacity
            && let Some((&oldest, _)) = self.open.first_key_value()
        {
            rows.extend(self.close(oldest, Fate::Unknown));
            self.evicted += 1;
        }
        Some(msg)
    }

    /// The process `by` takes a message out of its queue. Returns the message's number,
    /// if it was seen sent.
    pub fn on_dequeue(
        &mut self,
        at_ns: u64,
        address: u64,
        by: P,
        rows: &mut Vec<MessageRow<P, T>>,
    ) -> Option<u64> {
        let msg = self.at.get(&address).copied();
        let closed = msg.and_then(|msg| self.close(msg, Fate::Received));
        match closed {
            Some(row) if row.sent.to == by => {
                let received_ns = Some(at_ns.max(row.sent.at_ns));
                rows.push(MessageRow { received_ns, ..row });
                msg
            }
            other => {
                self.unmatched += 1;
                rows.extend(other.map(|row| MessageRow {
                    fate: Fate::Unknown,
                    ..row
                }));
                None
            }
        }
    }

    /// A process exits, at a time: what is in its queue goes with it, and what is still
    /// put there.
    pub fn on_exit(&mut self, receiver: P, at_ns: u64, rows: &mut Vec<MessageRow<P, T>>) {
        let mailbox = self.boxes.remove(&receiver);
        for msg in mailbox.into_iter().flatten() {
            rows.extend(self.close(msg, Fate::Dropped));
        }
        self.exited.note(receiver, at_ns);
    }

    /// Events are missing here: nothing that is open can be told from what comes.
    pub fn gap(&mut self, rows: &mut Vec<MessageRow<P, T>>) {
        self.close_all(Fate::Unknown, rows);
    }

    /// The observation ends.
    pub fn finish(&mut self, rows: &mut Vec<MessageRow<P, T>>) {
        self.close_all(Fate::Waiting, rows);
    }

    /// Whether a message, by its number, is open and has this address.
    #[must_use]
    pub fn is_open(&self, address: u64, msg: u64) -> bool {
        self.at.get(&address) == Some(&msg)
    }

    /// Whether anything open has this address.
    #[must_use]
    pub fn knows(&self, address: u64) -> bool {
        self.at.contains_key(&address)
    }

    /// How many messages and signals are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// How many were received that were not seen sent.
    #[must_use]
    pub fn unmatched(&self) -> u64 {
        self.unmatched
    }

    /// How many were closed as unknown for want of room.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn close_all(&mut self, fate: Fate, rows: &mut Vec<MessageRow<P, T>>) {
        while let Some((&msg, _)) = self.open.first_key_value() {
            rows.extend(self.close(msg, fate));
        }
    }

    fn close(&mut self, msg: u64, fate: Fate) -> Option<MessageRow<P, T>> {
        let sent = self.open.remove(&msg)?;
        self.at.remove(&sent.address);
        if let Some(mailbox) = self.boxes.get_mut(&sent.to) {
            mailbox.remove(&msg);
        }
        Some(row(msg, sent, fate))
    }
}

/// Of a signal that was not received nobody knows whether it was handled.
fn row<P, T>(msg: u64, sent: Sent<P, T>, fate: Fate) -> MessageRow<P, T> {
    let is_known = fate == Fate::Received || sent.entry == Entry::Message;
    MessageRow {
        msg,
        sent,
        received_ns: None,
        fate: if is_known { fate } else { Fate::Unknown },
    }
}

#[cfg(test)]
mod tests;
