//! Verifies a recording and says what is missing.

use std::collections::BTreeMap;
use std::iter;
use std::path::Path;

use escope_model::{
    CheckpointRow, Collection, DistEvent, FrameId, Life, Loss, Message, ModuleEvent, NativeCall,
    OffCpu, Payload, PortEvent, PortInfo, ProcId, ProcessInfo, Run, Sample, StateRow, ThreadInfo,
    Window,
};

use crate::error::{Problem, RecordingError};
use crate::manifest::{self, Ended, Form, Manifest};
use crate::packed::{packed_path, unfinished_path};
use crate::source::Source;
use crate::stream;
use crate::tables::{CodeEvent, FrameRow, Keyed, Row, SeriesPoint, StackRow, Table, Timed};

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckReport {
    /// Which files count.
    pub form: Form,
    /// Readable rows by table. Of entries that were replaced only the last counts.
    pub rows: BTreeMap<Table, u64>,
    /// What is wrong or missing; none means that everything is there.
    pub problems: Vec<Problem>,
    /// The latest time of any row, nanoseconds since the recording's start; none when
    /// there are no rows.
    pub covered_ns: Option<i64>,
    /// How it ended; none when it was cut short or still runs.
    pub ended: Option<Ended>,
}

/// Reads every row of the recording at `path` and verifies it.
///
/// # Errors
/// If there is no recording, or one that this version does not understand. A damaged
/// table is a problem in the report and no error.
pub fn check(path: &Path) -> Result<CheckReport, RecordingError> {
    let manifest = manifest::load(path)?;
    let source = Source {
        folder: path.to_owned(),
        manifest,
    };
    let mut check = Check {
        source: &source,
        rows: BTreeMap::new(),
        problems: Vec::new(),
        covered_ns: None,
    };
    check.dictionaries();
    check.timed::<CodeEvent>();
    check.timed::<Window>();
    check.timed::<Payload>();
    check.timed::<Loss>();
    check.totals();
    check.leftovers();
    check.losses();
    check.end();
    Ok(CheckReport {
        form: source.manifest.form,
        rows: check.rows,
        problems: check.problems,
        covered_ns: check.covered_ns,
        ended: source.manifest.ended.clone(),
    })
}

struct Check<'a> {
    source: &'a Source,
    rows: BTreeMap<Table, u64>,
    problems: Vec<Problem>,
    covered_ns: Option<i64>,
}

