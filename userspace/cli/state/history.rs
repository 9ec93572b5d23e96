//! `state RECORDING --history`: how the states of processes changed, and what they had received before.

use std::collections::HashMap;
use std::io::Write;

use escope_model::{Message, ProcId, ProcessInfo, StateRow, StateSeen};
use escope_recording::TimeRange;
use escope_session::Term;
use escope_timeline::states::{Had, Rest, take};
use serde_json::{Value, json};

use super::recorded::{Recorded, what, who};
use super::{INDENT, TERM_INDENT};
use crate::args::TermFormat;
use crate::output::{self, Content};
use crate::payloads::{Payloads, shown};
use crate::printable::one_line;
use crate::say::say;
use crate::time;

/// Changes within a state that are told.
const CHANGES_MAX: usize = 100;
/// Characters of what a message said.
const SAID_MAX: usize = 200;
/// Characters of a value that has changed.
const VALUE_MAX: usize = 200;

/// What happened to the state of a process.
struct Step {
    ts_ns: i64,
    seen: StateSeen,
    /// What it is, where that is told.
    what: Option<String>,
    /// What has changed, a line each; all of it at first.
    lines: Vec<String>,
    /// How often it had run since it last rested.
    runs: u32,
}

/// A message that a process received last before it came to rest.
struct Cause {
    received_ns: i64,
    text: String,
}

/// The history of a process, as far as it is told.
struct History<'a> {
    process: &'a ProcessInfo,
    steps: Vec<Step>,
    /// Steps before those, which are too many.
    earlier: usize,
    /// When the last of those was.
    earlier_ns: Option<i64>,
}

pub(super) fn run(recorded: &Recorded<'_>, until_ns: Option<i64>) -> anyhow::Result<()> {
    let until_ns = until_ns.unwrap_or(i64::MAX);
    let (histories, others) = histories(recorded, until_ns)?;
    if histories.is_empty() {
        return Err(recorded.nothing().into());
    }
    let causes = Causes::find(recorded, &histories)?;
    if others > 0 {
        say!("escope-bpf: {others} more processes have a history: -n tells more");
    }
    match recorded.args.json {
        true => {
            let told = histories.iter().flat_map(|history| {
                let (process, causes) = (history.process, &causes);
                let steps = history.steps.iter();
                steps.map(move |step| json(process.proc, &process.pid, step, causes))
            });
            output::json(&told.collect::<Value>())
        }
        false => output::write_to(None, Content::Text, |out| {
            for history in &histories {
                writeln!(out, "{}", one_line(&who(Some(history.process))))?;
                if history.earlier > 0 {
                    writeln!(
                        out,
                        "{:INDENT$}{} earlier ones are left out: -n tells more",
                        "", history.earlier
                    )?;
                }
                for step in &history.steps {
                    print(history.process.proc, step, &causes, out)?;
                }
            }
            Ok(())
        }),
    }
}

/// Whether a rest adds something to the history.
fn adds(rest: &Rest) -> bool {
    !rest.is_told || !rest.parts.is_empty()
}

