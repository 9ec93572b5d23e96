//! Builds the dictionary, filling what is missing with entries that say so.

use std::collections::BTreeMap;

use escope_model::{Dictionary, Frame, PortId, PortInfo, ProcId, ProcessInfo, ThreadInfo};

use crate::error::{Problem, RecordingError};
use crate::source::Source;
use crate::tables::{FrameRow, Keyed, StackRow};

/// Ids are sequential, so gaps come from lost batches alone. An id that is further
/// away than this many times the rows is a damaged id, and memory is not taken for it.
const MAX_SPREAD: usize = 16;
const MIN_SPREAD: usize = 1 << 16;

/// Frames, stacks, processes, threads and ports of a recording, and what is wrong with them.
pub(crate) fn dictionary(source: &Source) -> Result<(Dictionary, Vec<Problem>), RecordingError> {
    let mut problems = Vec::new();
    let frames = table::<FrameRow, _>(
        source,
        &mut problems,
        |row| row.frame,
        |_| Frame::marker("frame is missing from the recording"),
    )?;
    let stacks = table::<StackRow, _>(source, &mut problems, |row| row.frames, |_| Box::default())?;
    let processes = table::<ProcessInfo, _>(source, &mut problems, |row| row, unknown_process)?;
    let ports = table::<PortInfo, _>(
        source,
        &mut problems,
        |row| row,
        |id| PortInfo::unknown(PortId(id)),
    )?;
    let (threads, mut thread_problems) = source.keyed::<ThreadInfo>()?;
    problems.append(&mut thread_problems);
    let dictionary = Dictionary {
        frames,
        stacks,
        processes,
        threads: threads.into_values().collect(),
        ports,
    };
    Ok((dictionary, problems))
}

fn unknown_process(id: u32) -> ProcessInfo {
    ProcessInfo {
        proc: ProcId(id),
        pid: "<unknown>".to_owned(),
        name: None,
        label: None,
        initial_call: None,
        parent: None,
    }
}

/// A table as a list indexed by id.
fn table<R: Keyed, T>(
    source: &Source,
    problems: &mut Vec<Problem>,
    value: impl Fn(R) -> T,
    missing: impl Fn(u32) -> T,
) -> Result<Vec<T>, RecordingError> {
    let name = R::TABLE.name();
    let (rows, mut found) = source.keyed::<R>()?;
    problems.append(&mut found);
    let (list, gaps, wild) = by_index(rows, value, missing);
    if gaps > 0 {
        let what = format!("{gaps} entries are missing, samples that use them say so");
        problems.push(Problem::new(name, what));
    }
    if wild > 0 {
        let what = format!("{wild} entries have impossible ids and were left out");
        problems.push(Problem::new(name, what));
    }
    Ok(list)
}

/// The rows as a list, how many ids had none, and how many were left out.
fn by_index<R, T>(
    rows: BTreeMap<u32, R>,
    value: impl Fn(R) -> T,
    missing: impl Fn(u32) -> T,
) -> (Vec<T>, usize, usize) {
    let limit = rows.len().saturating_mul(MAX_SPREAD).max(MIN_SPREAD);
    let mut list = Vec::with_capacity(rows.len());
    let (mut gaps, mut wild) = (0, 0);
    for (id, row) in rows {
        if id as usize >= limit {
            wild += 1;
            continue;
        }
        while list.len() < id as usize {
            gaps += 1;
            list.push(missing(u32::try_from(list.len()).unwrap_or(u32::MAX)));
        }
        list.push(value(row));
    }
    (list, gaps, wild)
}
