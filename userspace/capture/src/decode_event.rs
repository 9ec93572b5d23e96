//! Bytes of the ring of events to events. Pure, and total: any bytes give events or an error.

use escope_model::{
    ExitReason, Heaps, MessageShape, SchedulerKind, SecondElement, VmEvent, VmEventKind,
};
use escope_wire::{EVENT_WORDS, EventRecord, KIND_EVENT, NOT_COUNTED, second, ties, what};
use zerocopy::IntoBytes;

use crate::DecodeError;

/// Without its words.
const HEAD_BYTES: usize = size_of::<EventRecord>() - 8 * EVENT_WORDS;

/// Reads one record, which is one event, or two: of a process that runs for the first time also
/// [`VmEventKind::Born`], which comes first.
///
/// # Errors
/// When the bytes are no whole record of a known kind.
pub fn decode_event(bytes: &[u8]) -> Result<(Option<VmEvent>, VmEvent), DecodeError> {
    let short = || DecodeError::Short {
        bytes: bytes.len(),
        needed: HEAD_BYTES,
    };
    let mut record = EventRecord::default();
    let length = bytes.len().min(size_of::<EventRecord>());
    if length < HEAD_BYTES {
        return Err(short());
    }
    let (to, from) = (record.as_mut_bytes().get_mut(..length), bytes.get(..length));
    to.zip(from)
        .map(|(to, from)| to.copy_from_slice(from))
        .ok_or_else(short)?;
    if u32::from(record.kind) != KIND_EVENT {
        return Err(DecodeError::Kind(record.kind.into()));
    }
    let what = u32::from(record.what);
    let words = (length - HEAD_BYTES) / 8;
    if words < needed(what).ok_or(DecodeError::Kind(what))? {
        return Err(short());
    }
    let event = |kind| VmEvent {
        monotonic_ns: record.monotonic_ns,
        cpu: record.cpu.into(),
        scheduler: scheduler(&record),
        process: record.process,
        pid: record.pid,
        what: kind,
    };
    let born = (what == what::BORN).then(|| {
        let [_, _, parent, module, function, arity, ties] = record.words;
        event(VmEventKind::Born {
            parent,
            call: [module, function, arity],
            linked: ties & u64::from(ties::LINKED) != 0,
            monitored: ties & u64::from(ties::MONITORED) != 0,
        })
    });
    Ok((born, event(kind(&record))))
}

/// How many words an event has at least.
fn needed(kind: u32) -> Option<usize> {
    Some(match kind {
        what::IN | what::CODE_PURGE => 2,
        what::OUT | what::STATE_FIRST..=what::STATE_NONE => 4,
        what::ENQUEUE
        | what::GC_START
        | what::GC_END
        | what::HIBERNATE_START
        | what::HIBERNATE_END => 3,
        what::NATIVE_CALL | what::PORT_OUTPUT => 3,
        what::PORT_INPUT | what::DIST_SEND => 4,
        what::DIST_FRAGMENT => 2,
        what::DIST_RECEIVE => 5,
        what::PORT_CLOSE => 5,
        what::EXIT | what::FAILED | what::PORT_OPEN | what::PAYLOAD | what::BORN => 7,
        what::DEQUEUE
        | what::REGISTER
        | what::UNREGISTER
        | what::CODE_LOAD
        | what::NATIVE_RETURN => 1,
        what::SWITCHED_OUT | what::SWITCHED_IN => 2,
        _ => return None,
    })
}

fn scheduler(record: &EventRecord) -> Option<(SchedulerKind, u16)> {
    let kind = match record.scheduler_kind {
        1 => SchedulerKind::DirtyCpu,
        2 => SchedulerKind::DirtyIo,
        _ => SchedulerKind::Normal,
    };
    let number = record.scheduler_number;
    (number != 0).then_some((kind, number))
}

