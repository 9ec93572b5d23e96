//! A frame for people: schedulers, those that do something, the rest by name, mailboxes, states.

mod mailboxes;
mod processes;

use std::io::Write;

use escope_model::{Sample, SchedulerId, SchedulerKind};
use escope_timeline::frame::ProcessFrame;

use super::Told;
use crate::coverage::{self, name};
use crate::load;
use crate::printable::one_line;
use crate::time::{self, point};

impl Told<'_> {
    /// All of it.
    pub(super) fn print(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        self.head(out)?;
        self.print_schedulers(out)?;
        self.print_processes(out)?;
        self.print_mailboxes(out)?;
        self.print_states(out)
    }

    fn head(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let node = load::node(self.recording.manifest());
        writeln!(
            out,
            "{}: at {} of {}",
            one_line(&node),
            point(self.at_ns),
            time::show(self.end_ns.unsigned_abs()),
        )?;
        if let Some(event) = &self.event {
            let who = event.proc.map_or_else(String::new, |proc| {
                format!(" of {}", name(self.dictionary, proc))
            });
            writeln!(
                out,
                "stepped to: {}{}",
                event.what.replace('_', " "),
                one_line(&who)
            )?;
        }
        let frame = &self.frame;
        match &self.missing {
            None => writeln!(
                out,
                "watched without a gap since {}",
                point(frame.watched_since_ns)
            )?,
            Some(missing) => {
                let why = match &missing.lost {
                    None => "no window was open".to_owned(),
                    Some((count, meaning)) => {
                        format!("{count} events were lost: {}", one_line(meaning))
                    }
                };
                let (from_ns, to_ns) = missing.span;
                let to = match i64::try_from(to_ns).unwrap_or(i64::MAX) {
                    to_ns if to_ns >= self.end_ns => "the end".to_owned(),
                    to_ns => point(to_ns),
                };
                writeln!(
                    out,
                    "NOT WATCHED at that time: from {} to {to} {why}\nwhat follows is as of {}, {} before",
                    point(i64::try_from(from_ns).unwrap_or(i64::MAX)),
                    point(frame.as_of_ns),
                    time::show(self.at_ns.abs_diff(frame.as_of_ns)),
                )?;
            }
        }
        for note in self.coverage.notes() {
            writeln!(out, "{}", one_line(&note))?;
        }
        Ok(())
    }

    fn print_schedulers(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        if self.schedulers.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n  {:<14} {:>9}  runs", "scheduler", "since")?;
        let is_told = |id: &&SchedulerId| {
            id.kind == SchedulerKind::Normal
                || self.frame.runs.contains_key(id)
                || self.sampled.schedulers.contains_key(id)
        };
        for id in self.schedulers.iter().filter(is_told) {
            let (since, runs) = match self.frame.runs.get(id) {
                Some(run) => {
                    let cut = run.cut.map_or("", |_| " (not all of its run was seen)");
                    let who = name(self.dictionary, run.proc);
                    let place = self
                        .frame
                        .processes
                        .binary_search_by_key(&run.proc, |process| process.proc)
                        .ok()
                        .and_then(|at| self.frame.processes.get(at))
                        .and_then(|process| self.running_in(process));
                    let place = place.map_or_else(String::new, |place| format!(", {place}"));
                    let since = time::show(self.ago_ns(run.start_ns));
                    (since, format!("{who}{place}{cut}"))
                }
                None => (String::new(), "no process".to_owned()),
            };
            let line = format!("{runs}{}{}", self.without_cpu(*id), self.seen_on(*id));
            writeln!(
                out,
                "  {:<14} {since:>9}  {}",
                id.to_string(),
                one_line(&line)
            )?;
        }
        match self.schedulers.iter().filter(|id| !is_told(id)).count() {
            0 => Ok(()),
            many => Ok(writeln!(
                out,
                "  and {many} dirty ones that run no process"
            )?),
        }
    }

    /// In which function a sample saw a process in its run, or where it went on.
    fn running_in(&self, process: &ProcessFrame) -> Option<String> {
        if let Some(sample) = self.sampled.processes.get(&process.proc) {
            let leaf = self.leaf(sample)?;
            let ago = time::show(self.ago_ns(sample.ts_ns));
            return Some(format!("seen in {leaf} {ago} before"));
        }
        let place = coverage::place(self.dictionary, process.went_on_at)?;
        Some(format!("it went on in {place}"))
    }

    fn without_cpu(&self, id: SchedulerId) -> String {
        let Some(off_cpu) = self.frame.off_cpu.get(&id) else {
            return String::new();
        };
        let is_ready = off_cpu.ready_from_ns() <= self.frame.as_of_ns;
        let what = match is_ready {
            true => "its thread has no CPU",
            false => "its thread sleeps or waits in the kernel",
        };
        format!(
            "; {what} since {}",
            time::show(self.ago_ns(off_cpu.start_ns))
        )
    }

    /// Where a sample saw a scheduler of which events do not tell it: in a gap, or if it did something that
    /// is no run of a process.
    fn seen_on(&self, id: SchedulerId) -> String {
        let asleep_ns = self.frame.off_cpu.get(&id).map(|off_cpu| off_cpu.start_ns);
        let tells = |sample: &&Sample| {
            let is_idle = !self.frame.runs.contains_key(&id) && sample.proc.is_none();
            let is_later = asleep_ns.is_none_or(|asleep_ns| sample.ts_ns >= asleep_ns);
            self.missing.is_some() || is_idle && is_later
        };
        let Some(sample) = self.sampled.schedulers.get(&id).filter(tells) else {
            return String::new();
        };
        let ago = time::show(self.at_ns.abs_diff(sample.ts_ns));
        let whose = sample.proc.map_or_else(String::new, |proc| {
            format!(" of {}", name(self.dictionary, proc))
        });
        let leaf = self.leaf(sample);
        let leaf = leaf.map_or_else(String::new, |leaf| format!(" in {leaf}"));
        let activity = sample.activity.as_str().replace('_', " ");
        format!("; sampled {ago} before that time: {activity}{leaf}{whose}")
    }

    fn print_states(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let states = &self.states;
        if !states.told.is_empty() {
            writeln!(out, "\nstates")?;
        }
        for (proc, stated) in states.told.iter().take(self.args.rows) {
            writeln!(out, "  {}", one_line(&name(self.dictionary, *proc)))?;
            for line in stated.lines() {
                writeln!(out, "    {}", one_line(&line))?;
            }
        }
        let more = states.told.len().saturating_sub(self.args.rows);
        if more > 0 {
            writeln!(out, "  and {more} more: -n shows them")?;
        }
        if states.omitted > 0 {
            writeln!(
                out,
                "  what {} more had was recorded and is not told, as they are too many: --process asks for them",
                states.omitted
            )?;
        }
        Ok(())
    }
}

/// `12`, `12+3?` where three more may lie there.
fn length(process: &ProcessFrame) -> String {
    let mailbox = &process.mailbox;
    match (mailbox.sure.saturating_add(mailbox.unseen), mailbox.unsure) {
        (sure, 0) => sure.to_string(),
        (sure, unsure) => format!("{sure}+{unsure}?"),
    }
}
