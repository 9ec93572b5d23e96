//! Who sent and got how much, how long that lay, and whose mailbox grew.

use std::cmp::Reverse;

use escope_model::{MessageKind, ProcId};
use escope_timeline::report::{Lain, Letters, Mailbox, PerKind};
use serde_json::{Map, Value, json};

use super::events::{Source, rate, spread, spread_json};
use crate::coverage;
use crate::section::{Row, Section, at_least_json};
use crate::time;

pub(super) fn sections(source: &Source<'_>) -> Vec<Section> {
    if source.report.rows.messages == 0 {
        return Vec::new();
    }
    let mail = &source.report.mail;
    let mut senders: Vec<(ProcId, &PerKind)> = mail.senders().collect();
    senders.sort_by_key(|(proc, of)| (Reverse(of.sum()), *proc));
    let mut receivers: Vec<(ProcId, &Letters)> = mail.receivers().collect();
    receivers.retain(|(_, of)| of.sent.sum() > 0);
    receivers.sort_by_key(|(proc, of)| (Reverse(of.sent.sum()), *proc));
    let mut senders = traffic(source, "senders", "sender", &senders, |of| of);
    let outside = "messages came from ports, timers, other nodes or the VM itself";
    senders.count("from_outside", mail.from_outside, outside);
    let mut receivers_section = traffic(source, "receivers", "receiver", &receivers, |of| &of.sent);
    receivers_section
        .more
        .insert("kinds".to_owned(), kinds(&mail.kinds));
    vec![
        senders,
        receivers_section,
        lain(source),
        longest(source),
        mailboxes(source),
    ]
}

fn kinds(of: &PerKind) -> Value {
    let all = MessageKind::ALL.iter();
    let kinds = all.map(|&kind| (kind.as_str().to_owned(), Value::from(of.of(kind))));
    Value::Object(kinds.collect::<Map<String, Value>>())
}

fn traffic<T>(
    source: &Source<'_>,
    key: &'static str,
    title: &str,
    items: &[(ProcId, T)],
    per_kind: impl Fn(&T) -> &PerKind,
) -> Section {
    let columns = &["messages", "per s", "calls", "casts", "replies", "other"];
    let title = source.title(title);
    Section::new(key, title, columns, items, source.limit, |(proc, of)| {
        let of = per_kind(of);
        let named = [MessageKind::Call, MessageKind::Cast, MessageKind::Reply].map(|it| of.of(it));
        let mut cells = vec![of.sum().to_string(), rate(source.rate(of.sum()))];
        cells.extend(named.map(|count| count.to_string()));
        cells.push((of.sum() - named.iter().sum::<u64>()).to_string());
        let value = json!({
            "messages": of.sum(),
            "per_s": source.rate(of.sum()),
            "kinds": kinds(of),
        });
        Row {
            name: source.name(*proc),
            cells,
            value: source.process(*proc, value),
        }
    })
}

fn lain(source: &Source<'_>) -> Section {
    let mail = &source.report.mail;
    let mut items: Vec<(ProcId, &Letters)> = mail.receivers().collect();
    let longest_ns = |of: &Letters| of.lain_ns.max().max(of.waiting.max_ns);
    items.sort_by_key(|(proc, of)| (Reverse(longest_ns(of)), Reverse(of.waiting.count), *proc));
    let columns = &[
        "taken",
        "p50",
        "p99",
        "longest",
        "left there",
        "for over",
        "unknown",
    ];
    let title = source.title("how long messages lay in the mailbox of");
    let mut section = Section::new("queueing", title, columns, &items, source.limit, |item| {
        let (proc, of) = item;
        let mut cells = vec![of.lain_ns.count().to_string()];
        cells.extend(spread(&of.lain_ns));
        cells.push(of.waiting.count.to_string());
        cells.push(match of.waiting.count {
            0 => "-".to_owned(),
            _ => time::show(of.waiting.max_ns),
        });
        cells.push(of.unknown.to_string());
        let value = json!({
            "lain": spread_json(&of.lain_ns),
            "waiting": of.waiting.count,
            "waiting_at_least": at_least_json(&of.waiting),
            "dropped": of.dropped,
            "unknown": of.unknown,
        });
        Row {
            name: source.name(*proc),
            cells,
            value: source.process(*proc, value),
        }
    });
    let sum = |of: fn(&Letters) -> u64| items.iter().map(|(_, it)| of(it)).sum::<u64>();
    section.count(
        "unknown",
        sum(|it| it.unknown),
        "have an unknown fate: events are missing, or they were signals that did not become a message",
    );
    let dropped = "were never taken, since the receiver ended";
    section.count("dropped", sum(|it| it.dropped), dropped);
    section
}

fn longest(source: &Source<'_>) -> Section {
    let items: Vec<(u64, &Lain)> = source.report.mail.longest.iter().collect();
    let title = source.title("message that lay longest");
    let columns = &["lay", "taken"];
    Section::new(
        "longest_queueing",
        title,
        columns,
        &items,
        source.limit,
        |(ns, it)| {
            let message = &it.message;
            let what = coverage::what(message);
            let from = coverage::sender(source.dictionary, message.from);
            let to = source.name(message.to);
            let at = message.sent_ns as f64 / 1e9;
            let taken = if it.is_there { "not yet" } else { "yes" };
            Row {
                name: format!("{at:.6} s  {what}: {from} to {to}"),
                cells: vec![time::show(*ns), taken.to_owned()],
                value: json!({
                    "msg": message.msg,
                    "kind": message.kind.as_str(),
                    "tag": message.tag,
                    "from": message.from.map(|from| from.0),
                    "from_name": from,
                    "to": message.to.0,
                    "to_name": to,
                    "sent_ns": message.sent_ns,
                    "lay_ns": ns,
                    "is_there": it.is_there,
                }),
            }
        },
    )
}

fn mailboxes(source: &Source<'_>) -> Section {
    let mut items: Vec<(ProcId, &Mailbox)> = source.report.mail.mailboxes().collect();
    let growth = |of: &Mailbox| of.at_end as i64 - of.at_begin as i64;
    // Any mailbox has one message in it at times.
    items.retain(|(_, of)| of.peak > 1 || growth(of) != 0);
    items.sort_by_key(|(proc, of)| (Reverse(growth(of)), Reverse(of.peak), *proc));
    let title = source.title("mailbox, of messages that were seen sent");
    let columns = &["grew by", "at begin", "at end", "peak"];
    let mut section = Section::new(
        "mailboxes",
        title,
        columns,
        &items,
        source.limit,
        |(proc, of)| {
            let value = json!({
                "grew_by": growth(of),
                "at_begin": of.at_begin,
                "at_end": of.at_end,
                "peak": of.peak,
            });
            Row {
                name: source.name(*proc),
                cells: vec![
                    growth(of).to_string(),
                    of.at_begin.to_string(),
                    of.at_end.to_string(),
                    of.peak.to_string(),
                ],
                value: source.process(*proc, value),
            }
        },
    );
    let given_up = "mailboxes are of unknown length: too much lay in mailboxes at once";
    section.count("given_up", source.report.mail.given_up, given_up);
    section
}