fn kind(record: &EventRecord) -> VmEventKind {
    let (what, words) = (u32::from(record.what), record.words);
    let heaps = Heaps {
        young: words[0],
        old: words[1],
        minor_collections: words[2] as u16,
        hibernates: matches!(what, what::HIBERNATE_START | what::HIBERNATE_END),
    };
    match what {
        what::IN | what::BORN => VmEventKind::In {
            at: words[0],
            state: words[1] as u32,
        },
        what::OUT | what::STATE_FIRST..=what::STATE_NONE => VmEventKind::Out {
            at: words[0],
            state: words[1] as u32,
            reductions: words[2] as u32,
            before: words[3],
        },
        what::ENQUEUE | what::PAYLOAD => VmEventKind::Enqueue {
            receiver: record.process,
            receiver_pid: record.pid,
            from: words[0],
            message: words[1],
            shape: shape([words[2], words[3], words[4]]),
            size_words: size_words(words[2], words[5]),
        },
        what::DEQUEUE => VmEventKind::Dequeue { message: words[0] },
        what::EXIT | what::FAILED => VmEventKind::Exit {
            reason: ExitReason {
                shape: shape([words[0], words[1], words[2]]),
                inner: words[3],
                second: second_element([words[4], words[5], words[6]]),
            },
        },
        what::GC_START | what::HIBERNATE_START => VmEventKind::CollectionStart(heaps),
        what::GC_END | what::HIBERNATE_END => VmEventKind::CollectionEnd(heaps),
        what::REGISTER => VmEventKind::Register { name: words[0] },
        what::SWITCHED_OUT => VmEventKind::SwitchedOut {
            is_ready: words[1] != 0,
            delayed_ns: counted(words[0]),
        },
        what::SWITCHED_IN => VmEventKind::SwitchedIn {
            delayed_ns: counted(words[0]),
            queued_ns: counted(words[1]),
        },
        what::NATIVE_CALL => VmEventKind::NativeCall {
            function: words[0] as u32,
            code: words[1],
            caller: words[2],
        },
        what::NATIVE_RETURN => VmEventKind::NativeReturn {
            function: words[0] as u32,
        },
        what::CODE_LOAD => VmEventKind::CodeLoad { module: words[0] },
        what::CODE_PURGE => VmEventKind::CodePurge {
            module: words[0],
            step: words[1],
        },
        what::PORT_OPEN => VmEventKind::PortOpen {
            port: words[0],
            owner: words[1],
            driver: words[2],
            name: [words[3], words[4], words[5], words[6]],
        },
        what::PORT_CLOSE => VmEventKind::PortClose {
            port: words[0],
            owner: words[1],
            driver: words[2],
            bytes_in: words[3],
            bytes_out: words[4],
        },
        what::PORT_OUTPUT => VmEventKind::PortOutput {
            port: words[0],
            driver: words[1],
            bytes: known(words[2]),
        },
        what::PORT_INPUT => VmEventKind::PortInput {
            port: words[0],
            to: words[1],
            driver: words[2],
            bytes: known(words[3]),
        },
        what::DIST_SEND => VmEventKind::DistSend {
            node: words[0],
            bytes: known(words[1]),
            signal: (words[2] != u64::MAX).then_some([words[2], words[3]]),
        },
        what::DIST_FRAGMENT => VmEventKind::DistFragment {
            node: words[0],
            bytes: words[1],
        },
        what::DIST_RECEIVE => VmEventKind::DistReceive {
            node: words[0],
            bytes: known(words[1]),
            signal: [words[2], words[3]],
            to: words[4],
        },
        _ => VmEventKind::Unregister { name: words[0] },
    }
}

/// Of a term, and what is used of the fragment that it lies in, where that is known. Words that are
/// terms themselves end with 0b11 (`_TAG_PRIMARY_IMMED1` in `erl_term.h`).
fn size_words(term: u64, used: u64) -> Option<u32> {
    match (term & 3, used) {
        (3, _) => Some(0),
        (_, 0) => None,
        _ => u32::try_from(used).ok(),
    }
}

fn counted(ns: u64) -> Option<u64> {
    (ns != NOT_COUNTED).then_some(ns)
}

/// All ones: not known.
fn known(bytes: u64) -> Option<u64> {
    (bytes != u64::MAX).then_some(bytes)
}

fn shape([term, header, first]: [u64; 3]) -> MessageShape {
    MessageShape {
        term,
        header,
        first,
    }
}

/// Of the reason of an exit.
fn second_element([first, next, last]: [u64; 3]) -> SecondElement {
    let above = last >> second::SHIFT;
    match last as u32 & ((1 << second::SHIFT) - 1) {
        second::TRACE => SecondElement::Trace {
            function: [first, next],
            arity: u32::try_from(above)
                .ok()
                .filter(|&arity| arity < second::ARITY_UNKNOWN),
        },
        second::TUPLE => SecondElement::Tuple {
            size: above,
            elements: [first, next],
        },
        _ => SecondElement::Word(first),
    }
}

#[cfg(test)]
mod tests {
    use escope_model::{SchedulerKind, SecondElement, VmEventKind};
    use escope_wire::{EventRecord, KIND_EVENT, what};
    use zerocopy::IntoBytes;

    use super::{HEAD_BYTES, decode_event};

    fn record(kind: u32, words: usize) -> Vec<u8> {
        let record = EventRecord {
            kind: KIND_EVENT as u16,
            what: kind as u8,
            scheduler_kind: 1,
            scheduler_number: 3,
            words: [1, 2, 3, 4, 5, 6, 2],
            ..EventRecord::default()
        };
        record.as_bytes()[..HEAD_BYTES + 8 * words].to_vec()
    }

