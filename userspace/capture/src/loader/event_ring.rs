//! The consumer of the ring of events, which is an array that the kernel half fills: how, tells
//! [`escope_wire::RingHead`].

use std::os::fd::AsFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use escope_wire::{
    PAYLOAD_BYTES, PROCESS_BYTES, RING_BUSY, RING_DATA_AT, RING_LENGTH, RING_PLACE_SHIFT,
    RING_SPILL, RingHead, STATE_BYTES, STATE_CLASSES, ring_word,
};
use libbpf_rs::MapMut;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::CaptureError;

// Every record fits behind the ring: a copy of a state has a quarter more than its class, and what a
// process is.
const _: () = assert!(STATE_BYTES[STATE_CLASSES - 1] / 4 * 5 + PROCESS_BYTES + 4096 < RING_SPILL);
const _: () = assert!(*PAYLOAD_BYTES.end() + 4096 < RING_SPILL && RING_SPILL < RING_LENGTH);

/// How often a ring's worth of records is given back: each time the CPUs that reserve have to fetch
/// how far that is.
const GIVEN_BACK: u64 = 16;

/// What a map needs for a ring of so many bytes.
pub(super) fn map_bytes(ring_bytes: u32) -> u32 {
    RING_DATA_AT + ring_bytes + RING_SPILL
}

/// A ring, mapped.
pub(super) struct EventRing {
    map: NonNull<u8>,
    /// What it has room for, a power of two.
    bytes: u64,
    key: u64,
    consumed: u64,
}

// SAFETY: the mapping belongs to the process; what another thread may touch of it is atomic.
unsafe impl Send for EventRing {}

impl EventRing {
    /// Maps a map of [`map_bytes`].
    pub(super) fn new(
        map: &MapMut<'_>,
        ring_bytes: u32,
        key: u64,
    ) -> Result<EventRing, CaptureError> {
        let length = map_bytes(ring_bytes) as usize;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let mapped = unsafe {
            mmap(
                ptr::null_mut(),
                length,
                access,
                MapFlags::SHARED,
                map.as_fd(),
                0,
            )
        };
        let refused = |message: String| CaptureError::Bpf {
            what: "mapping the ring of events",
            message,
        };
        let mapped = mapped.map_err(|error| refused(error.to_string()))?;
        let map = NonNull::new(mapped.cast::<u8>());
        let map = map.ok_or_else(|| refused("at address 0".to_owned()))?;
        Ok(EventRing {
            map,
            bytes: ring_bytes.into(),
            key,
            consumed: 0,
        })
    }

    /// Up to which place records are reserved.
    pub(super) fn reserved(&self) -> u64 {
        self.at(std::mem::offset_of!(RingHead, reserved))
            .load(Ordering::Acquire)
    }

