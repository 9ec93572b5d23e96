//! Terms as `io:format("~0tp", [Term])` prints them, on one line.
//!
//! Lists and binaries of printable Latin-1 characters print as strings, as in an `erl` without
//! `+pc unicode`. What was not read prints as `...`, what must not be told as `***`, which no term does. Releases differ in bytes that are no UTF-8 but
//! begin with a character of it beyond Latin-1: they print as up to OTP 27, as text if Latin-1 is.

use std::fmt::{self, Write};

use super::{BigInteger, Bits, Elements, Fun, List, Map, Node, Record, Term, number};

/// `erl_scan:reserved_word/1`.
const RESERVED: [&str; 27] = [
    "after", "begin", "case", "try", "cond", "catch", "andalso", "orelse", "end", "fun", "if",
    "let", "of", "receive", "when", "bnot", "not", "div", "rem", "band", "and", "bor", "bxor",
    "bsl", "bsr", "or", "xor",
];

impl fmt::Display for Term {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_term(out, self)
    }
}

impl Term {
    /// Its text, of at most so many characters; a longer one ends in `...`.
    #[must_use]
    pub fn text(&self, limit: usize) -> String {
        Bounded::text(limit, |out| write_term(out, self))
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

pub(super) fn write_term(out: &mut dyn Write, term: &Term) -> fmt::Result {
    match term {
        Term::Integer(value) => write!(out, "{value}"),
        Term::BigInteger(big) => write_big(out, big),
        Term::Float(bits) => out.write_str(&number::float(*bits)),
        Term::Atom(name) => write_atom(out, name),
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
            write_elements(out, elements)?;
            out.write_char('}')
        }
        Term::List(list) => write_list(out, list),
        Term::Map(map) => write_map(out, map),
        Term::Record(record) => write_record(out, record),
        Term::Bits(bits) => write_bits(out, bits),
        Term::Fun(fun) => write_fun(out, fun),
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

fn write_elements(out: &mut dyn Write, elements: &Elements) -> fmt::Result {
    for (index, item) in elements.items.iter().enumerate() {
        if index > 0 {
            out.write_char(',')?;
        }
        write_term(out, item)?;
    }
    more(out, elements.items.is_empty(), elements.missing)
}

pub(super) fn more(out: &mut dyn Write, first: bool, missing: usize) -> fmt::Result {
    match (missing, first) {
        (0, _) => Ok(()),
        (_, true) => out.write_str("..."),
        (_, false) => out.write_str(",..."),
    }
}

fn write_list(out: &mut dyn Write, list: &List) -> fmt::Result {
    if let Some(text) = string(list) {
        return write_quoted(out, &text, '"');
    }
    out.write_char('[')?;
    for (index, item) in list.items.iter().enumerate() {
        if index > 0 {
            out.write_char(',')?;
        }
        write_term(out, item)?;
    }
    if let Some(tail) = &list.tail {
        out.write_char('|')?;
        write_term(out, tail)?;
    }
    out.write_char(']')
}

/// The text of a list that Erlang prints as a string.
pub(super) fn string(list: &List) -> Option<String> {
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

fn write_map(out: &mut dyn Write, map: &Map) -> fmt::Result {
    out.write_str("#{")?;
    for (index, (key, value)) in map.pairs.iter().enumerate() {
        if index > 0 {
            out.write_char(',')?;
        }
        write_term(out, key)?;
        out.write_str(" => ")?;
        write_term(out, value)?;
    }
    more(out, map.pairs.is_empty(), map.missing)?;
    out.write_char('}')
}

fn write_record(out: &mut dyn Write, record: &Record) -> fmt::Result {
    out.write_char('#')?;
    write_atom(out, &record.module)?;
    out.write_char(':')?;
    write_atom(out, &record.name)?;
    out.write_char('{')?;
    for (index, (name, value)) in record.fields.iter().enumerate() {
        if index > 0 {
            out.write_char(',')?;
        }
        write_atom(out, name)?;
        out.write_str(" = ")?;
        write_term(out, value)?;
    }
    more(out, record.fields.is_empty(), record.missing)?;
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
        if index > 0 {
            out.write_char(',')?;
        }
        if index == last && last_bits > 0 {
            write!(out, "{}:{last_bits}", byte >> (8 - last_bits))?;
        } else {
            write!(out, "{byte}")?;
        }
    }
    more(out, bits.bytes.is_empty(), usize::from(!bits.is_whole()))?;
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

fn write_fun(out: &mut dyn Write, fun: &Fun) -> fmt::Result {
    match fun {
        Fun::External {
            module,
            function,
            arity,
        } => {
            out.write_str("fun ")?;
            write_atom_in_c(out, module)?;
            out.write_char(':')?;
            write_atom_in_c(out, function)?;
            write!(out, "/{arity}")
        }
        Fun::Local(fun) => write!(
            out,
            "#Fun<{}.{}.{}>",
            fun.module, fun.old_index as i32, fun.old_uniq as i32
        ),
    }
}

/// `io_lib:write_atom/1`.
pub(super) fn write_atom(out: &mut dyn Write, name: &str) -> fmt::Result {
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
pub(super) fn write_quoted(out: &mut dyn Write, text: &str, quote: char) -> fmt::Result {
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
