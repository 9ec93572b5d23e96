//! One blob of the debugger interface: a module's functions and lines.
//!
//! Written by `erts/emulator/beam/jit/beam_jit_metadata.cpp`. Little-endian, packed:
//!
//! ```text
//! u32 kind | 4 bytes | u64 base | u32 ranges | u32 code size | u16 name length | name NUL
//!   at 32 + name length, ranges times:
//!   u32 start | u32 end | u32 lines | u16 name length | name NUL ; next at 16 + name length
//!     lines times: u32 start | u32 line | u16 file length | file NUL ; next at 12 + file length
//! ```
//!
//! Lengths of names include the NUL. Starts and ends are offsets from the base.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use twox_hash::XxHash3_64;

/// Why bytes are no blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// It ends early.
    #[error("it ends at byte {0}")]
    Cut(usize),
    /// It describes no module.
    #[error("it is of kind {0}, not a module")]
    Kind(u32),
    /// It has bytes left over.
    #[error("{0} bytes are left over")]
    Rest(usize),
}

/// One function, or one of the JIT's helper fragments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Offset of its first byte from the module's base.
    pub start: u32,
    /// Offset of the byte after its last.
    pub end: u32,
    /// Its name: the function's atom, or the fragment's.
    pub name: Arc<str>,
    /// Its arity; `None` for a helper fragment.
    pub arity: Option<u32>,
    pub(super) first_line: u32,
    pub(super) lines: u32,
}

/// A module's code as the VM described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleCode {
    /// Address of its first byte.
    pub base: u64,
    /// Size in bytes.
    pub size: u32,
    /// Module atom; `global` for the helper fragments.
    pub name: Arc<str>,
    /// Ascending, not overlapping.
    pub functions: Vec<Function>,
    /// Offset, line and index of the file.
    pub(super) lines: Vec<(u32, u32, u32)>,
    pub(super) files: Vec<Arc<str>>,
    /// Hash of the blob: the VM may describe other code in the same place.
    pub(super) print: u64,
}

impl ModuleCode {
    /// A module from parts: `(start, end, name, arity)` of each function.
    #[must_use]
    pub fn from_functions(
        name: &str,
        base: u64,
        size: u32,
        functions: impl IntoIterator<Item = (u32, u32, String, Option<u32>)>,
    ) -> ModuleCode {
        ModuleCode {
            base,
            size,
            name: name.into(),
            functions: functions
                .into_iter()
                .map(|(start, end, name, arity)| Function {
                    start,
                    end,
                    name: name.into(),
                    arity,
                    first_line: 0,
                    lines: 0,
                })
                .collect(),
            lines: Vec::new(),
            files: Vec::new(),
            print: 0,
        }
    }

    /// The function that covers an offset.
    #[must_use]
    pub fn function_at(&self, offset: u32) -> Option<&Function> {
        let after = self.functions.partition_point(|f| f.start <= offset);
        let function = self.functions.get(after.checked_sub(1)?)?;
        (offset < function.end).then_some(function)
    }

    /// File and line of an offset in a function.
    #[must_use]
    pub fn line_at(&self, function: &Function, offset: u32) -> Option<(Arc<str>, u32)> {
        let first = function.first_line as usize;
        let lines = self.lines.get(first..first + function.lines as usize)?;
        let after = lines.partition_point(|(start, _, _)| *start <= offset);
        let (_, line, file) = lines.get(after.checked_sub(1)?)?;
        let file = self.files.get(*file as usize)?;
        (*line > 0).then(|| (file.clone(), *line))
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], BlobError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or(BlobError::Cut(self.bytes.len()))?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BlobError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u16(&mut self) -> Result<usize, BlobError> {
        self.array().map(u16::from_le_bytes).map(usize::from)
    }

    fn u32(&mut self) -> Result<u32, BlobError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, BlobError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A name with its NUL, then two bytes of padding that the writer's struct has less of.
    fn name(&mut self, pad: usize) -> Result<&'a [u8], BlobError> {
        let length = self.u16()?;
        let name = self.take(length)?;
        self.take(pad)?;
        Ok(name.strip_suffix(&[0]).unwrap_or(name))
    }
}

