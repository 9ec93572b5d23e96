//! What is said of OTP releases and of builds of them, besides their tables: as data, in
//! `layouts/releases.toml` and `layouts/builds.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::tables::numbers;
use super::{Datum, Status};

const RELEASES: &str = include_str!("../../layouts/releases.toml");
const BUILDS: &str = include_str!("../../layouts/builds.toml");

/// A value that no debug information holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// A number or a truth value.
    pub value: Datum,
    /// What says so.
    pub source: String,
}

/// What is known of an OTP release besides its structs; if they changed within the release, of the
/// versions that have one table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its number.
    pub otp: u16,
    /// The name of its table, `25` for `layouts/otp-25.toml`: the first version that it holds for.
    pub table: String,
    /// The first ERTS version that it holds for, if it is not the release's first.
    pub erts_from: Option<String>,
    /// Which versions those are, in words.
    pub versions: String,
    /// Whether all of its table but what [`Release::is_live`] denies was seen in a running VM.
    pub status: Status,
    /// Sections that its table does not have.
    #[serde(default)]
    pub without: Vec<String>,
    /// What its table is of: a source package, a tag of erlang/otp. Some lines.
    pub source: String,
    /// The table whose values were seen live in a VM of this one as well.
    live_as: Option<String>,
    /// Values by section and name: those that are not as in the release before it.
    #[serde(default)]
    values: BTreeMap<String, Said>,
    /// Names of values seen right in a running VM, by section.
    #[serde(default)]
    live: BTreeMap<String, String>,
}

/// A build whose table was seen right in a running VM of that very build.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// GNU build id of the emulator, in hexadecimal.
    pub id: String,
    /// The release whose table it is.
    pub otp: u16,
    /// Which package it is of.
    pub package: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Releases {
    release: Vec<Release>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Builds {
    build: Vec<Build>,
}

/// All releases, ascending, each with all of its values.
fn releases() -> Vec<Release> {
    // Text that does not parse is caught by the test below, not by users.
    let parsed: Result<Releases, _> = toml::from_str(RELEASES);
    let mut releases: Vec<Release> = Vec::new();
    for mut release in parsed.map(|all| all.release).unwrap_or_default() {
        if let Some(before) = releases.last() {
            let mut values = before.values.clone();
            values.append(&mut release.values);
            release.values = values;
        }
        let same = |other: &&Release| release.live_as.as_ref() == Some(&other.table);
        if let Some(other) = releases.iter().find(same) {
            let mut live = other.live.clone();
            live.append(&mut release.live);
            release.live = live;
        }
        releases.push(release);
    }
    releases
}

impl Release {
    /// What is known of a release in a certain ERTS version; of one that is not listed, what is
    /// known of the last one before it, which has another number then.
    #[must_use]
    pub fn of(otp: u16, erts: &str) -> Option<Release> {
        let version = (otp, numbers(erts));
        let mut releases = releases();
        releases.retain(|release| release.begins() <= version);
        releases.pop()
    }

    /// What is known of the versions that a table is of, such as `25.3.2.11`.
    #[must_use]
    pub fn of_table(name: &str) -> Option<Release> {
        releases().into_iter().find(|release| release.table == name)
    }

    /// Its number and the ERTS version from which on it is so.
    fn begins(&self) -> (u16, Vec<u32>) {
        let from = self.erts_from.as_deref().unwrap_or_default();
        (self.otp, numbers(from))
    }

    /// Whether its table has a section.
    #[must_use]
    pub fn has(&self, section: &str) -> bool {
        self.without.iter().all(|without| without != section)
    }

    /// A value by section and name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Said> {
        self.values.get(name)
    }

    /// Names of the values that are said of it, with their sections.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.values.keys().map(String::as_str);
        names.filter(|name| {
            let section = name.rsplit_once('.').map(|(section, _)| section);
            section.is_some_and(|section| self.has(section))
        })
    }

    /// Whether a value of its table was seen right in a running VM.
    #[must_use]
    pub fn is_live(&self, section: &str, name: &str) -> bool {
        let names = self.live.get(section);
        names.is_some_and(|names| names.split_whitespace().any(|live| live == name))
    }
}

