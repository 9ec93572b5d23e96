//! Some processes, event by event: each in the order of time, none held but those that
//! are under way.

use std::collections::BTreeMap;

use escope_model::{
    Collection, Dictionary, DistAction, DistEvent, Fate, Life, LifeEvent, Message, ModuleAction,
    ModuleEvent, OffCpu, Payload, PortAction, PortEvent, ProcId, Run, WokenBy,
};
use escope_timeline::Happening;
use serde_json::{Value, json};

use crate::coverage::{name, place, port, sender, what};
use crate::payloads::{Payloads, shown};
use crate::time;

/// Something that happened to one of them.
#[derive(Debug)]
pub(super) enum Event {
    Ran(Run),
    Sent(Message, Option<Payload>),
    /// It took a message out, or what else became of it.
    Got(Message, Option<Payload>),
    Lived(Life),
    Collected(Collection),
    LostCpu(OffCpu),
    Coded(ModuleEvent),
    Ported(PortEvent),
    Distributed(DistEvent),
}

/// Passes on the events of processes in the order of their times. Messages that they take
/// later than others were sent to them wait here for their turn.
pub(super) fn events<E>(
    rows: impl Iterator<Item = Result<Happening, E>>,
    payloads: &mut Payloads,
    since_ns: u64,
    is_it: &dyn Fn(ProcId) -> bool,
    mut tell: impl FnMut(i64, Event) -> anyhow::Result<()>,
) -> anyhow::Result<()>
where
    anyhow::Error: From<E>,
{
    let mut waiting: BTreeMap<(i64, u64), Event> = BTreeMap::new();
    for row in rows {
        let row = row?;
        let begin_ns = i64::try_from(row.begin_ns()).unwrap_or(i64::MAX);
        while let Some(first) = waiting.first_entry()
            && first.key().0 <= begin_ns
        {
            let at_ns = first.key().0;
            tell(at_ns, first.remove())?;
        }
        if row.begin_ns() < since_ns {
            continue;
        }
        match row {
            Happening::Run(run) if is_it(run.proc) => tell(begin_ns, Event::Ran(run))?,
            Happening::Collection(it) if is_it(it.proc) => tell(begin_ns, Event::Collected(it))?,
            Happening::OffCpu(it) if it.proc.is_some_and(is_it) => {
                tell(begin_ns, Event::LostCpu(it))?;
            }
            Happening::Module(it) if it.proc.is_some_and(is_it) => {
                tell(begin_ns, Event::Coded(it))?;
            }
            Happening::Port(it) if it.proc.is_some_and(is_it) => {
                tell(begin_ns, Event::Ported(it))?;
            }
            Happening::Dist(it) if it.proc.is_some_and(is_it) => {
                tell(begin_ns, Event::Distributed(it))?;
            }
            Happening::Life(life) if is_it(life.proc) || life.other.is_some_and(is_it) => {
                tell(begin_ns, Event::Lived(life))?;
            }
            Happening::Message(message) => {
                let (is_here, is_from) = (is_it(message.to), message.from.is_some_and(is_it));
                let said = match is_here || is_from {
                    true => payloads.said(&message)?,
                    false => None,
                };
                if is_from {
                    tell(begin_ns, Event::Sent(message.clone(), said.clone()))?;
                }
                if is_here {
                    let at_ns = message.received_ns.map_or(begin_ns, |ns| ns.max(begin_ns));
                    waiting.insert((at_ns, message.msg), Event::Got(message, said));
                }
            }
            _ => {}
        }
    }
    for ((at_ns, _), event) in waiting {
        tell(at_ns, event)?;
    }
    Ok(())
}

fn span(from_ns: i64, to_ns: i64) -> u64 {
    u64::try_from(to_ns.saturating_sub(from_ns)).unwrap_or(0)
}

impl Event {
    /// For people: one line, without its time.
    pub(super) fn text(&self, dictionary: &Dictionary) -> String {
        match self {
            Event::Ran(run) => ran(run, dictionary),
            Event::Sent(message, said) => {
                let from = sender(dictionary, message.from);
                let to = name(dictionary, message.to);
                format!(
                    "{from} sent {}{} to {to}{}",
                    what(message),
                    size(message),
                    saying(said)
                )
            }
            Event::Got(message, said) => got(message, dictionary) + &saying(said),
            Event::Lived(life) => lived(life, dictionary),
            Event::Collected(collection) => collected(collection, dictionary),
            Event::LostCpu(off_cpu) => lost_cpu(off_cpu, dictionary),
            Event::Coded(event) => coded(event, dictionary),
            Event::Ported(event) => ported(event, dictionary),
            Event::Distributed(event) => distributed(event, dictionary),
        }
    }

