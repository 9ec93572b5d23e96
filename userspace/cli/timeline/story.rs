//! One process, event by event.

use escope_model::{Dictionary, Fate, LifeEvent, ProcId};
use escope_recording::{Recording, TimeRange};
use serde_json::{Value, json};

use super::facts::{is_called, place};
use super::name;
use crate::args::{TimelineArgs, TimelineFormat};
use crate::failure::Failure;
use crate::output::{self, Content};
use crate::printable::one_line;
use crate::time;

/// Something that happened to it.
struct Event {
    at_ns: i64,
    text: String,
    value: Value,
}

/// Prints what happened to the processes of a name.
pub(super) fn tell(
    recording: &Recording,
    dictionary: &Dictionary,
    range: TimeRange,
    wanted: &str,
    args: &TimelineArgs,
) -> anyhow::Result<()> {
    let is_it = |proc: ProcId| {
        let process = dictionary.process(proc);
        process.is_some_and(|process| is_called(process, wanted))
    };
    let mut events = Vec::new();
    runs(recording, dictionary, range, &is_it, &mut events)?;
    messages(recording, dictionary, range, &is_it, &mut events)?;
    lives(recording, dictionary, range, &is_it, &mut events)?;
    collections(recording, dictionary, range, &is_it, &mut events)?;
    events.sort_by_key(|event| event.at_ns);
    if events.is_empty() {
        return Err(Failure::failed(format!(
            "nothing is told of {wanted}: give a registered name, a label, a pid <0.N.S> or an \
             initial call; `timeline` without --process lists them"
        ))
        .into());
    }
    if args.format == Some(TimelineFormat::Json) {
        return output::write_to(None, Content::Json, |out| {
            let values: Vec<&Value> = events.iter().map(|event| &event.value).collect();
            serde_json::to_writer_pretty(&mut *out, &values)?;
            Ok(writeln!(out)?)
        });
    }
    output::write_to(None, Content::Text, |out| {
        for event in events.iter().take(args.rows) {
            let at = event.at_ns as f64 / 1e9;
            writeln!(out, "{at:>14.6} s  {}", one_line(&event.text))?;
        }
        if events.len() > args.rows {
            writeln!(out, "and {} more: -n shows them", events.len() - args.rows)?;
        }
        Ok(())
    })
}

fn runs(
    recording: &Recording,
    dictionary: &Dictionary,
    range: TimeRange,
    is_it: &dyn Fn(ProcId) -> bool,
    events: &mut Vec<Event>,
) -> anyhow::Result<()> {
    for run in recording.runs(range)? {
        let run = run?;
        if !is_it(run.proc) {
            continue;
        }
        let ran_ns = run.end_ns.saturating_sub(run.start_ns).max(0);
        let left = run.left_as.map_or("unseen", |left| left.as_str());
        let at = place(dictionary, run.at);
        let seen = run.cut.map_or("", |_| " (not all of it was seen)");
        let used = run
            .reductions
            .map_or_else(|| "?".to_owned(), |used| used.to_string());
        events.push(Event {
            at_ns: run.start_ns,
            text: format!(
                "{} ran on {} for {}{seen}, {used} reductions; left {left} in {}",
                name(dictionary, run.proc),
                run.scheduler,
                time::show(ran_ns as u64),
                at.as_deref().unwrap_or("unknown code"),
            ),
            value: json!({
                "ts_ns": run.start_ns, "event": "run", "proc": run.proc.0,
                "scheduler": run.scheduler.to_string(), "ran_ns": ran_ns,
                "reductions": run.reductions, "left_as": run.left_as.map(|left| left.as_str()),
                "at": at, "cut": run.cut.map(|cut| cut.as_str()),
            }),
        });
    }
    Ok(())
}

