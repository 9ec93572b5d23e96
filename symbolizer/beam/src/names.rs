//! Names of JIT code from other sources than the VM's JIT list, and whether they agree with it.

use std::io::BufReader;
use std::ops::Range;
use std::path::PathBuf;

use crate::code::jitdump::read_jitdump;
use crate::code::perf_map::read_perf_map;
use crate::code::{CodeMap, DumpFollower, Function, ModuleCode, Pieces, read_module};
use crate::memory::Memory;
use crate::stack::JitRanges;
use crate::target::{PerfFileKind, open_perf_files, read_executable_mappings};
use crate::{BeamError, Vm};

/// One of the files that a VM with `+JPperf` writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerfNames {
    /// Which.
    pub kind: PerfFileKind,
    /// As the VM names it.
    pub path: PathBuf,
    /// What it says, or why it is not believed.
    pub read: Result<Pieces, String>,
}

/// Reads the files that a VM with `+JPperf` writes, the one that tells more first. Empty for a VM
/// that was not told to write any.
///
/// Ranges that lie outside of `jit` are left out; a file without any inside is refused.
///
/// # Errors
/// When the process is gone or may not be read.
pub fn read_perf_names(pid: u32, jit: &JitRanges) -> Result<Vec<PerfNames>, BeamError> {
    let mappings = read_executable_mappings(pid)?;
    let is_jit = |first: u64, last: u64| jit.contains(first) && jit.contains(last);
    let files = open_perf_files(pid, &mappings).into_iter();
    Ok(files
        .map(|file| {
            let read = file.file.and_then(|open| {
                let source = BufReader::with_capacity(64 << 10, open);
                let pieces = match file.kind {
                    PerfFileKind::Map => {
                        read_perf_map(source, is_jit).map_err(|error| error.to_string())
                    }
                    PerfFileKind::Dump => {
                        read_jitdump(source, is_jit).map_err(|error| error.to_string())
                    }
                }?;
                match pieces.ranges {
                    0 => Err("nothing in it is JIT code of the VM".to_owned()),
                    _ => Ok(pieces),
                }
            });
            PerfNames {
                kind: file.kind,
                path: file.path,
                read,
            }
        })
        .collect())
}

/// The jitdump of a VM that writes one, to be followed.
///
/// # Errors
/// When the process is gone or may not be read.
pub fn follow_jitdump(pid: u32) -> Result<Option<DumpFollower>, BeamError> {
    let files = open_perf_files(pid, &read_executable_mappings(pid)?);
    let mut dumps = files
        .into_iter()
        .filter(|file| file.kind == PerfFileKind::Dump);
    Ok(dumps.find_map(|dump| DumpFollower::new(dump.file.ok()?).ok()))
}

/// Adds what a file says to a map; code already known wins, and of what the file says the last.
pub fn add_pieces(map: &mut CodeMap, pieces: &Pieces) {
    for piece in pieces.pieces.iter().rev() {
        map.add_known(piece.at_ns, piece.module.clone());
    }
}

/// How one file compares with the JIT list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Which file.
    pub kind: PerfFileKind,
    /// As the VM names it.
    pub path: PathBuf,
    /// What came out, or why the file is not believed.
    pub compared: Result<Compared, String>,
}

/// What came out of comparing a file with the JIT list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Functions of the list that the file has with the same range and name.
    pub agree: u64,
    /// Functions of the list that it has otherwise, or not at all.
    pub differ: u64,
    /// One of those.
    pub example: Option<String>,
    /// Lines or records of the file that made no sense.
    pub nonsense: u64,
    /// Only the first part of the file was read.
    pub cut: bool,
}

impl<M: Memory> Vm<M> {
    /// Adds to a map what the files of `+JPperf` name and the map does not. Returns a line for
    /// each file about what came of it.
    pub(crate) fn fill_names(&self, map: &mut CodeMap) -> Vec<String> {
        let files = read_perf_names(self.pid, &self.jit).unwrap_or_default();
        let mut notes = Vec::new();
        for file in files {
            let (kind, path) = (file.kind.as_str(), file.path.display());
            notes.push(match &file.read {
                Ok(pieces) => {
                    let before = map.len();
                    add_pieces(map, pieces);
                    format!(
                        "names: {} modules by the {kind} of +JPperf, {path}, which the JIT list \
                         could not be read for",
                        map.len() - before
                    )
                }
                Err(why) => format!("names: not by the {kind} of +JPperf, {path}: {why}"),
            });
        }
        notes
    }

    /// Compares the JIT list with the files of `+JPperf`: how many functions the list has, and
    /// what each file says of them.
    ///
    /// # Errors
    /// When the list cannot be read or the target is gone.
    pub fn compare_names(&self) -> Result<(u64, Vec<Agreement>), BeamError> {
        /// Code that changes in between differs.
        const ATTEMPTS: usize = 3;
        let mut last = (0, Vec::new());
        for _ in 0..ATTEMPTS {
            last = self.compare_names_once()?;
            let differs = |it: &Agreement| it.compared.as_ref().is_ok_and(|it| it.differ > 0);
            if !last.1.iter().any(differs) {
                break;
            }
        }
        Ok(last)
    }

    fn compare_names_once(&self) -> Result<(u64, Vec<Agreement>), BeamError> {
        let mut listed = CodeMap::new();
        self.list_code(&mut listed)?;
        listed.read_all(|blob, bytes| read_module(&self.memory, blob, bytes));
        let functions = listed.modules().map(|module| functions(module).count());
        let total = functions.sum::<usize>() as u64;
        let files = read_perf_names(self.pid, &self.jit)?.into_iter();
        let agreements = files.map(|file| Agreement {
            kind: file.kind,
            path: file.path,
            compared: file.read.map(|pieces| compare(&listed, &pieces)),
        });
        Ok((total, agreements.collect()))
    }
}

/// A module's functions with their ranges; prologue and code are one.
fn functions(module: &ModuleCode) -> impl Iterator<Item = (&Function, Range<u64>)> {
    let same = |a: &Function, b: &Function| a.name == b.name && a.arity == b.arity;
    module.functions.chunk_by(same).filter_map(|ranges| {
        let (first, last) = (ranges.first()?, ranges.last()?);
        let at = |offset: u32| module.base.saturating_add(u64::from(offset));
        Some((first, at(first.start)..at(last.end)))
    })
}

/// Compares every function of a list with what a file says.
#[must_use]
pub fn compare(listed: &CodeMap, pieces: &Pieces) -> Compared {
    let mut theirs = CodeMap::new();
    add_pieces(&mut theirs, pieces);
    let mut compared = Compared {
        nonsense: pieces.nonsense,
        cut: pieces.cut,
        ..Compared::default()
    };
    for module in listed.modules() {
        let other = theirs.module_at(module.base).filter(|other| {
            other.base == module.base && other.size == module.size && other.name == module.name
        });
        let mut others = other.map(|other| functions(other)).into_iter().flatten();
        let mut in_step = true;
        for (function, range) in functions(module) {
            let same = in_step
                && others.next().is_some_and(|(other, other_range)| {
                    range == other_range
                        && other.name == function.name
                        && other.arity == function.arity
                });
            in_step = same;
            if same {
                compared.agree += 1;
                continue;
            }
            compared.differ += 1;
            compared.example.get_or_insert_with(|| {
                let (module, name) = (&module.name, &function.name);
                format!("{module}:{name} at {:#x}", range.start)
            });
        }
    }
    compared
}
