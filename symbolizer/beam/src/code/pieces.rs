//! From ranges one after another, as the VM writes them for `perf`, to modules.
//!
//! The VM describes one module at a time (`beam_jit_common.cpp`, `register_metadata`): first
//! `mod::codeHeader`, then each function in two ranges, last `mod::codeFooter`, ascending. Only
//! the helper fragments, `global::fragment`, have neither header nor footer
//! (`beam_asm_global.cpp`). Header and footer have the module's name as it is; the functions
//! have it as a printed atom.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::blob::{Function, ModuleCode, function_name};

/// What header and footer are called behind the module's name.
const HEADER: &str = "::codeHeader";
const FOOTER: &str = "::codeFooter";
/// What the helper fragments begin with.
const FRAGMENT: &str = "global::";
/// More space than alignment leaves between two ranges of one module.
const GAP_MAX: u64 = 4096;
/// More ranges than are taken from one file, and more lines of one module.
const RANGES_MAX: u64 = 1 << 22;
const LINES_MAX: usize = 1 << 22;
/// More modules than are taken from one file: each may be one range of a few bytes, and takes
/// hundreds here. A system has thousands.
pub(super) const MODULES_MAX: usize = 200_000;

/// A range of code as a file describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range<'a> {
    /// First address.
    pub(super) start: u64,
    /// Size in bytes.
    pub(super) bytes: u64,
    /// `mod:fun/arity` or one of the other forms.
    pub(super) text: &'a str,
    /// When it was written, on `CLOCK_MONOTONIC`; 0 where the file does not say.
    pub(super) at_ns: u64,
}

/// One module that was loaded at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// When, nanoseconds on `CLOCK_MONOTONIC`; 0 where the file does not say.
    pub at_ns: u64,
    /// Its code.
    pub module: Arc<ModuleCode>,
}

/// What a file says, in the order in which it says it: a later module takes the place of an
/// earlier one that it overlaps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Modules.
    pub pieces: Vec<Piece>,
    /// Ranges of code.
    pub ranges: u64,
    /// Lines or records that made no sense.
    pub nonsense: u64,
    /// Ranges that lie where the target has no JIT code: of code that is gone, or of another
    /// process.
    pub outside: u64,
    /// The file is larger, or has more ranges or modules, than what is read of one.
    pub cut: bool,
}

impl Pieces {
    /// Whether more is to be read of the file.
    pub(super) fn has_room(&self) -> bool {
        self.ranges < RANGES_MAX && self.pieces.len() < MODULES_MAX
    }
}

/// Puts ranges together.
#[derive(Debug, Default)]
pub(super) struct Grouper {
    current: Option<ModuleCode>,
    /// Whether that one began with a header.
    headed: bool,
    at_ns: u64,
    files: FxHashMap<Arc<str>, u32>,
}

impl Grouper {
    /// Takes one range. `lines` are address, line and file of each place in it. Returns `false`
    /// for a range that belongs to nothing.
    pub(super) fn take(
        &mut self,
        range: Range<'_>,
        lines: &[(u64, u32, Arc<str>)],
        out: &mut Vec<Piece>,
    ) -> bool {
        if let Some(name) = range.text.strip_suffix(HEADER) {
            self.begin(name, &range, true, out);
            return self.extend(&range).is_some();
        }
        if !self.follows(&range) {
            if !range.text.starts_with(FRAGMENT) {
                self.finish(out);
                return false;
            }
            self.begin("global", &range, false, out);
        }
        let Some((start, end)) = self.extend(&range) else {
            return false;
        };
        self.add(start, end, &range, lines);
        if self.headed && range.text.ends_with(FOOTER) {
            self.finish(out);
        }
        true
    }

    /// The module under way ends: nothing more is there, or what follows was lost.
    pub(super) fn finish(&mut self, out: &mut Vec<Piece>) {
        self.files.clear();
        if let Some(module) = self.current.take() {
            out.push(Piece {
                at_ns: self.at_ns,
                module: Arc::new(module),
            });
        }
    }

    fn begin(&mut self, name: &str, range: &Range<'_>, headed: bool, out: &mut Vec<Piece>) {
        self.finish(out);
        self.headed = headed;
        self.at_ns = range.at_ns;
        self.current = Some(ModuleCode::from_functions(name, range.start, 0, []));
    }

    /// Whether a range is one more of the module under way.
    fn follows(&self, range: &Range<'_>) -> bool {
        let Some(module) = &self.current else {
            return false;
        };
        let end = module.base.saturating_add(u64::from(module.size));
        let near = range
            .start
            .checked_sub(end)
            .is_some_and(|gap| gap <= GAP_MAX);
        near && (self.headed || range.text.starts_with(FRAGMENT))
    }

