//! Terms as Elixir's `inspect/2` shows them with `structs: false, charlists: :as_lists` and without
//! limits, on one line (`lib/elixir/lib/inspect.ex` and `macro.ex` of Elixir 1.14).
//!
//! What is data parses back: `Code.eval_string/1` gives the same term. Identities, funs that a
//! function made and native records have a form that does not, as with `inspect`; what was not read
//! is `...`, what must not be told `***`. Atoms beyond ASCII are always quoted, so that nothing
//! normalizes them, and characters that would turn the direction of a text are escaped.

use std::fmt::{self, Write};

use super::text::{Bounded, channel, more, separate, write_big};
use super::{Bits, Elements, Fun, List, LocalFun, Map, Record, Term, number};

/// Operators that are atoms without quotes.
const OPERATORS: [&str; 52] = [
    "!", "!=", "!==", "%", "%{}", "&", "&&", "&&&", "*", "**", "+", "++", "+++", "-", "--", "---",
    ".", "..", "...", "/", "::", "<", "<-", "<<<", "<<>>", "<<~", "<=", "<>", "<|>", "<~", "<~>",
    "=", "==", "===", "=~", ">", ">=", ">>>", "@", "\\\\", "^", "^^^", "{}", "|", "|>", "||",
    "|||", "~>", "~>>", "~~~", "..//", "=>",
];

/// Words that are no names of functions after a dot.
const RESERVED: [&str; 15] = [
    "after", "and", "catch", "do", "else", "end", "false", "fn", "in", "nil", "not", "or",
    "rescue", "true", "when",
];

/// Between elements.
const BY: &str = ", ";

/// What comes before the names of Elixir's own modules.
const PREFIX: &str = "Elixir.";

impl Term {
    /// Its text in Elixir's syntax, of at most so many characters; a longer one ends in `...`.
    #[must_use]
    pub fn elixir(&self, limit: usize) -> String {
        Bounded::text(limit, |out| write_term(out, self))
    }
}

fn write_term(out: &mut dyn Write, term: &Term) -> fmt::Result {
    match term {
        Term::Integer(value) => write!(out, "{value}"),
        Term::BigInteger(big) => write_big(out, big),
        Term::Float(bits) => out.write_str(&number::float(*bits)),
        Term::Atom(name) => write_atom(out, name),
        Term::Pid(pid) => {
            let channel = channel(pid.node.as_deref());
            write!(out, "#PID<{channel}.{}.{}>", pid.number, pid.serial)
        }
        Term::Port(_) => write!(out, "{term}"),
        Term::Reference(reference) => {
            write!(out, "#Reference<{}", channel(reference.node.as_deref()))?;
            for number in reference.shown().iter().rev() {
                write!(out, ".{number}")?;
            }
            out.write_char('>')
        }
        Term::Tuple(elements) => {
            out.write_char('{')?;
            write_elements(out, elements)?;
            out.write_char('}')
        }
        Term::List(list) => write_list(out, list),
        Term::Map(map) => write_map(out, map),
        Term::Record(record) => write_record(out, record),
        Term::Bits(bits) => write_bits(out, bits),
        Term::Fun(Fun::External {
            module,
            function,
            arity,
        }) => {
            out.write_char('&')?;
            write_atom(out, module)?;
            out.write_char('.')?;
            write_function(out, function)?;
            write!(out, "/{arity}")
        }
        Term::Fun(Fun::Local(fun)) => write_local_fun(out, fun),
        Term::Cut => out.write_str("..."),
        Term::Masked => out.write_str("***"),
    }
}

fn write_elements(out: &mut dyn Write, elements: &Elements) -> fmt::Result {
    write_items(out, &elements.items)?;
    more(out, elements.items.is_empty(), elements.missing, BY)
}

fn write_items(out: &mut dyn Write, items: &[Term]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        separate(out, index, BY)?;
        write_term(out, item)?;
    }
    Ok(())
}

/// A key and a value that can be written as `key: value`.
fn keyword(item: &Term) -> Option<(&str, &Term)> {
    match item {
        Term::Tuple(Elements { items, missing: 0 }) => match &items[..] {
            [Term::Atom(key), value] if !key.starts_with(PREFIX) => Some((key, value)),
            _ => None,
        },
        _ => None,
    }
}

fn write_list(out: &mut dyn Write, list: &List) -> fmt::Result {
    let cut = matches!(list.tail.as_deref(), Some(Term::Cut));
    out.write_char('[')?;
    let proper = list.tail.is_none() || cut;
    let keywords: Option<Vec<_>> = list.items.iter().map(keyword).collect();
    match keywords.filter(|_| proper) {
        Some(pairs) => {
            for (index, (key, value)) in pairs.into_iter().enumerate() {
                separate(out, index, BY)?;
                write_key(out, key)?;
                write_term(out, value)?;
            }
        }
        None => write_items(out, &list.items)?,
    }
    match &list.tail {
        Some(tail) if !cut => {
            out.write_str(" | ")?;
            write_term(out, tail)?;
        }
        _ => more(out, list.items.is_empty(), usize::from(cut), BY)?,
    }
    out.write_char(']')
}

