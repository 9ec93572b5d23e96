//! Bytes of the ring of calls to calls. Pure, and total: any bytes give a call or an error.

use escope_wire::{CallRecord, KIND_CALL, WATCH_ARGUMENTS, WATCH_FUNCTIONS, call_flag};
use zerocopy::FromBytes;

use crate::decode_state::copied;
use crate::{DecodeError, StateCopied};

/// An argument as it was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallArgument {
    /// The term.
    pub term: u64,
    /// Of a boxed one: its header and what follows; a header of 1 where that could not be read.
    pub boxed: [u64; 4],
}

/// One call of a watched function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
    /// The function's number.
    pub function: usize,
    /// How many times its breakpoints had been moved.
    pub moved: u32,
    /// Where the breakpoint is.
    pub ip: u64,
    /// Where the call returns to; `None` when that could not be read.
    pub return_address: Option<u64>,
    /// Address of the process.
    pub process: u64,
    /// Its pid, as a term; 0 when that could not be read.
    pub pid: u64,
    /// The atom of its registered name; 0 for none.
    pub name: u64,
    /// What it was spawned with: two atoms and a number.
    pub initial: [u64; 3],
    /// The first arguments; empty where they were not asked for.
    pub arguments: Vec<CallArgument>,
    /// Some of them, or what they point to, could not be read.
    pub arguments_unreadable: bool,
    /// The process has asked not to be looked at.
    pub sensitive: bool,
    /// What was copied of the process, where that was asked for.
    pub copy: Option<CallCopy>,
    /// It was to be copied, and there was no room for it.
    pub no_room: bool,
}

/// A process as it called: it waited until the copy was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCopy {
    /// Its stack pointer, at the return address.
    pub stop: u64,
    /// The top of its heap.
    pub htop: u64,
    /// How long the copy took.
    pub took_ns: u64,
    /// What follows in the record.
    bytes: Box<[u8]>,
}

impl CallCopy {
    /// Its struct, and its memory; `None` where the record has no sound lengths.
    #[must_use]
    pub fn process(&self) -> Option<(&[u8], StateCopied<'_>)> {
        copied(&self.bytes, false)
    }
}

/// Reads one record.
///
/// # Errors
/// When the bytes are no whole record of a call.
pub fn decode_call(bytes: &[u8]) -> Result<Call, DecodeError> {
    let short = |needed| DecodeError::Short {
        bytes: bytes.len(),
        needed,
    };
    let head = size_of::<CallRecord>();
    let (record, rest) = CallRecord::read_from_prefix(bytes).map_err(|_| short(head))?;
    if record.kind != KIND_CALL || record.function as usize >= WATCH_FUNCTIONS {
        return Err(DecodeError::Kind(record.kind));
    }
    let count = (record.arguments as usize).min(WATCH_ARGUMENTS);
    let size = size_of::<escope_wire::CallArgument>();
    let arguments = rest.get(..count * size);
    let arguments = arguments.ok_or_else(|| short(head + count * size))?;
    let arguments = arguments
        .chunks_exact(size)
        .filter_map(|bytes| escope_wire::CallArgument::read_from_bytes(bytes).ok())
        .map(|argument| CallArgument {
            term: argument.term,
            boxed: argument.boxed,
        });
    let has = |flag: u32| record.flags & flag != 0;
    let copy = || {
        let (_, rest) = rest.split_at_checked(WATCH_ARGUMENTS * size)?;
        let (place, rest) = escope_wire::CallCopy::read_from_prefix(rest).ok()?;
        Some(CallCopy {
            stop: place.stop,
            htop: place.htop,
            took_ns: place.took_ns,
            bytes: rest.into(),
        })
    };
    Ok(Call {
        monotonic_ns: record.monotonic_ns,
        function: record.function as usize,
        moved: record.moved,
        ip: record.ip,
        return_address: (!has(call_flag::CALLER_UNREADABLE)).then_some(record.return_address),
        process: record.process,
        pid: record.pid,
        name: record.name,
        initial: record.initial,
        arguments: arguments.collect(),
        arguments_unreadable: has(call_flag::ARGUMENTS_UNREADABLE),
        sensitive: has(call_flag::SENSITIVE),
        copy: has(call_flag::COPIED).then(copy).flatten(),
        no_room: has(call_flag::NO_ROOM),
    })
}

#[cfg(test)]
mod tests {
    use escope_wire::{CallArgument, CallRecord, KIND_CALL, call_flag};
    use zerocopy::IntoBytes;

    use super::decode_call;

    fn record(arguments: u32, flags: u32) -> Vec<u8> {
        let record = CallRecord {
            kind: KIND_CALL,
            function: 3,
            moved: 2,
            flags,
            arguments,
            return_address: 0x1234,
            ..CallRecord::default()
        };
        let mut bytes = record.as_bytes().to_vec();
        for term in 0..u64::from(arguments) {
            let argument = CallArgument {
                term,
                boxed: [1, 2, 3, 4],
            };
            bytes.extend(argument.as_bytes());
        }
        bytes
    }

    #[test]
    fn a_call_has_as_many_arguments_as_were_copied() {
        let call = decode_call(&record(5, call_flag::SENSITIVE)).expect("whole");
        assert_eq!((call.function, call.moved), (3, 2));
        assert_eq!(call.return_address, Some(0x1234));
        let terms: Vec<u64> = call.arguments.iter().map(|it| it.term).collect();
        assert_eq!(terms, [0, 1, 2, 3, 4]);
        assert!(call.sensitive && !call.arguments_unreadable);
        let call = decode_call(&record(0, call_flag::CALLER_UNREADABLE)).expect("whole");
        assert_eq!((call.return_address, call.arguments.len()), (None, 0));
    }

    #[test]
    fn what_is_cut_or_another_record_is_an_error() {
        let whole = record(2, 0);
        for length in 0..whole.len() {
            assert!(decode_call(&whole[..length]).is_err(), "{length}");
        }
        let mut other = whole.clone();
        other[0] = 3;
        assert!(decode_call(&other).is_err());
        let mut strange = whole;
        strange[16] = 4;
        assert!(decode_call(&strange).is_err());
    }
}
