//! A raw stream of events: pairs of processes that call each other on two schedulers, as the
//! kernel half puts it into its ring.
//!
//! A round is eight events: a request is sent, the sender leaves, its server comes, takes it,
//! answers and leaves, and the first one comes and takes the answer. What happens on the two
//! schedulers is interleaved and now and then swapped, as when one of them is interrupted.

use escope_wire::{EVENT_WORDS, EventRecord, KIND_EVENT, what};
use zerocopy::IntoBytes;

use super::World;
use super::random::Random;
use super::vm::atom;

/// Events of a round.
pub(crate) const ROUND: usize = 8;
/// Rounds of neighbours overlap by so much.
const STEP_NS: u64 = 700;
const STRUCTS: u64 = 0x6100_0000_0000;
const MESSAGES: u64 = 0x6200_0000_0000;
/// `Process.state` of one that has nothing to do.
const WAITING: u64 = 0;

/// Records one after the other, with the times up to which they are whole.
pub(crate) struct EventStream {
    records: Vec<(u64, Vec<u8>)>,
}

impl EventStream {
    /// So many rounds of so many pairs.
    pub(crate) fn new(world: &World, pairs: usize, rounds: usize) -> EventStream {
        let mut random = Random::new(pairs as u64);
        let place = world.code.function(&mut random).pc(&mut random);
        let mut records = Vec::with_capacity(rounds * ROUND);
        let mut now_ns = 1_000_000_000;
        for round in 0..rounds {
            let pair = random.below(pairs) as u64;
            let scheduler = (round % 2) as u16 + 1;
            let (worker, server) = (2 * pair, 2 * pair + 1);
            // An allocator gives the same few addresses again.
            let (ask, answer) = (MESSAGES + 256 * worker, MESSAGES + 256 * server);
            let tag = atom(random.below(8));
            let events = [
                (what::ENQUEUE, [pid(worker), ask, tag, 0, 0, 0, 0], 3),
                (
                    what::OUT,
                    [place, WAITING, 40, 4000 * round as u64, 0, 0, 0],
                    4,
                ),
                (what::IN, [place, 1, 0, 0, 0, 0, 0], 2),
                (what::DEQUEUE, [ask, 0, 0, 0, 0, 0, 0], 1),
                (what::ENQUEUE, [pid(server), answer, tag, 0, 0, 0, 0], 3),
                (
                    what::OUT,
                    [place, WAITING, 60, 4000 * round as u64, 0, 0, 0],
                    4,
                ),
                (what::IN, [place, 1, 0, 0, 0, 0, 0], 2),
                (what::DEQUEUE, [answer, 0, 0, 0, 0, 0, 0], 1),
            ];
            // Who receives, of a message.
            let by = [
                server, worker, server, server, worker, server, worker, worker,
            ];
            for ((kind, words, count), who) in events.into_iter().zip(by) {
                now_ns += STEP_NS / 2 + random.below(STEP_NS as usize) as u64;
                let is_placed = matches!(kind, what::IN | what::OUT);
                let record = EventRecord {
                    kind: KIND_EVENT as u16,
                    monotonic_ns: now_ns,
                    what: kind as u8,
                    cpu: scheduler,
                    scheduler_kind: 0,
                    scheduler_number: if is_placed { scheduler } else { 0 },
                    process: struct_of(who),
                    pid: pid(who),
                    words,
                };
                let length = size_of::<EventRecord>() - 8 * (EVENT_WORDS - count);
                let bytes = record.as_bytes()[..length].to_vec();
                records.push((now_ns, bytes));
            }
        }
        // One in a hundred was reserved before its neighbour and has the later time.
        for at in (1..records.len()).step_by(97) {
            records.swap(at - 1, at);
        }
        EventStream { records }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn chunks(&self, length: usize) -> impl Iterator<Item = &[(u64, Vec<u8>)]> {
        self.records.chunks(length)
    }
}

fn struct_of(process: u64) -> u64 {
    STRUCTS + 1024 * process
}

fn pid(process: u64) -> u64 {
    (100 + process) << 4 | 3
}
