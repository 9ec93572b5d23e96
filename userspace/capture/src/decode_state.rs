//! What was copied of processes, in records of events. Pure, and total.

use escope_wire::{
    EventRecord, KIND_EVENT, PROCESS_BYTES, STATE_PIECES, StateHead, StatePiece, state_flag, what,
};
use zerocopy::FromBytes;

/// A process as it stopped to wait. The bytes are the target's, and nothing in them is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedState<'a> {
    /// `CLOCK_MONOTONIC`, that of the event.
    pub monotonic_ns: u64,
    /// Address of its struct.
    pub address: u64,
    /// Its pid, as a term.
    pub pid: u64,
    /// Reductions in all its runs, this one included.
    pub reductions: u64,
    /// Its struct; empty where it could not be read.
    pub process: &'a [u8],
    /// What else was copied.
    pub copied: StateCopied<'a>,
}

/// What was copied besides the struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateCopied<'a> {
    /// Its memory, by address, the longest piece first. Whether that is all.
    Pieces(Vec<(u64, &'a [u8])>, bool),
    /// Nothing: it has asked not to be looked at.
    Sensitive,
    /// Nothing: it has too much.
    TooLarge,
    /// Nothing: there was no room for it in the ring.
    NoRoom,
    /// Nothing: it could not be read.
    Unreadable,
}

impl CopiedState<'_> {
    /// How many bytes of its record have something in them.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        let copied = match &self.copied {
            StateCopied::Pieces(pieces, _) => pieces.iter().map(|(_, bytes)| bytes.len()).sum(),
            _ => 0,
        };
        HEADS_BYTES + copied
    }
}

/// What comes before the memory.
const HEADS_BYTES: usize = size_of::<EventRecord>()
    + size_of::<StateHead>()
    + STATE_PIECES * size_of::<StatePiece>()
    + PROCESS_BYTES as usize;

/// Reads what was copied of a process from a record, if it has that. What has no sound length is not
/// there.
#[must_use]
pub fn decode_state(record: &[u8]) -> Option<CopiedState<'_>> {
    let (event, rest) = EventRecord::read_from_prefix(record).ok()?;
    let is_state = (what::STATE_FIRST..=what::STATE_NONE).contains(&u32::from(event.what));
    if u32::from(event.kind) != KIND_EVENT || !is_state {
        return None;
    }
    let is_none = u32::from(event.what) == what::STATE_NONE;
    let (process, copied) = copied(rest, is_none)?;
    let before = event.words[3];
    Some(CopiedState {
        monotonic_ns: event.monotonic_ns,
        address: event.process,
        pid: event.pid,
        reductions: before.saturating_add(event.words[2] & u64::from(u32::MAX)),
        process,
        copied,
    })
}

/// The copy of a process that begins with a [`StateHead`]: its struct, and what else there is. `is_none`
/// says that nothing was copied besides.
pub(crate) fn copied(bytes: &[u8], is_none: bool) -> Option<(&[u8], StateCopied<'_>)> {
    let (head, rest) = StateHead::read_from_prefix(bytes).ok()?;
    let (pieces, rest) = <[StatePiece; STATE_PIECES]>::read_from_prefix(rest).ok()?;
    let (process, memory) = rest.split_at_checked(PROCESS_BYTES as usize)?;
    let has = |flag: u32| head.flags & flag != 0;
    let process = process
        .get(..head.process_bytes as usize)
        .unwrap_or_default();
    let all = || {
        let pieces = pieces.get(..head.pieces as usize).unwrap_or_default();
        joined(pieces, memory)
    };
    let copied = match () {
        () if has(state_flag::SENSITIVE) => StateCopied::Sensitive,
        () if has(state_flag::TOO_LARGE) && is_none => StateCopied::TooLarge,
        () if has(state_flag::NO_ROOM) => StateCopied::NoRoom,
        () if is_none => StateCopied::Unreadable,
        () => {
            let is_all = !has(state_flag::PARTIAL) && !has(state_flag::TOO_LARGE);
            StateCopied::Pieces(all(), is_all)
        }
    };
    Some((process, copied))
}

