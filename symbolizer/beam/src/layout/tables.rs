//! The tables that ship with the program.

use super::Layout;

const TABLES: &[&str] = &[
    include_str!("../../layouts/otp-25.toml"),
    include_str!("../../layouts/otp-27.toml"),
    include_str!("../../layouts/otp-29.toml"),
];

/// The table for an OTP release, such as `"25"`.
#[must_use]
pub fn table_for(release: &str) -> Option<Layout> {
    tables().find(|table| release.parse() == Ok(table.otp))
}

/// The releases that have a table, ascending.
#[must_use]
pub fn known_releases() -> Vec<u16> {
    let mut releases: Vec<u16> = tables().map(|table| table.otp).collect();
    releases.sort_unstable();
    releases
}

fn tables() -> impl Iterator<Item = Layout> {
    // A table that does not parse is caught by the test below, not by users.
    TABLES.iter().filter_map(|text| toml::from_str(text).ok())
}

#[cfg(test)]
mod tests {
    use super::{Layout, TABLES, known_releases, table_for};

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
        assert_eq!(known_releases().len(), TABLES.len());
    }

    #[test]
    fn tables_are_found_by_release() {
        assert_eq!(table_for("25").map(|table| table.process.hend), Some(136));
        assert_eq!(table_for("24"), None);
        assert_eq!(table_for("garbage"), None);
    }
}