    /// For programs.
    pub(super) fn json(&self, at_ns: i64, dictionary: &Dictionary) -> Value {
        match self {
            Event::Ran(run) => json!({
                "ts_ns": at_ns, "event": "run", "proc": run.proc.0,
                "scheduler": run.scheduler.to_string(), "ran_ns": span(run.start_ns, run.end_ns),
                "woken_by": run.woken_by.map(|by| by.as_str()),
                "reductions": run.reductions, "left_as": run.left_as.map(|left| left.as_str()),
                "at": place(dictionary, run.at), "cut": run.cut.map(|cut| cut.as_str()),
            }),
            Event::Sent(message, said) => message_json("send", at_ns, message, said),
            Event::Got(message, said) => message_json("receive", at_ns, message, said),
            Event::Lived(life) => json!({
                "ts_ns": at_ns, "event": life.event.as_str(), "proc": life.proc.0,
                "other": life.other.map(|other| other.0), "name": life.name,
                "reason": life.reason,
            }),
            Event::Collected(collection) => json!({
                "ts_ns": at_ns, "event": "gc", "proc": collection.proc.0,
                "took_ns": span(collection.start_ns, collection.end_ns),
                "before_words": collection.before_words,
                "after_words": collection.after_words,
                "kind": collection.kind.map(|kind| kind.as_str()),
                "cut": collection.cut.map(|cut| cut.as_str()),
            }),
            Event::LostCpu(off_cpu) => {
                let (blocked_ns, preempted_ns) = without_cpu(off_cpu);
                json!({
                    "ts_ns": at_ns, "event": "off_cpu",
                    "proc": off_cpu.proc.map(|proc| proc.0),
                    "scheduler": off_cpu.scheduler.to_string(),
                    "took_ns": span(off_cpu.start_ns, off_cpu.end_ns),
                    "why": off_cpu.why.map(|why| why.as_str()),
                    "blocked_ns": blocked_ns, "preempted_ns": preempted_ns,
                    "cut": off_cpu.cut.map(|cut| cut.as_str()),
                })
            }
            Event::Ported(event) => json!({
                "ts_ns": at_ns, "event": format!("port_{}", event.event.as_str()),
                "proc": event.proc.map(|proc| proc.0), "port": event.port.0,
                "id": dictionary.port(event.port).and_then(|port| port.id.as_ref()),
                "driver": dictionary.port(event.port).and_then(|port| port.driver.as_ref()),
                "bytes": event.bytes,
            }),
            Event::Distributed(event) => json!({
                "ts_ns": at_ns, "event": format!("dist_{}", event.event.as_str()),
                "proc": event.proc.map(|proc| proc.0), "node": event.node,
                "op": event.op.map(|op| op.as_str()), "bytes": event.bytes,
            }),
            Event::Coded(event) => json!({
                "ts_ns": at_ns, "event": event.event.as_str(),
                "proc": event.proc.map(|proc| proc.0), "module": event.module,
            }),
        }
    }
}

fn message_json(event: &str, at_ns: i64, message: &Message, said: &Option<Payload>) -> Value {
    let mut value = json!({
        "ts_ns": at_ns, "event": event, "msg": message.msg, "kind": message.kind.as_str(),
        "tag": message.tag, "from": message.from.map(|from| from.0),
        "to": message.to.0, "fate": message.fate.as_str(), "size_words": message.size_words,
    });
    // Where nobody has asked what messages say there is nothing to say of it.
    if let (Some(said), Some(fields)) = (said, value.as_object_mut()) {
        let of = json!({ "seen": said.seen.as_str(), "text": said.text, "masked": said.masked });
        fields.insert("payload".to_owned(), of);
    }
    value
}

/// Characters of what a message said in a line.
const SAID_MAX: usize = 400;

/// What it said, behind what is told of it.
fn saying(said: &Option<Payload>) -> String {
    said.as_ref()
        .map_or_else(String::new, |said| format!(": {}", shown(said, SAID_MAX)))
}

/// Of what is more than a word, if that is known.
fn size(message: &Message) -> String {
    match message.size_words {
        None | Some(0) => String::new(),
        Some(words) => format!(" of {words} words"),
    }
}

fn ran(run: &Run, dictionary: &Dictionary) -> String {
    let left = run.left_as.map_or("unseen", |left| left.as_str());
    let at = place(dictionary, run.at);
    let seen = run.cut.map_or("", |_| " (not all of it was seen)");
    let used = run
        .reductions
        .map_or_else(|| "?".to_owned(), |used| used.to_string());
    let woken = match run.woken_by {
        Some(WokenBy::Timeout) => "timed out, ",
        _ => "",
    };
    format!(
        "{} {woken}ran on {} for {}{seen}, {used} reductions; left {left} in {}",
        name(dictionary, run.proc),
        run.scheduler,
        time::show(span(run.start_ns, run.end_ns)),
        at.as_deref().unwrap_or("unknown code"),
    )
}

/// For how long it was blocked, and then ready without a CPU.
fn without_cpu(off_cpu: &OffCpu) -> (u64, u64) {
    let ready_ns = off_cpu.ready_from_ns();
    let blocked_ns = span(off_cpu.start_ns, ready_ns);
    (blocked_ns, span(ready_ns, off_cpu.end_ns))
}

