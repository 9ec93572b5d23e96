//! The ring buffer's consumer.
//!
//! libbpf wants its callback when the ring is mapped; we want to lend a different one to
//! each drain. The pointer to the lent one lives in a cell for the length of the drain.

use std::cell::Cell;
use std::rc::Rc;

use libbpf_rs::{MapCore, MapMut, RingBuffer, RingBufferBuilder};

use super::failed;
use crate::CaptureError;

type Sink = *mut dyn FnMut(&[u8]);

pub(super) struct Ring {
    buffer: RingBuffer<'static>,
    sink: Rc<Cell<Option<Sink>>>,
    bytes: u64,
}

impl Ring {
    pub(super) fn new(map: &MapMut<'_>) -> Result<Ring, CaptureError> {
        let sink: Rc<Cell<Option<Sink>>> = Rc::new(Cell::new(None));
        let lent = Rc::clone(&sink);
        let mut builder = RingBufferBuilder::new();
        builder
            .add(map, move |bytes| {
                if let Some(sink) = lent.get() {
                    // SAFETY: `consume` put a live, exclusively borrowed sink here and takes
                    // it out before it returns; libbpf calls us only from within it.
                    unsafe { (*sink)(bytes) };
                }
                0
            })
            .map_err(|error| failed("mapping the ring", &error))?;
        let buffer = builder
            .build()
            .map_err(|error| failed("mapping the ring", &error))?;
        Ok(Ring {
            buffer,
            sink,
            bytes: map.max_entries().into(),
        })
    }

    /// What it has room for. libbpf maps all of that twice in a row, and the kernel counts it as resident
    /// twice from then on (`remap_vmalloc_range`).
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Calls `sink` with each record that is ready, at most `limit`; returns how many. The
    /// kernel may add records as fast as they are taken.
    pub(super) fn consume(
        &mut self,
        limit: usize,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<usize, CaptureError> {
        let sink: *mut (dyn FnMut(&[u8]) + '_) = sink;
        // SAFETY: only the lifetime changes, and the guard below ends the loan.
        let sink: Sink = unsafe { std::mem::transmute(sink) };
        self.sink.set(Some(sink));
        let _guard = Loan(&self.sink);
        let consumed = self.buffer.consume_raw_n(limit);
        usize::try_from(consumed).map_err(|_| CaptureError::Bpf {
            what: "reading the ring",
            message: std::io::Error::from_raw_os_error(-consumed).to_string(),
        })
    }
}

/// Ends the loan also when the sink panics.
struct Loan<'a>(&'a Cell<Option<Sink>>);

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}