    /// Up to which place they were consumed.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Calls `sink` with each record that is ready, at most `limit`; returns how many. The kernel may add
    /// records as fast as they are taken.
    pub(super) fn consume(
        &mut self,
        limit: usize,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<usize, CaptureError> {
        let reserved = self.reserved();
        let (mut count, mut given_back) = (0, self.consumed);
        while count < limit && self.consumed < reserved {
            let Some(length) = self.next(reserved)? else {
                break;
            };
            sink(self.record(length));
            count += 1;
            self.consumed += room(length);
            if self.consumed - given_back >= self.bytes / GIVEN_BACK {
                self.give_back();
                given_back = self.consumed;
            }
        }
        self.give_back();
        Ok(count)
    }

    /// Passes over the next record, which has been begun and was not ended. Returns whether that can be: not
    /// before its word is there, which has its length.
    pub(super) fn pass_over(&mut self) -> bool {
        let length = self.begun().map(|word| word as u32 & RING_LENGTH);
        let end = length.map(|length| self.consumed + room(length));
        let Some(end) = end.filter(|&end| end <= self.reserved()) else {
            return false;
        };
        self.consumed = end;
        self.give_back();
        true
    }

    /// The word of the next record, if it is there.
    fn begun(&self) -> Option<u64> {
        let word = self.at(self.place()).load(Ordering::Acquire) ^ self.key;
        let of_place = ring_word(self.consumed, 0) >> RING_PLACE_SHIFT;
        // What lies there until the place is taken is of an earlier round.
        (word >> RING_PLACE_SHIFT == of_place & (u64::MAX >> RING_PLACE_SHIFT)).then_some(word)
    }

    /// The length of the next record, if it is written.
    fn next(&self, reserved: u64) -> Result<Option<u32>, CaptureError> {
        let written = |word: &u64| word & u64::from(RING_BUSY) == 0;
        let Some(word) = self.begun().filter(written) else {
            return Ok(None);
        };
        let length = word as u32 & RING_LENGTH;
        match room(length) <= reserved - self.consumed && room(length) <= RING_SPILL.into() {
            true => Ok(Some(length)),
            false => Err(CaptureError::Bpf {
                what: "reading the ring of events",
                message: format!("a record of {length} bytes at {}", self.consumed),
            }),
        }
    }

    /// Where the next record's word lies in the map.
    fn place(&self) -> usize {
        RING_DATA_AT as usize + (self.consumed & (self.bytes - 1)) as usize
    }

    fn record(&self, length: u32) -> &[u8] {
        // SAFETY: it begins in the ring and is no longer than the spill behind that, both of which are
        // mapped; the kernel half writes nothing there before it is given back.
        unsafe {
            let at = self.map.as_ptr().add(self.place() + size_of::<u64>());
            std::slice::from_raw_parts(at, length as usize)
        }
    }

    fn give_back(&self) {
        self.at(std::mem::offset_of!(RingHead, consumed))
            .store(self.consumed, Ordering::Release);
    }

    /// A word of the map.
    fn at(&self, place: usize) -> &AtomicU64 {
        // SAFETY: all callers give places within the mapping that are multiples of 8, and both halves
        // treat those words as atomic.
        unsafe { AtomicU64::from_ptr(self.map.as_ptr().add(place).cast::<u64>()) }
    }
}

impl Drop for EventRing {
    fn drop(&mut self) {
        let length = map_bytes(self.bytes as u32) as usize;
        // SAFETY: mapped so by `new`, and nothing borrows from it any more.
        let _ = unsafe { munmap(self.map.as_ptr().cast(), length) };
    }
}

/// What a record takes of the ring, with its word.
fn room(length: u32) -> u64 {
    size_of::<u64>() as u64 + u64::from(length).next_multiple_of(8)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A ring in ordinary memory, and what the kernel half does.
    struct Pair(EventRing);

    impl Pair {
        fn new(bytes: u32) -> Pair {
            let length = map_bytes(bytes) as usize;
            let access = ProtFlags::READ | ProtFlags::WRITE;
            // SAFETY: as in `EventRing::new`.
            let map = unsafe {
                let at =
                    rustix::mm::mmap_anonymous(ptr::null_mut(), length, access, MapFlags::PRIVATE);
                NonNull::new(at.unwrap().cast::<u8>()).unwrap()
            };
            let (bytes, key) = (bytes.into(), 0x1234_5678_9abc_def1);
            Pair(EventRing {
                map,
                bytes,
                key,
                consumed: 0,
            })
        }

        fn begin(&mut self, record: &[u8]) -> Option<u64> {
            let ring = &self.0;
            let reserved = ring.at(std::mem::offset_of!(RingHead, reserved));
            let at = reserved.load(Ordering::Relaxed);
            let consumed = ring.at(std::mem::offset_of!(RingHead, consumed));
            let length = record.len() as u32;
            if at + room(length) - consumed.load(Ordering::Relaxed) > ring.bytes {
                return None;
            }
            reserved.store(at + room(length), Ordering::Relaxed);
            let place = RING_DATA_AT as usize + (at & (ring.bytes - 1)) as usize;
            let word = (ring_word(at, length) | u64::from(RING_BUSY)) ^ ring.key;
            ring.at(place).store(word, Ordering::Relaxed);
            // SAFETY: there is room, in the ring and behind it.
            unsafe {
                let to = ring.map.as_ptr().add(place + 8);
                ptr::copy_nonoverlapping(record.as_ptr(), to, record.len());
            }
            Some(at)
        }

        fn end(&mut self, at: u64) {
            let place = RING_DATA_AT as usize + (at & (self.0.bytes - 1)) as usize;
            self.0
                .at(place)
                .fetch_xor(RING_BUSY.into(), Ordering::Release);
        }

        fn all(&mut self, limit: usize) -> Vec<Vec<u8>> {
            let mut all = Vec::new();
            let count = self
                .0
                .consume(limit, &mut |record| all.push(record.to_vec()));
            assert_eq!(count.unwrap(), all.len());
            all
        }
    }

    #[test]
    fn records_come_out_as_they_went_in_round_after_round() {
        let mut ring = Pair::new(4096);
        let (mut written, mut read) = (0_u64, 0_u64);
        let record = |n: u64| vec![n as u8; 1 + (n * 37 % 300) as usize];
        for _ in 0..1000 {
            while let Some(at) = ring.begin(&record(written)) {
                ring.end(at);
                written += 1;
            }
            for got in ring.all(7) {
                assert_eq!(got, record(read));
                read += 1;
            }
        }
        for got in ring.all(usize::MAX) {
            assert_eq!(got, record(read));
            read += 1;
        }
        assert_eq!(read, written);
        assert_eq!(ring.0.consumed(), ring.0.reserved());
    }

    #[test]
    fn one_that_is_not_written_holds_up_those_behind_it() {
        let mut ring = Pair::new(4096);
        let first = ring.begin(b"first").unwrap();
        let second = ring.begin(b"second").unwrap();
        ring.end(second);
        assert!(ring.all(9).is_empty());
        ring.end(first);
        assert_eq!(ring.all(9), [b"first".to_vec(), b"second".to_vec()]);
    }

    #[test]
    fn one_that_is_never_written_is_passed_over() {
        let mut ring = Pair::new(4096);
        let _ = ring.begin(b"first").unwrap();
        let second = ring.begin(b"second").unwrap();
        ring.end(second);
        assert!(ring.all(9).is_empty());
        assert!(ring.0.pass_over());
        assert_eq!(ring.all(9), [b"second".to_vec()]);
        assert!(!ring.0.pass_over());
        // One that has a place and no length yet.
        let reserved = ring.0.at(std::mem::offset_of!(RingHead, reserved));
        reserved.fetch_add(16, Ordering::Relaxed);
        assert!(!ring.0.pass_over());
    }

    #[test]
    fn what_a_record_says_is_not_taken_for_one() {
        let mut ring = Pair::new(64 * 1024);
        // Words as they stand before records of the next round, but for the key.
        let words: Vec<u8> = (0..512_u64)
            .flat_map(|n| ring_word(64 * 1024 + 8 * n, 8).to_le_bytes())
            .collect();
        for _ in 0..16 {
            let at = ring.begin(&words[..4088]).unwrap();
            ring.end(at);
        }
        assert_eq!(ring.all(99).len(), 16);
        // The place is taken, and its word is not written yet.
        let reserved = ring.0.at(std::mem::offset_of!(RingHead, reserved));
        reserved.fetch_add(16, Ordering::Relaxed);
        assert!(ring.all(99).is_empty());
    }
}
