//! `timeline --before` and `--path`: what can have led to what.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::Write;

use escope_model::{Dictionary, ProcId};
use escope_recording::{Recording, TimeRange};
use escope_timeline::{Edge, Edges, Happening, How, Latest, Past, Reach};
use serde_json::{Value, json};

use super::facts::called;
use crate::args::{ReportFormat, TimelineArgs};
use crate::coverage::{self, Coverage, name, what};
use crate::failure::Failure;
use crate::output::{self, Content};
use crate::printable::one_line;
use crate::time;

/// How many edges are kept when looking back: some 200 MB at most with what is made of them.
const EDGES_MAX: usize = 1 << 20;

/// What holds for either answer.
const UNSEEN: &str = "only messages, spawns and exit signals are looked at: ETS, ports and other \
                      nodes pass things on too";

/// The ends of all processes, which edges need to know.
fn edges_of(recording: &Recording) -> anyhow::Result<Edges> {
    let mut edges = Edges::default();
    for life in recording.lifecycle(TimeRange::ALL)? {
        edges.learn(&life?);
    }
    Ok(edges)
}

/// An edge as it is told; what its message is called comes later.
struct Told<'a> {
    edge: &'a Edge,
    what: String,
}

/// Looks up what the messages of a few edges are.
fn told<'a>(recording: &Recording, edges: &'a [Edge]) -> anyhow::Result<Vec<Told<'a>>> {
    let msg = |edge: &Edge| match edge.how {
        How::Message(msg, _) | How::ExitSignal(msg) => Some(msg),
        How::Spawn => None,
    };
    let mut names: HashMap<u64, String> = HashMap::new();
    let sent = edges
        .iter()
        .filter(|edge| msg(edge).is_some())
        .map(|edge| edge.sent_ns);
    if let (Some(first), Some(last)) = (sent.clone().min(), sent.max()) {
        let wanted: Vec<u64> = {
            let mut wanted: Vec<u64> = edges.iter().filter_map(msg).collect();
            wanted.sort_unstable();
            wanted
        };
        let bound = |ns: u64| Some(i64::try_from(ns).unwrap_or(i64::MAX));
        let range = TimeRange {
            since_ns: bound(first),
            until_ns: bound(last.saturating_add(1)),
        };
        for message in recording.messages(range)? {
            let message = message?;
            if wanted.binary_search(&message.msg).is_ok() {
                names.insert(message.msg, what(&message));
            }
        }
    }
    Ok(edges
        .iter()
        .map(|edge| {
            let name = msg(edge).and_then(|msg| names.get(&msg).cloned());
            let what = match edge.how {
                How::Spawn => "spawn".to_owned(),
                How::Message(_, kind) => name.unwrap_or_else(|| kind.as_str().to_owned()),
                How::ExitSignal(_) => "exit signal".to_owned(),
            };
            Told { edge, what }
        })
        .collect())
}

impl Told<'_> {
    fn text(&self, dictionary: &Dictionary) -> String {
        let edge = self.edge;
        let (from, to) = (name(dictionary, edge.from), name(dictionary, edge.to));
        let took = time::show(edge.got_ns - edge.sent_ns);
        match edge.how {
            How::Spawn => format!("{from} had spawned {to}, which first ran"),
            How::Message(..) => format!("{to} took {} that {from} sent {took} before", self.what),
            How::ExitSignal(_) => {
                format!("{to} ended, {took} after {from} sent it an exit signal")
            }
        }
    }

    fn json(&self, dictionary: &Dictionary) -> Value {
        let edge = self.edge;
        let (how, msg) = match edge.how {
            How::Spawn => ("spawn", None),
            How::Message(msg, _) => ("message", Some(msg)),
            How::ExitSignal(msg) => ("exit_signal", Some(msg)),
        };
        json!({
            "how": how,
            "what": self.what,
            "msg": msg,
            "from": edge.from.0,
            "from_name": name(dictionary, edge.from),
            "sent_ns": edge.sent_ns,
            "to": edge.to.0,
            "to_name": name(dictionary, edge.to),
            "got_ns": edge.got_ns,
        })
    }
}

