//! What is said of OTP releases and of builds of them, besides their tables: as data, in
//! `layouts/releases.toml` and `layouts/builds.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

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

/// What is known of an OTP release besides its structs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its number.
    pub otp: u16,
    /// Whether all of its table but what [`Release::is_live`] denies was seen in a running VM.
    pub status: Status,
    /// Sections that its table does not have.
    #[serde(default)]
    pub without: Vec<String>,
    /// The source package that its table is of.
    pub package: String,
    /// The same as a tag of erlang/otp.
    pub tag: String,
    /// Values by section and name.
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

impl Release {
    /// What is known of a release; of one that is not listed, what is known of the last one
    /// before it, which has another number then.
    #[must_use]
    pub fn of(otp: u16) -> Option<Release> {
        // Text that does not parse is caught by the test below, not by users.
        let releases: Releases = toml::from_str(RELEASES).ok()?;
        let not_later = |release: &Release| release.otp <= otp;
        let releases = releases.release.into_iter().filter(not_later);
        releases.max_by_key(|release| release.otp)
    }

    /// A value by section and name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Said> {
        self.values.get(name)
    }

    /// Names of the values that are said of it, with their sections.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
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
    use super::super::{Status, known_releases, table_for};
    use super::{BUILDS, Build, Builds, RELEASES, Release, Releases};

    #[test]
    fn what_is_said_parses_and_fits_the_tables() {
        let said: Releases = toml::from_str(RELEASES).expect("releases");
        let listed: Vec<u16> = said.release.iter().map(|release| release.otp).collect();
        assert_eq!(listed, known_releases(), "each table has its release");
        for release in &said.release {
            let table = table_for(&release.otp.to_string()).expect("a table");
            assert_eq!(release.status, table.status, "OTP {}", release.otp);
            let table = toml::Table::try_from(&table).expect("values");
            for (section, names) in &release.live {
                let section = section.split('.').try_fold(&table, |table, name| {
                    table.get(name).and_then(|value| value.as_table())
                });
                for name in names.split_whitespace() {
                    let is_there = section.is_some_and(|section| section.contains_key(name));
                    assert!(is_there, "OTP {}: {name}", release.otp);
                }
            }
        }
    }

    #[test]
    fn builds_are_known_by_their_whole_id() {
        let said: Builds = toml::from_str(BUILDS).expect("builds");
        for build in &said.build {
            assert_eq!(Build::of(&build.id).as_ref(), Some(build));
            let table = table_for(&build.otp.to_string()).expect("its table");
            assert_eq!(table.status, Status::Verified);
            assert!(build.id.len() >= 40 && build.id.bytes().all(|b| b.is_ascii_hexdigit()));
        }
        assert_eq!(Build::of(""), None);
        assert_eq!(Build::of(&said.build[0].id[..39]), None);
    }

    #[test]
    fn a_release_that_is_not_listed_takes_what_was_before_it() {
        assert_eq!(Release::of(24), None);
        assert_eq!(Release::of(25).map(|release| release.otp), Some(25));
        assert!(Release::of(1000).is_some_and(|release| release.otp < 1000));
    }
}