impl Check<'_> {
    /// Reads the tables with ids and those that refer to them.
    fn dictionaries(&mut self) {
        let frames = self.keyed::<FrameRow>();
        let stacks = self.keyed::<StackRow>();
        let processes = self.keyed::<ProcessInfo>();
        let threads = self.keyed::<ThreadInfo>();
        self.sequential(&frames);
        self.sequential(&stacks);
        self.sequential(&processes);
        let lost = stacks
            .values()
            .filter(|row| row.frames.iter().any(|id| !frames.contains_key(&id.0)));
        self.dangling(Table::Stacks, "frames", lost.count() as u64);
        let (mut no_stack, mut no_process, mut no_thread) = (0, 0, 0);
        self.each::<Sample>(|row| {
            no_stack += u64::from(!stacks.contains_key(&row.stack.0));
            no_process += u64::from(row.proc.is_some_and(|id| !processes.contains_key(&id.0)));
            no_thread += u64::from(!threads.contains_key(&row.tid));
        });
        self.dangling(Table::Samples, "stacks", no_stack);
        self.dangling(Table::Samples, "processes", no_process);
        self.dangling(Table::Samples, "threads", no_thread);
        self.processes_of::<SeriesPoint>(&processes, |row| [row.proc, None]);
        self.processes_of::<Message>(&processes, |row| [row.from, Some(row.to)]);
        self.processes_of::<Life>(&processes, |row| [Some(row.proc), row.other]);
        self.processes_of::<Collection>(&processes, |row| [Some(row.proc), None]);
        self.processes_of::<OffCpu>(&processes, |row| [row.proc, None]);
        let (mut no_process, mut no_frame) = (0, 0);
        self.each::<NativeCall>(|row| {
            let mut called = iter::once(row.function).chain(row.caller);
            no_process += u64::from(!processes.contains_key(&row.proc.0));
            no_frame += u64::from(called.any(|id| !frames.contains_key(&id.0)));
        });
        self.dangling(Table::NativeCalls, "processes", no_process);
        self.dangling(Table::NativeCalls, "frames", no_frame);
        self.processes_of::<ModuleEvent>(&processes, |row| [row.proc, None]);
        let ports = self.keyed::<PortInfo>();
        self.sequential(&ports);
        let is_lost = |row: &&PortInfo| row.owner.is_some_and(|id| !processes.contains_key(&id.0));
        self.dangling(
            Table::Ports,
            "processes",
            ports.values().filter(is_lost).count() as u64,
        );
        let (mut no_process, mut no_port) = (0, 0);
        self.each::<PortEvent>(|row| {
            no_process += u64::from(row.proc.is_some_and(|id| !processes.contains_key(&id.0)));
            no_port += u64::from(!ports.contains_key(&row.port.0));
        });
        self.dangling(Table::PortEvents, "processes", no_process);
        self.dangling(Table::PortEvents, "ports", no_port);
        self.processes_of::<DistEvent>(&processes, |row| [row.proc, None]);
        self.processes_of::<StateRow>(&processes, |row| [Some(row.proc), None]);
        self.places_of::<Run>((&processes, &frames), |row| (row.proc, row.at));
        self.places_of::<CheckpointRow>((&processes, &frames), |row| (row.proc, row.at));
    }

    /// Reads a table whose rows refer to a process and to where in the code it was.
    fn places_of<R: Timed>(
        &mut self,
        (processes, frames): (&BTreeMap<u32, ProcessInfo>, &BTreeMap<u32, FrameRow>),
        of: impl Fn(&R) -> (ProcId, Option<FrameId>),
    ) {
        let (mut no_process, mut no_frame) = (0, 0);
        self.each::<R>(|row| {
            let (proc, at) = of(row);
            no_process += u64::from(!processes.contains_key(&proc.0));
            no_frame += u64::from(at.is_some_and(|id| !frames.contains_key(&id.0)));
        });
        self.dangling(R::TABLE, "processes", no_process);
        self.dangling(R::TABLE, "frames", no_frame);
    }

    /// Reads a table whose rows refer to no more than two processes.
    fn processes_of<R: Timed>(
        &mut self,
        processes: &BTreeMap<u32, ProcessInfo>,
        of: impl Fn(&R) -> [Option<ProcId>; 2],
    ) {
        let mut missing = 0;
        self.each::<R>(|row| {
            let lost = |id: &ProcId| !processes.contains_key(&id.0);
            missing += u64::from(of(row).iter().flatten().any(lost));
        });
        self.dangling(R::TABLE, "processes", missing);
    }

    fn keyed<R: Keyed>(&mut self) -> BTreeMap<u32, R> {
        match self.source.keyed::<R>() {
            Ok((rows, mut problems)) => {
                self.problems.append(&mut problems);
                self.rows.insert(R::TABLE, rows.len() as u64);
                rows
            }
            Err(e) => {
                self.broken::<R>(&e);
                BTreeMap::new()
            }
        }
    }

    fn timed<R: Timed>(&mut self) {
        self.each::<R>(|_| {});
    }

    fn each<R: Timed>(&mut self, mut run: impl FnMut(&R)) {
        let (mut rows, mut last, mut reversed) = (0, self.covered_ns, 0);
        let read = self.source.each::<R>(|chunk: Vec<R>| {
            rows += chunk.len() as u64;
            last = last.max(chunk.iter().map(|row| row.ts_ns().max(row.end_ns())).max());
            reversed += chunk
                .iter()
                .filter(|row| row.end_ns() < row.ts_ns())
                .count();
            chunk.iter().for_each(&mut run);
        });
        self.covered_ns = last;
        self.rows.insert(R::TABLE, rows);
        if reversed > 0 {
            let what = format!("{reversed} rows end before they begin");
            self.problems.push(Problem::new(R::TABLE.name(), what));
        }
        match read {
            Ok(mut problems) => self.problems.append(&mut problems),
            Err(e) => self.broken::<R>(&e),
        }
    }

    fn broken<R: Row>(&mut self, e: &RecordingError) {
        self.rows.entry(R::TABLE).or_insert(0);
        self.problems
            .push(Problem::new(R::TABLE.name(), e.to_string()));
    }

    /// Ids count from 0 without gaps.
    fn sequential<R: Keyed>(&mut self, rows: &BTreeMap<u32, R>) {
        let ids = rows.keys().next_back().map_or(0, |id| u64::from(*id) + 1);
        let missing = ids.saturating_sub(rows.len() as u64);
        if missing > 0 {
            let what = format!("{missing} of {ids} entries are missing");
            self.problems.push(Problem::new(R::TABLE.name(), what));
        }
    }

    fn dangling(&mut self, table: Table, of: &str, count: u64) {
        if count > 0 {
            let what = format!("{count} rows refer to {of} that are not there");
            self.problems.push(Problem::new(table.name(), what));
        }
    }

    /// Compares counts with those of a manifest that was written at the end.
    fn totals(&mut self) {
        let Manifest { totals, ended, .. } = &self.source.manifest;
        if ended.is_none() {
            return;
        }
        let stated = [
            (Table::Samples, totals.samples),
            (Table::Stacks, totals.stacks),
            (Table::Frames, totals.frames),
            (Table::Processes, totals.processes),
        ];
        for (table, stated) in stated {
            let rows = self.rows.get(&table).copied().unwrap_or(0);
            if rows != stated {
                let what = format!("{rows} rows are readable, the manifest counts {stated}");
                self.problems.push(Problem::new(table.name(), what));
            }
        }
    }

    /// Files of the form that does not count.
    fn leftovers(&mut self) {
        let folder = &self.source.folder;
        let left = match self.source.manifest.form {
            Form::Streams => Table::ALL
                .into_iter()
                .flat_map(|table| [packed_path(folder, table), unfinished_path(folder, table)])
                .filter(|path| path.exists())
                .count(),
            Form::Parquet => Table::ALL
                .into_iter()
                .flat_map(|table| stream::segments(folder, table).unwrap_or_default())
                .count(),
        };
        if left > 0 {
            let what = format!(
                "{left} files of an interrupted compaction are left over; nothing is lost, they may be removed"
            );
            self.problems.push(Problem::new("recording", what));
        }
    }

    /// Samples and events that were captured and are not here.
    fn losses(&mut self) {
        for loss in &self.source.manifest.losses {
            if loss.place.starts_with("unwritten") {
                let what = format!("{} {}; {}", loss.count, loss.meaning, loss.remedy);
                self.problems.push(Problem::new("recording", what));
            }
        }
    }

    /// Says how far a recording without an end goes.
    fn end(&mut self) {
        if self.source.manifest.ended.is_some() {
            return;
        }
        let what = match self.covered_ns {
            Some(last) => format!(
                "it still runs or ended without a clean stop; readable up to {:.1} s, the last second before its end may be missing",
                last as f64 / 1e9
            ),
            None => "it still runs or ended without a clean stop; it has no rows".to_owned(),
        };
        self.problems.push(Problem::new("recording", what));
    }
}

#[cfg(test)]
mod tests;