/// `--before PROC@TIME`: all that can have led to it, the latest first.
pub(super) fn before(
    recording: &Recording,
    dictionary: &Dictionary,
    range: TimeRange,
    asked: &str,
    args: &TimelineArgs,
) -> anyhow::Result<()> {
    let start_ns = recording.manifest().clocks.start_realtime_ns;
    // A name may have an @ in it, a time has none.
    let parts = asked.rsplit_once('@').ok_or_else(|| {
        Failure::usage(format!(
            "{asked:?} is no PROC@TIME: write it like my_server@12.5s"
        ))
    })?;
    let at_ns = time::parse_point(parts.1, start_ns).map_err(Failure::usage)?;
    let at_ns = u64::try_from(at_ns).unwrap_or(0);
    let who = called(dictionary, parts.0)?;
    let coverage = Coverage::of(recording, range)?;
    let mut edges = edges_of(recording)?;
    let mut latest = Latest::new(EDGES_MAX);
    for row in coverage::rows(recording, Some(at_ns.saturating_add(1)))? {
        let edge = edges.of(&row?);
        if let Some(edge) = edge
            && edge.got_ns <= at_ns
            && edge.sent_ns >= coverage.since_ns
        {
            latest.push(edge);
        }
    }
    let past = Past::of(latest, &who, at_ns);
    let unknown: u64 = past.until_ns.keys().map(|&proc| edges.unknown(proc)).sum();
    let complete_since_ns = past.complete_since_ns.max(coverage.since_ns);
    let lost_ns = coverage.gaps.lost_ns(complete_since_ns, at_ns);
    let listed = match args.table() {
        ReportFormat::Table => past.edges.get(..args.rows).unwrap_or(&past.edges),
        ReportFormat::Json => &past.edges,
    };
    let told = told(recording, listed)?;
    match args.table() {
        ReportFormat::Table => output::write_to(None, Content::Text, |out| {
            let head = format!(
                "{} messages, spawns and exit signals of {} processes can have led to what {} did \
                 until {:.6} s",
                past.edges.len(),
                past.until_ns.len(),
                parts.0,
                at_ns as f64 / 1e9,
            );
            writeln!(out, "{}", one_line(&head))?;
            if past.complete_since_ns > 0 {
                let since_s = past.complete_since_ns as f64 / 1e9;
                writeln!(
                    out,
                    "looked back to {since_s:.6} s; what was before that is not in it"
                )?;
            }
            notes(lost_ns, unknown, out)?;
            writeln!(out)?;
            list(&told, dictionary, out)?;
            if past.edges.len() > told.len() {
                writeln!(
                    out,
                    "and {} more: -n shows them",
                    past.edges.len() - told.len()
                )?;
            }
            Ok(())
        }),
        ReportFormat::Json => output::json(&json!({
                "processes": past.until_ns.len(),
                "complete_since_ns": complete_since_ns,
                "in_gaps_ns": lost_ns,
                "unknown_messages": unknown,
                "vector_clock": vector_clock(&past, dictionary),
                "past": told.iter().map(|it| it.json(dictionary)).collect::<Vec<_>>(),
        })),
    }
}

/// Up to when what each process did is in the past, the latest first.
fn vector_clock(past: &Past, dictionary: &Dictionary) -> Vec<Value> {
    let mut clock: Vec<(ProcId, u64)> = past.until_ns.iter().map(|(&who, &ns)| (who, ns)).collect();
    clock.sort_unstable_by_key(|&(who, until_ns)| (Reverse(until_ns), who));
    let entry = |(who, until_ns): (ProcId, u64)| json!({ "proc": who.0, "name": name(dictionary, who), "until_ns": until_ns });
    clock.into_iter().map(entry).collect()
}

