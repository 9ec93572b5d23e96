//! A recording of one checkpoint: what every process is like now, and, if that is wanted, what it has.

use std::path::{Path, PathBuf};

use escope_beam::Vm;
use escope_beam::snapshot::called;
use escope_beam::state::{Reading, StateOptions};
use escope_beam::term::TermReader;
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
use crate::{CheckpointCounts, SessionError};

/// Processes whose states are told.
const STATES_MAX: usize = 100_000;

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
    let (read, [told, untold]) = match read(&mut pipeline, states) {
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
        bytes: finished.bytes,
    })
}

/// Of how many states were told, and of how many not.
type Counted = [usize; 2];

fn read(
    pipeline: &mut Pipeline,
    states: Option<&StateOptions>,
) -> Result<(CheckpointCounts, Counted), SessionError> {
    let mut checkpoint = Checkpoints::once();
    while checkpoint.counts().checkpoints == 0 {
        checkpoint.step(None, pipeline, &|| true)?;
        write_some(pipeline)?;
    }
    let counted = match states {
        None => [0, 0],
        Some(options) => read_states(pipeline, options)?,
    };
    Ok((checkpoint.counts(), counted))
}

fn read_states(pipeline: &mut Pipeline, options: &StateOptions) -> Result<Counted, SessionError> {
    let mut counted = [0, 0];
    let node = TermReader::new(pipeline.symbolizer.vm()).this_node();
    let fingerprints = Fingerprints::default();
    let all = called(pipeline.symbolizer.vm())?;
    let [_, untold] = &mut counted;
    *untold = all.len().saturating_sub(STATES_MAX);
    for (pid, address, process) in all.into_iter().take(STATES_MAX) {
        let Some(proc) = pipeline.symbolizer.process(pid, address) else {
            continue;
        };
        let who = (address, pid, process.name.as_deref());
        let (begun_ns, reading) = pipeline
            .symbolizer
            .with_code(|vm, code| read_rested(vm, code, who, options));
        let ts_ns = pipeline.since_start(begun_ns);
        let not = |seen| vec![StateRow::mark(ts_ns, proc, seen)];
        let rows = match reading {
            Reading::Gone => continue,
            Reading::Exact(state) => {
                let row = StateRow {
                    reductions: state.reductions,
                    ..StateRow::mark(ts_ns, proc, StateSeen::Unreadable)
                };
                let how = (node.as_ref(), &fingerprints);
                Told::default().rows(&row, &state, StateSource::Live, how)
            }
            Reading::Ran(_) => not(StateSeen::Ran),
            Reading::Sensitive => not(StateSeen::Sensitive),
            Reading::Unreadable(_) => not(StateSeen::Unreadable),
        };
        let is_told = rows.first().is_some_and(|row| row.seen.has_term());
        if let Some(count) = counted.get_mut(usize::from(!is_told)) {
            *count += 1;
        }
        rows.into_iter().for_each(|row| pipeline.state(row));
        // It was so until it was read; nobody has looked since.
        let until_ns = pipeline.since_start(monotonic_ns());
        pipeline.state(StateRow::mark(until_ns, proc, StateSeen::Unseen));
        write_some(pipeline)?;
    }
    Ok(counted)
}

/// What waits to be written may not grow with the VM.
fn write_some(pipeline: &mut Pipeline) -> Result<(), SessionError> {
    if pipeline.is_heavy() {
        pipeline.writer().flush()?;
        pipeline.written();
    }
    Ok(())
}
