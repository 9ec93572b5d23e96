//! A recording of one checkpoint: what every process is like now, and, if that is wanted, what it has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use escope_beam::Vm;
use escope_beam::snapshot::{ProcessSnapshot, called};
use escope_beam::state::{Reading, StateOptions};
use escope_beam::term::{Node, TermReader};
use escope_model::{StateRow, StateSeen, StateSource};
use escope_recording::{Clocks, Ended, EndedHow, Writer, WriterOptions};
use escope_symbolizer::Symbolizer;

use crate::checkpoints::Checkpoints;
use crate::cost::{Cost, monotonic_ns, realtime_ns};
use crate::events::{Fingerprints, Told};
use crate::manifest::manifest;
use crate::options::RecordOptions;
use crate::pipeline::Pipeline;
use crate::rested::read_rested;
use crate::setup::leave_no_core;
use crate::{CheckpointCounts, SessionError, losses};

/// Processes whose states are told.
const STATES_MAX: usize = 100_000;
/// Of so many, and with terms of so many bytes, it is looked whether code was replaced meanwhile.
const BATCH: usize = 4096;
const BATCH_BYTES: usize = 16 << 20;
/// How often they are read where it was.
const TRIES: u32 = 4;
/// Names of records that are told.
const NAMELESS_MAX: usize = 16;

/// A process: its pid as a term, the address of its struct, and what it is called.
type Called = (u64, u64, ProcessSnapshot);

/// What was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Where.
    pub path: PathBuf,
    /// How many processes, and what that cost.
    pub read: CheckpointCounts,
    /// Of so many it is told what they have.
    pub states: usize,
    /// Of so many more it is not: they ran, could not be read, are sensitive, or are too many.
    pub without_states: usize,
    /// As of [`crate::EventsSummary::nameless`].
    pub nameless: Vec<String>,
    /// What there is on the disk.
    pub bytes: u64,
}

/// Saves what every process of a VM is like; with `states` also what each has, of those that wait.
///
/// # Errors
/// When the VM cannot be read, or the recording cannot be written; then nothing is left behind.
pub fn save_checkpoint(
    vm: Vm,
    output: &Path,
    states: Option<&StateOptions>,
) -> Result<Saved, SessionError> {
    if states.is_some() {
        leave_no_core();
    }
    let cost_before = Cost::now();
    let origin_ns = monotonic_ns();
    let mut options = RecordOptions::new(output.to_owned());
    options.frequency_hz = 0;
    let mut manifest = manifest(&vm, &options, Clocks::new(origin_ns, realtime_ns()));
    let mut symbolizer = Symbolizer::new(vm);
    symbolizer.read_code()?;
    symbolizer.read_all_names();
    let writer = Writer::create(output, manifest.clone(), WriterOptions::default())?;
    let mut pipeline = Pipeline::new(symbolizer, writer, origin_ns);
    let mut nameless = BTreeSet::new();
    let (read, [told, untold]) = match read(&mut pipeline, states, &mut nameless) {
        Ok(read) => read,
        Err(error) => {
            pipeline.into_writer().abandon();
            return Err(error);
        }
    };
    let (frames, stacks, processes) = pipeline.symbolizer.counts();
    let totals = &mut manifest.totals;
    totals.frames = frames as u64;
    totals.stacks = stacks as u64;
    totals.processes = processes as u64;
    for (name, value) in [
        ("checkpoints", u64::from(read.checkpoints)),
        ("checkpoint_cpu_ns", read.cpu_ns),
    ] {
        totals.counters.insert(name.to_owned(), value);
    }
    manifest.recorder.cpu_ns = Cost::now().cpu_ns.saturating_sub(cost_before.cpu_ns);
    manifest.ended = Some(Ended {
        how: EndedHow::Duration,
        // What was read last is before the end.
        at_ns: pipeline.since_start(monotonic_ns()).saturating_add(1),
        note: None,
    });
    let finished = pipeline.into_writer().finish(&mut manifest)?;
    Ok(Saved {
        path: output.to_owned(),
        read,
        states: told,
        without_states: untold,
        nameless: nameless.into_iter().take(NAMELESS_MAX).collect(),
        bytes: finished.bytes,
    })
}

/// Of how many states were told, and of how many not.
type Counted = [usize; 2];

fn read(
    pipeline: &mut Pipeline,
    states: Option<&StateOptions>,
    nameless: &mut BTreeSet<String>,
) -> Result<(CheckpointCounts, Counted), SessionError> {
    let mut checkpoint = Checkpoints::once();
    let begun_ns = monotonic_ns();
    while checkpoint.counts().checkpoints == 0 {
        checkpoint.step(None, pipeline, &|| true)?;
        write_some(pipeline)?;
    }
    let changed = pipeline.symbolizer.read_code_anew(begun_ns, monotonic_ns)?;
    pipeline.symbolizer.read_all_names();
    let between = (
        pipeline.since_start(begun_ns),
        pipeline.since_start(monotonic_ns()),
    );
    let loss = losses::code_unseen(
        changed.map_or(1, |pieces| pieces as u64),
        between.0,
        between.1,
    );
    if let Some(loss) = &loss {
        pipeline.writer().loss(loss);
    }
    let counted = match states {
        None => [0, 0],
        Some(options) => read_states(pipeline, options, nameless)?,
    };
    Ok((checkpoint.counts(), counted))
}

