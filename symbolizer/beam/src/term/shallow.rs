//! What a term is, by its word and the first words of what it points to, copied at one instant:
//! for a process that runs on and may have moved everything by now.
//!
//! What fits into a word is told as it is. Of everything else the kind and the size, and of a
//! tuple the atom that it begins with: no element, byte or key of it.

use std::sync::Arc;

use super::decode::{arity, subtag};
use super::text::atom_text;
use super::{NIL, PidPrinter, boxed, cons, is_atom, small};
use crate::layout::{FunLayout, Layout, TermLayout};

/// A tuple of more elements is told by its size.
const ELEMENTS_MAX: u64 = 8;

/// A term as one word of text, such as `42`, `ok`, `{reply,_,_}`, `list`, `binary(16)`. `words` are
/// the first words of what a boxed term points to, `atom` names an atom.
#[must_use]
pub fn shallow(
    term: u64,
    words: [u64; 4],
    (layout, pids): (&Layout, &PidPrinter),
    atom: impl Fn(u64) -> Option<Arc<str>>,
) -> String {
    match () {
        () if term == NIL => "[]".to_owned(),
        () if is_atom(term) => atom(term).map_or("atom".to_owned(), |name| atom_text(&name)),
        () if term & 0xf == 3 => pids.print(term).unwrap_or_else(|| "pid".to_owned()),
        () if term & 0xf == 7 => "port".to_owned(),
        () if cons(term).is_some() => "list".to_owned(),
        () if boxed(term).is_some() => of_boxed(words, layout, atom),
        () => small(term).map_or_else(|| "_".to_owned(), |number| number.to_string()),
    }
}

fn of_boxed(words: [u64; 4], layout: &Layout, atom: impl Fn(u64) -> Option<Arc<str>>) -> String {
    let [header, first, ..] = words;
    // A pointer where the header was: it is being moved. What could not be read has none either.
    if header & 3 != 0 {
        return "_".to_owned();
    }
    let term = &layout.term;
    let tag = subtag(header);
    let record = term.record.as_ref().map(|record| record.subtag);
    match tag {
        _ if tag == term.tuple => tuple(arity(header), first, atom),
        _ if tag == term.map => format!("map({first})"),
        _ if tag == term.positive || tag == term.negative => "integer".to_owned(),
        _ if tag == term.float => "float".to_owned(),
        _ if tag == term.fun => fun(words, &layout.fun),
        _ if tag == term.reference || tag == term.external_reference => "reference".to_owned(),
        _ if tag == term.external_pid => "pid".to_owned(),
        _ if tag == term.external_port => "port".to_owned(),
        _ if Some(tag) == record => format!("record({})", arity(header).saturating_sub(1)),
        _ => bits(words, term).unwrap_or_else(|| "_".to_owned()),
    }
}

fn tuple(arity: u64, first: u64, atom: impl Fn(u64) -> Option<Arc<str>>) -> String {
    match atom(first) {
        _ if arity == 0 => "{}".to_owned(),
        Some(tag) if arity <= ELEMENTS_MAX => {
            let rest = ",_".repeat(arity.saturating_sub(1) as usize);
            format!("{{{}{rest}}}", atom_text(&tag))
        }
        _ => format!("tuple({arity})"),
    }
}

fn fun(words: [u64; 4], layout: &FunLayout) -> String {
    let stored = layout.stored.as_ref();
    let stored = stored.and_then(|stored| byte(words, stored.arity));
    let header = layout.header.as_ref();
    let header = header.and_then(|header| words[0].checked_shr(header.arity_shift));
    match stored.or(header.map(|arity| arity as u8)) {
        Some(arity) => format!("fun({arity})"),
        None => "fun".to_owned(),
    }
}

/// A bitstring by its size; `None` for what is none.
fn bits(words: [u64; 4], layout: &TermLayout) -> Option<String> {
    let tag = subtag(words[0]);
    let bits = match (&layout.bytes, &layout.bits) {
        (Some(layout), _) if [layout.reference, layout.heap].contains(&tag) => {
            word(words, layout.size)?.checked_mul(8)?
        }
        (Some(layout), _) if tag == layout.part => {
            let last = u64::from(byte(words, layout.part_bits)? & 7);
            word(words, layout.size)?
                .checked_mul(8)?
                .checked_add(last)?
        }
        (_, Some(layout)) if tag == layout.heap => word(words, layout.size)?,
        (_, Some(layout)) if tag == layout.part => {
            word(words, layout.end)?.checked_sub(word(words, layout.start)?)?
        }
        _ => return None,
    };
    Some(match bits % 8 {
        0 => format!("binary({})", bits / 8),
        _ => format!("bitstring({bits})"),
    })
}