/// The pieces with their bytes; those that lie behind each other, here and there, as one.
fn joined<'a>(pieces: &[StatePiece], memory: &'a [u8]) -> Vec<(u64, &'a [u8])> {
    let mut spans: Vec<(u64, usize, usize)> = Vec::new();
    for piece in pieces {
        let (at, bytes) = (piece.at as usize, piece.bytes as usize);
        match spans.last_mut() {
            Some((address, start, length))
                if address.checked_add(*length as u64) == Some(piece.address)
                    && *start + *length == at =>
            {
                *length += bytes;
            }
            _ => spans.push((piece.address, at, bytes)),
        }
    }
    let mut joined: Vec<(u64, &[u8])> = spans
        .into_iter()
        .filter_map(|(address, at, bytes)| Some((address, memory.get(at..)?.get(..bytes)?)))
        .collect();
    joined.sort_by_key(|(_, bytes)| std::cmp::Reverse(bytes.len()));
    joined
}

#[cfg(test)]
mod tests {
    use escope_wire::{
        EventRecord, KIND_EVENT, PROCESS_BYTES, STATE_PIECES, StateHead, StatePiece, state_flag,
        what,
    };
    use zerocopy::IntoBytes;

    use super::{StateCopied, decode_state};
    use crate::decode_event;

    fn record(what: u32, head: &StateHead, pieces: &[StatePiece], memory: &[u8]) -> Vec<u8> {
        let event = EventRecord {
            kind: KIND_EVENT as u16,
            what: what as u8,
            monotonic_ns: 7,
            process: 0x5000,
            pid: 0x13,
            words: [1, 2, 30, 400, 0, 0, 0],
            ..EventRecord::default()
        };
        let mut all = [StatePiece::default(); STATE_PIECES];
        all[..pieces.len()].copy_from_slice(pieces);
        [
            event.as_bytes(),
            head.as_bytes(),
            all.as_bytes(),
            &[9; PROCESS_BYTES as usize],
            memory,
        ]
        .concat()
    }

    fn piece(address: u64, at: u32, bytes: u32) -> StatePiece {
        StatePiece { address, at, bytes }
    }

    #[test]
    fn pieces_that_belong_together_are_one() {
        let head = StateHead {
            pieces: 4,
            process_bytes: 8,
            bytes: 40,
            ..StateHead::default()
        };
        let memory: Vec<u8> = (0..48).collect();
        let pieces = [
            piece(0x9000, 0, 8),
            piece(0x1000, 8, 16),
            piece(0x1010, 24, 8),
            // Behind it there, but not here.
            piece(0x1018, 40, 8),
        ];
        let bytes = record(what::STATE_FIRST, &head, &pieces, &memory);
        let state = decode_state(&bytes).expect("there");
        let (_, event) = decode_event(&bytes).expect("whole");
        assert_eq!(
            (state.monotonic_ns, state.address),
            (event.monotonic_ns, event.process)
        );
        assert_eq!((state.reductions, state.process), (430, &[9; 8][..]));
        let StateCopied::Pieces(pieces, true) = &state.copied else {
            panic!("{:?}", state.copied);
        };
        let expected = [
            (0x1000, &memory[8..32]),
            (0x9000, &memory[..8]),
            (0x1018, &memory[40..]),
        ];
        assert_eq!(pieces.as_slice(), expected);
    }

    #[test]
    fn a_record_of_any_length_gives_what_is_there() {
        let head = StateHead {
            pieces: u32::MAX,
            process_bytes: u32::MAX,
            ..StateHead::default()
        };
        let bytes = record(what::STATE_LAST, &head, &[piece(1, 2, u32::MAX)], &[1; 64]);
        for length in 0..bytes.len() {
            if let Some(state) = decode_state(&bytes[..length]) {
                assert_eq!(state.process, &[][..]);
                assert_eq!(state.copied, StateCopied::Pieces(Vec::new(), true));
            }
        }
        for (flag, copied) in [
            (state_flag::SENSITIVE, StateCopied::Sensitive),
            (state_flag::TOO_LARGE, StateCopied::TooLarge),
            (state_flag::NO_ROOM, StateCopied::NoRoom),
            (state_flag::PARTIAL, StateCopied::Unreadable),
        ] {
            let head = StateHead {
                flags: flag,
                ..StateHead::default()
            };
            let bytes = record(what::STATE_NONE, &head, &[], &[]);
            assert_eq!(decode_state(&bytes).map(|it| it.copied), Some(copied));
        }
        assert_eq!(decode_state(&record(what::OUT, &head, &[], &[])), None);
    }
}
