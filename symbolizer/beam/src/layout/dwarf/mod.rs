//! A layout from debug information: that of the very build, where there is some.

mod sections;
mod spec;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;

use serde::Deserialize;

use self::sections::Sections;
use self::spec::{Section, Source, sections};
use self::types::Types;
use super::releases::Release;
use super::{Layout, Status};

/// What a table has at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Datum {
    /// An offset, a size or a count, in the units of its field.
    Number(u32),
    /// Whether something is so.
    Truth(bool),
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Number(number) => number.fmt(f),
            Datum::Truth(truth) => truth.fmt(f),
        }
    }
}

/// One value of a layout, and what says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Its name in its section.
    pub name: &'static str,
    /// A number or a truth value.
    pub value: Datum,
    /// The C declaration, or in which words it is said.
    pub source: String,
}

/// The values of one section of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    /// Name of the section.
    pub section: &'static str,
    /// What it is about, and the header that declares it.
    pub about: &'static str,
    /// Its values, in the order in which a table has them.
    pub values: Vec<Value>,
}

/// A layout by debug information.
#[derive(Debug, Clone)]
pub struct Derived {
    /// As readers use it. Verified if everything that no debug information holds is.
    pub layout: Layout,
    /// Each value with its source.
    pub sections: Vec<Values>,
    /// Parts that the release before has, of which no declaration is there.
    pub absent: Vec<&'static str>,
}

/// Derives a layout from the debug information in an ELF file: an executable, a file with its
/// debug information alone, or an object file. It is of an OTP release, of which is known what no
/// debug information says, or what is known of another release has to do: then parts of sections
/// of which it declares nothing are left out, as releases differ in them.
///
/// # Errors
/// In one sentence, what is wrong with the file or not in it.
pub fn derive(file: File, otp: u16, release: &Release) -> Result<Derived, String> {
    let read = Sections::read(file)?;
    let mut types = Types::find(&read, &type_names(release));
    let mut missing = Vec::new();
    let (mut derived, mut absent) = (Vec::new(), Vec::new());
    for section in sections().filter(|section| release.has(section.name)) {
        if release.otp != otp && section.name.contains('.') && !is_declared(&types, section) {
            absent.push(section.name);
            continue;
        }
        let mut values = Vec::new();
        for (name, source) in section.values {
            match value(&mut types, release, section, name, *source) {
                Ok(value) => values.push(value),
                Err(what) => missing.push(what),
            }
        }
        derived.push(Values {
            section: section.name,
            about: section.about,
            values,
        });
    }
    if !missing.is_empty() {
        return Err(format!(
            "its debug information lacks {}",
            missing.join(", ")
        ));
    }
    Ok(Derived {
        layout: layout(&derived, otp, release)?,
        sections: derived,
        absent,
    })
}

/// The values in which a layout differs from another one, as `section.name (its own, not the
/// other's)`.
#[must_use]
pub fn differences(layout: &Layout, other: &Layout) -> Vec<String> {
    let (mine, theirs) = (flat(layout), flat(other));
    let names: BTreeSet<&String> = mine.keys().chain(theirs.keys()).collect();
    let text = |datum: Option<&Datum>| datum.map_or("absent".to_owned(), Datum::to_string);
    names
        .into_iter()
        .map(|name| (name, mine.get(name), theirs.get(name)))
        .filter(|(name, mine, theirs)| mine != theirs && *name != "otp")
        .map(|(name, mine, theirs)| format!("{name} ({}, not {})", text(mine), text(theirs)))
        .collect()
}

/// Every number and truth value of a layout by its name with its section's.
fn flat(layout: &Layout) -> BTreeMap<String, Datum> {
    fn collect(prefix: &str, table: &toml::Table, values: &mut BTreeMap<String, Datum>) {
        for (name, value) in table {
            let name = format!("{prefix}{name}");
            match value {
                toml::Value::Table(inner) => collect(&format!("{name}."), inner, values),
                toml::Value::Integer(number) => {
                    values.extend(u32::try_from(*number).map(|n| (name, Datum::Number(n))));
                }
                toml::Value::Boolean(truth) => drop(values.insert(name, Datum::Truth(*truth))),
                _ => {}
            }
        }
    }
    let mut values = BTreeMap::new();
    let table = toml::Table::try_from(layout).unwrap_or_default();
    collect("", &table, &mut values);
    values
}

/// The types that the specification names of what a release has, each once.
fn type_names(release: &Release) -> Vec<&'static str> {
    let sections = sections().filter(|section| release.has(section.name));
    let mut names: Vec<&str> = sections.flat_map(types_of).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The types that a section names.