fn read_states(
    pipeline: &mut Pipeline,
    options: &StateOptions,
    nameless: &mut BTreeSet<String>,
) -> Result<Counted, SessionError> {
    let mut counted = [0, 0];
    let node = TermReader::new(pipeline.symbolizer.vm()).this_node();
    let how = (options, node.as_ref());
    let all = called(pipeline.symbolizer.vm())?;
    let [_, untold] = &mut counted;
    *untold = all.len().saturating_sub(STATES_MAX);
    let mut left = all.get(..STATES_MAX).unwrap_or(&all);
    let mut tries = 0;
    while !left.is_empty() {
        let begun_ns = monotonic_ns();
        let (mut batch, rest) = read_batch(pipeline, left, how);
        tries += 1;
        let changed = pipeline.symbolizer.read_code_anew(begun_ns, monotonic_ns)?;
        if changed != Some(0) {
            pipeline.symbolizer.read_all_names();
            if tries < TRIES {
                continue;
            }
            batch.iter_mut().for_each(Read::distrust);
        }
        (left, tries) = (rest, 0);
        for read in batch {
            let is_told = read.rows.first().is_some_and(|row| row.seen.has_term());
            if let Some(count) = counted.get_mut(usize::from(!is_told)) {
                *count += 1;
            }
            nameless.extend(read.nameless);
            read.rows.into_iter().for_each(|row| pipeline.state(row));
        }
        write_some(pipeline)?;
    }
    Ok(counted)
}

/// What was read of one process.
struct Read {
    rows: Vec<StateRow>,
    nameless: Vec<String>,
}

impl Read {
    /// Code has come and gone while it was read: what its functions are called may be of another's.
    fn distrust(&mut self) {
        let mark = |row: &StateRow| StateRow::mark(row.ts_ns, row.proc, StateSeen::Unreadable);
        if self.rows.first().is_some_and(|row| row.seen.has_term()) {
            let first = self.rows.first().map(mark);
            let last = self.rows.pop();
            self.rows = first.into_iter().chain(last).collect();
        }
    }
}

/// Reads some of these processes, and says which are left.
fn read_batch<'a>(
    pipeline: &mut Pipeline,
    processes: &'a [Called],
    (options, node): (&StateOptions, Option<&Node>),
) -> (Vec<Read>, &'a [Called]) {
    let fingerprints = Fingerprints::default();
    let (mut batch, mut bytes, mut count) = (Vec::new(), 0, 0);
    for (pid, address, process) in processes {
        if bytes > BATCH_BYTES || count >= BATCH {
            break;
        }
        count += 1;
        let Some(proc) = pipeline.symbolizer.process(*pid, *address) else {
            continue;
        };
        let who = (*address, *pid, process.name.as_deref());
        let (begun_ns, reading) = pipeline
            .symbolizer
            .with_code(|vm, code| read_rested(vm, code, who, options));
        let ts_ns = pipeline.since_start(begun_ns);
        let not = |seen| vec![StateRow::mark(ts_ns, proc, seen)];
        let mut nameless = Vec::new();
        let mut rows = match reading {
            Reading::Gone => continue,
            Reading::Exact(mut state) => {
                nameless = std::mem::take(&mut state.nameless);
                let row = StateRow {
                    reductions: state.reductions,
                    ..StateRow::mark(ts_ns, proc, StateSeen::Unreadable)
                };
                Told::default().rows(&row, &state, StateSource::Live, (node, &fingerprints))
            }
            Reading::Ran(_) => not(StateSeen::Ran),
            Reading::Sensitive => not(StateSeen::Sensitive),
            Reading::Unreadable(_) => not(StateSeen::Unreadable),
        };
        let terms = rows.iter().map(|row| row.term.as_ref().map_or(0, Vec::len));
        bytes += terms.sum::<usize>();
        // It was so until it was read; nobody has looked since.
        let until_ns = pipeline.since_start(monotonic_ns());
        rows.push(StateRow::mark(until_ns, proc, StateSeen::Unseen));
        batch.push(Read { rows, nameless });
    }
    (batch, processes.get(count..).unwrap_or_default())
}

/// What waits to be written may not grow with the VM.
fn write_some(pipeline: &mut Pipeline) -> Result<(), SessionError> {
    if pipeline.is_heavy() {
        pipeline.writer().flush()?;
        pipeline.written();
    }
    Ok(())
}
