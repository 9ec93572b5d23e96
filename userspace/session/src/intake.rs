//! From the ring to names, in an order that never gives a wrong one.
//!
//! Names of code are right as long as each load of code was announced. Where announcements were
//! lost, or there are none, the VM's list is read anew before the samples of that time are
//! named; they wait meanwhile. Reading the list may take long, in a VM that has loaded much, so
//! it has a limit: a share of the time, while samples wait.

use std::time::{Duration, Instant};

use escope_beam::code::ModuleCode;
use escope_capture::{Batch, Capture, CodeFollowing};
use escope_model::{CodeRegistered, RawEvent};

use crate::SessionError;
use crate::cost::monotonic_ns;
use crate::pipeline::Pipeline;

/// How many records are taken before the clock and the signals are looked at again: a recorder
/// that is slower than its target must still end when it is told to.
const FETCH_MAX: usize = 4096;
/// How many bytes may wait for names. Beyond, they stay in the ring, where losses are counted.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// The list is not read more often than this,
const READ_EVERY: Duration = Duration::from_millis(250);
/// nor for more than one part in so many of the time.
const READ_SHARE: u32 = 10;
/// How often a list is tried that changes while it is read, when there is no later.
const LAST_TRIES: usize = 20;

/// How often what has come meanwhile is looked at, in a VM that loads code all the time.
const LOOKS_MAX: usize = 4;

/// A registration of code in the batch, and what was read of it.
struct Announced {
    place: usize,
    event: CodeRegistered,
    /// `None` also for what cannot be trusted.
    module: Option<ModuleCode>,
}

/// Takes records out of the ring and hands them to the pipeline.
pub(crate) struct Intake {
    batch: Batch,
    /// All registrations in the batch, in its order.
    announced: Vec<Announced>,
    /// Records of the batch that were searched for them.
    searched: usize,
    /// Registrations that came out of the ring.
    code_records: u64,
    /// Lost announcements that were seen.
    lost: u64,
    /// Until when all announcements were there.
    sound_until_ns: u64,
    /// Since when they were not.
    doubt_since_ns: Option<u64>,
    read_next: Instant,
}

impl Intake {
    /// `listed_ns` is when the VM's list was read, and `whole` whether all of it.
    pub(crate) fn new(listed_ns: u64, whole: bool) -> Intake {
        Intake {
            batch: Batch::default(),
            announced: Vec::new(),
            searched: 0,
            code_records: 0,
            lost: 0,
            sound_until_ns: listed_ns,
            doubt_since_ns: (!whole).then_some(listed_ns),
            read_next: Instant::now(),
        }
    }

    /// Takes what there is, and names it unless it has to wait. Returns whether there may be
    /// more.
    pub(crate) fn take(
        &mut self,
        capture: &mut Capture,
        pipeline: &mut Pipeline,
    ) -> Result<bool, SessionError> {
        let more = self.fetch(capture, pipeline)?;
        if self.doubt_since_ns.is_some() && Instant::now() >= self.read_next {
            self.read_list(pipeline);
        }
        if self.doubt_since_ns.is_none() {
            self.name(capture, pipeline)?;
        }
        Ok(more)
    }