fn types_of(section: &Section) -> Vec<&'static str> {
    let mut names = Vec::new();
    for (_, source) in section.values {
        match source {
            Source::Offset(places)
            | Source::Common(places)
            | Source::Distance(places, _)
            | Source::Length(places)
            | Source::Has(places) => {
                names.extend(alternatives(places).map(|(name, _)| name));
            }
            Source::Size(name) => names.push(name),
            Source::Release => {}
        }
    }
    names
}

/// Whether debug information has a type of a section, if that names any.
fn is_declared(types: &Types<'_>, section: &Section) -> bool {
    let names = types_of(section);
    names.is_empty() || names.iter().any(|name| types.size(name).is_some())
}

/// Type and path of each place.
fn alternatives(places: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    places
        .split(['|', '&'])
        .filter_map(|place| place.trim().split_once(": "))
}

fn value(
    types: &mut Types<'_>,
    release: &Release,
    section: &Section,
    name: &'static str,
    source: Source,
) -> Result<Value, String> {
    let full = format!("{}.{name}", section.name);
    let (value, source) = match source {
        Source::Release => {
            let said = release.value(&full);
            let said = said.ok_or_else(|| format!("{full}, which layouts/releases.toml gives"))?;
            (said.value, said.source.clone())
        }
        Source::Has(place) => {
            let mut all = alternatives(place);
            let (kind, path) = all.next().ok_or_else(|| place.to_owned())?;
            if types.size(kind).is_none() {
                return Err(format!("{kind} ({full})"));
            }
            let is_there = types.offset(kind, path).is_some();
            let word = if is_there { "there is" } else { "there is no" };
            (Datum::Truth(is_there), format!("{word} {place}"))
        }
        _ => match (number(types, source), source) {
            (Some((number, place)), _) => (whole(number)?, place),
            (None, _) => return Err(format!("{} ({full})", words(source))),
        },
    };
    Ok(Value {
        name,
        value,
        source,
    })
}

/// A number that declarations say, and which ones did.
fn number(types: &mut Types<'_>, source: Source) -> Option<(u64, String)> {
    match source {
        Source::Offset(places) => {
            let mut all = alternatives(places);
            all.find_map(|(kind, path)| {
                Some((types.offset(kind, path)?, format!("{kind}: {path}")))
            })
        }
        Source::Common(places) => {
            let mut all = alternatives(places).map(|(kind, path)| types.offset(kind, path));
            let first = all.next()??;
            let is_common = all.all(|other| other == Some(first));
            is_common.then(|| (first, words(source)))
        }
        Source::Distance(place, to) => {
            let (kind, from) = alternatives(place).next()?;
            let (from, to) = (types.offset(kind, from)?, types.offset(kind, to)?);
            Some((to.checked_sub(from)?, words(source)))
        }
        Source::Length(place) => {
            let (kind, path) = alternatives(place).next()?;
            Some((types.length(kind, path)?, words(source)))
        }
        Source::Size(kind) => Some((types.size(kind)?, words(source))),
        Source::Has(_) | Source::Release => None,
    }
}

/// What a value is, as tables and errors have it.
fn words(source: Source) -> String {
    match source {
        Source::Offset(places) | Source::Has(places) => places.to_owned(),
        Source::Common(places) => format!("the same of {places}"),
        Source::Distance(place, to) => format!("from {place} to {to}"),
        Source::Length(place) => format!("length of {place}"),
        Source::Size(kind) => format!("size of {kind}"),
        Source::Release => "layouts/releases.toml".to_owned(),
    }
}

fn whole(number: u64) -> Result<Datum, String> {
    let number = u32::try_from(number).map_err(|_| format!("an offset of {number}"))?;
    Ok(Datum::Number(number))
}

/// Puts the values together. What a layout needs and the specification lacks is an error.
fn layout(sections: &[Values], otp: u16, release: &Release) -> Result<Layout, String> {
    let mut table = toml::Table::new();
    table.insert("otp".into(), i64::from(otp).into());
    let status = match release.otp == otp {
        true => {
            let erts_from = release.erts_from.iter();
            table.extend(erts_from.map(|erts| ("erts_from".to_owned(), erts.as_str().into())));
            release.status
        }
        false => Status::Unverified,
    };
    table.insert("arch".into(), std::env::consts::ARCH.into());
    table.insert("status".into(), status.word().into());
    for section in sections {
        let mut place = &mut table;
        for name in section.section.split('.') {
            let inner = place
                .entry(name)
                .or_insert_with(|| toml::Table::new().into());
            place = inner
                .as_table_mut()
                .ok_or_else(|| format!("{} is a value and a section", section.section))?;
        }
        for value in &section.values {
            let datum = match value.value {
                Datum::Number(number) => i64::from(number).into(),
                Datum::Truth(truth) => truth.into(),
            };
            place.insert(value.name.into(), datum);
        }
    }
    let layout: Layout = table
        .try_into()
        .map_err(|error: toml::de::Error| error.message().to_owned())?;
    layout.check()?;
    Ok(layout)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tier2;
