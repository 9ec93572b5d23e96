//! What the user may choose of a recording.

use std::path::PathBuf;
use std::time::Duration;

use escope_capture::ClockChoice;

use crate::EventSelection;

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
    /// Size of their ring.
    pub event_ring_bytes: u32,
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
            event_ring_bytes: 64 << 20,
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

    pub(crate) fn drain_every(&self) -> Duration {
        // A busy VM fills the ring of events with a hundred MB a second.
        if !self.events.is_empty() {
            return Duration::from_millis(10);
        }
        Duration::from_millis(match self.frequency_hz {
            0..=199 => 50,
            200..=1999 => 20,
            _ => 10,
        })
    }
}
