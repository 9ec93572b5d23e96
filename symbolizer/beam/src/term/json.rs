//! Terms as JSON, for programs such as `jq`: what JSON has is itself, the rest says what it is.
//!
//! | term | JSON |
//! |---|---|
//! | integer of any size, float | a number; a float has a point or an exponent |
//! | `true`, `false` | the same |
//! | `nil`, `null` | `null` |
//! | any other atom | a string |
//! | binary of printable UTF-8 | a string |
//! | any other binary | `{"$binary":"00ff"}`, in hexadecimal |
//! | bitstring | `{"$bits":"00a0","size":11}`, the last byte filled with zeros |
//! | list | an array |
//! | improper list | `{"$improper":[1,2],"tail":3}` |
//! | tuple | `{"$tuple":["ok",1]}` |
//! | map whose keys are atoms or such strings | an object |
//! | any other map | `{"$map":[[1,"one"],[{"$tuple":[]},2]]}` |
//! | pid, port, reference | `{"$pid":"<0.80.0>"}`, `"$port"`, `"$reference"`; of another node with its name as `"node"` |
//! | `fun lists:map/2` | `{"$fun":"fun lists:map/2"}` |
//! | fun that a function made | `{"$fun":"#Fun<m.0.1>","module":"m","arity":1,"environment":[]}` |
//! | native record | `{"$record":"module:name","fields":{}}` |
//! | what was not read | `{"$cut":true}` in its place; `{"$cut":3}` after those elements, or `"$cut":3` after those members, that were |
//! | what must not be told | `{"$masked":true}` |
//!
//! So members that begin with `$` are never the target's: a map with such a key, or with an atom and
//! a binary of the same text as keys, is written as pairs. All that is lost is whether a string was
//! an atom or a binary, and `nil` or `null` what `null` was. Large integers have all their digits,
//! which not every reader keeps.

use std::collections::HashSet;
use std::fmt::{self, Write};

use super::text::write_big;
use super::{Bits, Fun, List, LocalFun, Map, Node, Record, Term, number};

impl Term {
    /// Its form in JSON, on one line; as large as the tree makes it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = write_term(&mut out, self);
        out
    }
}

fn write_term(out: &mut dyn Write, term: &Term) -> fmt::Result {
    match term {
        Term::Integer(value) => write!(out, "{value}"),
        Term::BigInteger(big) if big.digits.len() < big.length => out.write_str(CUT),
        Term::BigInteger(big) => write_big(out, big),
        Term::Float(bits) if f64::from_bits(*bits).is_finite() => {
            out.write_str(&number::float(*bits))
        }
        Term::Float(bits) => tagged(out, "float", &number::float(*bits)),
        Term::Atom(name) => match &**name {
            "true" | "false" => out.write_str(name),
            "nil" | "null" => out.write_str("null"),
            name => write_string(out, name),
        },
        Term::Pid(pid) => write_of_node(out, "pid", term, pid.node.as_deref()),
        Term::Port(port) => write_of_node(out, "port", term, port.node.as_deref()),
        Term::Reference(reference) => {
            write_of_node(out, "reference", term, reference.node.as_deref())
        }
        Term::Tuple(elements) => {
            out.write_str("{\"$tuple\":")?;
            write_array(out, &elements.items, missing(elements.missing))?;
            out.write_char('}')
        }
        Term::List(list) => write_list(out, list),
        Term::Map(map) => write_map(out, map),
        Term::Record(record) => write_record(out, record),
        Term::Bits(bits) => write_bits(out, bits),
        Term::Fun(Fun::External { .. }) => tagged(out, "fun", &term.to_string()),
        Term::Fun(Fun::Local(fun)) => write_local_fun(out, term, fun),
        Term::Cut => out.write_str(CUT),
        Term::Masked => out.write_str("{\"$masked\":true}"),
    }
}

const CUT: &str = "{\"$cut\":true}";

/// What follows the last of those that were read.
fn missing(count: usize) -> Option<String> {
    (count > 0).then(|| format!("{{\"$cut\":{count}}}"))
}

fn write_array(out: &mut dyn Write, items: &[Term], last: Option<String>) -> fmt::Result {
    out.write_char('[')?;
    for (index, item) in items.iter().enumerate() {
        separate(out, index)?;
        write_term(out, item)?;
    }
    if let Some(last) = last {
        separate(out, items.len())?;
        out.write_str(&last)?;
    }
    out.write_char(']')
}

fn separate(out: &mut dyn Write, index: usize) -> fmt::Result {
    match index {
        0 => Ok(()),
        _ => out.write_char(','),
    }
}

/// An object with one member that says what the text is.
fn tagged(out: &mut dyn Write, tag: &str, text: &str) -> fmt::Result {
    write!(out, "{{\"${tag}\":")?;
    write_string(out, text)?;
    out.write_char('}')
}

