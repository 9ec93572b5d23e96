//! What a message or signal is, by its first words.
//!
//! A queue holds messages and other signals; of the latter the place of the term has a tag, a
//! header word that no term begins with (`ERTS_SIG_IS_NON_MSG_TAG` in `erl_message.h`), whose
//! low byte above the header bits is the operation (`ERTS_SIG_Q_OP_*` in
//! `erl_proc_sig_queue.h`; those used here are the same in OTP 25 to 29).

use escope_model::{LifeEvent, MessageKind, MessageShape};

use crate::Vm;
use crate::memory::Memory;

/// The low 6 bits of a signal's tag: the header of an external pid.
const TAG: u64 = 0x30;
const TAG_MASK: u64 = 0x3f;

/// What is put into a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// A message; its second half is the atom that tells most of it, as a term, or 0.
    Message(MessageKind, u64),
    /// What the receiver may turn into a message, or not.
    MayBecomeMessage(MessageKind),
    /// The sender links to the receiver or monitors it, or takes that back.
    Life(LifeEvent),
    /// Anything else between the VM and the process.
    Other,
}

/// The atoms that tell messages apart, as terms. What the VM has no atom for yet it has never
/// sent.
#[derive(Debug, Clone, Copy)]
pub struct SignalAtoms {
    first: [(u64, usize, MessageKind); NAMES.len()],
    alias: Option<u64>,
}

/// First element of a tuple, its size, what it is: `gen.erl`, `sys.erl`, `erlang:start_timer/3`,
/// `erlang:monitor/2`, `process_flag(trap_exit, true)`, `gen_tcp`, `gen_udp`.
const NAMES: [(&str, usize, MessageKind); 9] = [
    ("$gen_call", 3, MessageKind::Call),
    ("$gen_cast", 2, MessageKind::Cast),
    ("system", 3, MessageKind::System),
    ("timeout", 3, MessageKind::Timeout),
    ("DOWN", 5, MessageKind::Down),
    ("EXIT", 3, MessageKind::Exit),
    ("tcp", 3, MessageKind::Port),
    ("tcp_closed", 2, MessageKind::Port),
    ("udp", 5, MessageKind::Port),
];

/// What the tag of a reply to an alias begins with: `gen.erl`.
const ALIAS: &str = "alias";

impl SignalAtoms {
    /// Looks them up.
    #[must_use]
    pub fn find<M: Memory>(vm: &Vm<M>) -> SignalAtoms {
        let names: Vec<&str> = NAMES
            .iter()
            .map(|(name, ..)| *name)
            .chain([ALIAS])
            .collect();
        let terms = vm.atoms.find(&vm.memory, &names).unwrap_or_default();
        let alias = terms.get(NAMES.len()).copied().flatten();
        let mut known = NAMES.map(|(_, size, kind)| (u64::MAX, size, kind));
        for (known, term) in known.iter_mut().zip(terms) {
            known.0 = term.unwrap_or(u64::MAX);
        }
        SignalAtoms {
            first: known,
            alias,
        }
    }

    /// What has this shape.
    #[must_use]
    pub fn signal(&self, shape: &MessageShape) -> Signal {
        let term = shape.term;
        if term & TAG_MASK == TAG {
            return operation(term >> 6 & 0xff);
        }
        // `THE_NON_VALUE`: what another node sent is decoded when it is received.
        if term == 0 {
            return Signal::Message(MessageKind::Distributed, 0);
        }
        let is_tuple = term & 3 == 2 && shape.header & TAG_MASK == 0 && shape.header != 0;
        if !is_tuple {
            return Signal::Message(MessageKind::Message, atom(term));
        }
        let size = (shape.header >> 6) as usize;
        let known = self.first.iter().find(|(first, ..)| *first == shape.first);
        // `{[alias | Reference], Reply}`, `{Reference, Reply}`: gen.erl.
        let is_reply = size == 2 && (self.is_alias(shape.first) || is_reference(shape.first));
        let kind = match known {
            _ if is_reply => MessageKind::Reply,
            Some((_, wants, kind)) if *wants == size => *kind,
            _ if is_port(shape.first) => MessageKind::Port,
            _ => MessageKind::Message,
        };
        Signal::Message(kind, atom(shape.first))
    }

    /// Whether it is a list that begins with `alias`: its head, with the low bits of a list.
    fn is_alias(&self, first: u64) -> bool {
        first & 3 == 1 && self.alias == Some(first | 3)
    }
}

