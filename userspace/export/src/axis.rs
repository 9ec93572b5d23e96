//! A time axis: where its ticks are and what is written at them.

/// Steps between ticks that people count in, nanoseconds; below a minute also their
/// decimal parts.
const ABOVE_A_MINUTE_S: [i64; 12] = [
    60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400,
];
const SECOND_NS: i64 = 1_000_000_000;

/// One tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tick {
    pub(crate) at_ns: i64,
    pub(crate) label: String,
}

/// The ticks of a span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Axis {
    pub(crate) ticks: Vec<Tick>,
    /// What the labels count from, where that is not the recording's start.
    pub(crate) base: Option<String>,
}

impl Axis {
    /// At most `most` ticks and one from `from_ns` to `to_ns`, at round times. Labels that
    /// would differ only in their last digits count from a round time before them.
    pub(crate) fn new(from_ns: i64, to_ns: i64, most: usize) -> Axis {
        // Of round steps one is up to 2.5 times the one before: for fewer than three there may
        // be none that fits.
        let most = most.max(3);
        let span_ns = to_ns.saturating_sub(from_ns).max(1);
        let step_ns = step(span_ns, most as i64);
        let base_ns = base(from_ns, span_ns);
        let mut ticks = Vec::new();
        let mut at_ns = from_ns
            .div_euclid(step_ns)
            .saturating_mul(step_ns)
            .max(i64::MIN + step_ns);
        if at_ns < from_ns {
            at_ns = at_ns.saturating_add(step_ns);
        }
        while at_ns <= to_ns && ticks.len() <= most {
            let label = match base_ns {
                Some(base_ns) => format!("+{}", label(at_ns - base_ns, span_ns, step_ns)),
                None => label(at_ns, to_ns.max(span_ns), step_ns),
            };
            ticks.push(Tick { at_ns, label });
            match at_ns.checked_add(step_ns) {
                Some(next_ns) => at_ns = next_ns,
                None => break,
            }
        }
        let base = base_ns.map(exact);
        Axis { ticks, base }
    }
}

/// The smallest round step that gives no more than `most` ticks.
fn step(span_ns: i64, most: i64) -> i64 {
    let least_ns = (span_ns / most).max(1);
    let mut decade: i64 = 1;
    while decade <= 10 * SECOND_NS {
        for digit in [1, 2, 5] {
            let step_ns = decade * digit;
            if step_ns >= least_ns && step_ns <= 30 * SECOND_NS {
                return step_ns;
            }
        }
        decade *= 10;
    }
    let steps = ABOVE_A_MINUTE_S.iter().map(|s| s * SECOND_NS);
    let day_ns = 86_400 * SECOND_NS;
    steps
        .into_iter()
        .find(|step_ns| *step_ns >= least_ns)
        .unwrap_or_else(|| (least_ns / day_ns + 1).saturating_mul(day_ns))
}

/// A round time at or before `from_ns`, if labels from the start would be long.
fn base(from_ns: i64, span_ns: i64) -> Option<i64> {
    if from_ns <= 0 || from_ns / 100 < span_ns || span_ns >= 60 * SECOND_NS {
        return None;
    }
    let mut round_ns: i64 = 1;
    while round_ns < span_ns {
        round_ns *= 10;
    }
    Some(from_ns / round_ns * round_ns)
}

/// A time in the unit of the whole axis, with the digits that its step needs.
fn label(at_ns: i64, whole_ns: i64, step_ns: i64) -> String {
    if whole_ns >= 120 * SECOND_NS && step_ns >= SECOND_NS {
        return clock(at_ns / SECOND_NS);
    }
    let (unit_ns, unit) = match whole_ns {
        0..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..SECOND_NS => (1_000_000, "ms"),
        _ => (SECOND_NS, "s"),
    };
    let mut digits = 0;
    let mut resolved_ns = unit_ns;
    while step_ns % resolved_ns != 0 && resolved_ns >= 10 {
        resolved_ns /= 10;
        digits += 1;
    }
    format!("{:.digits$} {unit}", at_ns as f64 / unit_ns as f64)
}

fn clock(seconds: i64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A time since the recording's start to the nanosecond, as `12.345 678 901 s` without
/// digits that are zero.
pub(crate) fn exact(at_ns: i64) -> String {
    let sign = if at_ns < 0 { "-" } else { "" };
    let ns = at_ns.unsigned_abs();
    let whole = ns / SECOND_NS as u64;
    let part = format!("{:09}", ns % SECOND_NS as u64);
    match part.trim_end_matches('0') {
        "" => format!("{sign}{whole} s"),
        part => format!("{sign}{whole}.{part} s"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Axis, exact};

    fn labels(from_ns: i64, to_ns: i64) -> Vec<String> {
        let axis = Axis::new(from_ns, to_ns, 8);
        axis.ticks.into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round_and_have_their_unit() {
        assert_eq!(
            labels(0, 1_000_000).last().map(String::as_str),
            Some("1.0 ms")
        );
        assert_eq!(
            labels(0, 900_000)[..3],
            ["0 µs", "200 µs", "400 µs"].map(String::from)
        );
        assert_eq!(
            labels(0, 10_000_000_000),
            ["0 s", "2 s", "4 s", "6 s", "8 s", "10 s"]
        );
        assert_eq!(labels(0, 3_600_000_000_000)[1], "10:00");
        assert_eq!(labels(0, 36_000_000_000_000)[1], "2:00:00");
        let axis = Axis::new(12_345_678_000, 12_345_778_000, 8);
        assert_eq!(axis.base.as_deref(), Some("12.3456 s"));
        assert_eq!(axis.ticks[0].label, "+80 µs");
        assert_eq!(exact(12_345_600_000), "12.3456 s");
        assert_eq!(exact(-5), "-0.000000005 s");
    }

    #[test]
    fn where_hardly_any_fits_there_is_one() {
        let from_ns = 163_101_583_941_080_001;
        assert!(!Axis::new(from_ns, from_ns + 4096, 2).ticks.is_empty());
    }

    proptest! {
        #[test]
        fn there_are_some_ticks_and_not_too_many(
            from_ns in 0..i64::MAX / 4,
            exponent in 0_u32..60,
            most in 2_usize..30,
        ) {
            let to_ns = from_ns + (1_i64 << exponent);
            let axis = Axis::new(from_ns, to_ns, most);
            let most = most.max(3);
            prop_assert!(axis.ticks.len() <= most + 1);
            prop_assert!(axis.ticks.len() * 4 >= most.min(8) || exponent < 4);
            prop_assert!(axis.ticks.iter().all(|tick| (from_ns..=to_ns).contains(&tick.at_ns)));
            let mut labels: Vec<_> = axis.ticks.iter().map(|tick| &tick.label).collect();
            labels.dedup();
            prop_assert_eq!(labels.len(), axis.ticks.len());
        }
    }
}
