//! Names from the target, made fit for a page.
//!
//! Names are whatever an atom, a symbol table or a process label holds. Quoting for
//! XML or JSON is left to their libraries; here go the characters that no format can
//! hold, and those that would let a name draw over its neighbours.

use escope_model::is_printable;

/// Longest name that is drawn, in characters.
const DRAWN_CHARS_MAX: usize = 300;

/// `name` on one line, without characters that cannot be seen.
///
/// White space becomes a space; what is not [`is_printable`], and the two code points that
/// XML forbids besides, become U+FFFD. A name that is left empty is `[unnamed]`.
pub(crate) fn clean(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| match c {
            c if c.is_whitespace() => ' ',
            '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
            c if is_printable(c) => c,
            _ => char::REPLACEMENT_CHARACTER,
        })
        .collect();
    match name.trim() {
        "" => "[unnamed]".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

/// [`clean`], and cut where it would fill the screen.
pub(crate) fn drawn(name: &str) -> String {
    let name = clean(name);
    match name.char_indices().nth(DRAWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}

/// A whole number with a comma at each thousand.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 run`, `2,000 runs`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

/// A time in the unit that leaves it readable: `812 ns`, `4.1 ms`, `12.3 s`.
pub(crate) fn duration(ns: u64) -> String {
    let value = ns as f64;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", value / 1e6),
        1_000_000_000..10_000_000_000 => format!("{:.2} s", value / 1e9),
        10_000_000_000..1_000_000_000_000 => format!("{:.1} s", value / 1e9),
        _ => format!("{} s", thousands(ns / 1_000_000_000)),
    }
}

/// A part as a percentage: `43%`, `4.3%`, `0.04%`.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 || part == 0 {
        return "0%".to_owned();
    }
    let percent = 100.0 * part as f64 / whole as f64;
    match percent {
        10.0.. => format!("{percent:.0}%"),
        0.95.. => format!("{percent:.1}%"),
        0.01.. => format!("{percent:.2}%"),
        _ => "<0.01%".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{clean, drawn, duration, percent, thousands};

    #[test]
    fn names_are_one_visible_line() {
        assert_eq!(clean("a\nb\tc"), "a b c");
        assert_eq!(clean("a\0b\u{1b}[31m"), "a\u{fffd}b\u{fffd}[31m");
        assert_eq!(clean("\u{202e}evil"), "\u{fffd}evil");
        assert_eq!(clean(" \n "), "[unnamed]");
        assert_eq!(clean("Zürich ✓"), "Zürich ✓");
        assert_eq!(drawn(&"é".repeat(1000)).chars().count(), 301);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(duration(999), "999 ns");
        assert_eq!(duration(30_000_000_000), "30.0 s");
        assert_eq!(duration(3_600_000_000_000), "3,600 s");
        assert_eq!(percent(1, 3), "33%");
        assert_eq!(percent(3, 100), "3.0%");
        assert_eq!(percent(1, 100_000), "<0.01%");
        assert_eq!(percent(0, 0), "0%");
    }
}
