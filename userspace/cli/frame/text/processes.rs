//! Processes: those that do something, each for itself, and the rest by name.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use escope_timeline::frame::{Alive, Doing, Known, ProcessFrame, WhyUnknown};

use super::{Told, length};
use crate::coverage::{self, name};
use crate::printable::one_line;
use crate::time;

/// Frames of a stack that are shown.
const FRAMES_MAX: usize = 30;

/// Processes of one name that do the same.
#[derive(Debug, Default)]
struct Kind {
    count: usize,
    /// How many are, or were last, in each place.
    places: HashMap<Option<String>, usize>,
}

impl Kind {
    /// Where most are.
    fn place(&self) -> Option<&str> {
        let places = self.places.iter();
        let most = places.max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)));
        most.and_then(|(place, _)| place.as_deref())
    }
}

impl Told<'_> {
    pub(super) fn print_processes(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let counts = &self.counts;
        let by_doing = counts.by_doing.iter();
        let by_doing: Vec<String> = by_doing
            .map(|(doing, count)| format!("{count} {}", doing.replace('_', " ")))
            .collect();
        let unsure = match counts.unsure {
            0 => String::new(),
            many => format!("; {many} of them may have ended"),
        };
        let collecting = match self.recorded.collections {
            true => format!("; {} collected garbage", counts.collecting),
            false => "; collections were not recorded".to_owned(),
        };
        writeln!(
            out,
            "\n{} processes: {}{collecting}{unsure}",
            counts.processes,
            by_doing.join(", "),
        )?;
        self.print_checkpoint(out)?;
        for absent in &self.absent {
            let who = name(self.dictionary, absent.proc);
            writeln!(out, "{} is not there: {}", one_line(&who), absent.why())?;
        }
        let (mut busy, rest): (Vec<&ProcessFrame>, Vec<&ProcessFrame>) = self
            .processes()
            .partition(|process| self.wanted.is_some() || is_busy(process));
        busy.sort_by_key(|process| {
            (
                rank(process),
                Reverse(process.mailbox.sure),
                process.doing.since_ns(),
                process.proc,
            )
        });
        if !busy.is_empty() {
            writeln!(
                out,
                "\n  {:<20} {:>9} {:>8}  process, and where it is",
                "does", "for", "mailbox"
            )?;
        }
        for process in busy.iter().take(self.args.rows) {
            self.print_process(process, out)?;
        }
        let more = busy.split_at(self.args.rows.min(busy.len())).1.len();
        if more > 0 {
            writeln!(out, "  and {more} more: -n shows them")?;
        }
        self.print_rest(&rest, out)
    }

    /// Who is among them.
    fn print_checkpoint(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let Some(checkpoint) = &self.checkpoint else {
            return Ok(writeln!(
                out,
                "those of which nothing was recorded until then are not among them"
            )?);
        };
        let among = match self.is_complete() {
            true => "whoever was alive is among them",
            false => "those who came since, and of whom nothing was recorded, are not among them",
        };
        writeln!(
            out,
            "{} were read {} before, in {}: {among}; what {} of them did is known by that alone",
            checkpoint.processes,
            time::show(self.ago_ns(checkpoint.to_ns)),
            time::show(checkpoint.to_ns.abs_diff(checkpoint.from_ns)),
            self.counts.by_checkpoint,
        )?;
        Ok(())
    }

    fn print_process(&self, process: &ProcessFrame, out: &mut dyn Write) -> anyhow::Result<()> {
        let doing = does(process);
        let doing = match process.collection {
            Some(_) => format!("{doing}, in GC"),
            None => doing,
        };
        let since = process.doing.since_ns();
        let since = since.map_or_else(|| "?".to_owned(), |ns| time::show(self.ago_ns(ns)));
        // It had waited before it was read, too.
        let more = if process.is_by_checkpoint { ">" } else { "" };
        let since = format!("{more}{since}");
        let mut line = name(self.dictionary, process.proc);
        if let Doing::Running { scheduler, .. } = process.doing {
            line += &format!(" on {scheduler}");
        }
        let place = match process.doing {
            Doing::Running { .. } => self.running_in(process),
            _ => self.place(process).map(|place| format!("left in {place}")),
        };
        line += &place.map_or_else(String::new, |place| format!(", {place}"));
        line += &why(process);
        line += &self.age(process);
        if let Some(call) = &process.call {
            let function = coverage::place(self.dictionary, Some(call.function));
            let took = time::show(self.ago_ns(call.start_ns));
            line += &function.map_or_else(String::new, |it| format!("; in {it} for {took}"));
        }
        writeln!(
            out,
            "  {doing:<20} {since:>9} {:>8}  {}",
            length(process),
            one_line(&line)
        )?;
        match &self.wanted {
            Some(_) => self.print_stack(process, out),
            None => Ok(()),
        }
    }

    /// How old what is told is, where only a checkpoint tells it.
    fn age(&self, process: &ProcessFrame) -> String {
        let is_told = process.is_by_checkpoint || matches!(process.doing, Doing::Unknown(_));
        let Some(row) = process.checkpoint.filter(|_| is_told) else {
            return String::new();
        };
        let (ago, words) = (time::show(self.ago_ns(row.from_ns)), row.heap_words);
        match process.is_by_checkpoint {
            true => format!("; at rest since it was read {ago} before, {words} words"),
            false => format!("; read {ago} before, {words} words"),
        }
    }

    fn print_stack(&self, process: &ProcessFrame, out: &mut dyn Write) -> anyhow::Result<()> {
        let Some(sample) = self.sampled.processes.get(&process.proc) else {
            return Ok(());
        };
        let stack = self.dictionary.stack(sample.stack);
        writeln!(
            out,
            "{:44}stack of {} before{}",
            "",
            time::show(self.ago_ns(sample.ts_ns)),
            sample.truncated.map_or("", |_| ", not whole"),
        )?;
        for id in stack.iter().take(FRAMES_MAX) {
            let place = coverage::place(self.dictionary, Some(*id));
            writeln!(
                out,
                "{:46}{}",
                "",
                one_line(place.as_deref().unwrap_or("?"))
            )?;
        }
        let more = stack.len().saturating_sub(FRAMES_MAX);
        if more > 0 {
            writeln!(out, "{:46}and {more} more", "")?;
        }
        Ok(())
    }

    /// Those that do nothing, by what they are called and do.
    fn print_rest(&self, rest: &[&ProcessFrame], out: &mut dyn Write) -> anyhow::Result<()> {
        let mut groups: BTreeMap<(String, String), Kind> = BTreeMap::new();
        for process in rest {
            let known = self.dictionary.process(process.proc);
            let who = known.map_or_else(|| "without a name".to_owned(), |it| it.group_name());
            let kind = groups.entry((who, does(process))).or_default();
            kind.count += 1;
            *kind.places.entry(self.place(process)).or_default() += 1;
        }
        if groups.is_empty() {
            return Ok(());
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(&b.0)));
        writeln!(
            out,
            "\n  {:>7} {:<20} the rest, and where most of them left",
            "count", "does"
        )?;
        for ((who, doing), kind) in groups.iter().take(self.args.rows) {
            let line = match kind.place() {
                Some(place) => format!("{who}, {place}"),
                None => who.clone(),
            };
            writeln!(out, "  {:>7} {:<20} {}", kind.count, doing, one_line(&line))?;
        }
        let left = groups.split_at(self.args.rows.min(groups.len())).1;
        if !left.is_empty() {
            let processes: usize = left.iter().map(|(_, kind)| kind.count).sum();
            writeln!(
                out,
                "  and {} more kinds of {processes} processes: -n shows them",
                left.len()
            )?;
        }
        Ok(())
    }
}

