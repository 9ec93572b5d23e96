//! Records taken out of the ring and not looked at yet.

use escope_model::{CodeRegistered, RawEvent};
use escope_wire::KIND_CODE;

use crate::{DecodeError, decode};

/// Records in the ring's order.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    /// Appends the bytes of a record.
    pub fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    /// How many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The registrations of code from a record on, each with its place.
    pub fn code_from(&self, first: usize) -> impl Iterator<Item = (usize, CodeRegistered)> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let records = starts.zip(&self.ends).enumerate().skip(first);
        records.filter_map(|(place, (start, &end))| {
            let record = self.bytes.get(start..end)?;
            // Looked at first: decoding a sample is not for nothing.
            if *record.first_chunk::<4>()? != KIND_CODE.to_ne_bytes() {
                return None;
            }
            match decode(record) {
                Ok(RawEvent::CodeRegistered(code)) => Some((place, code)),
                _ => None,
            }
        })
    }

    /// The bytes of each record.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| self.bytes.get(start..end).unwrap_or_default())
    }

    /// Every record, decoded.
    ///
    /// # Errors
    /// For a record that cannot be read, which would be a defect of ours.
    pub fn events(&self) -> impl Iterator<Item = Result<RawEvent<'_>, DecodeError>> {
        self.records().map(decode)
    }

    /// Forgets everything; memory for an ordinary number of records stays.
    pub fn clear(&mut self) {
        const KEPT_BYTES: usize = 4 << 20;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Batch;

    #[test]
    fn records_come_back_one_by_one() {
        let mut batch = Batch::default();
        assert!(batch.is_empty());
        // Of unknown kinds: each is an error of its own, and the next one is still found.
        for kind in [77u32, 78] {
            let head = [kind.to_le_bytes(), 8u32.to_le_bytes()].concat();
            batch.push(&head);
        }
        let kinds: Vec<String> = batch
            .events()
            .map(|event| event.expect_err("unknown").to_string())
            .collect();
        assert_eq!(
            kinds,
            ["record of unknown kind 77", "record of unknown kind 78"]
        );
        batch.clear();
        assert_eq!((batch.bytes(), batch.events().count()), (0, 0));
    }
}
