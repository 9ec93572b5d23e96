//! What one process holds, as terms: the values of its dictionary and the messages in its mailbox,
//! whole where the limits allow it. As in a snapshot, its struct is read before and after.

use super::{blocks, dictionary, is_unchanged, mailbox};
use crate::Vm;
use crate::memory::Memory;
use crate::process::ProcessBlock;
use crate::term::{Limits, Term, TermError, TermReader};

/// Signals of a mailbox that are walked at most.
const SIGNALS_MAX: u64 = 1_000_000;

/// Where a process has a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In its dictionary, under this key.
    Dictionary(Term),
    /// In its mailbox, so many messages after the oldest one.
    Message(usize),
}

/// What to read.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeldOptions {
    /// Messages, oldest first; at 0 none.
    pub messages: usize,
    /// How much of each term.
    pub limits: Limits,
}

/// What is to be said of all that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// All of it was so at one instant: the process rested and did not run meanwhile.
    pub consistent: bool,
    /// It has asked not to be looked at, so nothing was: `process_flag(sensitive, true)`.
    pub sensitive: bool,
    /// There is more than was handed on.
    pub cut: bool,
}

/// Hands on each term that the process whose struct lies at `address` holds; `None` where there is
/// no process. A message from another node that is not decoded yet is left out. A term that cannot
/// be read is an error in its place, and then the whole is not consistent.
pub fn held<M: Memory>(
    vm: &Vm<M>,
    address: u64,
    options: HeldOptions,
    take: &mut dyn FnMut(Place, Result<Term, TermError>),
) -> Option<Held> {
    let reader = TermReader::new(vm);
    let before = blocks(vm, &[address]).pop()??;
    let process = ProcessBlock::new(&before, &vm.layout);
    vm.pids.numbers(process.id())?;
    let mut held = Held {
        consistent: true,
        sensitive: process.is_sensitive(),
        cut: false,
    };
    if held.sensitive {
        return Some(held);
    }
    let mut hand_on = |place, term: Result<Term, TermError>| {
        held.consistent &= term.is_ok();
        take(place, term);
    };
    let mut whole = true;
    match dictionary::pairs(&reader, vm, &process) {
        Ok((pairs, cut)) => {
            held.cut |= cut;
            for (key, value) in pairs {
                match reader.decode(key, options.limits) {
                    Ok(key) => {
                        hand_on(Place::Dictionary(key), reader.decode(value, options.limits))
                    }
                    Err(_) => whole = false,
                }
            }
        }
        Err(_) => whole = false,
    }
    if options.messages > 0 {
        let read = mailbox::read(&reader, vm, &process, SIGNALS_MAX, options.messages);
        whole &= read.as_ref().is_some_and(|mailbox| mailbox.settled);
        if let Some(mailbox) = read {
            held.cut |= mailbox.cut || mailbox.messages > mailbox.first.len() as u64;
            for (index, term) in mailbox.first.into_iter().enumerate() {
                if term == 0 {
                    held.cut = true;
                    continue;
                }
                hand_on(Place::Message(index), reader.decode(term, options.limits));
            }
        }
    }
    let after = blocks(vm, &[address]).pop().flatten();
    held.consistent &= whole;
    held.consistent &= after.is_some_and(|after| is_unchanged(&before, &after, &vm.layout));
    Some(held)
}