    /// Makes the module reach to the end of a range; the range's offsets in it.
    fn extend(&mut self, range: &Range<'_>) -> Option<(u32, u32)> {
        let module = self.current.as_mut()?;
        let start = u32::try_from(range.start.checked_sub(module.base)?).ok()?;
        let end = start.checked_add(u32::try_from(range.bytes).ok()?)?;
        module.size = module.size.max(end);
        Some((start, end))
    }

    fn add(&mut self, start: u32, end: u32, range: &Range<'_>, lines: &[(u64, u32, Arc<str>)]) {
        let Some(module) = self.current.as_mut() else {
            return;
        };
        let Some((name, arity)) = function_name(&module.name, range.text) else {
            return;
        };
        let first_line = module.lines.len() as u32;
        for (address, line, file) in lines {
            let Some(offset) = address.checked_sub(module.base) else {
                continue;
            };
            let Ok(offset) = u32::try_from(offset) else {
                continue;
            };
            if module.lines.len() >= LINES_MAX {
                break;
            }
            let files = &mut module.files;
            let file = *self.files.entry(file.clone()).or_insert_with(|| {
                files.push(file.clone());
                files.len() as u32 - 1
            });
            module.lines.push((offset, *line, file));
        }
        // A function's prologue is a range of its own, with the same name.
        let name = match module.functions.last() {
            Some(last) if *last.name == *name => last.name.clone(),
            _ => Arc::from(&*name),
        };
        module.functions.push(Function {
            start,
            end,
            name,
            arity,
            first_line,
            lines: module.lines.len() as u32 - first_line,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Grouper, MODULES_MAX, Range};
    use crate::code::perf_map::read_perf_map;

    fn grouped(ranges: &[(u64, u64, &str)]) -> (Vec<(String, u64, u32, usize)>, usize) {
        let (mut grouper, mut out, mut refused) = (Grouper::default(), Vec::new(), 0);
        for &(start, bytes, text) in ranges {
            let range = Range {
                start,
                bytes,
                text,
                at_ns: 7,
            };
            refused += usize::from(!grouper.take(range, &[], &mut out));
        }
        grouper.finish(&mut out);
        let modules = out.iter().map(|piece| {
            assert_eq!(piece.at_ns, 7);
            let module = &piece.module;
            let functions = module.functions.len();
            (module.name.to_string(), module.base, module.size, functions)
        });
        (modules.collect(), refused)
    }

    #[test]
    fn modules_begin_with_a_header_and_end_with_a_footer() {
        let (modules, refused) = grouped(&[
            (0x1000, 0x68, "global::apply_fun_shared"),
            (0x1068, 0x90, "global::arith_shared"),
            // The module of OTP that has this name too.
            (0x10f8, 0x10, "global::codeHeader"),
            (0x1108, 0x30, "global:sync/0-CodeInfoPrologue"),
            (0x1138, 0x40, "global:sync/0"),
            (0x1178, 0x08, "global::codeFooter"),
            (0x9000, 0x10, "Elixir.A.B::codeHeader"),
            (0x9010, 0x30, "'Elixir.A.B':f/1-CodeInfoPrologue"),
            (0x9040, 0x10, "'Elixir.A.B':f/1"),
        ]);
        assert_eq!(refused, 0);
        let module = |name: &str, base, size, functions| (name.to_owned(), base, size, functions);
        assert_eq!(
            modules,
            [
                module("global", 0x1000, 0xf8, 2),
                module("global", 0x10f8, 0x88, 3),
                module("Elixir.A.B", 0x9000, 0x50, 2),
            ]
        );
    }

    #[test]
    fn modules_have_a_limit() {
        let line = |index: usize| format!("0x{:x} 10 $m::codeHeader\n", 0x1000 + 16 * index);
        let map: String = (0..MODULES_MAX + 100).map(line).collect();
        let read = read_perf_map(map.as_bytes(), |_, _| true).expect("readable");
        // The one that was under way is kept.
        assert_eq!((read.pieces.len(), read.cut), (MODULES_MAX + 1, true));
        let map: String = (0..1000).map(line).collect();
        let read = read_perf_map(map.as_bytes(), |_, _| true).expect("readable");
        assert_eq!((read.pieces.len(), read.cut), (1000, false));
    }

    #[test]
    fn what_belongs_to_nothing_is_refused() {
        let (modules, refused) = grouped(&[
            (0x1000, 0x10, "lists:map/2"),
            (0x2000, 0x10, "a::codeHeader"),
            // Below its module, beyond it, larger than any.
            (0x1800, 0x10, "a:f/0"),
            (0x2010, 0x10, "a:g/0"),
            (0x3000, 0x10, "b::codeHeader"),
            (0x3010, u64::MAX, "b:f/0"),
            (0x3010, 0x10, "b:g/0"),
        ]);
        assert_eq!(refused, 4);
        assert_eq!(modules.len(), 2);
        assert_eq!(modules[1], ("b".to_owned(), 0x3000, 0x20, 1));
    }
}