/// What it does, or did when it was last read, where nothing else is known.
fn does(process: &ProcessFrame) -> String {
    let doing = match (process.doing, &process.checkpoint) {
        (Doing::Unknown(_), Some(row)) => format!("was {}", row.status.as_str()),
        (doing, _) => doing.as_str().to_owned(),
    };
    doing.replace('_', " ")
}

fn is_busy(process: &ProcessFrame) -> bool {
    rank(process) < QUIET
        || process.mailbox.sure > 0
        || process.mailbox.unseen > 0
        || process.collection.is_some()
}

/// The rank of those that do nothing.
const QUIET: u8 = 6;

/// What comes first.
fn rank(process: &ProcessFrame) -> u8 {
    match process.doing {
        Doing::Running { .. } => 0,
        Doing::Runnable { .. } => 1,
        Doing::DirtyQueue { .. } => 2,
        Doing::Woken { .. } => 3,
        Doing::Exiting { .. } => 4,
        Doing::Suspended { .. } => 5,
        Doing::Waiting { .. } => QUIET,
        Doing::Away { .. } => 7,
        Doing::Unknown(_) => 8,
    }
}

/// What is to be known besides.
fn why(process: &ProcessFrame) -> String {
    let doing = match process.doing {
        Doing::Unknown(WhyUnknown::NotRecorded) => "; runs were not recorded",
        Doing::Unknown(WhyUnknown::NotSeen) => "; it was not seen to run",
        Doing::Unknown(WhyUnknown::Gap) => "; not seen since events were missing",
        Doing::Unknown(WhyUnknown::Cut) => "; the end of a run was not seen",
        _ => "",
    };
    let alive = match process.alive {
        Alive::Sure => "",
        Alive::LastSeen(_) => "; it may have ended",
        Alive::Ending(_) => "; it ends",
    };
    let known = match process.known {
        Known::Later(_) => "; first seen later",
        _ => "",
    };
    format!("{doing}{alive}{known}")
}
