//! What the time stamps of a recording mean.

use serde::{Deserialize, Serialize};

/// The instant that all time stamps count from, on two clocks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clocks {
    /// `CLOCK_MONOTONIC` at the start, nanoseconds.
    pub start_monotonic_ns: u64,
    /// `CLOCK_REALTIME` at the start, nanoseconds since 1970 UTC.
    pub start_realtime_ns: i64,
    /// The same as RFC 3339 text in UTC.
    pub start_realtime: String,
}

impl Clocks {
    /// Both clocks read at one instant.
    #[must_use]
    pub fn new(start_monotonic_ns: u64, start_realtime_ns: i64) -> Clocks {
        Clocks {
            start_monotonic_ns,
            start_realtime_ns,
            start_realtime: rfc3339(start_realtime_ns),
        }
    }
}

/// Nanoseconds since 1970 as `2026-01-31T12:00:00.000000000Z`.
fn rfc3339(ns: i64) -> String {
    const SECOND: i64 = 1_000_000_000;
    let seconds = ns.div_euclid(SECOND);
    let (year, month, day) = date(seconds.div_euclid(86_400));
    let in_day = seconds.rem_euclid(86_400);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:09}Z",
        in_day / 3600,
        in_day / 60 % 60,
        in_day % 60,
        ns.rem_euclid(SECOND)
    )
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last of its year, in
/// eras of 400 years, which all have 146,097 days.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let in_era = days.rem_euclid(146_097);
    let year_in_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_in_era + year_in_era / 4 - year_in_era / 100);
    let from_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_in_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn known_instants_print_as_rfc_3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(
            rfc3339(951_782_400_000_000_001),
            "2000-02-29T00:00:00.000000001Z"
        );
        assert_eq!(
            rfc3339(1_767_225_599_500_000_000),
            "2025-12-31T23:59:59.500000000Z"
        );
    }
}
