//! What messages said, beside the messages.

use std::collections::BTreeMap;
use std::iter::Peekable;

use escope_model::{Message, Payload, PayloadSeen};
use escope_recording::{Recording, RecordingError, Rows, TimeRange};

use crate::say::say;

/// Finds what messages said that are asked for in the order of sending. Holds those that were
/// sent at one time.
pub(crate) struct Payloads {
    rows: Peekable<Rows<Payload>>,
    held: BTreeMap<u64, Payload>,
}

impl Payloads {
    /// Of messages that were sent within a span of time.
    ///
    /// # Errors
    /// When the table's files cannot be opened.
    pub(crate) fn of(recording: &Recording, range: TimeRange) -> Result<Payloads, RecordingError> {
        let rows = recording.payloads(range)?;
        for problem in rows.problems() {
            say!("escope-bpf: warning: {problem}");
        }
        Ok(Payloads {
            rows: rows.peekable(),
            held: BTreeMap::new(),
        })
    }

    /// What a message said; `None` where nobody has asked.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub(crate) fn said(&mut self, message: &Message) -> Result<Option<Payload>, RecordingError> {
        let is_due = |row: &Result<Payload, RecordingError>| {
            row.as_ref()
                .map_or(true, |row| row.sent_ns <= message.sent_ns)
        };
        while let Some(row) = self.rows.next_if(is_due) {
            let row = row?;
            // Those of messages that nobody asks for.
            if row.sent_ns == message.sent_ns {
                self.held.insert(row.msg, row);
            }
        }
        self.held.retain(|_, row| row.sent_ns >= message.sent_ns);
        Ok(self.held.get(&message.msg).cloned())
    }
}

/// For people, of at most so many characters.
pub(crate) fn shown(payload: &Payload, most: usize) -> String {
    let Some(text) = &payload.text else {
        return match payload.seen {
            PayloadSeen::Sensitive => "not told: sensitive".to_owned(),
            PayloadSeen::Unasked => "not told: its sender could not be asked".to_owned(),
            PayloadSeen::NoRoom => "not told: there was no room for it".to_owned(),
            _ => "not told: it could not be read".to_owned(),
        };
    };
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use escope_model::{Payload, PayloadSeen};

    use super::shown;

    #[test]
    fn a_long_one_is_cut_and_one_that_is_not_told_says_why() {
        let mut payload = Payload {
            msg: 0,
            sent_ns: 0,
            seen: PayloadSeen::Whole,
            text: Some("{wörld,***}".to_owned()),
            masked: 1,
        };
        assert_eq!(shown(&payload, 11), "{wörld,***}");
        assert_eq!(shown(&payload, 4), "{wör…");
        payload.text = None;
        payload.seen = PayloadSeen::Sensitive;
        assert_eq!(shown(&payload, 4), "not told: sensitive");
    }
}