fn messages(
    recording: &Recording,
    dictionary: &Dictionary,
    range: TimeRange,
    is_it: &dyn Fn(ProcId) -> bool,
    events: &mut Vec<Event>,
) -> anyhow::Result<()> {
    for message in recording.messages(range)? {
        let message = message?;
        let kind = message.kind.as_str();
        let tag = message
            .tag
            .as_deref()
            .map_or(String::new(), |tag| format!(" {tag}"));
        let value = |event: &str, ts_ns: i64| {
            json!({
                "ts_ns": ts_ns, "event": event, "msg": message.msg, "kind": kind,
                "tag": message.tag, "from": message.from.map(|from| from.0),
                "to": message.to.0, "fate": message.fate.as_str(),
            })
        };
        let from = message
            .from
            .map_or_else(|| "outside".to_owned(), |from| name(dictionary, from));
        let to = name(dictionary, message.to);
        if message.from.is_some_and(is_it) {
            events.push(Event {
                at_ns: message.sent_ns,
                text: format!("{from} sent {kind}{tag} to {to}"),
                value: value("send", message.sent_ns),
            });
        }
        if !is_it(message.to) {
            continue;
        }
        let (at_ns, what) = match (message.received_ns, message.fate) {
            (Some(at_ns), _) => {
                let lain_ns = at_ns.saturating_sub(message.sent_ns).max(0);
                let lain = time::show(lain_ns as u64);
                (
                    at_ns,
                    format!("took {kind}{tag} from {from}, which lay {lain} in its mailbox"),
                )
            }
            (None, Fate::Dropped) => (
                message.sent_ns,
                format!("never took {kind}{tag} from {from}: it ended"),
            ),
            (None, Fate::Waiting) => (
                message.sent_ns,
                format!("got {kind}{tag} from {from}, which still lies there"),
            ),
            (None, _) => (
                message.sent_ns,
                format!("got {kind}{tag} from {from}; what became of it was not seen"),
            ),
        };
        events.push(Event {
            at_ns,
            text: format!("{to} {what}"),
            value: value("receive", at_ns),
        });
    }
    Ok(())
}

fn lives(
    recording: &Recording,
    dictionary: &Dictionary,
    range: TimeRange,
    is_it: &dyn Fn(ProcId) -> bool,
    events: &mut Vec<Event>,
) -> anyhow::Result<()> {
    for life in recording.lifecycle(range)? {
        let life = life?;
        if !is_it(life.proc) && !life.other.is_some_and(is_it) {
            continue;
        }
        let who = name(dictionary, life.proc);
        let other = life
            .other
            .map_or_else(|| "outside".to_owned(), |it| name(dictionary, it));
        let named = life.name.as_deref().unwrap_or("?");
        let text = match life.event {
            LifeEvent::Spawn => format!("{other} spawned {who}"),
            LifeEvent::Exit => format!("{who} ended: {}", life.reason.as_deref().unwrap_or("?")),
            LifeEvent::Register => format!("{who} was registered as {named}"),
            LifeEvent::Unregister => format!("{who} gave up the name {named}"),
            LifeEvent::Link => format!("{who} linked to {other}"),
            LifeEvent::Unlink => format!("{who} unlinked from {other}"),
            LifeEvent::Monitor => format!("{who} began to monitor {other}"),
            LifeEvent::Demonitor => format!("{who} no longer monitors {other}"),
        };
        events.push(Event {
            at_ns: life.ts_ns,
            text,
            value: json!({
                "ts_ns": life.ts_ns, "event": life.event.as_str(), "proc": life.proc.0,
                "other": life.other.map(|other| other.0), "name": life.name,
                "reason": life.reason,
            }),
        });
    }
    Ok(())
}

fn collections(
    recording: &Recording,
    dictionary: &Dictionary,
    range: TimeRange,
    is_it: &dyn Fn(ProcId) -> bool,
    events: &mut Vec<Event>,
) -> anyhow::Result<()> {
    for collection in recording.gc(range)? {
        let collection = collection?;
        if !is_it(collection.proc) {
            continue;
        }
        let took_ns = collection.end_ns.saturating_sub(collection.start_ns).max(0);
        let words = |words: Option<u64>| words.map_or_else(|| "?".to_owned(), |it| it.to_string());
        events.push(Event {
            at_ns: collection.start_ns,
            text: format!(
                "{} collected garbage for {}: heaps of {} words became {}",
                name(dictionary, collection.proc),
                time::show(took_ns as u64),
                words(collection.before_words),
                words(collection.after_words),
            ),
            value: json!({
                "ts_ns": collection.start_ns, "event": "gc", "proc": collection.proc.0,
                "took_ns": took_ns, "before_words": collection.before_words,
                "after_words": collection.after_words,
                "cut": collection.cut.map(|cut| cut.as_str()),
            }),
        });
    }
    Ok(())
}