    #[test]
    fn one_that_runs_for_the_first_time_is_born_before() {
        let (born, event) = decode_event(&record(what::IN, 2)).expect("whole");
        assert_eq!(born, None);
        assert_eq!(event.what, VmEventKind::In { at: 1, state: 2 });
        assert_eq!(event.scheduler, Some((SchedulerKind::DirtyCpu, 3)));
        assert!(decode_event(&record(what::BORN, 6)).is_err());
        let (born, again) = decode_event(&record(what::BORN, 7)).expect("whole");
        assert_eq!(again, event);
        let born = born.expect("new").what;
        let call = [4, 5, 6];
        let (linked, monitored) = (false, true);
        assert_eq!(
            born,
            VmEventKind::Born {
                parent: 3,
                call,
                linked,
                monitored
            }
        );
    }

    #[test]
    fn a_message_has_the_size_of_its_fragment_or_none() {
        let size = |term: u64, count: usize| {
            let mut bytes = record(what::ENQUEUE, count);
            bytes[HEAD_BYTES + 16..HEAD_BYTES + 24].copy_from_slice(term.as_bytes());
            match decode_event(&bytes).expect("whole").1.what {
                VmEventKind::Enqueue { size_words, .. } => size_words,
                other => panic!("{other:?}"),
            }
        };
        let (boxed, cell, atom, distributed) = (0x1002, 0x1001, 0x4b, 0);
        assert_eq!((size(boxed, 6), size(boxed, 5)), (Some(6), None));
        assert_eq!((size(cell, 6), size(cell, 3)), (Some(6), None));
        assert_eq!((size(atom, 6), size(atom, 3)), (Some(0), Some(0)));
        assert_eq!(size(distributed, 3), None);
    }

    #[test]
    fn what_the_kernel_does_not_count_is_not_known() {
        let decode = |kind, words: [u64; 7]| {
            let mut bytes = record(kind, 2);
            bytes[HEAD_BYTES..].copy_from_slice(words[..2].as_bytes());
            decode_event(&bytes).expect("whole").1.what
        };
        let out = decode(what::SWITCHED_OUT, [7, 1, 0, 0, 0, 0, 0]);
        let (is_ready, delayed_ns) = (true, Some(7));
        let expected = VmEventKind::SwitchedOut {
            is_ready,
            delayed_ns,
        };
        assert_eq!(out, expected);
        let back = decode(what::SWITCHED_IN, [u64::MAX; 7]);
        let (delayed_ns, queued_ns) = (None, None);
        let expected = VmEventKind::SwitchedIn {
            delayed_ns,
            queued_ns,
        };
        assert_eq!(back, expected);
    }

    #[test]
    fn the_second_element_of_a_reason_is_a_word_a_trace_or_a_tuple() {
        let decode = |words: [u64; 7]| {
            let mut bytes = record(what::EXIT, 7);
            bytes[HEAD_BYTES..].copy_from_slice(words.as_bytes());
            match decode_event(&bytes).expect("whole").1.what {
                VmEventKind::Exit { reason } => reason.second,
                other => panic!("{other:?}"),
            }
        };
        let function = [0x4b, 0x8b];
        let trace = |arity| SecondElement::Trace { function, arity };
        assert_eq!(
            decode([2, 128, 0, 0, 0x4b, 0, 0]),
            SecondElement::Word(0x4b)
        );
        assert_eq!(
            decode([2, 128, 0, 0, 0x4b, 0x8b, 3 << 8 | 1]),
            trace(Some(3))
        );
        assert_eq!(
            decode([2, 128, 0, 0, 0x4b, 0x8b, 256 << 8 | 1]),
            trace(None)
        );
        assert_eq!(
            decode([2, 128, 0, 0, 0x4b, 0x8b, 3 << 8 | 2]),
            SecondElement::Tuple {
                size: 3,
                elements: function
            }
        );
    }

    #[test]
    fn a_cut_record_is_an_error_at_every_length() {
        let needed = [2, 4, 3, 1, 7, 3, 3, 1, 1, 3, 3, 1, 2, 7, 5, 3, 4, 4, 2, 5];
        let switches = [(what::SWITCHED_OUT, 2), (what::SWITCHED_IN, 2)];
        let natives = [(what::NATIVE_CALL, 3), (what::NATIVE_RETURN, 1)];
        let payload = [(what::PAYLOAD, 7), (what::BORN, 7), (what::FAILED, 7)];
        for (kind, words) in (0..)
            .zip(needed)
            .chain(switches)
            .chain(natives)
            .chain(payload)
        {
            let bytes = record(kind, words);
            assert!(decode_event(&bytes).is_ok(), "{kind}");
            for length in 0..bytes.len() {
                assert!(decode_event(&bytes[..length]).is_err(), "{kind}");
            }
        }
        assert!(decode_event(&record(what::COUNT as u32, 7)).is_err());
    }
}
