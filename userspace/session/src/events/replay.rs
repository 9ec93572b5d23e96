//! A recorded raw stream of events to a recording: what a live capture does with the bytes of its
//! ring, by the same code, and without a kernel.

use escope_beam::memory::Memory;
use escope_capture::decode_event;
use escope_model::VmEvent;
use escope_recording::Writer;
use escope_symbolizer::Symbolizer;
use escope_timeline::Reorder;

use super::natives::Natives;
use super::said::Said;
use super::tracker::Tracker;
use crate::SessionError;
use crate::options::EventLimits;
use crate::pipeline::Pipeline;

/// Records of events in, rows out.
pub struct EventReplay<M: Memory> {
    order: Reorder,
    ready: Vec<VmEvent>,
    tracker: Tracker,
    pipeline: Pipeline<M>,
}

impl<M: Memory> EventReplay<M> {
    /// Times are counted from `origin_ns`, which is before the first event.
    #[must_use]
    pub fn new(
        symbolizer: Symbolizer<M>,
        writer: Writer,
        limits: &EventLimits,
        origin_ns: u64,
    ) -> EventReplay<M> {
        let mut tracker = Tracker::new(
            symbolizer.vm(),
            Natives::default(),
            true,
            limits.open_messages,
            origin_ns,
        );
        if let Some(payload) = &limits.payload {
            let bytes = limits.ring_bytes as usize;
            tracker.listen(Said::new(payload.redaction.clone(), bytes));
        }
        EventReplay {
            order: Reorder::new(limits.held),
            ready: Vec::new(),
            tracker,
            pipeline: Pipeline::new(symbolizer, writer, origin_ns),
        }
    }

    /// Takes a record, as the kernel half writes it.
    ///
    /// # Errors
    /// When it is none.
    pub fn record(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        let (born, event) = decode_event(bytes).map_err(escope_capture::CaptureError::from)?;
        if let Some(born) = born {
            self.order.push(born, &mut self.ready);
        }
        self.order.push(event, &mut self.ready);
        self.tracker.hear(bytes);
        Ok(())
    }

    /// All records up to a time have been taken: makes rows of them.
    pub fn until(&mut self, ns: u64) {
        self.order.flush_until(ns, &mut self.ready);
        for event in self.ready.drain(..) {
            self.tracker.on(&event, None, &mut self.pipeline, &|| true);
        }
    }

    /// Where rows go.
    pub fn writer(&mut self) -> &mut Writer {
        self.pipeline.writer()
    }

    /// Nothing more will come.
    #[must_use]
    pub fn finish(mut self, end_ns: u64) -> Writer {
        self.until(u64::MAX);
        self.tracker.finish(end_ns, &mut self.pipeline);
        self.pipeline.into_writer()
    }
}
