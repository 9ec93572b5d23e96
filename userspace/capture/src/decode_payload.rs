//! What was copied of messages, in records of events. Pure, and total.

use escope_wire::{
    EventRecord, KIND_EVENT, PAYLOAD_PIECE_BYTES, PAYLOAD_PIECES, PayloadHead, payload_flag, what,
};
use zerocopy::FromBytes;

/// What was copied of a message as it was put into its queue. The bytes are the target's, and
/// nothing in them is trusted.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    /// `CLOCK_MONOTONIC`, that of the message's event.
    pub monotonic_ns: u64,
    /// Address of the message, as its event has it.
    pub message: u64,
    /// Who sent it, as a term.
    pub from: u64,
    /// What it says, as a term.
    pub term: u64,
    /// What was copied, if anything.
    pub copied: Copied<'a>,
    /// Nothing is known of whether its sender has asked not to be looked at.
    pub sender_unknown: bool,
}

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied<'a> {
    /// The block in which it lies and the pieces of what that points to: addresses and bytes.
    /// Nothing for a term that is a word; none of them need be there.
    Blocks([(u64, &'a [u8]); PAYLOAD_PIECES + 1]),
    /// Nothing: the receiver or the sender has asked not to be looked at.
    Sensitive,
    /// Nothing: the memory could not be read.
    Unreadable,
    /// Nothing: there was no room for it in the ring.
    NoRoom,
}

/// Reads what was copied of a message from a record, if it has that. What has no sound length is
/// not there.
#[must_use]
pub fn decode_payload(record: &[u8]) -> Option<Payload<'_>> {
    let (event, rest) = EventRecord::read_from_prefix(record).ok()?;
    if u32::from(event.kind) != KIND_EVENT || u32::from(event.what) != what::PAYLOAD {
        return None;
    }
    let (head, rest) = PayloadHead::read_from_prefix(rest).ok()?;
    let has = |flag: u32| head.flags & flag != 0;
    let sensitive = payload_flag::RECEIVER_SENSITIVE | payload_flag::SENDER_SENSITIVE;
    let copied = match () {
        () if has(sensitive) => Copied::Sensitive,
        () if has(payload_flag::UNREADABLE) => Copied::Unreadable,
        () if has(payload_flag::NO_ROOM) => Copied::NoRoom,
        () => Copied::Blocks(blocks(&head, rest)),
    };
    Some(Payload {
        monotonic_ns: event.monotonic_ns,
        message: event.words[1],
        from: event.words[0],
        term: head.term,
        copied,
        sender_unknown: has(payload_flag::SENDER_UNKNOWN),
    })
}

fn blocks<'a>(head: &PayloadHead, rest: &'a [u8]) -> [(u64, &'a [u8]); PAYLOAD_PIECES + 1] {
    let mut blocks = [(0, &[][..]); PAYLOAD_PIECES + 1];
    let pieces = rest.split_at_checked(PAYLOAD_PIECES * PAYLOAD_PIECE_BYTES);
    let Some((pieces, block)) = pieces else {
        return blocks;
    };
    let found = head.pieces.iter().zip(pieces.chunks(PAYLOAD_PIECE_BYTES));
    let found = found
        .map(|(&at, bytes)| (at, bytes))
        .filter(|(at, _)| *at != 0);
    let block = (
        head.block,
        block.get(..head.bytes as usize).unwrap_or_default(),
    );
    for (to, from) in blocks.iter_mut().zip(std::iter::once(block).chain(found)) {
        *to = from;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use escope_wire::{
        EventRecord, KIND_EVENT, PAYLOAD_PIECE_BYTES, PayloadHead, payload_flag, what,
    };
    use zerocopy::IntoBytes;

    use super::{Copied, decode_payload};
    use crate::decode_event;

    fn record(head: &PayloadHead, block: &[u8]) -> Vec<u8> {
        let event = EventRecord {
            kind: KIND_EVENT as u16,
            what: what::PAYLOAD as u8,
            monotonic_ns: 7,
            words: [1, 2, 3, 4, 5, 6, 7],
            ..EventRecord::default()
        };
        [
            event.as_bytes(),
            head.as_bytes(),
            &[9; 4 * PAYLOAD_PIECE_BYTES],
            block,
        ]
        .concat()
    }

    #[test]
    fn it_belongs_to_the_event_of_the_same_record() {
        let head = PayloadHead {
            term: 0x1002,
            block: 0x1000,
            bytes: 8,
            pieces: [0x2000, 0, 0, 0],
            ..PayloadHead::default()
        };
        let bytes = record(&head, &[1; 64]);
        let payload = decode_payload(&bytes).expect("there");
        let (_, event) = decode_event(&bytes).expect("whole");
        assert_eq!(
            (payload.monotonic_ns, payload.message),
            (event.monotonic_ns, 2)
        );
        let Copied::Blocks(blocks) = payload.copied else {
            panic!("nothing");
        };
        assert_eq!(blocks[0], (0x1000, &[1; 8][..]));
        assert_eq!(blocks[1], (0x2000, &[9; PAYLOAD_PIECE_BYTES][..]));
        assert_eq!(blocks[2], (0, &[][..]));
    }

    #[test]
    fn a_record_of_any_length_gives_what_is_there() {
        let head = PayloadHead {
            bytes: u32::MAX,
            pieces: [1; 4],
            ..PayloadHead::default()
        };
        let bytes = record(&head, &[1; 64]);
        for length in 0..bytes.len() {
            let payload = decode_payload(&bytes[..length]);
            assert_eq!(payload.is_some(), length >= 144, "{length}");
            if let Some(Copied::Blocks(blocks)) = payload.map(|it| it.copied) {
                assert_eq!(blocks[0].1, &[][..]);
            }
        }
        let withheld = PayloadHead {
            flags: payload_flag::SENDER_SENSITIVE,
            ..head
        };
        let bytes = record(&withheld, &[1; 64]);
        let copied = decode_payload(&bytes).map(|it| it.copied);
        assert_eq!(copied, Some(Copied::Sensitive));
    }
}
