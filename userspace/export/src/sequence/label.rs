//! What is written at an arrow.

use escope_model::{Fate, MessageKind};

use super::{Letter, Sequence};
use crate::axis::exact;
use crate::text::duration;

/// Longest tag that is written.
const TAG_CHARS: usize = 40;
/// Characters of a line of what it says.
const SAID_LINE: usize = 100;

/// How long it lay in the mailbox.
pub(super) fn lain_ns(letter: &Letter) -> Option<u64> {
    let received_ns = letter.received_ns?;
    Some(u64::try_from(received_ns.saturating_sub(letter.sent_ns)).unwrap_or(0))
}

/// Kind, tag, pair and fate in a few words.
pub(super) fn short(sequence: &Sequence, at: usize, letter: &Letter) -> String {
    let mut text = letter.kind.as_str().to_owned();
    let tag = letter
        .tag
        .as_deref()
        .filter(|tag| !is_kind(letter.kind, tag));
    // What it says has its tag in it.
    if let Some(tag) = letter.payload.as_deref().or(tag) {
        let cut: String = tag.chars().take(TAG_CHARS).collect();
        text = format!("{text} {cut}");
        if cut.len() < tag.len() {
            text.push('…');
        }
    }
    if let Some(pair) = sequence.pair(at) {
        text = format!("{text} {pair}");
    }
    if let Some(total_ns) = answered_ns(sequence, at)
        && letter.kind == MessageKind::Reply
    {
        text += &format!(", {} after the call", duration(total_ns));
    }
    match letter.fate {
        Fate::Received => {}
        Fate::Waiting => text += " (not taken yet)",
        Fate::Dropped => text += " (dropped: receiver ended)",
        Fate::Unknown => text += " (fate unknown)",
    }
    text
}

/// A tag that says nothing that the kind does not say.
fn is_kind(kind: MessageKind, tag: &str) -> bool {
    match kind {
        MessageKind::Call => tag == "$gen_call",
        MessageKind::Cast => tag == "$gen_cast",
        MessageKind::Down => tag == "DOWN",
        MessageKind::Exit => tag == "EXIT",
        MessageKind::Timeout => tag == "timeout",
        MessageKind::System => tag == "system",
        _ => false,
    }
}

/// From a call's sending to its reply's.
fn answered_ns(sequence: &Sequence, at: usize) -> Option<u64> {
    let partner = (*sequence.partners.get(at)?)?;
    let letters = &sequence.script.letters;
    let (call, reply) = (letters.get(at.min(partner))?, letters.get(at.max(partner))?);
    Some(reply.sent_ns.abs_diff(call.sent_ns))
}

/// All that is known of it, a line each.
pub(super) fn long(sequence: &Sequence, at: usize, letter: &Letter) -> Vec<String> {
    let tag = letter.tag.as_deref().map(|tag| format!(" {tag}"));
    let name = |lane: usize| {
        let participant = sequence.script.participants.get(lane);
        participant.map_or("?", |it| it.name.as_str())
    };
    let mut lines = vec![
        format!("{}{}", letter.kind.as_str(), tag.unwrap_or_default()),
        format!("from {} to {}", name(letter.from), name(letter.to)),
        format!("sent at {}", exact(letter.sent_ns)),
    ];
    let said: Vec<char> = letter
        .payload
        .iter()
        .flat_map(|said| said.chars())
        .collect();
    let said = said.chunks(SAID_LINE).map(|line| line.iter().collect());
    lines.extend(said);
    lines.push(match (lain_ns(letter), letter.fate) {
        (Some(lain_ns), _) => format!("lay in the mailbox for {}", duration(lain_ns)),
        (None, Fate::Dropped) => "never taken: the receiver ended first".to_owned(),
        (None, Fate::Waiting) => "not taken while that was seen".to_owned(),
        (None, _) => "what became of it was not seen".to_owned(),
    });
    if let Some(answered_ns) = answered_ns(sequence, at) {
        lines.push(match letter.kind {
            MessageKind::Call => format!("answered {} after it was sent", duration(answered_ns)),
            _ => format!("sent {} after the call", duration(answered_ns)),
        });
    } else if letter.kind == MessageKind::Call {
        lines.push("which reply is its own cannot be told, or there is none here".to_owned());
    }
    lines
}