fn write_map(out: &mut dyn Write, map: &Map) -> fmt::Result {
    out.write_str("%{")?;
    let is_key = |key: &Term| matches!(key, Term::Atom(key) if !key.starts_with(PREFIX));
    let short = map.pairs.iter().all(|(key, _)| is_key(key));
    for (index, (key, value)) in map.pairs.iter().enumerate() {
        separate(out, index, BY)?;
        match key {
            Term::Atom(key) if short => write_key(out, key)?,
            _ => {
                write_term(out, key)?;
                out.write_str(" => ")?;
            }
        }
        write_term(out, value)?;
    }
    more(out, map.pairs.is_empty(), map.missing, BY)?;
    out.write_char('}')
}

fn write_record(out: &mut dyn Write, record: &Record) -> fmt::Result {
    out.write_str("#Record<")?;
    write_atom(out, &record.module)?;
    out.write_char('.')?;
    write_function(out, &record.name)?;
    out.write_char('{')?;
    for (index, (name, value)) in record.fields.iter().enumerate() {
        separate(out, index, BY)?;
        write_key(out, name)?;
        write_term(out, value)?;
    }
    more(out, record.fields.is_empty(), record.missing, BY)?;
    out.write_str("}>")
}

fn write_local_fun(out: &mut dyn Write, fun: &LocalFun) -> fmt::Result {
    let (index, uniq) = (fun.index, fun.old_uniq as i32);
    write!(out, "#Function<{index}.{uniq}/{} in ", fun.arity)?;
    write_atom(out, &fun.module)?;
    out.write_char('>')
}

fn write_bits(out: &mut dyn Write, bits: &Bits) -> fmt::Result {
    let last_bits = if bits.is_whole() { bits.bits % 8 } else { 0 };
    if bits.is_whole() && last_bits == 0 {
        let text = std::str::from_utf8(&bits.bytes).ok();
        if let Some(text) = text.filter(|text| text.chars().all(is_printable)) {
            return write_quoted(out, text);
        }
    }
    out.write_str("<<")?;
    let last = bits.bytes.len().saturating_sub(1);
    for (index, byte) in bits.bytes.iter().enumerate() {
        separate(out, index, BY)?;
        if index == last && last_bits > 0 {
            write!(out, "{}::size({last_bits})", byte >> (8 - last_bits))?;
        } else {
            write!(out, "{byte}")?;
        }
    }
    more(
        out,
        bits.bytes.is_empty(),
        usize::from(!bits.is_whole()),
        BY,
    )?;
    out.write_str(">>")
}

fn write_atom(out: &mut dyn Write, name: &str) -> fmt::Result {
    match alias(name) {
        _ if matches!(name, "nil" | "true" | "false" | "Elixir") => out.write_str(name),
        Some(alias) => out.write_str(alias),
        None => {
            out.write_char(':')?;
            if is_identifier(name) || OPERATORS.contains(&name) {
                out.write_str(name)
            } else {
                write_quoted(out, name)
            }
        }
    }
}

/// A module's name without what comes before it, if it can be written so.
fn alias(name: &str) -> Option<&str> {
    let alias = name.strip_prefix(PREFIX)?;
    let is_segment = |segment: &str| {
        segment.starts_with(|c: char| c.is_ascii_uppercase())
            && segment
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    // `Elixir` at the start is the prefix itself.
    let first = alias.split('.').next();
    (first != Some("Elixir") && alias.split('.').all(is_segment)).then_some(alias)
}

/// `key: ` before a value.
fn write_key(out: &mut dyn Write, name: &str) -> fmt::Result {
    if is_identifier(name) {
        out.write_str(name)?;
    } else {
        write_quoted(out, name)?;
    }
    out.write_str(": ")
}

/// The name of a function after a dot.
fn write_function(out: &mut dyn Write, name: &str) -> fmt::Result {
    let is_variable = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if is_variable && is_identifier(name) && !name.contains('@') && !RESERVED.contains(&name) {
        return out.write_str(name);
    }
    write_quoted(out, name)
}

/// Whether it needs no quotes: letters, digits, `_` and `@`, at the end `?` or `!`.
fn is_identifier(name: &str) -> bool {
    let stem = name.strip_suffix(['?', '!']).unwrap_or(name);
    stem.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && stem
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '@')
}

/// `String.printable?/1`.
fn is_printable(c: char) -> bool {
    match c {
        '\u{7}'..='\r' | '\u{1b}' | ' '..='\u{7f}' => true,
        '\0'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    }
}

/// What ends a line or turns the direction of a text.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn write_quoted(out: &mut dyn Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            '#' if chars.peek() == Some(&'{') => out.write_str("\\#")?,
            '\u{7}' => out.write_str("\\a")?,
            '\u{8}' => out.write_str("\\b")?,
            '\t' => out.write_str("\\t")?,
            '\n' => out.write_str("\\n")?,
            '\u{b}' => out.write_str("\\v")?,
            '\u{c}' => out.write_str("\\f")?,
            '\r' => out.write_str("\\r")?,
            '\u{1b}' => out.write_str("\\e")?,
            '\u{7f}' => out.write_str("\\d")?,
            '\0' => out.write_str("\\0")?,
            '\u{1}'..='\u{1f}' => write!(out, "\\x{:02X}", u32::from(c))?,
            _ if is_printable(c) && !is_hidden(c) => out.write_char(c)?,
            _ => write!(out, "\\u{{{:X}}}", u32::from(c))?,
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests;
