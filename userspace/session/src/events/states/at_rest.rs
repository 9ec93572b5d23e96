//! What those have whose last rest was not seen, read at a checkpoint while they rest.
//!
//! A process that does not run while it is watched leaves no copy. What is read of it is told when all
//! events until then have had their turn, as if it were one of them: so what comes after it follows from
//! it, and of one that was seen to come to rest meanwhile nothing is told twice.

use std::collections::VecDeque;

use escope_beam::memory::Memory;
use escope_beam::snapshot::ProcessSnapshot;
use escope_beam::state::Reading;
use escope_beam::term::TermReader;
use escope_model::{ProcId, StateRow, StateSeen, StateSource};

use super::told::Told;
use super::{States, found_nameless};
use crate::cost::monotonic_ns;
use crate::pipeline::Pipeline;
use crate::rested::read_rested;

/// Those that were read and are not told yet, in the order of time.
#[derive(Debug, Default)]
pub(super) struct AtRest(VecDeque<Kept>);

#[derive(Debug)]
struct Kept {
    pid: u64,
    proc: ProcId,
    /// Between when, by `CLOCK_MONOTONIC`.
    from_ns: u64,
    to_ns: u64,
    told: Told,
    rows: Vec<StateRow>,
    bytes: usize,
    /// As of [`States::nameless`].
    nameless: Vec<String>,
}

impl States {
    /// Whether a process is to be read: one whose states are wanted, and of which nothing is known.
    pub(in crate::events) fn wants(&self, pid: u64, process: &ProcessSnapshot) -> bool {
        let of = self.processes.get(&pid);
        self.chosen.means(process) && of.is_none_or(|process| !process.rests.is_known())
    }

    /// Reads a process, given the address of its struct, its pid as a term and its name. All code that was
    /// announced must be known: `sound` is as in `Symbolizer::sample`. Returns whether it was: else it is to be
    /// read again.
    pub(in crate::events) fn read_at_rest<M: Memory>(
        &mut self,
        who: (u64, u64, Option<&str>),
        pipeline: &mut Pipeline<M>,
        sound: &dyn Fn() -> bool,
    ) -> bool {
        let (address, pid, _) = who;
        let Some(proc) = pipeline.symbolizer.process(pid, address) else {
            return true;
        };
        let options = &self.options;
        let (from_ns, reading) = pipeline
            .symbolizer
            .with_code(|vm, code| read_rested(vm, code, who, options));
        let to_ns = monotonic_ns();
        // What its functions are called may be of code that was there before.
        if !sound() {
            return false;
        }
        if self.node.is_none() {
            self.node = TermReader::new(pipeline.symbolizer.vm()).this_node();
        }
        let mark = |seen| StateRow::mark(pipeline.since_start(from_ns), proc, seen);
        let mut told = Told::default();
        let mut nameless = Vec::new();
        let mut rows = match reading {
            Reading::Exact(mut state) => {
                nameless = std::mem::take(&mut state.nameless);
                let row = StateRow {
                    reductions: state.reductions,
                    ..mark(StateSeen::Unreadable)
                };
                let how = (self.node.as_ref(), &self.fingerprints);
                told.rows(&row, &state, StateSource::Live, how)
            }
            Reading::Sensitive => vec![mark(StateSeen::Sensitive)],
            Reading::Unreadable(_) => vec![mark(StateSeen::Unreadable)],
            // If it runs it will come to rest.
            Reading::Ran(_) | Reading::Gone => return true,
        };
        let bytes = |rows: &[StateRow]| -> usize {
            let terms = rows.iter().map(|row| row.term.as_ref().map_or(0, Vec::len));
            terms.sum()
        };
        if self.bytes + bytes(&rows) > self.bytes_max {
            (told, rows) = (Told::default(), vec![mark(StateSeen::NoRoom)]);
        }
        let bytes = bytes(&rows);
        self.bytes += bytes;
        self.at_rest.0.push_back(Kept {
            pid,
            proc,
            from_ns,
            to_ns,
            told,
            rows,
            bytes,
            nameless,
        });
        true
    }

    /// When the next one was read that has its turn before a time.
    pub(in crate::events) fn next_at_rest(&self, until_ns: u64) -> Option<u64> {
        let first = self.at_rest.0.front().map(|kept| kept.from_ns);
        first.filter(|from_ns| *from_ns < until_ns)
    }

    /// Tells that one. Where others are missing nobody sees when it runs.
    pub(in crate::events) fn tell_at_rest<M: Memory>(
        &mut self,
        is_missing: bool,
        pipeline: &mut Pipeline<M>,
    ) {
        let Some(kept) = self.at_rest.0.pop_front() else {
            return;
        };
        self.bytes -= kept.bytes;
        let seen = kept
            .rows
            .first()
            .map_or(StateSeen::Unreadable, |row| row.seen);
        let process = self.processes.entry(kept.pid).or_default();
        if !process.rests.is_new() {
            return;
        }
        if !is_missing && (seen.has_term() || seen == StateSeen::Sensitive) {
            process.rests.rested();
        }
        process.proc = Some(kept.proc);
        process.last = kept.told;
        found_nameless(&mut self.nameless, &kept.nameless);
        self.counts.at_checkpoints += u64::from(seen.has_term());
        self.counts.masked += kept.rows.first().map_or(0, |row| u64::from(row.masked));
        self.counts.dropped += u64::from(seen == StateSeen::NoRoom);
        kept.rows.into_iter().for_each(|row| pipeline.state(row));
        if is_missing {
            let ts_ns = pipeline.since_start(kept.to_ns);
            pipeline.state(StateRow::mark(ts_ns, kept.proc, StateSeen::Unseen));
        }
    }
}
