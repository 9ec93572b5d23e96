//! The tables that ship with the program.

use super::Layout;
use crate::BeamError;

/// Ascending.
const TABLES: &[&str] = &[
    include_str!("../../layouts/otp-25.toml"),
    include_str!("../../layouts/otp-25.3.2.11.toml"),
    include_str!("../../layouts/otp-26.toml"),
    include_str!("../../layouts/otp-26.2.4.toml"),
    include_str!("../../layouts/otp-27.toml"),
    include_str!("../../layouts/otp-28.toml"),
    include_str!("../../layouts/otp-29.toml"),
];

/// The table for an OTP release, such as `"25"`: the newest one, if its structs changed within
/// the release.
#[must_use]
pub fn table_for(release: &str) -> Option<Layout> {
    tables_of(release).max_by_key(begins)
}

/// The table for an OTP release of a certain ERTS version, such as `"26"` and `"14.2.1"`.
#[must_use]
pub fn table_for_erts(release: &str, erts: &str) -> Option<Layout> {
    let version = numbers(erts);
    tables_of(release)
        .filter(|table| begins(table) <= version)
        .max_by_key(begins)
}

fn tables_of(release: &str) -> impl Iterator<Item = Layout> {
    let release = release.parse();
    tables().filter(move |table| release == Ok(table.otp))
}

/// The first ERTS version that a table holds for.
fn begins(table: &Layout) -> Vec<u32> {
    numbers(table.erts_from.as_deref().unwrap_or_default())
}

/// `14.2.5.1` as numbers, up to the first that is none.
pub(super) fn numbers(version: &str) -> Vec<u32> {
    let parts = version.split('.').map(str::parse);
    parts.map_while(Result::ok).collect()
}

/// The releases that have a table, ascending.
#[must_use]
pub fn known_releases() -> Vec<u16> {
    let mut releases: Vec<u16> = tables().map(|table| table.otp).collect();
    releases.sort_unstable();
    releases.dedup();
    releases
}

/// The error that a release has no table, nor the `debug_info` that was tried what is needed.
pub(super) fn unknown(
    pid: u32,
    release: &str,
    erts: &str,
    debug_info: Option<String>,
) -> BeamError {
    let known = known_releases();
    let known: Vec<String> = known.iter().map(u16::to_string).collect();
    BeamError::UnknownOtp {
        pid,
        release: release.to_owned(),
        erts: erts.to_owned(),
        known: known.join(", "),
        debug_info,
    }
}

pub(super) fn tables() -> impl Iterator<Item = Layout> {
    // A table that does not parse is caught by the test below, not by users.
    TABLES.iter().filter_map(|text| toml::from_str(text).ok())
}

#[cfg(test)]
mod tests {
    use super::{Layout, TABLES, known_releases, table_for, table_for_erts, tables};

    #[test]
    fn every_table_parses_and_fits_the_kernel_half() {
        for text in TABLES {
            let table: Layout = toml::from_str(text).expect("a valid table");
            assert!(
                table.process.size <= 832,
                "PROCESS_BYTES of the wire format"
            );
            assert_eq!(table.process.size % 8, 0);
        }
        assert_eq!(tables().count(), TABLES.len());
        assert_eq!(known_releases(), [25, 26, 27, 28, 29]);
    }

    #[test]
    fn tables_are_found_by_release() {
        assert_eq!(table_for("25").map(|table| table.process.hend), Some(136));
        assert_eq!(table_for("24"), None);
        assert_eq!(table_for("garbage"), None);
    }

    #[test]
    fn a_release_that_changed_midway_is_told_apart_by_its_erts() {
        let stride = |otp, erts| table_for_erts(otp, erts).map(|table| table.scheduler.stride);
        for (otp, before, after) in [
            (
                "25",
                ["13.0", "13.1.5", "13.2.2.7"],
                ["13.2.2.8", "13.2.2.15"],
            ),
            ("26", ["14.0", "14.2.3", "garbage"], ["14.2.4", "14.2.5.10"]),
        ] {
            assert_eq!(before.map(|erts| stride(otp, erts)), [Some(41728); 3]);
            assert_eq!(after.map(|erts| stride(otp, erts)), [Some(41792); 2]);
        }
        assert_eq!(table_for("26"), table_for_erts("26", "14.2.5"));
        assert_eq!(table_for_erts("24", "12.3"), None);
    }
}
