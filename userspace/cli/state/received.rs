//! The messages that processes received after they had what is told of them.

use std::collections::HashMap;

use escope_model::{Message, ProcId};
use escope_recording::{Recording, TimeRange};
use serde_json::{Value, json};

use super::history::words;
use crate::payloads::{Payloads, shown};

/// How many are told of one process, at most.
const TOLD_MAX: usize = 1000;
/// Characters of what one said.
const SAID_MAX: usize = 200;

/// From when until when a process received what is asked for; not at the first instant, but at the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) proc: ProcId,
    pub(super) after_ns: i64,
    pub(super) until_ns: i64,
}

/// What a process received.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) count: usize,
    /// The first ones, in the order of receiving.
    pub(super) first: Vec<Got>,
}

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) received_ns: i64,
    /// Kind, and what it said or its tag.
    pub(super) text: String,
}

/// What was received in each of these spans, by process; `None` where no messages were recorded.
pub(super) fn received(
    recording: &Recording,
    spans: &[Span],
) -> anyhow::Result<Option<HashMap<ProcId, Received>>> {
    let spans: HashMap<ProcId, Span> = spans.iter().map(|span| (span.proc, *span)).collect();
    let mut all: HashMap<ProcId, Received> = HashMap::new();
    if spans.is_empty() {
        return Ok(None);
    }
    let mut payloads = Payloads::of(recording, TimeRange::ALL)?;
    let mut any = false;
    for message in recording.messages(TimeRange::ALL)? {
        let message: Message = message?;
        any = true;
        let (Some(span), Some(received_ns)) = (spans.get(&message.to), message.received_ns) else {
            continue;
        };
        if received_ns <= span.after_ns || received_ns > span.until_ns {
            continue;
        }
        let said = payloads.said(&message)?;
        let text = words(&message, said.map(|said| shown(&said, SAID_MAX)));
        all.entry(message.to)
            .or_default()
            .add(Got { received_ns, text });
    }
    Ok(any.then_some(all))
}

impl Received {
    /// Messages come in the order of sending.
    fn add(&mut self, got: Got) {
        self.count += 1;
        let place = self
            .first
            .partition_point(|other| other.received_ns <= got.received_ns);
        if place < TOLD_MAX {
            self.first.insert(place, got);
            self.first.truncate(TOLD_MAX);
        }
    }

    pub(super) fn json(&self) -> Value {
        let first = self.first.iter();
        first
            .map(|got| json!({ "received_ns": got.received_ns, "text": got.text }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Got, Received, TOLD_MAX};

    #[test]
    fn the_first_ones_are_told_in_the_order_of_receiving() {
        let mut received = Received::default();
        for n in (0..TOLD_MAX as i64 + 5).rev() {
            received.add(Got {
                received_ns: n,
                text: n.to_string(),
            });
        }
        assert_eq!(received.count, TOLD_MAX + 5);
        let times: Vec<i64> = received.first.iter().map(|got| got.received_ns).collect();
        assert_eq!(times, (0..TOLD_MAX as i64).collect::<Vec<_>>());
        assert_eq!(received.json()[3]["text"], "3");
    }
}