fn write_of_node(out: &mut dyn Write, tag: &str, term: &Term, node: Option<&Node>) -> fmt::Result {
    let Some(node) = node else {
        return tagged(out, tag, &term.to_string());
    };
    write!(out, "{{\"${tag}\":")?;
    write_string(out, &term.to_string())?;
    out.write_str(",\"node\":")?;
    write_string(out, &node.name)?;
    out.write_char('}')
}

fn write_list(out: &mut dyn Write, list: &List) -> fmt::Result {
    match list.tail.as_deref() {
        None => write_array(out, &list.items, None),
        Some(Term::Cut) => write_array(out, &list.items, Some(CUT.to_owned())),
        Some(tail) => {
            out.write_str("{\"$improper\":")?;
            write_array(out, &list.items, None)?;
            out.write_str(",\"tail\":")?;
            write_term(out, tail)?;
            out.write_char('}')
        }
    }
}

/// The keys of a map that can be an object.
fn names(map: &Map) -> Option<Vec<&str>> {
    let names: Option<Vec<&str>> = map.pairs.iter().map(|(key, _)| name_of(key)).collect();
    let names = names?;
    let distinct: HashSet<&str> = names.iter().copied().collect();
    let is_ours = names.iter().any(|name| name.starts_with('$'));
    (distinct.len() == names.len() && !is_ours).then_some(names)
}

fn name_of(key: &Term) -> Option<&str> {
    match key {
        Term::Atom(name) => Some(name),
        Term::Bits(bits) => printable(bits),
        _ => None,
    }
}

fn write_map(out: &mut dyn Write, map: &Map) -> fmt::Result {
    if let Some(names) = names(map) {
        let members = names
            .into_iter()
            .zip(map.pairs.iter().map(|(_, value)| value));
        return write_members(out, members, map.missing);
    }
    out.write_str("{\"$map\":[")?;
    for (index, (key, value)) in map.pairs.iter().enumerate() {
        separate(out, index)?;
        out.write_char('[')?;
        write_term(out, key)?;
        out.write_char(',')?;
        write_term(out, value)?;
        out.write_char(']')?;
    }
    if let Some(last) = missing(map.missing) {
        separate(out, map.pairs.len())?;
        out.write_str(&last)?;
    }
    out.write_str("]}")
}

fn write_members<'t>(
    out: &mut dyn Write,
    members: impl Iterator<Item = (&'t str, &'t Term)>,
    missing: usize,
) -> fmt::Result {
    let mut count = 0;
    out.write_char('{')?;
    for (name, value) in members {
        separate(out, count)?;
        write_string(out, name)?;
        out.write_char(':')?;
        write_term(out, value)?;
        count += 1;
    }
    if missing > 0 {
        separate(out, count)?;
        write!(out, "\"$cut\":{missing}")?;
    }
    out.write_char('}')
}

fn write_record(out: &mut dyn Write, record: &Record) -> fmt::Result {
    out.write_str("{\"$record\":")?;
    write_string(out, &format!("{}:{}", record.module, record.name))?;
    out.write_str(",\"fields\":")?;
    let fields = record.fields.iter();
    let fields = fields.map(|(name, value)| (&**name, value));
    write_members(out, fields, record.missing)?;
    out.write_char('}')
}

fn write_local_fun(out: &mut dyn Write, term: &Term, fun: &LocalFun) -> fmt::Result {
    out.write_str("{\"$fun\":")?;
    write_string(out, &term.to_string())?;
    out.write_str(",\"module\":")?;
    write_string(out, &fun.module)?;
    write!(out, ",\"arity\":{},\"environment\":", fun.arity)?;
    write_array(
        out,
        &fun.environment.items,
        missing(fun.environment.missing),
    )?;
    out.write_char('}')
}

/// The text of a binary that is some, on one line or several.
fn printable(bits: &Bits) -> Option<&str> {
    if !bits.is_whole() || !bits.bits.is_multiple_of(8) {
        return None;
    }
    let text = std::str::from_utf8(&bits.bytes).ok()?;
    let is_printable = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    text.chars().all(is_printable).then_some(text)
}

fn write_bits(out: &mut dyn Write, bits: &Bits) -> fmt::Result {
    if let Some(text) = printable(bits) {
        return write_string(out, text);
    }
    let is_binary = bits.bits.is_multiple_of(8);
    out.write_str(if is_binary {
        "{\"$binary\":\""
    } else {
        "{\"$bits\":\""
    })?;
    for byte in &bits.bytes {
        write!(out, "{byte:02x}")?;
    }
    out.write_char('"')?;
    if !is_binary {
        write!(out, ",\"size\":{}", bits.bits)?;
    }
    let read = bits.bytes.len() as u64;
    if !bits.is_whole() {
        write!(
            out,
            ",\"$cut\":{}",
            bits.bits.div_ceil(8).saturating_sub(read)
        )?;
    }
    out.write_char('}')
}

/// RFC 8259, section 7.
fn write_string(out: &mut dyn Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\0'..='\x1f' | '\u{7f}'..='\u{9f}' => write!(out, "\\u{:04x}", u32::from(c))?,
            _ => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests;
