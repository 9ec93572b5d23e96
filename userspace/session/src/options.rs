//! What the user may choose of a recording.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use escope_beam::said::Redaction;
use escope_beam::state::StateOptions;
use escope_capture::{ClockChoice, event_ring_bytes};

use escope_beam::probes::NativeName;

use crate::checkpoints::Checkpoints;
use crate::{CheckpointChoice, EventSelection, Wanted};

/// What to record.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecordOptions {
    /// Where to; must not exist.
    pub output: PathBuf,
    /// Samples a second on each CPU.
    pub frequency_hz: u32,
    /// For how long; until told otherwise when `None`.
    pub duration: Option<Duration>,
    /// Which clock to sample by.
    pub clock: ClockChoice,
    /// How much of an Erlang stack to copy.
    pub erlang_stack_bytes: u32,
    /// How much of a C stack to copy.
    pub native_stack_bytes: u32,
    /// Size of the ring between kernel and recorder; `None` chooses by frequency.
    pub ring_bytes: Option<u32>,
    /// Which events of the VM to record.
    pub events: EventSelection,
    /// Calls of which BIFs and NIFs.
    pub natives: WantedNatives,
    /// Whose, at what price.
    pub event_limits: EventLimits,
    /// When all processes are read besides.
    pub checkpoints: CheckpointChoice,
}

/// BIFs and NIFs whose calls are to be recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedNatives {
    /// Which.
    pub names: Vec<NativeName>,
    /// Whether their returns too, which says how long they took.
    pub times: bool,
}

/// What events may cost, and whom they are of.
#[derive(Debug, Clone)]
pub struct EventLimits {
    /// Size of their ring.
    pub ring_bytes: u32,
    /// How many events may wait to be put in order.
    pub held: usize,
    /// How many messages may be on their way; of older ones nothing more is told.
    pub open_messages: usize,
    /// Which share of the VM's CPU time probes may cost; `None` for all that they do.
    pub share: Option<f64>,
    /// Whose events; of all processes when `None`.
    pub processes: Option<Wanted>,
    /// Probes that do nothing, to measure what the others cost more.
    pub bare: bool,
    /// What messages say, of those whose processes were asked for; nothing when `None`, or when
    /// nobody was.
    pub payload: Option<PayloadLimits>,
    /// What processes have when they come to rest; nothing when `None`.
    pub states: Option<StateLimits>,
}

/// Of which processes states are recorded, and what of them.
#[derive(Debug, Clone)]
pub struct StateLimits {
    /// Whose: a name is one that is registered, a label, or the module that they were spawned for.
    pub wanted: Wanted,
    /// How much of each, and what of it is not told.
    pub state: StateOptions,
}

/// How much of what messages say.
#[derive(Debug, Clone)]
pub struct PayloadLimits {
    /// Bytes that are copied of each, [`PayloadLimits::BYTES`].
    pub bytes: u32,
    /// What of it is not told.
    pub redaction: Redaction,
}

impl PayloadLimits {
    /// How few and how many there may be.
    pub const BYTES: RangeInclusive<u32> = escope_wire::PAYLOAD_BYTES;
}

impl EventLimits {
    /// One hundredth of the VM's CPU time, events of all processes, in so many bytes of memory.
    #[must_use]
    pub fn within(bytes: u64) -> EventLimits {
        // A quarter each: the ring, those that are put in order, messages that are on their way;
        // the rest is for processes.
        let part = (bytes / 4).max(1 << 20);
        let largest_ring = 1u64 << part.ilog2();
        EventLimits {
            ring_bytes: largest_ring.min(64 << 20) as u32,
            held: (part / HELD_BYTES) as usize,
            open_messages: (part / MESSAGE_BYTES) as usize,
            share: Some(0.01),
            processes: None,
            bare: false,
            payload: None,
            states: None,
        }
    }

    /// A ring of so many bytes, of memory for events of so many.
    ///
    /// # Errors
    /// When it takes more than half of that, in the size that it really has.
    pub fn with_ring(
        mut self,
        ring_bytes: u32,
        memory_bytes: u64,
    ) -> Result<EventLimits, RingTooLarge> {
        self.ring_bytes = ring_bytes;
        let has_copies = self.payload.is_some() || self.states.is_some();
        let too_large = RingTooLarge {
            ring_bytes: self.ring_size().into(),
            times: if has_copies { LISTENING } else { 1 },
            allowed_bytes: memory_bytes / 2,
        };
        match too_large.bytes() > too_large.allowed_bytes {
            true => Err(too_large),
            false => Ok(self),
        }
    }

    /// What the ring has in the end.
    pub(crate) fn ring_size(&self) -> u32 {
        event_ring_bytes(self.ring_bytes)
    }

