//! Other nodes: what went to them and came from them, by node, and by process and node.

use std::cmp::Reverse;

use escope_model::ProcId;
use escope_timeline::report::{DistOf, Signals};
use serde_json::{Value, json};

use super::events::Source;
use crate::section::{Row, Section};

pub(super) fn sections(source: &Source<'_>) -> Vec<Section> {
    if source.report.rows.dist == 0 {
        return Vec::new();
    }
    vec![nodes(source), processes(source)]
}

const COLUMNS: &[&str] = &[
    "sent",
    "messages",
    "bytes",
    "received",
    "messages",
    "bytes",
    "suspended",
];

fn cells(of: &DistOf) -> Vec<String> {
    let bytes = |of: &Signals| match of.unknown {
        0 => of.bytes.to_string(),
        // Of some it is not known.
        _ => format!("{}+", of.bytes),
    };
    vec![
        of.sent.signals.to_string(),
        of.sent.messages.to_string(),
        bytes(&of.sent),
        of.received.signals.to_string(),
        of.received.messages.to_string(),
        bytes(&of.received),
        of.suspended.to_string(),
    ]
}

fn signals(of: &Signals) -> Value {
    json!({
        "signals": of.signals,
        "messages": of.messages,
        "bytes": of.bytes,
        "unknown": of.unknown,
    })
}

/// The most bytes first, then the most signals.
fn order(of: &DistOf) -> Reverse<(u64, u64)> {
    let bytes = of.sent.bytes.saturating_add(of.received.bytes);
    Reverse((bytes, of.sent.signals + of.received.signals))
}

fn nodes(source: &Source<'_>) -> Section {
    let dist = &source.report.dist;
    let mut items: Vec<(Option<&str>, &DistOf)> = dist.nodes().collect();
    items.sort_by_key(|&(node, of)| (order(of), node));
    let title = source.title("other node");
    let mut section = Section::new("nodes", title, COLUMNS, &items, source.limit, |item| {
        let (node, of) = item;
        Row {
            name: node.unwrap_or("unknown").to_owned(),
            cells: cells(of),
            value: json!({
                "node": node,
                "sent": signals(&of.sent),
                "received": signals(&of.received),
                "suspended": of.suspended,
            }),
        }
    });
    let unknown = dist.all.sent.unknown + dist.all.received.unknown;
    let what = "signals of which it is not known how many bytes they were";
    section.count("unknown", unknown, what);
    let what = "signals of nodes or processes that are too many to be told apart";
    section.count("others", dist.others, what);
    section
}

fn processes(source: &Source<'_>) -> Section {
    let dist = &source.report.dist;
    let mut items: Vec<(ProcId, Option<&str>, &DistOf)> = dist.processes().collect();
    items.sort_by_key(|&(proc, node, of)| (order(of), proc, node));
    let title = source.title("process with another node");
    let limit = source.limit;
    Section::new("dist_processes", title, COLUMNS, &items, limit, |item| {
        let (proc, node, of) = item;
        let of_node = node.unwrap_or("an unknown node");
        Row {
            name: format!("{} with {of_node}", source.name(*proc)),
            cells: cells(of),
            value: json!({
                "process": source.process(*proc, json!({})),
                "node": node,
                "sent": signals(&of.sent),
                "received": signals(&of.received),
                "suspended": of.suspended,
            }),
        }
    })
}