/// Reads a module's blob.
///
/// # Errors
/// When it is cut, of another kind or has bytes left over: it was being changed or freed.
pub fn parse_blob(bytes: &[u8]) -> Result<ModuleCode, BlobError> {
    let mut cursor = Cursor { bytes, at: 0 };
    let kind = cursor.u32()?;
    if kind != 1 {
        return Err(BlobError::Kind(kind));
    }
    cursor.take(4)?;
    let base = cursor.u64()?;
    let ranges = cursor.u32()?;
    let size = cursor.u32()?;
    let name = String::from_utf8_lossy(cursor.name(6)?).into_owned();
    let mut module = ModuleCode {
        base,
        size,
        name: name.as_str().into(),
        functions: Vec::with_capacity((ranges as usize).min(bytes.len() / 16)),
        lines: Vec::new(),
        files: Vec::new(),
        print: XxHash3_64::oneshot(bytes),
    };
    let mut files: FxHashMap<&[u8], u32> = FxHashMap::default();
    let mut last_name: Option<(Arc<str>, Option<u32>)> = None;
    for _ in 0..ranges {
        let start = cursor.u32()?;
        let end = cursor.u32()?;
        let count = cursor.u32()?;
        let text = cursor.name(2)?;
        let first_line = module.lines.len() as u32;
        for _ in 0..count {
            let offset = cursor.u32()?;
            let line = cursor.u32()?;
            let file = cursor.name(2)?;
            let file = *files.entry(file).or_insert_with(|| {
                module.files.push(String::from_utf8_lossy(file).into());
                module.files.len() as u32 - 1
            });
            module.lines.push((offset, line, file));
        }
        let text = String::from_utf8_lossy(text);
        let Some((function, arity)) = function_name(&name, &text) else {
            continue;
        };
        // A function's prologue is a range of its own, with the same name.
        let (name, arity) = match &last_name {
            Some((last, last_arity)) if **last == *function && *last_arity == arity => {
                (last.clone(), arity)
            }
            _ => (Arc::from(&*function), arity),
        };
        last_name = Some((name.clone(), arity));
        module.functions.push(Function {
            start,
            end,
            name,
            arity,
            first_line,
            lines: module.lines.len() as u32 - first_line,
        });
    }
    if cursor.at != bytes.len() {
        return Err(BlobError::Rest(bytes.len() - cursor.at));
    }
    module.functions.sort_by_key(|function| function.start);
    Ok(module)
}

/// Splits `mod:fun/arity`, `mod:fun/arity-CodeInfoPrologue`, `global::fragment`. The module's
/// name is known, so a `:` or `/` inside an atom does no harm. `None` for the module's header.
pub(super) fn function_name<'a>(
    module: &str,
    text: &'a str,
) -> Option<(Cow<'a, str>, Option<u32>)> {
    let text = text.strip_suffix("-CodeInfoPrologue").unwrap_or(text);
    let rest = text
        .strip_prefix(module)
        .or_else(|| after_quoted(text).filter(|_| text.starts_with('\'')))
        .and_then(|rest| rest.strip_prefix(':'))
        .unwrap_or(text);
    if let Some(fragment) = rest.strip_prefix(':') {
        return (fragment != "codeHeader").then_some((fragment.into(), None));
    }
    match rest.rsplit_once('/') {
        Some((function, arity)) => match arity.parse() {
            Ok(arity) => Some((unquote(function), Some(arity))),
            Err(_) => Some((rest.into(), None)),
        },
        None => Some((rest.into(), None)),
    }
}

/// What follows a quoted atom at the start of a text.
fn after_quoted(text: &str) -> Option<&str> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return text.get(at + 1..),
            _ => {}
        }
    }
    None
}