    /// Takes and names all that is left, when nothing is added any more.
    pub(crate) fn take_all(
        &mut self,
        capture: &mut Capture,
        pipeline: &mut Pipeline,
    ) -> Result<(), SessionError> {
        loop {
            let more = self.fetch(capture, pipeline)?;
            for _ in 0..LAST_TRIES {
                if self.doubt_since_ns.is_some() {
                    self.read_list(pipeline);
                }
            }
            if let Some(since_ns) = self.doubt_since_ns.take() {
                pipeline.symbolizer.end_code(since_ns);
            }
            self.name(capture, pipeline)?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Whether what was taken waits for code to be read anew.
    pub(crate) fn waits(&self) -> bool {
        self.doubt_since_ns.is_some()
    }

    /// Whether all that the VM has announced of its code was handed over.
    pub(crate) fn is_sound(&self, capture: &Capture) -> bool {
        let exact = *capture.code_following() == CodeFollowing::Exact;
        !exact || capture.code_records() == self.code_records
    }

    fn fetch(
        &mut self,
        capture: &mut Capture,
        pipeline: &mut Pipeline,
    ) -> Result<bool, SessionError> {
        if self.batch.bytes() > WAITING_BYTES_MAX {
            return Ok(false);
        }
        let mut fetched = capture.fetch(FETCH_MAX, &mut self.batch)?;
        for _ in 0..LOOKS_MAX {
            let before = self.read_announced(pipeline);
            if before == self.announced.len() {
                break;
            }
            // What was read is that piece's if the VM had not freed it yet. Before it does it
            // unregisters the piece, which is in the ring by now.
            fetched += capture.fetch(FETCH_MAX, &mut self.batch)?;
            self.distrust(before);
        }
        // After the fetch: a sample in code whose announcement was lost came after the loss.
        let lost = capture.code_doubts();
        let polls = *capture.code_following() != CodeFollowing::Exact;
        if lost != self.lost || polls && !self.batch.is_empty() {
            self.lost = lost;
            self.doubt_since_ns.get_or_insert(self.sound_until_ns);
        }
        Ok(fetched >= FETCH_MAX)
    }

    /// Reads what the VM says of the code registered in records that are new. Returns how many
    /// registrations there were before.
    fn read_announced(&mut self, pipeline: &mut Pipeline) -> usize {
        let before = self.announced.len();
        for (place, event) in self.batch.code_from(self.searched) {
            self.announced.push(Announced {
                place,
                event,
                module: pipeline.symbolizer.read_registered(&event),
            });
        }
        self.searched = self.batch.len();
        self.code_records += (self.announced.len() - before) as u64;
        before
    }

    /// Forgets what was read of registrations from `first` on if its memory has changed hands
    /// since.
    fn distrust(&mut self, first: usize) {
        for announced in self.announced.iter_mut().skip(first) {
            let event = announced.event;
            let mut later = self.batch.code_from(announced.place + 1);
            if later.any(|(_, later)| later.blob == event.blob || later.entry == event.entry) {
                announced.module = None;
            }
        }
    }

    fn read_list(&mut self, pipeline: &mut Pipeline) {
        let Some(since_ns) = self.doubt_since_ns else {
            return;
        };
        let begun = Instant::now();
        let begun_ns = monotonic_ns();
        match pipeline.symbolizer.read_code_anew(since_ns, monotonic_ns) {
            Ok(Some(changed)) => {
                pipeline.code_unseen(changed);
                self.doubt_since_ns = None;
                self.sound_until_ns = begun_ns;
            }
            // It changes faster than it is read: later.
            Ok(None) => {}
            // The target is gone.
            Err(_) => {
                pipeline.symbolizer.end_code(since_ns);
                self.doubt_since_ns = None;
            }
        }
        self.read_next = Instant::now() + READ_EVERY.max(begun.elapsed() * READ_SHARE);
    }

    fn name(&mut self, capture: &Capture, pipeline: &mut Pipeline) -> Result<(), SessionError> {
        for announced in &self.announced {
            pipeline.symbolizer.code_doubted(&announced.event);
        }
        let records = self.code_records;
        let exact = *capture.code_following() == CodeFollowing::Exact;
        let sound = || !exact || capture.code_records() == records;
        let mut announced = self.announced.drain(..);
        let (mut late, mut bad) = (0, None);
        for event in self.batch.events() {
            match event {
                Ok(RawEvent::Sample(sample)) => {
                    self.sound_until_ns = self.sound_until_ns.max(sample.monotonic_ns);
                    pipeline.sample(&sample, &sound);
                }
                Ok(RawEvent::CodeRegistered(code)) => {
                    self.sound_until_ns = self.sound_until_ns.max(code.monotonic_ns);
                    let read = announced.next();
                    // Came after the last look: counted, but nothing was read of it.
                    late += u64::from(read.is_none());
                    pipeline.code(&code, read.and_then(|announced| announced.module));
                }
                Err(error) => bad = Some(error),
            }
        }
        drop(announced);
        self.code_records += late;
        self.batch.clear();
        self.searched = 0;
        bad.map_or(Ok(()), |error| {
            Err(escope_capture::CaptureError::from(error).into())
        })
    }
}