/// The last steps of the first processes that have any, and how many processes more have.
///
/// A first look counts the steps, so that of a million only those are decoded and held that are told.
fn histories<'a>(
    recorded: &'a Recorded<'_>,
    until_ns: i64,
) -> anyhow::Result<(Vec<History<'a>>, usize)> {
    let rows = recorded.args.rows.get();
    let mut counts = vec![0_usize; recorded.processes.len()];
    recorded.rests(|place, rest| {
        counts[place] += usize::from(rest.ts_ns <= until_ns && adds(&rest));
        true
    })?;
    let with = (0..counts.len()).filter(|place| counts[*place] > 0);
    let others = with.clone().count().saturating_sub(rows);
    let mut open: HashMap<usize, (Option<Had>, History<'a>)> = with
        .take(rows)
        .map(|place| {
            let history = History {
                process: &recorded.processes[place],
                steps: Vec::new(),
                earlier: counts[place].saturating_sub(rows),
                earlier_ns: None,
            };
            (place, (None, history))
        })
        .collect();
    let mut left: HashMap<usize, usize> = open
        .iter()
        .map(|(place, (_, history))| (*place, history.earlier))
        .collect();
    recorded.rests(|place, rest| {
        let (Some((had, history)), Some(left)) = (open.get_mut(&place), left.get_mut(&place))
        else {
            return true;
        };
        if rest.ts_ns > until_ns {
            return true;
        }
        if *left > 0 {
            take(had, &rest);
            if adds(&rest) {
                *left -= 1;
                history.earlier_ns = Some(rest.ts_ns);
            }
            return true;
        }
        history.steps.extend(step(recorded, had, &rest));
        true
    })?;
    let mut told: Vec<(usize, History<'a>)> = open
        .into_iter()
        .map(|(place, (_, history))| (place, history))
        .collect();
    told.sort_unstable_by_key(|(place, _)| *place);
    let told = told.into_iter().map(|(_, history)| history).collect();
    Ok((told, others))
}

/// What a rest adds to the history.
fn step(recorded: &Recorded<'_>, had: &mut Option<Had>, rest: &Rest) -> Option<Step> {
    let before = had.as_ref().map(|had| had.parts.clone());
    take(had, rest);
    if !adds(rest) {
        return None;
    }
    let step = |lines, what| Step {
        ts_ns: rest.ts_ns,
        seen: rest.seen,
        what,
        lines,
        runs: rest.runs,
    };
    if !rest.is_told {
        return Some(step(Vec::new(), None));
    }
    let what = rest.parts.first().map(what);
    let same = |a: &[StateRow]| {
        a.len() == rest.parts.len() && a.iter().zip(&rest.parts).all(|(a, b)| a.name == b.name)
    };
    let lines = match before.filter(|before| same(before)) {
        Some(before) => {
            let pairs = before.iter().zip(&rest.parts);
            pairs
                .flat_map(|(old, new)| changes(recorded, old, new))
                .collect()
        }
        None => rest
            .parts
            .iter()
            .flat_map(|row| whole(recorded, row))
            .collect(),
    };
    Some(step(lines, what))
}

fn shows(format: TermFormat) -> fn(&Term, usize) -> String {
    match format {
        TermFormat::Elixir => |term, limit| term.elixir(limit),
        TermFormat::Json => |term, _| term.to_json(),
        TermFormat::Erlang | TermFormat::Etf => |term, limit| term.text(limit),
    }
}

fn whole(recorded: &Recorded<'_>, row: &StateRow) -> Vec<String> {
    let name = row.name.as_deref().unwrap_or("state");
    let term = recorded.term(row).map_or_else(
        || "not told".to_owned(),
        |term| shows(recorded.args.format)(&term, VALUE_MAX),
    );
    vec![format!("{name}: {term}")]
}

fn changes(recorded: &Recorded<'_>, old: &StateRow, new: &StateRow) -> Vec<String> {
    if old.term == new.term {
        return Vec::new();
    }
    let (Some(a), Some(b)) = (recorded.term(old), recorded.term(new)) else {
        return whole(recorded, new);
    };
    let difference = a.diff(&b, CHANGES_MAX);
    let text = difference.text(VALUE_MAX, shows(recorded.args.format));
    let name = new.name.as_deref().unwrap_or("state");
    text.lines().map(|line| format!("{name} {line}")).collect()
}

/// The messages that processes received last before they came to rest.
struct Causes(HashMap<(ProcId, i64), Cause>);

impl Causes {
    fn find(recorded: &Recorded<'_>, histories: &[History<'_>]) -> anyhow::Result<Causes> {
        // When they came to rest: with the one that comes before the first which is told.
        let wanted: HashMap<ProcId, Vec<i64>> = histories
            .iter()
            .map(|history| {
                let steps = history.steps.iter().map(|step| step.ts_ns);
                let times = history.earlier_ns.into_iter().chain(steps);
                (history.process.proc, times.collect())
            })
            .collect();
        let mut found: HashMap<(ProcId, i64), Cause> = HashMap::new();
        let mut payloads = Payloads::of(&recorded.recording, TimeRange::ALL)?;
        for message in recorded.recording.messages(TimeRange::ALL)? {
            let message: Message = message?;
            let Some(received_ns) = message.received_ns else {
                continue;
            };
            let Some(times) = wanted.get(&message.to) else {
                continue;
            };
            // What came before a rest is not the cause of what came after it.
            let place = times.partition_point(|ts_ns| *ts_ns < received_ns);
            let Some(&ts_ns) = times.get(place) else {
                continue;
            };
            let key = (message.to, ts_ns);
            if found
                .get(&key)
                .is_some_and(|known| known.received_ns > received_ns)
            {
                continue;
            }
            let said = payloads.said(&message)?;
            let text = words(&message, said.map(|said| shown(&said, SAID_MAX)));
            found.insert(key, Cause { received_ns, text });
        }
        Ok(Causes(found))
    }
}

pub(super) fn words(message: &Message, said: Option<String>) -> String {
    let kind = message.kind.as_str();
    match (said, &message.tag) {
        (Some(said), _) => format!("{kind} {said}"),
        (None, Some(tag)) => format!("{kind} {tag}"),
        (None, None) => kind.to_owned(),
    }
}

fn print(proc: ProcId, step: &Step, causes: &Causes, out: &mut dyn Write) -> anyhow::Result<()> {
    let at = |ns: i64| time::show(ns.max(0) as u64);
    let what = match (step.seen, &step.what) {
        (_, Some(what)) => what.clone(),
        (StateSeen::Ended, _) => "it ended".to_owned(),
        (StateSeen::Unseen, _) => "from here on nobody looked".to_owned(),
        (seen, None) => format!("not told: {}", seen.as_str()),
    };
    writeln!(out, "{:INDENT$}{}  {}", "", at(step.ts_ns), one_line(&what))?;
    if let Some(cause) = causes.0.get(&(proc, step.ts_ns)) {
        let text = format!("after {} at {}", cause.text, at(cause.received_ns));
        writeln!(out, "{:TERM_INDENT$}{}", "", one_line(&text))?;
    }
    for line in &step.lines {
        writeln!(out, "{:TERM_INDENT$}{}", "", one_line(line))?;
    }
    Ok(())
}

fn json(proc: ProcId, pid: &str, step: &Step, causes: &Causes) -> Value {
    let cause = causes.0.get(&(proc, step.ts_ns));
    json!({
        "pid": pid,
        "ts_ns": step.ts_ns,
        "seen": step.seen.as_str(),
        "what": step.what,
        "runs": step.runs,
        "changes": step.lines,
        "message": cause.map(|cause| &cause.text),
        "received_ns": cause.map(|cause| cause.received_ns),
    })
}