fn notes(lost_ns: u64, unknown: u64, out: &mut dyn Write) -> anyhow::Result<()> {
    if lost_ns > 0 {
        let lost = time::show(lost_ns);
        writeln!(
            out,
            "events are missing in {lost} of that time: more can have led to it"
        )?;
    }
    if unknown > 0 {
        writeln!(
            out,
            "{unknown} messages to these processes have an unknown fate: they may belong to it too"
        )?;
    }
    Ok(writeln!(out, "{UNSEEN}")?)
}

fn list(told: &[Told<'_>], dictionary: &Dictionary, out: &mut dyn Write) -> anyhow::Result<()> {
    for it in told {
        let at_s = it.edge.got_ns as f64 / 1e9;
        writeln!(out, "{at_s:>14.6} s  {}", one_line(&it.text(dictionary)))?;
    }
    Ok(())
}

/// `--path A,B`: by which messages A influenced B first.
pub(super) fn path(
    recording: &Recording,
    dictionary: &Dictionary,
    range: TimeRange,
    asked: &str,
    args: &TimelineArgs,
) -> anyhow::Result<()> {
    let parts = asked.split_once(',').ok_or_else(|| {
        Failure::usage(format!(
            "{asked:?} is no A,B: give two processes with a comma between them"
        ))
    })?;
    let from = called(dictionary, parts.0)?;
    let to = called(dictionary, parts.1)?;
    let coverage = Coverage::of(recording, range)?;
    let mut edges = edges_of(recording)?;
    let mut reach = Reach::from(&from, coverage.since_ns);
    for row in coverage::rows(recording, Some(coverage.until_ns))? {
        let row: Happening = row?;
        let edge = edges.of(&row);
        if let Some(edge) = edge.filter(|edge| edge.got_ns < coverage.until_ns) {
            reach.push(edge);
        }
    }
    reach.finish();
    let others = to.iter().filter(|proc| !from.contains(proc));
    let first = others
        .filter_map(|&proc| Some((reach.at_ns(proc)?, proc)))
        .min();
    let chain = first.and_then(|(_, proc)| reach.chain(proc));
    let lost_ns = coverage.gaps.lost_ns(coverage.since_ns, coverage.until_ns);
    let told = told(recording, chain.as_deref().unwrap_or(&[]))?;
    match args.table() {
        ReportFormat::Table => output::write_to(None, Content::Text, |out| {
            let part = format!(
                "from {:.6} s to {:.6} s",
                coverage.since_ns as f64 / 1e9,
                coverage.until_ns as f64 / 1e9,
            );
            let (one, other) = parts;
            let head = match first {
                Some((at_ns, _)) => format!(
                    "{one} can have influenced {other} by {:.6} s, in {} steps; in all it reached \
                     {} processes {part}",
                    at_ns as f64 / 1e9,
                    told.len(),
                    reach.count().saturating_sub(from.len()),
                ),
                None => format!(
                    "no chain of messages, spawns and exit signals leads from {one} to {other} \
                     {part}; it reached {} other processes",
                    reach.count().saturating_sub(from.len()),
                ),
            };
            writeln!(out, "{}", one_line(&head))?;
            if lost_ns > 0 {
                let lost = time::show(lost_ns);
                writeln!(
                    out,
                    "events are missing in {lost} of that time: there may be more ways"
                )?;
            }
            writeln!(out, "{UNSEEN}\n")?;
            list(&told, dictionary, out)
        }),
        ReportFormat::Json => output::json(&json!({
                "from_ns": coverage.since_ns,
                "to_ns": coverage.until_ns,
                "in_gaps_ns": lost_ns,
                "reached": reach.count().saturating_sub(from.len()),
                "influenced_ns": first.map(|first| first.0),
                "chain": told.iter().map(|it| it.json(dictionary)).collect::<Vec<_>>(),
        })),
    }
}
