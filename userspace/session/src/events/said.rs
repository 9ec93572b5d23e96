//! What messages said: kept from the ring until their events have their turn, then told.

use std::collections::BTreeMap;

use escope_beam::Vm;
use escope_beam::memory::Memory;
use escope_beam::said::{Listener, Redaction, is_sensitive};
use escope_capture::{Copied, decode_payload};
use escope_model::PayloadSeen;

/// What is known of what a message said: how much, its text, how many values in it were masked.
pub(super) type Told = (PayloadSeen, Option<String>, u32);

/// What was copied of messages whose events are not told yet. Nothing of it is written anywhere
/// before it is masked.
#[derive(Debug, Default)]
pub(super) struct Said {
    listener: Listener,
    /// Records by the time and the address of the message.
    waiting: BTreeMap<(u64, u64), Box<[u8]>>,
    bytes: usize,
    bytes_max: usize,
    counts: SaidCounts,
}

/// How often what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SaidCounts {
    /// Messages of which what they said is told, or a part of it.
    pub told: u64,
    /// Of those, not all of it.
    pub cut: u64,
    /// Values that were masked.
    pub masked: u64,
    /// Messages of which nothing is told, because one that they are between has asked for that or
    /// could not be asked.
    pub withheld: u64,
    /// Messages of which nothing is told, because it could not be read.
    pub unreadable: u64,
    /// Messages of which nothing is told, because there was no room for it.
    pub dropped: u64,
}

impl Said {
    /// Holds at most so many bytes.
    pub(super) fn new(redaction: Redaction, bytes_max: usize) -> Said {
        Said {
            listener: Listener::new(redaction),
            bytes_max,
            ..Said::default()
        }
    }

    /// Keeps a record, if something was copied in it.
    pub(super) fn keep(&mut self, record: &[u8]) {
        let Some(payload) = decode_payload(record) else {
            return;
        };
        let key = (payload.monotonic_ns, payload.message);
        let record: Box<[u8]> = match self.bytes + record.len() > self.bytes_max {
            // That there was a message that said something is told nevertheless.
            true => Box::default(),
            false => record.into(),
        };
        self.bytes += record.len();
        if let Some(before) = self.waiting.insert(key, record) {
            self.bytes -= before.len();
        }
    }

    /// What the message said that was sent at a time and lies at an address; `None` where nobody
    /// has asked. It can be told once. `modules` are those that sender and receiver were spawned for.
    pub(super) fn tell<M: Memory>(
        &mut self,
        (at_ns, message): (u64, u64),
        modules: &[Option<&str>],
        vm: &Vm<M>,
    ) -> Option<Told> {
        let record = self.take(at_ns, message)?;
        let withheld = |seen| (seen, None, 0);
        let Some(payload) = decode_payload(&record) else {
            let told = withheld(PayloadSeen::NoRoom);
            self.count(&told);
            return Some(told);
        };
        let told = match payload.copied {
            Copied::NoRoom => withheld(PayloadSeen::NoRoom),
            Copied::Sensitive => withheld(PayloadSeen::Sensitive),
            Copied::Unreadable => withheld(PayloadSeen::Unreadable),
            Copied::Blocks(blocks) => match sender(&payload, vm) {
                Some(seen) => withheld(seen),
                None => match self.listener.said(vm, payload.term, &blocks, modules) {
                    Err(_) => withheld(PayloadSeen::Unreadable),
                    Ok(said) => {
                        let seen = match said.whole {
                            true => PayloadSeen::Whole,
                            false => PayloadSeen::Cut,
                        };
                        (seen, Some(said.text), said.masked)
                    }
                },
            },
        };
        self.count(&told);
        Some(told)
    }

    /// A message of which nothing is told.
    pub(super) fn forget(&mut self, at_ns: u64, message: u64) {
        self.take(at_ns, message);
    }

    pub(super) fn counts(&self) -> SaidCounts {
        self.counts
    }

    fn take(&mut self, at_ns: u64, message: u64) -> Option<Box<[u8]>> {
        let record = self.waiting.remove(&(at_ns, message))?;
        self.bytes -= record.len();
        Some(record)
    }

    fn count(&mut self, (seen, _, masked): &Told) {
        let counts = &mut self.counts;
        counts.masked += u64::from(*masked);
        match seen {
            PayloadSeen::Whole => counts.told += 1,
            PayloadSeen::Cut => {
                counts.told += 1;
                counts.cut += 1;
            }
            PayloadSeen::Sensitive | PayloadSeen::Unasked => counts.withheld += 1,
            PayloadSeen::Unreadable => counts.unreadable += 1,
            PayloadSeen::NoRoom => counts.dropped += 1,
        }
    }
}

