//! `state RECORDING`: what processes had at an instant of a recording.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use escope_model::{ProcId, ProcessInfo, StateRow, StateSeen};
use escope_recording::{EndedHow, Recording, TimeRange};
use escope_session::{Holes, Node, Term};
use escope_timeline::states::{Certainty, Had, Instant, Rest, Rests, Unknown};
use serde_json::{Value, json};

use super::received::{Received, Span, received};
pub(super) use super::told::what;
use super::{INDENT, TERM_INDENT, history, text, told};
use crate::args::{StateArgs, StepArg};
use crate::coverage;
use crate::failure::Failure;
use crate::load;
use crate::output::{self, Content};
use crate::printable::one_line;
use crate::say::say;
use crate::time;

/// Messages that are printed of a process.
const RECEIVED_MAX: usize = 20;

/// A recording, and of which processes states are asked for.
pub(super) struct Recorded<'a> {
    pub(super) recording: Recording,
    pub(super) processes: Vec<ProcessInfo>,
    pub(super) args: &'a StateArgs,
    /// The VM's node, as far as its name is known: then its identities can be written again.
    pub(super) node: Option<Node>,
}

pub(super) fn run(path: &Path, args: &StateArgs) -> anyhow::Result<()> {
    let recording = Recording::open(path)?;
    let (dictionary, problems) = recording.dictionary()?;
    for problem in &problems {
        say!("escope-bpf: warning: {problem}");
    }
    let is_meant = |process: &&ProcessInfo| {
        let module = |process: &ProcessInfo| {
            process
                .initial_call
                .as_ref()
                .map(|call| call.module.clone())
        };
        process.is_called(&args.process) || module(process).as_deref() == Some(&*args.process)
    };
    let processes = dictionary.processes.iter().filter(is_meant);
    let processes: Vec<ProcessInfo> = processes.cloned().collect();
    if processes.is_empty() {
        return Err(Failure::failed(format!(
            "no process of this recording is {}: give a registered name, a pid <0.N.S>, a label, an \
             initial call, or a module",
            args.process
        ))
        .into());
    }
    let name = recording.manifest().target.node.clone();
    let node = name.map(|name| Node {
        name: name.into(),
        creation: 0,
        channel: 0,
    });
    let recorded = Recorded {
        recording,
        processes,
        args,
        node,
    };
    if args.history {
        let until = args.at.as_deref().map(|at| recorded.point(at));
        return history::run(&recorded, until.transpose()?);
    }
    let at_ns = match &args.at {
        Some(at) => {
            let at_ns = coverage::instant(&recorded.recording, at)?;
            recorded.processes.iter().map(|_| at_ns).collect()
        }
        None => recorded.last_instants()?,
    };
    let told = recorded.at(&at_ns)?;
    match args.json {
        true => output::json(
            &told
                .iter()
                .map(|told| recorded.json(told))
                .collect::<Value>(),
        )?,
        false => output::write_to(None, Content::Text, |out| {
            writeln!(
                out,
                "{}",
                one_line(&load::node(recorded.recording.manifest()))
            )?;
            told.iter().try_for_each(|told| recorded.print(told, out))
        })?,
    }
    Ok(())
}

/// What is known of a process at an instant.
pub(super) struct At {
    pub(super) proc: ProcId,
    pub(super) at_ns: i64,
    had: Option<Had>,
    certainty: Certainty,
    /// What it received since it last rested.
    received: Option<Received>,
}

impl At {
    /// Since when it had run, if it had; what it received then made something else of what it had.
    fn ran(&self) -> Option<Span> {
        let ran = match self.certainty {
            Certainty::Bounded { .. } => true,
            Certainty::Unknown(Unknown::Ended { runs, .. }) => runs > 0,
            _ => false,
        };
        let had = self.had.as_ref().filter(|_| ran)?;
        Some(Span {
            proc: self.proc,
            after_ns: had.seen_ns,
            until_ns: self.at_ns,
        })
    }
}