/// The text of an atom as `print_atom_name` in `erts/emulator/beam/erl_printf_term.c` wrote it:
/// quoted where it must be, control characters as in C or in octal.
fn unquote(atom: &str) -> Cow<'_, str> {
    let quoted = atom
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    let Some(quoted) = quoted else {
        return atom.into();
    };
    if !quoted.contains('\\') {
        return quoted.into();
    }
    let mut text = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some('v') => text.push('\u{b}'),
            Some('f') => text.push('\u{c}'),
            Some(digit @ '0'..='7') => {
                let octal: String = std::iter::once(digit)
                    .chain(chars.by_ref().take(2))
                    .collect();
                let code = u32::from_str_radix(&octal, 8).ok();
                text.push(code.and_then(char::from_u32).unwrap_or('\u{fffd}'));
            }
            Some(other) => text.push(other),
            None => text.push('\\'),
        }
    }
    text.into()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{BlobError, function_name, parse_blob};

    type Line<'a> = (u32, u32, &'a str);
    type Range<'a> = (u32, u32, &'a str, &'a [Line<'a>]);

    /// A blob as the VM writes it: `(start, end, name, [(offset, line, file)])`.
    pub(crate) fn blob(base: u64, size: u32, name: &str, ranges: &[Range<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let text = |bytes: &mut Vec<u8>, text: &str, pad: usize| {
            bytes.extend((text.len() as u16 + 1).to_le_bytes());
            bytes.extend(text.as_bytes());
            bytes.extend(vec![0; 1 + pad]);
        };
        bytes.extend(1u64.to_le_bytes());
        bytes.extend(base.to_le_bytes());
        bytes.extend((ranges.len() as u32).to_le_bytes());
        bytes.extend(size.to_le_bytes());
        text(&mut bytes, name, 6);
        for (start, end, name, lines) in ranges {
            bytes.extend(start.to_le_bytes());
            bytes.extend(end.to_le_bytes());
            bytes.extend((lines.len() as u32).to_le_bytes());
            text(&mut bytes, name, 2);
            for (offset, line, file) in *lines {
                bytes.extend(offset.to_le_bytes());
                bytes.extend(line.to_le_bytes());
                text(&mut bytes, file, 2);
            }
        }
        bytes
    }

    fn lists() -> Vec<u8> {
        blob(
            0x1000,
            200,
            "lists",
            &[
                (0, 40, "lists::codeHeader", &[]),
                (40, 60, "lists:map/2-CodeInfoPrologue", &[]),
                (
                    60,
                    120,
                    "lists:map/2",
                    &[(60, 1239, "lists.erl"), (90, 1240, "lists.erl")],
                ),
                (120, 200, "lists:seq/2", &[]),
            ],
        )
    }

    #[test]
    fn functions_and_lines_are_found() {
        let module = parse_blob(&lists()).expect("a blob");
        assert_eq!(
            (module.base, module.size, &*module.name),
            (0x1000, 200, "lists")
        );
        let at = |offset| {
            let function = module.function_at(offset)?;
            Some((
                &*function.name,
                function.arity,
                module.line_at(function, offset),
            ))
        };
        assert_eq!(at(10), None);
        assert_eq!(at(45), Some(("map", Some(2), None)));
        assert_eq!(
            at(95),
            Some(("map", Some(2), Some(("lists.erl".into(), 1240))))
        );
        assert_eq!(
            at(89),
            Some(("map", Some(2), Some(("lists.erl".into(), 1239))))
        );
        assert_eq!(at(199), Some(("seq", Some(2), None)));
        assert_eq!(at(200), None);
    }

    #[test]
    fn a_cut_blob_is_an_error_at_every_length() {
        let bytes = lists();
        for length in 0..bytes.len() {
            assert!(matches!(
                parse_blob(&bytes[..length]),
                Err(BlobError::Cut(_))
            ));
        }
        let mut longer = bytes;
        longer.push(0);
        assert_eq!(parse_blob(&longer), Err(BlobError::Rest(1)));
    }

    #[test]
    fn odd_names_are_split_where_the_vm_joined_them() {
        let name = |module, text| {
            function_name(module, text).map(|(name, arity)| (name.into_owned(), arity))
        };
        let is = |name: &str, arity| Some((name.to_owned(), arity));
        assert_eq!(name("m", "m:f/1"), is("f", Some(1)));
        assert_eq!(name("a:b", "a:b:c/d/3"), is("c/d", Some(3)));
        assert_eq!(name("Elixir.A", "'Elixir.A':'B c'/0"), is("B c", Some(0)));
        assert_eq!(
            name("global", "global::call_bif_shared"),
            is("call_bif_shared", None)
        );
        assert_eq!(name("m", "m::codeHeader"), None);
        assert_eq!(name("m", "m:-f/1-fun-0-/2"), is("-f/1-fun-0-", Some(2)));
        assert_eq!(
            name("it's", r"'it\'s':'a\tb\\\'\033'/1"),
            is("a\tb\\'\u{1b}", Some(1))
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_an_answer(bytes: Vec<u8>) {
            let _ = parse_blob(&bytes);
        }

        #[test]
        fn a_corrupted_blob_gives_an_answer(at in 0usize..200, value: u8) {
            let mut bytes = lists();
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = parse_blob(&bytes).map(|module| {
                for offset in 0..300 {
                    let _ = module.function_at(offset).map(|f| module.line_at(f, offset));
                }
            });
        }
    }
}