fn lost_cpu(off_cpu: &OffCpu, dictionary: &Dictionary) -> String {
    let (blocked_ns, preempted_ns) = without_cpu(off_cpu);
    let what = match (blocked_ns, preempted_ns) {
        (0, _) => format!("had no CPU for {}", time::show(preempted_ns)),
        (_, 0) => format!("was blocked in the kernel for {}", time::show(blocked_ns)),
        _ => format!(
            "was blocked in the kernel for {}, and had no CPU then for {}",
            time::show(blocked_ns),
            time::show(preempted_ns),
        ),
    };
    let seen = off_cpu.cut.map_or("", |_| " (not all of it was seen)");
    format!(
        "{} on {} {what}{seen}",
        sender(dictionary, off_cpu.proc),
        off_cpu.scheduler,
    )
}

fn got(message: &Message, dictionary: &Dictionary) -> String {
    let (from, to) = (
        sender(dictionary, message.from),
        name(dictionary, message.to),
    );
    let what = format!("{}{}", what(message), size(message));
    match (message.received_ns, message.fate) {
        (Some(at_ns), _) => {
            let lain = time::show(span(message.sent_ns, at_ns));
            format!("{to} took {what} from {from}, which lay {lain} in its mailbox")
        }
        (None, Fate::Dropped) => format!("{to} never took {what} from {from}: it ended"),
        (None, Fate::Waiting) => format!("{to} got {what} from {from}, which still lies there"),
        (None, _) => {
            format!("{to} got {what} from {from}; what became of it was not seen")
        }
    }
}

fn lived(life: &Life, dictionary: &Dictionary) -> String {
    let who = name(dictionary, life.proc);
    let other = sender(dictionary, life.other);
    let named = life.name.as_deref().unwrap_or("?");
    match life.event {
        LifeEvent::Spawn => format!("{other} spawned {who}"),
        LifeEvent::Exit => format!("{who} ended: {}", life.reason.as_deref().unwrap_or("?")),
        LifeEvent::Register => format!("{who} was registered as {named}"),
        LifeEvent::Unregister => format!("{who} gave up the name {named}"),
        LifeEvent::Link => format!("{who} linked to {other}"),
        LifeEvent::Unlink => format!("{who} unlinked from {other}"),
        LifeEvent::Monitor => format!("{who} began to monitor {other}"),
        LifeEvent::Demonitor => format!("{who} no longer monitors {other}"),
    }
}

fn bytes_of(bytes: Option<u64>) -> String {
    match bytes {
        Some(1) => "1 byte".to_owned(),
        Some(bytes) => format!("{bytes} bytes"),
        None => "an unknown number of bytes".to_owned(),
    }
}

fn distributed(event: &DistEvent, dictionary: &Dictionary) -> String {
    let who = sender(dictionary, event.proc);
    let node = event.node.as_deref();
    let node = node.map_or_else(
        || "an unknown node".to_owned(),
        |node| format!("node {node}"),
    );
    let op = event.op.map_or("unknown", |op| op.as_str());
    let bytes = bytes_of(event.bytes);
    match event.event {
        DistAction::Sent => format!("{who} sent a signal ({op}) of {bytes} to {node}"),
        DistAction::Received => format!("{who} got a signal ({op}) of {bytes} from {node}"),
        DistAction::Fragment => format!("{bytes} of a signal came from {node} for {who}"),
        DistAction::Suspended => {
            format!("{who} was suspended, for too much waits to be sent to {node}")
        }
    }
}

fn ported(event: &PortEvent, dictionary: &Dictionary) -> String {
    let who = sender(dictionary, event.proc);
    let port = port(dictionary, event.port);
    let bytes = bytes_of(event.bytes);
    match event.event {
        PortAction::Open => format!("the port {port} was opened for {who}"),
        PortAction::Close => format!("the port {port} of {who} was closed"),
        PortAction::Output => format!("{who} gave {bytes} to the port {port}"),
        PortAction::Input => format!("{who} got {bytes} from the port {port}"),
    }
}

fn coded(event: &ModuleEvent, dictionary: &Dictionary) -> String {
    let who = sender(dictionary, event.proc);
    match event.event {
        ModuleAction::Load => format!("{who} loaded the module {}", event.module),
        ModuleAction::Purge => format!("{who} purged old code of the module {}", event.module),
    }
}

fn collected(collection: &Collection, dictionary: &Dictionary) -> String {
    let words = |words: Option<u64>| words.map_or_else(|| "?".to_owned(), |it| it.to_string());
    let kind = collection.kind.map_or("", |kind| kind.as_str());
    let kind = if kind.is_empty() {
        String::new()
    } else {
        format!(" ({kind})")
    };
    format!(
        "{} collected garbage{kind} for {}: heaps of {} words became {}",
        name(dictionary, collection.proc),
        time::show(span(collection.start_ns, collection.end_ns)),
        words(collection.before_words),
        words(collection.after_words),
    )
}
