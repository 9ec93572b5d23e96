//! Terms as Erlang source: text that `erl_scan:string/1` and `erl_parse:parse_term/1` of any release
//! make the same term of, where it is data.
//!
//! The other text of a term, [`Term::text`], is what the VM prints, which is not always read back:
//! the emulator does not quote reserved words in the names of funs, and `maybe` and `else` are
//! reserved in some releases. Identities and funs that a function made have no source; they are
//! printed as the VM does. What was not read is `...`, what must not be told `***`.

use std::fmt::{self, Write};

use super::text::{Bounded, more, string, write_atom, write_quoted, write_term as write_printed};
use super::{Fun, List, Map, Record, Term};

/// Reserved where the feature `maybe_expr` is on: `erl_scan:f_reserved_word_fun/1` of OTP 25 to 29.
const RESERVED: [&str; 2] = ["else", "maybe"];

impl Term {
    /// Its source in Erlang, of at most so many characters; a longer one ends in `...`.
    #[must_use]
    pub fn source(&self, limit: usize) -> String {
        Bounded::text(limit, |out| write_term(out, self))
    }
}

fn write_term(out: &mut dyn Write, term: &Term) -> fmt::Result {
    match term {
        Term::Atom(name) => write_name(out, name),
        Term::Tuple(elements) => {
            out.write_char('{')?;
            write_items(out, &elements.items)?;
            more(out, elements.items.is_empty(), elements.missing)?;
            out.write_char('}')
        }
        Term::List(list) => write_list(out, list),
        Term::Map(map) => write_map(out, map),
        Term::Record(record) => write_record(out, record),
        Term::Fun(Fun::External {
            module,
            function,
            arity,
        }) => {
            out.write_str("fun ")?;
            write_name(out, module)?;
            out.write_char(':')?;
            write_name(out, function)?;
            write!(out, "/{arity}")
        }
        _ => write_printed(out, term),
    }
}

fn write_name(out: &mut dyn Write, name: &str) -> fmt::Result {
    match RESERVED.contains(&name) {
        true => write_quoted(out, name, '\''),
        false => write_atom(out, name),
    }
}

fn write_items(out: &mut dyn Write, items: &[Term]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        separate(out, index)?;
        write_term(out, item)?;
    }
    Ok(())
}

fn separate(out: &mut dyn Write, index: usize) -> fmt::Result {
    match index {
        0 => Ok(()),
        _ => out.write_char(','),
    }
}

fn write_list(out: &mut dyn Write, list: &List) -> fmt::Result {
    if let Some(text) = string(list) {
        return write_quoted(out, &text, '"');
    }
    out.write_char('[')?;
    write_items(out, &list.items)?;
    if let Some(tail) = &list.tail {
        out.write_char('|')?;
        write_term(out, tail)?;
    }
    out.write_char(']')
}

fn write_map(out: &mut dyn Write, map: &Map) -> fmt::Result {
    out.write_str("#{")?;
    for (index, (key, value)) in map.pairs.iter().enumerate() {
        separate(out, index)?;
        write_term(out, key)?;
        out.write_str(" => ")?;
        write_term(out, value)?;
    }
    more(out, map.pairs.is_empty(), map.missing)?;
    out.write_char('}')
}

/// As it is built; only an expression can be one.
fn write_record(out: &mut dyn Write, record: &Record) -> fmt::Result {
    out.write_char('#')?;
    write_name(out, &record.module)?;
    out.write_char(':')?;
    write_name(out, &record.name)?;
    out.write_char('{')?;
    for (index, (name, value)) in record.fields.iter().enumerate() {
        separate(out, index)?;
        write_name(out, name)?;
        out.write_str(" = ")?;
        write_term(out, value)?;
    }
    more(out, record.fields.is_empty(), record.missing)?;
    out.write_char('}')
}

#[cfg(test)]
mod tests {
    use crate::term::{Elements, Fun, List, Term};

    #[test]
    fn reserved_words_are_quoted_everywhere() {
        let atom = |name: &str| Term::Atom(name.into());
        let fun = Term::Fun(Fun::External {
            module: "erlang".into(),
            function: "and".into(),
            arity: 2,
        });
        let text = Term::List(List {
            items: vec![Term::Integer(104), Term::Integer(105)],
            tail: None,
        });
        let items = vec![atom("maybe"), atom("else"), atom("a"), fun, text];
        let tuple = Term::Tuple(Elements { items, missing: 1 });
        let expected = "{'maybe','else',a,fun erlang:'and'/2,\"hi\",...}";
        assert_eq!(tuple.source(usize::MAX), expected);
        assert_eq!(tuple.source(3), "{'m...");
    }
}