/// What speaks against telling what a sender said that the kernel half could not ask.
fn sender<M: Memory>(payload: &escope_capture::Payload<'_>, vm: &Vm<M>) -> Option<PayloadSeen> {
    if !payload.sender_unknown {
        return None;
    }
    match is_sensitive(vm, payload.from) {
        Some(false) => None,
        Some(true) => Some(PayloadSeen::Sensitive),
        None => Some(PayloadSeen::Unasked),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use escope_beam::Vm;
    use escope_beam::image::VmImage;
    use escope_beam::memory::Image;
    use escope_beam::said::Redaction;
    use escope_model::PayloadSeen;
    use escope_wire::{KIND_EVENT, PAYLOAD_PIECE_BYTES, PAYLOAD_PIECES, payload_flag, what};

    use super::{Said, SaidCounts};

    const BLOCK: u64 = 0x6fff_0000_0000;
    const BYTES_MAX: usize = 4096;

    fn vm() -> Vm<Image> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/vm");
        let image = VmImage::open(&fixtures.join("otp-25.image")).expect("a fixture");
        image.vm(None).expect("a VM")
    }

    /// A record of a message at an address: `{1,2}`.
    fn record(message: u64, from: u64, flags: u32) -> Vec<u8> {
        let block = [2u64 << 6, 1 << 4 | 0xf, 2 << 4 | 0xf];
        // Of `EventRecord`: what it is, and behind when that was, process and pid, the words.
        let kind = (KIND_EVENT as u16).to_ne_bytes();
        let what = [what::PAYLOAD as u8, 0, 0, 0, 0, 0];
        let when = 7u64.to_ne_bytes();
        let words = [0, 0, from, message, 0, 0, 0, 0, 0].map(u64::to_ne_bytes);
        let term = [BLOCK | 2, BLOCK].map(u64::to_ne_bytes).concat();
        let flags = [24, flags].map(u32::to_ne_bytes).concat();
        let pieces = [0; 8 * PAYLOAD_PIECES + PAYLOAD_PIECES * PAYLOAD_PIECE_BYTES];
        let block = block.map(u64::to_ne_bytes).concat();
        let parts = [&kind[..], &what, &when, &words.concat(), &term, &flags];
        [&parts.concat()[..], &pieces, &block].concat()
    }

    #[test]
    fn what_was_copied_is_told_once_and_nothing_else() {
        let vm = vm();
        let mut said = Said::new(Redaction::default(), BYTES_MAX);
        said.keep(&record(0x10, 0x13, 0));
        assert_eq!(said.tell((7, 0x11), &[], &vm), None);
        let whole = (PayloadSeen::Whole, Some("{1,2}".to_owned()), 0);
        assert_eq!(said.tell((7, 0x10), &[], &vm), Some(whole));
        assert_eq!(said.tell((7, 0x10), &[], &vm), None);
        // One that is told nothing of, and no record of this kind.
        said.keep(&record(0x10, 0x13, 0));
        said.forget(7, 0x10);
        said.keep(&[0; 400]);
        assert_eq!(said.tell((7, 0x10), &[], &vm), None);
        assert_eq!((said.bytes, said.waiting.len()), (0, 0));
    }

    #[test]
    fn of_who_is_sensitive_or_cannot_be_asked_nothing_is_told() {
        let vm = vm();
        let mut said = Said::new(Redaction::default(), BYTES_MAX);
        // No process has that pid.
        let gone = 0x7fff_fff3;
        for (flags, seen) in [
            (payload_flag::RECEIVER_SENSITIVE, PayloadSeen::Sensitive),
            (payload_flag::SENDER_SENSITIVE, PayloadSeen::Sensitive),
            (payload_flag::UNREADABLE, PayloadSeen::Unreadable),
            (payload_flag::NO_ROOM, PayloadSeen::NoRoom),
            (payload_flag::SENDER_UNKNOWN, PayloadSeen::Unasked),
        ] {
            said.keep(&record(0x10, gone, flags));
            assert_eq!(
                said.tell((7, 0x10), &[], &vm),
                Some((seen, None, 0)),
                "{flags}"
            );
        }
        let counts = SaidCounts {
            withheld: 3,
            unreadable: 1,
            dropped: 1,
            ..SaidCounts::default()
        };
        assert_eq!(said.counts(), counts);
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let mut said = Said::new(Redaction::default(), BYTES_MAX);
        let bytes = record(0, 0x13, 0).len();
        for message in 0..100 {
            said.keep(&record(message, 0x13, 0));
        }
        assert_eq!(said.bytes, BYTES_MAX / bytes * bytes);
        // The same message again is one.
        said.keep(&record(0, 0x13, 0));
        assert!(said.bytes <= BYTES_MAX);
        let vm = vm();
        for message in BYTES_MAX / bytes..100 {
            let told = said.tell((7, message as u64), &[], &vm);
            assert_eq!(told, Some((PayloadSeen::NoRoom, None, 0)));
        }
        assert_eq!(said.counts().dropped, 100 - (BYTES_MAX / bytes) as u64);
    }
}