fn word(words: [u64; 4], at: u32) -> Option<u64> {
    words.get(at as usize / 8).copied()
}

fn byte(words: [u64; 4], at: u32) -> Option<u8> {
    let bytes = word(words, at)?.to_le_bytes();
    bytes.get(at as usize % 8).copied()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::shallow;
    use crate::layout::{Layout, table_for};
    use crate::memory::Image;
    use crate::term::PidPrinter;

    const OK: u64 = 7 << 6 | 0x0b;

    fn text(release: &str, term: u64, words: [u64; 4]) -> String {
        let layout: Layout = table_for(release).expect("a table");
        let unscrambled = table_for("25").expect("a table");
        let pids = PidPrinter::read(&Image::new(), 0, &unscrambled).expect("no masks to read");
        let atom = |term| (term == OK).then(|| Arc::from("ok"));
        shallow(term, words, (&layout, &pids), atom)
    }

    #[test]
    fn what_fits_into_a_word_is_told_as_it_is() {
        let plain = |term| text("27", term, [0; 4]);
        assert_eq!(plain(OK), "ok");
        assert_eq!(plain(8 << 6 | 0x0b), "atom");
        assert_eq!(plain((-3i64 as u64) << 4 | 0xf), "-3");
        assert_eq!(plain(0x3b), "[]");
        assert_eq!(plain((3 << 15 | 80) << 4 | 3), "<0.80.3>");
        assert_eq!(plain(0x1007), "port");
        assert_eq!(plain(0x1001), "list");
        assert_eq!(plain(0x1b), "_");
    }

    #[test]
    fn what_is_boxed_is_told_by_its_kind_and_size() {
        for release in ["25", "27"] {
            let layout: Layout = table_for(release).expect("a table");
            let term = &layout.term;
            let of = |arity: u64, tag: u32, rest: [u64; 3]| {
                let header = arity << 6 | u64::from(tag) << 2;
                text(release, 0x1002, [header, rest[0], rest[1], rest[2]])
            };
            assert_eq!(of(3, term.tuple, [OK, 1, 2]), "{ok,_,_}");
            assert_eq!(of(3, term.tuple, [0x1f, 1, 2]), "tuple(3)");
            assert_eq!(of(9, term.tuple, [OK, 1, 2]), "tuple(9)");
            assert_eq!(of(0, term.tuple, [OK, 1, 2]), "{}");
            assert_eq!(of(1, term.map, [12, 0, 0]), "map(12)");
            assert_eq!(of(1, term.positive, [12, 0, 0]), "integer");
            assert_eq!(of(1, term.float, [12, 0, 0]), "float");
            assert_eq!(of(1, term.reference, [12, 0, 0]), "reference");
            // Being moved, and not read.
            assert_eq!(text(release, 0x1002, [0x2002, OK, 0, 0]), "_");
            assert_eq!(text(release, 0x1002, [1, 0, 0, 0]), "_");
        }
    }

    #[test]
    fn binaries_and_funs_are_where_the_release_has_them() {
        let of = |release: &str, tag: u32, rest: [u64; 3], more: u64| {
            let header = more | u64::from(tag) << 2;
            text(release, 0x1002, [header, rest[0], rest[1], rest[2]])
        };
        let old: Layout = table_for("25").expect("a table");
        let bytes = old.term.bytes.as_ref().expect("as OTP 25 has them");
        assert_eq!(of("25", bytes.heap, [5, 0, 0], 0), "binary(5)");
        assert_eq!(of("25", bytes.reference, [500, 0, 0], 0), "binary(500)");
        assert_eq!(of("25", bytes.part, [2, 0, 3], 0), "bitstring(19)");
        assert_eq!(of("25", old.term.fun, [0, 0, 0x0102], 0), "fun(2)");
        let new: Layout = table_for("27").expect("a table");
        let bits = new.term.bits.as_ref().expect("as OTP 27 has them");
        assert_eq!(of("27", bits.heap, [40, 0, 0], 0), "binary(5)");
        assert_eq!(of("27", bits.part, [0, 8, 27], 0), "bitstring(19)");
        assert_eq!(of("27", bits.part, [0, 27, 8], 0), "_");
        assert_eq!(of("27", bits.reference, [0, 0, 0], 0), "_");
        let header = new.fun.header.as_ref().expect("as OTP 27 has it");
        let arity = 3 << header.arity_shift;
        assert_eq!(of("27", new.term.fun, [0; 3], arity), "fun(3)");
    }
}
