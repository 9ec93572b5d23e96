//! Terms as `io:format("~0tp", [Term])` prints them, on one line.
//!
//! Lists and binaries of printable Latin-1 characters print as strings, as in an `erl` without
//! `+pc unicode`. What was not read prints as `...`, what must not be told as `***`, which no term does. Releases differ in bytes that are no UTF-8 but
//! begin with a character of it beyond Latin-1: they print as up to OTP 27, as text if Latin-1 is.

use std::fmt::{self, Write};

use super::{BigInteger, Bits, Fun, List, Map, Node, Record, Term, number};

/// `erl_scan:reserved_word/1`.
const RESERVED: [&str; 27] = [
    "after", "begin", "case", "try", "cond", "catch", "andalso", "orelse", "end", "fun", "if",
    "let", "of", "receive", "when", "bnot", "not", "div", "rem", "band", "and", "bor", "bxor",
    "bsl", "bsr", "or", "xor",
];

/// Reserved where the feature `maybe_expr` is on: `erl_scan:f_reserved_word_fun/1` of OTP 25 to 29.
const RESERVED_IN_SOURCE: [&str; 2] = ["else", "maybe"];

/// For whom a term is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Who reads: as the VM prints it.
    Printed,
    /// Who parses: as [`super::source`] says.
    Source,
}

impl fmt::Display for Term {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_term(out, self, Style::Printed)
    }
}

impl Term {
    /// Its text, of at most so many characters; a longer one ends in `...`.
    #[must_use]
    pub fn text(&self, limit: usize) -> String {
        Bounded::text(limit, |out| write_term(out, self, Style::Printed))
    }
}

/// Takes so many characters and then fails.
pub(super) struct Bounded {
    text: String,
    left: usize,
}

impl Bounded {
    /// What is written, of at most so many characters; if there is more it ends in `...`.
    pub(super) fn text(limit: usize, write: impl FnOnce(&mut dyn Write) -> fmt::Result) -> String {
        let mut out = Bounded {
            text: String::new(),
            left: limit,
        };
        if write(&mut out).is_err() {
            out.text.push_str("...");
        }
        out.text
    }
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(c);
        }
        Ok(())
    }
}

/// An atom's text, quoted where Erlang needs it.
#[must_use]
pub fn atom_text(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    // Writing to a string cannot fail.
    let _ = write_atom(&mut out, name);
    out
}

pub(super) fn write_term(out: &mut dyn Write, term: &Term, style: Style) -> fmt::Result {
    match term {
        Term::Integer(value) => write!(out, "{value}"),
        Term::BigInteger(big) => write_big(out, big),
        Term::Float(bits) => out.write_str(&number::float(*bits)),
        Term::Atom(name) => write_name(out, name, style),
        Term::Pid(pid) => {
            let channel = channel(pid.node.as_deref());
            write!(out, "<{channel}.{}.{}>", pid.number, pid.serial)
        }
        Term::Port(port) => {
            write!(out, "#Port<{}.", channel(port.node.as_deref()))?;
            match port.number {
                Some(number) => write!(out, "{number}>"),
                None => out.write_str("?>"),
            }
        }
        Term::Reference(reference) => {
            write!(out, "#Ref<{}", channel(reference.node.as_deref()))?;
            for number in reference.shown().iter().rev() {
                write!(out, ".{number}")?;
            }
            out.write_char('>')
        }
        Term::Tuple(elements) => {
            out.write_char('{')?;
            write_items(out, &elements.items, style)?;
            more(out, elements.items.is_empty(), elements.missing, BY)?;
            out.write_char('}')
        }
        Term::List(list) => write_list(out, list, style),
        Term::Map(map) => write_map(out, map, style),
        Term::Record(record) => write_record(out, record, style),
        Term::Bits(bits) => write_bits(out, bits),
        Term::Fun(fun) => write_fun(out, fun, style),
        Term::Cut => out.write_str("..."),
        Term::Masked => out.write_str("***"),
    }
}

pub(super) fn channel(node: Option<&Node>) -> u64 {
    node.map_or(0, |node| node.channel)
}

