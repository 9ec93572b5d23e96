//! Puts batches that overlap in time into one order.
//!
//! Batches are loaded by their earliest row. Before a batch is loaded, every row
//! that is earlier than all of its rows can be given out. Only rows that are out of
//! order wait in memory: about a batch, since the rings of all CPUs are drained
//! together. Rows of equal time keep the order in which they were written.
//!
//! If more than [`MAX_WAITING`] rows wait, which takes a clock that jumps, the
//! earlier half is given out unsorted with respect to what follows.

use std::collections::VecDeque;

use crate::error::RecordingError;
use crate::stream::BatchPlace;
use crate::tables::Timed;

/// About 256 MiB of samples, less than twice that of messages.
pub(crate) const MAX_WAITING: usize = 4 << 20;

/// Gives out the rows of batches in time order, chunk by chunk.
pub(crate) struct Merge<R, L> {
    places: VecDeque<BatchPlace>,
    load: L,
    waiting: Vec<R>,
    max_waiting: usize,
}

impl<R, L> Merge<R, L>
where
    R: Timed,
    L: FnMut(BatchPlace) -> Result<Vec<R>, RecordingError>,
{
    /// Merges the batches at `places`, which `load` reads.
    pub(crate) fn new(mut places: Vec<BatchPlace>, load: L) -> Merge<R, L> {
        // Stable, so batches with one earliest time stay in the order of writing.
        places.sort_by_key(|place| place.min_ns);
        Merge {
            places: places.into(),
            load,
            waiting: Vec::new(),
            max_waiting: MAX_WAITING,
        }
    }

    fn next_chunk(&mut self) -> Result<Vec<R>, RecordingError> {
        loop {
            let Some(place) = self.places.front().copied() else {
                return Ok(std::mem::take(&mut self.waiting));
            };
            let ready = if self.waiting.len() > self.max_waiting {
                self.waiting.len() / 2
            } else {
                self.waiting
                    .partition_point(|row| row.ts_ns() < place.min_ns)
            };
            if ready > 0 {
                let rest = self.waiting.split_off(ready);
                return Ok(std::mem::replace(&mut self.waiting, rest));
            }
            self.places.pop_front();
            self.waiting.append(&mut (self.load)(place)?);
            // Linear where runs are sorted already.
            self.waiting.sort_by_key(Timed::ts_ns);
        }
    }
}

impl<R, L> Iterator for Merge<R, L>
where
    R: Timed,
    L: FnMut(BatchPlace) -> Result<Vec<R>, RecordingError>,
{
    type Item = Result<Vec<R>, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_chunk() {
            Ok(rows) if rows.is_empty() => None,
            Ok(rows) => Some(Ok(rows)),
            Err(e) => {
                self.places.clear();
                self.waiting.clear();
                Some(Err(e))
            }
        }
    }
}

#[cfg(test)]
mod tests;
