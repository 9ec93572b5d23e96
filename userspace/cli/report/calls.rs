//! Calls and what they took.

use std::cmp::Reverse;

use escope_model::ProcId;
use escope_timeline::Spread;
use escope_timeline::report::{CallTimes, CallsTo};
use serde_json::json;

use super::events::{Source, spread, spread_json};
use crate::section::{Row, Section};
use crate::time;

pub(super) fn sections(source: &Source<'_>) -> Vec<Section> {
    let calls = &source.report.calls;
    let is_any = calls.servers().next().is_some() || calls.unasked > 0;
    if !is_any && calls.from_outside == 0 {
        return Vec::new();
    }
    vec![called(source), slowest(source)]
}

fn mean(of: &Spread) -> u64 {
    of.sum().checked_div(of.count()).unwrap_or(0)
}

fn called(source: &Source<'_>) -> Section {
    let calls = &source.report.calls;
    let mut items: Vec<(ProcId, &CallsTo)> = calls.servers().collect();
    items.sort_by_key(|(proc, of)| (Reverse(of.total_ns.max()), Reverse(of.calls), *proc));
    let columns = &[
        "calls", "p50", "p99", "longest", "queued", "service", "running",
    ];
    let title = source.title("called; on average queued, service and running of it");
    let mut section = Section::new("calls", title, columns, &items, source.limit, |item| {
        let (proc, of) = item;
        let running_ns = of.running_ns.checked_div(of.running_known);
        let mut cells = vec![of.calls.to_string()];
        cells.extend(spread(&of.total_ns));
        cells.push(time::show(mean(&of.queued_ns)));
        cells.push(time::show(mean(&of.service_ns)));
        cells.push(running_ns.map_or_else(|| "?".to_owned(), time::show));
        let value = json!({
            "calls": of.calls,
            "total": spread_json(&of.total_ns),
            "queued": spread_json(&of.queued_ns),
            "service": spread_json(&of.service_ns),
            "running_ns": of.running_ns,
            "running_known": of.running_known,
            "running_known_service_ns": of.known_service_ns,
            "ambiguous": of.ambiguous,
            "unanswered": of.unanswered,
        });
        Row {
            name: source.name(*proc),
            cells,
            value: source.process(*proc, value),
        }
    });
    let sum = |of: fn(&CallsTo) -> u64| items.iter().map(|(_, it)| of(it)).sum::<u64>();
    section.count(
        "ambiguous",
        sum(|it| it.ambiguous),
        "calls have no times: several between the same two were open at once, and a reply does not \
         say which it answers",
    );
    section.count(
        "unanswered",
        sum(|it| it.unanswered),
        "calls have no reply from whom was called: still open, never answered, or answered by another",
    );
    let unasked = "replies, or what looks like one, answer nothing that was seen asked";
    section.count("unasked", calls.unasked, unasked);
    section.count("lost_in_gaps", calls.lost_in_gaps, "calls reach into gaps");
    let given_up = "calls were not followed: too many are open at once";
    section.count("given_up", calls.given_up, given_up);
    let outside = "calls came from outside of the node: their replies are not paired";
    section.count("from_outside", calls.from_outside, outside);
    section
}

fn slowest(source: &Source<'_>) -> Section {
    let calls = source.report.calls.slowest.iter();
    let items: Vec<(u64, &CallTimes)> = calls.collect();
    let title = source.title("slowest call");
    let columns = &["took", "queued", "service", "running", "returning"];
    let known = |ns: Option<u64>| ns.map_or_else(|| "?".to_owned(), time::show);
    Section::new(
        "slowest_calls",
        title,
        columns,
        &items,
        source.limit,
        |(ns, it)| {
            let (from, to) = (source.name(it.from), source.name(it.to));
            let at = it.sent_ns as f64 / 1e9;
            Row {
                name: format!("{at:.6} s  {from} calls {to}"),
                cells: vec![
                    time::show(*ns),
                    time::show(it.queued_ns),
                    time::show(it.service_ns),
                    known(it.running_ns),
                    known(it.returning_ns),
                ],
                value: json!({
                    "msg": it.msg,
                    "reply": it.reply,
                    "from": it.from.0,
                    "from_name": from,
                    "to": it.to.0,
                    "to_name": to,
                    "sent_ns": it.sent_ns,
                    "took_ns": ns,
                    "queued_ns": it.queued_ns,
                    "service_ns": it.service_ns,
                    "running_ns": it.running_ns,
                    "returning_ns": it.returning_ns,
                }),
            }
        },
    )
}