pub(super) fn write_big(out: &mut dyn Write, big: &BigInteger) -> fmt::Result {
    if big.digits.len() < big.length {
        return out.write_str("...");
    }
    if big.negative {
        out.write_char('-')?;
    }
    out.write_str(&number::decimal(&big.digits))
}

fn write_items(out: &mut dyn Write, items: &[Term], style: Style) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        separate(out, index, BY)?;
        write_term(out, item, style)?;
    }
    Ok(())
}

/// Between elements.
const BY: &str = ",";

pub(super) fn separate(out: &mut dyn Write, index: usize, by: &str) -> fmt::Result {
    match index {
        0 => Ok(()),
        _ => out.write_str(by),
    }
}

/// Where elements are missing.
pub(super) fn more(out: &mut dyn Write, first: bool, missing: usize, by: &str) -> fmt::Result {
    match (missing, first) {
        (0, _) => Ok(()),
        (_, true) => out.write_str("..."),
        (_, false) => write!(out, "{by}..."),
    }
}

fn write_list(out: &mut dyn Write, list: &List, style: Style) -> fmt::Result {
    if let Some(text) = string(list) {
        return write_quoted(out, &text, '"');
    }
    out.write_char('[')?;
    write_items(out, &list.items, style)?;
    if let Some(tail) = &list.tail {
        out.write_char('|')?;
        write_term(out, tail, style)?;
    }
    out.write_char(']')
}

/// The text of a list that Erlang prints as a string.
fn string(list: &List) -> Option<String> {
    if list.items.is_empty() || list.tail.is_some() {
        return None;
    }
    let char_of = |item: &Term| match item {
        Term::Integer(value) => char::from_u32(u32::try_from(*value).ok()?),
        _ => None,
    };
    list.items
        .iter()
        .map(|item| char_of(item).filter(|c| is_printable(*c)))
        .collect()
}

/// `io_lib:printable_latin1_list/1`.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{ff}' | '\n' | '\r' | '\t' | '\u{b}' | '\u{8}' | '\u{c}')
        || c == '\u{1b}'
}

fn write_map(out: &mut dyn Write, map: &Map, style: Style) -> fmt::Result {
    out.write_str("#{")?;
    for (index, (key, value)) in map.pairs.iter().enumerate() {
        separate(out, index, BY)?;
        write_term(out, key, style)?;
        out.write_str(" => ")?;
        write_term(out, value, style)?;
    }
    more(out, map.pairs.is_empty(), map.missing, BY)?;
    out.write_char('}')
}

/// As it is built; only an expression can be one.
fn write_record(out: &mut dyn Write, record: &Record, style: Style) -> fmt::Result {
    out.write_char('#')?;
    write_name(out, &record.module, style)?;
    out.write_char(':')?;
    write_name(out, &record.name, style)?;
    out.write_char('{')?;
    for (index, (name, value)) in record.fields.iter().enumerate() {
        separate(out, index, BY)?;
        write_name(out, name, style)?;
        out.write_str(" = ")?;
        write_term(out, value, style)?;
    }
    more(out, record.fields.is_empty(), record.missing, BY)?;
    out.write_char('}')
}

