//! What the fields of a module's records are called, by the debug information in its file.
//!
//! ```text
//! "FOR1" | length (4) | "BEAM" | chunks, each: name (4) | length (4) | data | up to 3 bytes to a multiple of 4
//! "Dbgi": {debug_info_v1, erl_abstract_code, {Forms, Options}} in the external term format, compressed:
//!         131 | 80 | length when inflated (4) | zlib
//! a record among the forms: {attribute, Line, record, {Name, [Field]}}
//! a field: {record_field, Line, {atom, Line, Name}}, the same with a default, {typed_record_field, Field, Type}
//! ```
//! `lib/compiler/src/beam_asm.erl`, `compile.erl` and `lib/stdlib/src/beam_lib.erl`; the forms are those of
//! the abstract format (OTP 25 to 29). A file may be compressed as a whole, by gzip. The file is of the
//! target and may be anything: what is inflated and what is kept of it are bounded.

use std::io::Read;
use std::sync::Arc;

use flate2::read::{GzDecoder, ZlibDecoder};

use crate::term::{Limits, Term};

/// Of a file, and of a chunk when it is inflated.
const FILE_BYTES_MAX: u64 = 16 << 20;
const CHUNK_BYTES_MAX: u64 = 16 << 20;
/// How deep names of fields lie; code lies deeper, and is passed over.
const FORMS: Limits = Limits {
    depth: 12,
    nodes: 1 << 18,
    bytes: 0,
};
/// A term that is compressed: `COMPRESSED` in `erts/emulator/beam/external.h`.
const COMPRESSED: u8 = 80;
const VERSION: u8 = 131;

/// The records that a module has: names, and names of their fields.
pub(super) type Defined = Vec<(Arc<str>, Vec<Arc<str>>)>;

/// The records of a module, by its file; none where it has no debug information that says.
pub(super) fn records_of(file: &[u8]) -> Defined {
    let inflated;
    let file = match file.starts_with(&[0x1f, 0x8b]) {
        true => {
            inflated = inflate(GzDecoder::new(file), FILE_BYTES_MAX, Vec::new());
            &inflated
        }
        false => file,
    };
    let forms = chunk(file, b"Dbgi").and_then(forms);
    forms.iter().flatten().filter_map(record).collect()
}

/// The data of a chunk.
fn chunk<'f>(file: &'f [u8], name: &[u8; 4]) -> Option<&'f [u8]> {
    let mut rest = file
        .strip_prefix(b"FOR1")?
        .get(4..)?
        .strip_prefix(b"BEAM")?;
    loop {
        let (head, data) = rest.split_at_checked(8)?;
        let (is, length) = head.split_at(4);
        let length = u32::from_be_bytes(*length.first_chunk()?) as usize;
        let (data, behind) = data.split_at_checked(length)?;
        if is == name {
            return Some(data);
        }
        rest = behind.get(length.next_multiple_of(4) - length..)?;
    }
}

/// As much as may be inflated: what is damaged ends where that is.
fn inflate(from: impl Read, most: u64, mut behind: Vec<u8>) -> Vec<u8> {
    let _ = from.take(most).read_to_end(&mut behind);
    behind
}

fn forms(chunk: &[u8]) -> Option<Vec<Term>> {
    let inflated;
    let bytes = match chunk {
        [VERSION, COMPRESSED, _, _, _, _, zlib @ ..] => {
            inflated = inflate(ZlibDecoder::new(zlib), CHUNK_BYTES_MAX, vec![VERSION]);
            &inflated
        }
        plain => plain,
    };
    let (info, _) = Term::from_external(bytes, None, &FORMS).ok()?;
    let [version, backend, metadata] = take::<3>(info)?;
    if !is_atom(&version, "debug_info_v1") || !is_atom(&backend, "erl_abstract_code") {
        return None;
    }
    match take::<2>(metadata)? {
        [Term::List(forms), _options] => Some(forms.items),
        _ => None,
    }
}

fn record(form: &Term) -> Option<(Arc<str>, Vec<Arc<str>>)> {
    let [attribute, _line, kind, definition] = elements::<4>(form)?;
    if !is_atom(attribute, "attribute") || !is_atom(kind, "record") {
        return None;
    }
    let [Term::Atom(name), Term::List(fields)] = elements::<2>(definition)? else {
        return None;
    };
    let fields = fields.items.iter().map(field).collect::<Option<_>>()?;
    Some((name.clone(), fields))
}

fn field(field: &Term) -> Option<Arc<str>> {
    let of = |field: &Term, typed: bool| match field {
        Term::Tuple(all) if all.missing == 0 => match all.items.as_slice() {
            [kind, inner, _type] if typed && is_atom(kind, "typed_record_field") => {
                Some(inner.clone())
            }
            [kind, _line, name, ..] if is_atom(kind, "record_field") => {
                match elements::<3>(name)? {
                    [atom, _line, name] if is_atom(atom, "atom") => Some(name.clone()),
                    _ => None,
                }
            }
            _ => None,
        },
        _ => None,
    };
    let name = match of(field, true)? {
        inner @ Term::Tuple(_) => of(&inner, false)?,
        name => name,
    };
    match name {
        Term::Atom(name) => Some(name),
        _ => None,
    }
}

fn take<const N: usize>(term: Term) -> Option<[Term; N]> {
    match term {
        Term::Tuple(elements) if elements.missing == 0 => elements.items.try_into().ok(),
        _ => None,
    }
}

fn elements<const N: usize>(term: &Term) -> Option<&[Term; N]> {
    match term {
        Term::Tuple(elements) if elements.missing == 0 => elements.items.as_slice().try_into().ok(),
        _ => None,
    }
}

fn is_atom(term: &Term, text: &str) -> bool {
    matches!(term, Term::Atom(is) if **is == *text)
}