    /// The same memory, of which copies of processes take their part, as what messages say does.
    #[must_use]
    pub fn resting(mut self, states: StateLimits) -> EventLimits {
        if self.payload.is_none() {
            self.ring_bytes = (self.ring_bytes / 4).max(64 << 10);
        }
        self.states = Some(states);
        self
    }

    /// The same memory, of which what messages say takes its part: in the ring, as it is taken out
    /// of it, and until it is told. Each has room for as much as the ring.
    #[must_use]
    pub fn listening(mut self, payload: PayloadLimits) -> EventLimits {
        if self.states.is_none() {
            self.ring_bytes = (self.ring_bytes / 4).max(64 << 10);
        }
        self.payload = Some(payload);
        self
    }
}

/// The ring, what is taken out of it at once, and what is not told yet.
const LISTENING: u64 = 3;

/// A ring that takes more than its part of the memory for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingTooLarge {
    /// What the ring would have: a power of two.
    pub ring_bytes: u64,
    /// How many times that is needed: where memory of the VM is copied it is held twice more.
    pub times: u64,
    /// What all of them may have.
    pub allowed_bytes: u64,
}

impl RingTooLarge {
    /// What all of them would have.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.ring_bytes * self.times
    }
}

/// What an event takes that waits for earlier ones.
const HELD_BYTES: u64 = 160;
/// What a message takes that is on its way: itself and its entries in three tables.
const MESSAGE_BYTES: u64 = 256;

impl Default for EventLimits {
    fn default() -> EventLimits {
        EventLimits::within(256 << 20)
    }
}

impl RecordOptions {
    /// 99 Hz until told otherwise, 64 KiB of each stack.
    #[must_use]
    pub fn new(output: PathBuf) -> RecordOptions {
        RecordOptions {
            output,
            frequency_hz: 99,
            duration: None,
            clock: ClockChoice::Auto,
            erlang_stack_bytes: 64 * 1024,
            native_stack_bytes: 64 * 1024,
            ring_bytes: None,
            events: EventSelection::default(),
            natives: WantedNatives::default(),
            event_limits: EventLimits::default(),
            checkpoints: CheckpointChoice::default(),
        }
    }

    pub(crate) fn ring_bytes(&self) -> u32 {
        // A sample is about 4 KB and at most some 100 KB; the ring is for the whole host.
        self.ring_bytes.unwrap_or(match self.frequency_hz {
            0..=199 => 4 << 20,
            200..=1999 => 16 << 20,
            _ => 64 << 20,
        })
    }

    /// Whether anything is recorded besides samples.
    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
            || !self.natives.names.is_empty()
            || self.event_limits.states.is_some()
    }

    /// What is read of all processes, if anything is. Events of a few processes are of those alone.
    pub(crate) fn plan(&self) -> Option<Checkpoints> {
        let has_all = !self.events.is_empty() && self.event_limits.processes.is_none();
        let has_states = self.event_limits.states.is_some();
        self.checkpoints.plan(has_all, has_states)
    }

    /// How long to sleep between two looks, while events are watched or not.
    pub(crate) fn drain_every(&self, watched: bool) -> Duration {
        // A busy VM fills the ring of events with a hundred MB a second.
        if watched {
            return Duration::from_millis(10);
        }
        Duration::from_millis(match self.frequency_hz {
            0..=199 => 50,
            200..=1999 => 20,
            _ => 10,
        })
    }
}

#[cfg(test)]
mod tests {
    use escope_beam::said::Redaction;

    use super::{EventLimits, PayloadLimits, RingTooLarge};

    fn listening(limits: EventLimits) -> EventLimits {
        let redaction = Redaction::new(&[] as &[&str]).expect("no pattern");
        limits.listening(PayloadLimits {
            bytes: 4096,
            redaction,
        })
    }

    #[test]
    fn a_ring_is_as_large_as_the_kernel_makes_it() {
        let memory = 32 << 20;
        let limits = || EventLimits::within(memory);
        assert!(limits().with_ring(16 << 20, memory).is_ok());
        // It is rounded up to twice that.
        let refused = limits().with_ring((16 << 20) + 1024, memory).err();
        let expected = RingTooLarge {
            ring_bytes: 32 << 20,
            times: 1,
            allowed_bytes: 16 << 20,
        };
        assert_eq!(refused, Some(expected));
    }

    #[test]
    fn what_messages_say_is_held_three_times() {
        let memory = 32 << 20;
        let limits = || listening(EventLimits::within(memory));
        let refused = limits().with_ring(8 << 20, memory).err();
        assert_eq!(
            refused.map(|it| (it.times, it.bytes())),
            Some((3, 24 << 20))
        );
        assert!(limits().with_ring(4 << 20, memory).is_ok());
        assert!(limits().with_ring((4 << 20) + 1024, memory).is_err());
        // What is chosen where nobody says anything fits too.
        let chosen = limits().ring_bytes;
        assert!(limits().with_ring(chosen, memory).is_ok());
    }
}
