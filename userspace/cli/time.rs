//! Durations and times as people write them.

use std::time::Duration;

/// `30s`, `1.5m`, `350ms`, `2h`, or seconds without a unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wanted = || format!("{text:?} is no duration: write it like 30s, 350ms, 5m or 1h");
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| wanted())?;
    let seconds = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wanted()),
    };
    let duration = Duration::try_from_secs_f64(number * seconds).map_err(|_| wanted())?;
    if duration.is_zero() {
        return Err(format!("{text:?} is no time at all: give more than zero"));
    }
    // Beyond this, sums of nanoseconds would not fit.
    if duration > Duration::from_secs(100 * 365 * 86_400) {
        return Err(format!("{text:?} is more than a century"));
    }
    Ok(duration)
}

/// A point of a recording, in nanoseconds since its start: a duration, or RFC 3339 in UTC or
/// with an offset.
pub(crate) fn parse_point(text: &str, start_realtime_ns: i64) -> Result<i64, String> {
    // No duration, and the start.
    let number = text.strip_suffix('s').unwrap_or(text);
    if number.bytes().all(|byte| byte == b'0' || byte == b'.') && number.parse() == Ok(0.0) {
        return Ok(0);
    }
    if let Ok(duration) = parse_duration(text) {
        return i64::try_from(duration.as_nanos()).map_err(|error| error.to_string());
    }
    parse_rfc3339_ns(text)
        .map(|realtime| realtime.saturating_sub(start_realtime_ns))
        .ok_or_else(|| {
            format!("{text:?} is no time: write it like 12.5s, 350ms or 2026-01-31T12:00:00Z")
        })
}

fn parse_rfc3339_ns(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone_at);
    let mut parts = clock.splitn(3, ':');
    let hour: i64 = parts.next()?.parse().ok()?;
    let minute: i64 = parts.next()?.parse().ok()?;
    let second: f64 = parts.next()?.parse().ok()?;
    if !(1970..2262).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..61.0).contains(&second) {
        return None;
    }
    let offset_minutes = match zone {
        "Z" | "z" => 0,
        _ => {
            let (hours, minutes) = zone[1..].split_once(':')?;
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            if zone.starts_with('-') {
                -minutes
            } else {
                minutes
            }
        }
    };
    let minutes = (days_from_civil(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
    Some(minutes * 60_000_000_000 + (second * 1e9) as i64)
}

/// Days since 1970-01-01 of a date in the Gregorian calendar (Hinnant, "chrono-compatible
/// low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// `12.3 s`, `350 ms`, `4.1 µs`.
pub(crate) fn show(ns: u64) -> String {
    let value = ns as f64;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", value / 1e6),
        _ => format!("{:.2} s", value / 1e9),
    }
}

/// A point of a recording, exactly: it can be given to `--at` again.
pub(crate) fn point(ns: i64) -> String {
    let ns = ns.max(0);
    format!("{}.{:09}s", ns / 1_000_000_000, ns % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{parse_duration, parse_point, point, show};

    #[test]
    fn durations_are_read_as_written() {
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("350ms"), Ok(Duration::from_millis(350)));
        assert_eq!(parse_duration("5"), Ok(Duration::from_secs(5)));
        for bad in [
            "-1",
            "",
            "s",
            "0",
            "1x",
            "1e9h",
            "99999999999999h",
            "NaN",
            "1.2.3s",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn points_are_relative_or_absolute() {
        let start = 1_700_000_000_000_000_000;
        assert_eq!(parse_point("2.5s", start), Ok(2_500_000_000));
        assert_eq!(parse_point("0", start), Ok(0));
        assert_eq!(
            parse_point("2023-11-14T22:13:21Z", start),
            Ok(1_000_000_000)
        );
        assert_eq!(
            parse_point("2023-11-14T23:13:20.5+01:00", start),
            Ok(500_000_000)
        );
        for bad in [
            "yesterday",
            "2023-13-01T00:00:00Z",
            "2023-01-01",
            "2023-01-01T00:00:00+1",
        ] {
            assert!(parse_point(bad, start).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_point_that_is_shown_is_the_same_again() {
        for ns in [0, 1, 999_999_999, 2_500_000_001, 86_400_123_456_789] {
            assert_eq!(parse_point(&point(ns), 0), Ok(ns), "{}", point(ns));
        }
    }

    #[test]
    fn times_are_shown_with_a_unit() {
        assert_eq!(show(999), "999 ns");
        assert_eq!(show(1_500), "1.5 µs");
        assert_eq!(show(12_345_678_900), "12.35 s");
    }
}