impl Recorded<'_> {
    fn point(&self, text: &str) -> anyhow::Result<i64> {
        let start_ns = self.recording.manifest().clocks.start_realtime_ns;
        Ok(time::parse_point(text, start_ns).map_err(Failure::usage)?)
    }

    /// That there are no states of those that were asked for.
    pub(super) fn nothing(&self) -> Failure {
        Failure::failed(format!(
            "no states of {} were recorded: `record --state {}` does that",
            self.args.process, self.args.process
        ))
    }

    /// When the recording ended, if it ended as it should.
    fn end_ns(&self) -> Option<i64> {
        let ended = self.recording.manifest().ended.as_ref();
        let whole = ended.filter(|ended| ended.how != EndedHow::Failed);
        whole.map(|ended| ended.at_ns)
    }

    /// The rests of those that were asked for, in the order of time, until one wants no more.
    pub(super) fn rests(&self, mut each: impl FnMut(usize, Rest) -> bool) -> anyhow::Result<()> {
        let rows = self.recording.states(TimeRange::ALL)?;
        for problem in rows.problems() {
            say!("escope-bpf: warning: {problem}");
        }
        let places = self.processes.iter().enumerate();
        let places: HashMap<ProcId, usize> = places
            .map(|(place, process)| (process.proc, place))
            .collect();
        let mut open: Vec<Rests> = self.processes.iter().map(|_| Rests::default()).collect();
        for row in rows {
            let row: StateRow = row?;
            let Some(&place) = places.get(&row.proc) else {
                continue;
            };
            if let Some(rest) = open[place].row(row)
                && !each(place, rest)
            {
                return Ok(());
            }
        }
        for (place, mut rests) in open.into_iter().enumerate() {
            if let Some(rest) = rests.finish() {
                each(place, rest);
            }
        }
        Ok(())
    }

    /// Of each process the last instant of which anything is known: before nobody looked any more.
    fn last_instants(&self) -> anyhow::Result<Vec<i64>> {
        let end_ns = self.end_ns().map_or(i64::MAX, |end| end - 1);
        let mut last = vec![end_ns; self.processes.len()];
        self.rests(|place, rest| {
            last[place] = match rest.seen {
                StateSeen::Unseen => rest.ts_ns - 1,
                _ => end_ns,
            };
            true
        })?;
        Ok(last)
    }

    /// What those had that were there at their instants; if none was, those that came last before or first
    /// after.
    fn at(&self, at_ns: &[i64]) -> anyhow::Result<Vec<At>> {
        let mut at = self.all_at(at_ns)?;
        if let Some(step) = self.args.step {
            let target = |at: &At| match step {
                StepArg::Back => self.last_change(at),
                StepArg::Forward => self.next_change(at.proc, at.at_ns),
            };
            let mut targets = Vec::new();
            for at in &at {
                targets.push((at.proc, target(at)?.unwrap_or(-1)));
            }
            let of =
                |process: &ProcessInfo| targets.iter().find(|(known, _)| *known == process.proc);
            let times = self
                .processes
                .iter()
                .map(|process| of(process).map_or(-1, |(_, ns)| *ns));
            at = self.all_at(&times.collect::<Vec<_>>())?;
            at.retain(|at| at.at_ns >= 0 && at.had.is_some());
            if at.is_empty() {
                let step = match step {
                    StepArg::Back => "before",
                    StepArg::Forward => "after",
                };
                let what = format!(
                    "no other state of {} comes {step} that time",
                    self.args.process
                );
                return Err(Failure::failed(what).into());
            }
        }
        let ended = |at: &At| matches!(at.certainty, Certainty::Unknown(Unknown::Ended { .. }));
        if at.iter().any(|at| at.had.is_some() && !ended(at)) {
            at.retain(|at| at.had.is_some() && !ended(at));
        } else if let Some(last) = at
            .iter()
            .filter_map(|at| Some(at.had.as_ref()?.seen_ns))
            .max()
        {
            at.retain(|at| at.had.as_ref().is_some_and(|had| had.seen_ns == last));
        }
        let is_recorded = |at: &At| at.certainty != Certainty::Unknown(Unknown::Before(None));
        if !at.iter().any(is_recorded) {
            return Err(self.nothing().into());
        }
        at.retain(is_recorded);
        at.truncate(self.args.rows.get());
        let spans: Vec<Span> = at.iter().filter_map(At::ran).collect();
        if let Some(mut received) = received(&self.recording, &spans)? {
            for one in at.iter_mut().filter(|one| one.ran().is_some()) {
                one.received = Some(received.remove(&one.proc).unwrap_or_default());
            }
        }
        Ok(at)
    }

    /// What each had, given an instant for each.
    fn all_at(&self, times: &[i64]) -> anyhow::Result<Vec<At>> {
        let mut instants: Vec<Instant> = times.iter().map(|at_ns| Instant::new(*at_ns)).collect();
        let mut open = instants.len();
        self.rests(|place, rest| {
            let was_open = !instants[place].is_done();
            open -= usize::from(!instants[place].rest(rest) && was_open);
            open > 0
        })?;
        let whole = self.end_ns().is_some();
        let told = instants.into_iter().zip(&self.processes).zip(times);
        Ok(told
            .map(|((instant, process), &at_ns)| {
                let (had, certainty) = instant.told(whole);
                At {
                    proc: process.proc,
                    at_ns,
                    had,
                    certainty,
                    received: None,
                }
            })
            .collect())
    }

    /// When a process rested with what it had before, for the last time.
    fn last_change(&self, at: &At) -> anyhow::Result<Option<i64>> {
        let Some(had) = &at.had else { return Ok(None) };
        let (proc, since_ns) = (at.proc, had.since_ns);
        let times = self.processes.iter();
        let times = times.map(|other| if other.proc == proc { since_ns - 1 } else { -1 });
        let all = self.all_at(&times.collect::<Vec<_>>())?;
        let before = all.into_iter().find(|at| at.proc == proc);
        Ok(before.and_then(|at| at.had).map(|had| had.seen_ns))
    }

    fn next_change(&self, proc: ProcId, at_ns: i64) -> anyhow::Result<Option<i64>> {
        let mut found = None;
        self.rests(|place, rest| {
            let is_it = self.processes[place].proc == proc && rest.ts_ns > at_ns;
            if is_it && !rest.parts.is_empty() {
                found = Some(rest.ts_ns);
            }
            found.is_none()
        })?;
        Ok(found)
    }

    pub(super) fn process(&self, proc: ProcId) -> Option<&ProcessInfo> {
        self.processes.iter().find(|process| process.proc == proc)
    }

    /// The term of a part, as it was stored.
    pub(super) fn term(&self, row: &StateRow) -> Option<Term> {
        let holes = Holes {
            cut: row.seen == StateSeen::Cut,
            masked: row.masked > 0,
        };
        let own = self.node.as_ref().map(|node| &*node.name);
        Term::from_recorded(row.term.as_ref()?, own, holes).ok()
    }

    /// The lines of a part's term, as it was asked for.
    fn lines(&self, row: &StateRow) -> Vec<String> {
        if self.args.format == crate::args::TermFormat::Etf
            && row.seen == StateSeen::Exact
            && row.masked == 0
            && let Some(bytes) = &row.term
        {
            return vec![super::hexadecimal(bytes)];
        }
        match self.term(row) {
            Some(term) => text(&term, self.args, self.node.as_ref()),
            None => vec!["not told: the recording has no term there".to_owned()],
        }
    }

    fn print(&self, at: &At, out: &mut dyn Write) -> anyhow::Result<()> {
        let process = self.process(at.proc);
        writeln!(out, "\n{}", one_line(&who(process)))?;
        if at.at_ns < i64::MAX {
            writeln!(out, "{:INDENT$}at {}", "", time::point(at.at_ns))?;
        }
        let count = at.received.as_ref().map(|received| received.count);
        let sure = told::sure(at.had.as_ref(), at.certainty, count);
        writeln!(out, "{:INDENT$}{sure}", "")?;
        let Some(had) = &at.had else { return Ok(()) };
        if let Some(first) = had.parts.first() {
            writeln!(out, "{:INDENT$}{}", "", one_line(&what(first)))?;
        }
        writeln!(out, "{:INDENT$}{}", "", told::since(had))?;
        for row in &had.parts {
            writeln!(out, "{:INDENT$}{}", "", one_line(&told::part(row)))?;
            for line in self.lines(row) {
                writeln!(out, "{:TERM_INDENT$}{}", "", one_line(&line))?;
            }
        }
        if let Some(received) = at.received.as_ref().filter(|received| received.count > 0) {
            writeln!(out, "{:INDENT$}received since", "")?;
            for got in received.first.iter().take(RECEIVED_MAX) {
                let text = format!("{}  {}", time::point(got.received_ns), got.text);
                writeln!(out, "{:TERM_INDENT$}{}", "", one_line(&text))?;
            }
            let more = received.count.saturating_sub(RECEIVED_MAX);
            if more > 0 {
                writeln!(
                    out,
                    "{:TERM_INDENT$}and {more} more: --json has the first 1000",
                    ""
                )?;
            }
        }
        Ok(())
    }

    fn json(&self, at: &At) -> Value {
        let process = self.process(at.proc);
        let had = at.had.as_ref();
        let parts = had.into_iter().flat_map(|had| &had.parts);
        let parts = parts.map(|row| told::part_json(row, &self.lines(row).join("\n")));
        let mut fields = told::fields(had, at.certainty);
        fields.extend([
            ("pid".to_owned(), json!(process.map(|process| &process.pid))),
            (
                "name".to_owned(),
                json!(process.and_then(|process| process.name.as_ref())),
            ),
            ("at_ns".to_owned(), json!(at.at_ns)),
            (
                "received_since".to_owned(),
                json!(at.received.as_ref().map(|received| received.count)),
            ),
            (
                "received".to_owned(),
                json!(at.received.as_ref().map(Received::json)),
            ),
            ("parts".to_owned(), parts.collect()),
        ]);
        Value::Object(fields)
    }
}

/// What a process is called.
pub(super) fn who(process: Option<&ProcessInfo>) -> String {
    let Some(process) = process else {
        return "a process without a name".to_owned();
    };
    let name = process.group_name();
    match name == process.pid {
        true => name,
        false => format!("{} {name}", process.pid),
    }
}