fn write_bits(out: &mut dyn Write, bits: &Bits) -> fmt::Result {
    let whole_bytes = bits.bits.is_multiple_of(8);
    out.write_str("<<")?;
    if bits.is_whole() && whole_bytes && !bits.bytes.is_empty() && write_text(out, &bits.bytes)? {
        return out.write_str(">>");
    }
    let last_bits = if bits.is_whole() { bits.bits % 8 } else { 0 };
    let last = bits.bytes.len().saturating_sub(1);
    for (index, byte) in bits.bytes.iter().enumerate() {
        separate(out, index, BY)?;
        if index == last && last_bits > 0 {
            write!(out, "{}:{last_bits}", byte >> (8 - last_bits))?;
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

/// Writes a binary that Erlang prints as a string; `false` if it does not.
fn write_text(out: &mut dyn Write, bytes: &[u8]) -> Result<bool, fmt::Error> {
    let (text, suffix) = match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => (text.to_owned(), ""),
        Ok(text) => (text.to_owned(), "/utf8"),
        Err(_) => (bytes.iter().map(|&byte| char::from(byte)).collect(), ""),
    };
    if !text.chars().all(is_printable) {
        return Ok(false);
    }
    write_quoted(out, &text, '"')?;
    out.write_str(suffix)?;
    Ok(true)
}

fn write_fun(out: &mut dyn Write, fun: &Fun, style: Style) -> fmt::Result {
    match fun {
        Fun::External {
            module,
            function,
            arity,
        } => {
            // The VM leaves these to the emulator, which quotes no reserved words.
            let write_name = |out: &mut dyn Write, name: &str| match style {
                Style::Printed => write_atom_in_c(out, name),
                Style::Source => write_name(out, name, style),
            };
            out.write_str("fun ")?;
            write_name(out, module)?;
            out.write_char(':')?;
            write_name(out, function)?;
            write!(out, "/{arity}")
        }
        Fun::Local(fun) => write!(
            out,
            "#Fun<{}.{}.{}>",
            fun.module, fun.old_index as i32, fun.old_uniq as i32
        ),
    }
}

/// An atom, quoted where its reader needs it.
fn write_name(out: &mut dyn Write, name: &str, style: Style) -> fmt::Result {
    match style == Style::Source && RESERVED_IN_SOURCE.contains(&name) {
        true => write_quoted(out, name, '\''),
        false => write_atom(out, name),
    }
}

/// `io_lib:write_atom/1`.
fn write_atom(out: &mut dyn Write, name: &str) -> fmt::Result {
    if name.starts_with(is_lower) && name.chars().all(is_in_name) && !RESERVED.contains(&name) {
        return out.write_str(name);
    }
    write_quoted(out, name, '\'')
}

/// An atom as the emulator itself prints it: `print_atom_name` in `erl_printf_term.c`.
fn write_atom_in_c(out: &mut dyn Write, name: &str) -> fmt::Result {
    if name.starts_with(is_lower) && name.chars().all(|c| is_in_name(c) && c != '@') {
        return out.write_str(name);
    }
    out.write_char('\'')?;
    for c in name.chars() {
        match c {
            '\'' | '\\' => write!(out, "\\{c}")?,
            '\n' => out.write_str("\\n")?,
            '\u{c}' => out.write_str("\\f")?,
            '\t' => out.write_str("\\t")?,
            '\r' => out.write_str("\\r")?,
            '\u{8}' => out.write_str("\\b")?,
            '\u{b}' => out.write_str("\\v")?,
            '\0'..='\x1f' | '\u{80}'..='\u{9f}' => write!(out, "\\{:o}", u32::from(c))?,
            _ => out.write_char(c)?,
        }
    }
    out.write_char('\'')
}

fn is_lower(c: char) -> bool {
    matches!(c, 'a'..='z' | 'ß'..='ö' | 'ø'..='ÿ')
}

fn is_in_name(c: char) -> bool {
    is_lower(c) || matches!(c, 'A'..='Z' | 'À'..='Ö' | 'Ø'..='Þ' | '0'..='9' | '_' | '@')
}

/// `io_lib:write_string/2`.
fn write_quoted(out: &mut dyn Write, text: &str, quote: char) -> fmt::Result {
    out.write_char(quote)?;
    for c in text.chars() {
        match c {
            _ if c == quote || c == '\\' => write!(out, "\\{c}")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\u{b}' => out.write_str("\\v")?,
            '\u{8}' => out.write_str("\\b")?,
            '\u{c}' => out.write_str("\\f")?,
            '\u{1b}' => out.write_str("\\e")?,
            '\u{7f}' => out.write_str("\\d")?,
            '\0'..='\x1f' | '\u{80}'..='\u{9f}' => write!(out, "\\{:03o}", u32::from(c))?,
            _ => out.write_char(c)?,
        }
    }
    out.write_char(quote)
}