impl Build {
    /// The build with this id, if its table was seen right in a VM of it.
    #[must_use]
    pub fn of(id: &str) -> Option<Build> {
        let builds: Builds = toml::from_str(BUILDS).ok()?;
        builds.build.into_iter().find(|build| build.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::super::tables::tables;
    use super::{BUILDS, Build, Builds, RELEASES, Release, Releases, releases};

    #[test]
    fn what_is_said_parses_and_fits_the_tables() {
        let said: Releases = toml::from_str(RELEASES).expect("releases");
        assert_eq!(said.release.len(), tables().count(), "one for each table");
        for (release, table) in releases().iter().zip(tables()) {
            let name = &release.table;
            assert_eq!(name.split('.').next(), Some(&*release.otp.to_string()));
            let head = (release.otp, &release.erts_from, release.status);
            assert_eq!(head, (table.otp, &table.erts_from, table.status), "{name}");
            let table = toml::Table::try_from(&table).expect("values");
            let has = |section: &str, value: &str| {
                let section = section.split('.').try_fold(&table, |table, name| {
                    table.get(name).and_then(|value| value.as_table())
                });
                section.is_some_and(|section| section.contains_key(value))
            };
            for (section, values) in &release.live {
                for value in values.split_whitespace() {
                    let is_there = has(section, value) || !release.has(section);
                    assert!(is_there, "OTP {name}: {section}.{value}");
                }
            }
            for value in release.names() {
                let (section, value) = value.rsplit_once('.').expect("a section");
                assert!(has(section, value), "OTP {name}: {section}.{value}");
            }
            if release.status == Status::Unverified {
                assert!(release.live.is_empty(), "OTP {name}");
            }
        }
    }

    #[test]
    fn builds_are_known_by_their_whole_id() {
        let said: Builds = toml::from_str(BUILDS).expect("builds");
        for build in &said.build {
            assert_eq!(Build::of(&build.id).as_ref(), Some(build));
            let mut tables = tables().filter(|table| table.otp == build.otp);
            assert!(tables.any(|table| table.status == Status::Verified));
            assert!(build.id.len() >= 40 && build.id.bytes().all(|b| b.is_ascii_hexdigit()));
        }
        assert_eq!(Build::of(""), None);
        assert_eq!(Build::of(&said.build[0].id[..39]), None);
    }

    #[test]
    fn a_release_that_changed_midway_is_told_apart_by_its_erts() {
        let table = |otp, erts| Release::of(otp, erts).map(|release| release.table);
        for (otp, erts, name) in [
            (25, "13.2.2.7", "25"),
            (25, "13.2.2.8", "25.3.2.11"),
            (26, "14.2.3", "26"),
            (26, "14.2.4", "26.2.4"),
            (29, "17.1", "29"),
        ] {
            assert_eq!(table(otp, erts).as_deref(), Some(name), "{erts}");
            assert_eq!(Release::of_table(name), Release::of(otp, erts));
        }
        assert_eq!(Release::of_table("26.2.1"), None);
    }

    #[test]
    fn a_release_that_is_not_listed_takes_what_was_before_it() {
        assert_eq!(Release::of(24, "12.3"), None);
        assert!(Release::of(1000, "99.0").is_some_and(|release| release.otp < 1000));
    }

    /// A value that did not change is said once.
    #[test]
    fn values_are_those_of_the_release_before_but_for_what_changed() {
        let value = |table: &str, name: &str| {
            let release = Release::of_table(table).expect(table);
            release.value(name).map(|said| said.value.to_string())
        };
        for (table, map) in [("25", "15"), ("26.2.4", "15"), ("27", "11"), ("29", "11")] {
            assert_eq!(value(table, "term.map").as_deref(), Some(map), "{table}");
        }
    }
}