fn operation(operation: u64) -> Signal {
    match operation {
        // EXIT, EXIT_LINKED.
        0 | 1 => Signal::MayBecomeMessage(MessageKind::Exit),
        // MONITOR_DOWN.
        2 => Signal::MayBecomeMessage(MessageKind::Down),
        3 => Signal::Life(LifeEvent::Monitor),
        4 => Signal::Life(LifeEvent::Demonitor),
        5 => Signal::Life(LifeEvent::Link),
        6 => Signal::Life(LifeEvent::Unlink),
        // PERSISTENT_MON_MSG, DIST_SPAWN_REPLY.
        9 | 14 => Signal::MayBecomeMessage(MessageKind::Message),
        // ALIAS_MSG, ALTACT_MSG.
        15 => Signal::MayBecomeMessage(MessageKind::Reply),
        _ => Signal::Other,
    }
}

/// The term itself, if it is an atom.
fn atom(term: u64) -> u64 {
    match term & TAG_MASK {
        0x0b => term,
        _ => 0,
    }
}

/// Whether it is the header of a reference of this node: `_TAG_HEADER_REF` in `erl_term.h`.
fn is_reference(header: u64) -> bool {
    header & TAG_MASK == 0x10
}

fn is_port(term: u64) -> bool {
    term & 0xf == 7
}

#[cfg(test)]
mod tests {
    use escope_model::{LifeEvent, MessageKind, MessageShape};

    use super::{NAMES, Signal, SignalAtoms};

    const ALIAS_ATOM: u64 = 77 << 6 | 0x0b;

    fn atoms() -> SignalAtoms {
        let mut next = 0;
        SignalAtoms {
            first: NAMES.map(|(_, size, kind)| {
                next += 1;
                (next << 6 | 0x0b, size, kind)
            }),
            alias: Some(ALIAS_ATOM),
        }
    }

    fn tuple(first: u64, size: u64) -> MessageShape {
        MessageShape {
            term: 0x7f00_0000_1002,
            header: size << 6,
            first,
        }
    }

    #[test]
    fn a_tuple_is_told_by_its_first_element_and_its_size() {
        let atoms = atoms();
        let call = 1 << 6 | 0x0b;
        let signal = |first, size| atoms.signal(&tuple(first, size));
        assert_eq!(signal(call, 3), Signal::Message(MessageKind::Call, call));
        assert_eq!(signal(call, 2), Signal::Message(MessageKind::Message, call));
        assert_eq!(signal(0x17, 2), Signal::Message(MessageKind::Port, 0));
    }

    #[test]
    fn a_reply_has_a_reference_in_front_or_a_list_that_begins_with_alias() {
        let atoms = atoms();
        let in_list = |head: u64| head & !3 | 1;
        for (first, size, kind) in [
            (in_list(ALIAS_ATOM), 2, MessageKind::Reply),
            (2 << 6 | 0x10, 2, MessageKind::Reply),
            (in_list(ALIAS_ATOM), 3, MessageKind::Message),
            // The atom alone, text, a list of what is a pointer.
            (ALIAS_ATOM, 2, MessageKind::Message),
            (in_list(u64::from(b'a') << 4 | 0xf), 2, MessageKind::Message),
            (1, 2, MessageKind::Message),
            // A list whose head is not told.
            (0x7f00_0000_2001, 2, MessageKind::Message),
        ] {
            let told = atoms.signal(&tuple(first, size));
            assert!(
                matches!(told, Signal::Message(it, _) if it == kind),
                "{first:#x}: {told:?}"
            );
        }
    }

    #[test]
    fn what_is_no_tuple_is_itself_or_nothing() {
        let signal = |term| {
            atoms().signal(&MessageShape {
                term,
                ..MessageShape::default()
            })
        };
        assert_eq!(signal(0x4b), Signal::Message(MessageKind::Message, 0x4b));
        assert_eq!(signal(0x2f), Signal::Message(MessageKind::Message, 0));
        assert_eq!(signal(0), Signal::Message(MessageKind::Distributed, 0));
        let link = 5 << 6 | 0x30;
        assert_eq!(signal(link), Signal::Life(LifeEvent::Link));
        // What kind of link is above the operation.
        assert_eq!(signal(link | 3 << 14), Signal::Life(LifeEvent::Link));
        let reply = Signal::MayBecomeMessage(MessageKind::Reply);
        assert_eq!(signal(15 << 6 | 0x30), reply);
        assert_eq!(signal(18 << 6 | 0x30), Signal::Other);
    }
}
