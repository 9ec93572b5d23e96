//! How large messages were, by who sent them, and the largest.

use std::cmp::Reverse;

use escope_model::{Message, ProcId};
use escope_timeline::report::Sizes;
use serde_json::json;

use super::events::Source;
use crate::coverage;
use crate::section::{Row, Section};

pub(super) fn sections(source: &Source<'_>) -> Vec<Section> {
    // Recordings from before sizes were recorded have none.
    match source.report.mail.weights.all.known {
        0 => Vec::new(),
        _ => vec![by_sender(source), largest(source)],
    }
}

fn by_sender(source: &Source<'_>) -> Section {
    let weights = &source.report.mail.weights;
    let mut items: Vec<(ProcId, &Sizes)> = weights.senders().collect();
    items.retain(|(_, of)| of.words > 0);
    items.sort_by_key(|(proc, of)| (Reverse(of.words), *proc));
    let columns = &["words", "in messages", "largest", "unknown"];
    let title = source.title("size of messages sent by");
    let mut section = Section::new("sizes", title, columns, &items, source.limit, |item| {
        let (proc, of) = item;
        let value = json!({
            "words": of.words,
            "known": of.known,
            "largest_words": of.largest_words,
            "unknown": of.unknown,
        });
        Row {
            name: source.name(*proc),
            cells: vec![
                of.words.to_string(),
                of.known.to_string(),
                of.largest_words.to_string(),
                of.unknown.to_string(),
            ],
            value: source.process(*proc, value),
        }
    });
    let all = &weights.all;
    section.more.insert("known".to_owned(), all.known.into());
    section.more.insert("words".to_owned(), all.words.into());
    section.count(
        "unknown",
        all.unknown,
        "messages have no known size: they do not lie within the message, as those to mailboxes off heap do",
    );
    section
}

fn largest(source: &Source<'_>) -> Section {
    let items: Vec<(u64, &Message)> = source.report.mail.weights.largest.iter().collect();
    let title = source.title("largest message, of those of known size");
    let columns = &["words"];
    let (key, limit) = ("largest_messages", source.limit);
    Section::new(key, title, columns, &items, limit, |(words, message)| {
        let what = coverage::what(message);
        let from = coverage::sender(source.dictionary, message.from);
        let to = source.name(message.to);
        let at = message.sent_ns as f64 / 1e9;
        Row {
            name: format!("{at:.6} s  {what}: {from} to {to}"),
            cells: vec![words.to_string()],
            value: json!({
                "msg": message.msg,
                "kind": message.kind.as_str(),
                "tag": message.tag,
                "from": message.from.map(|from| from.0),
                "from_name": from,
                "to": message.to.0,
                "to_name": to,
                "sent_ns": message.sent_ns,
                "size_words": words,
            }),
        }
    })
}
