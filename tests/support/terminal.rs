//! What a terminal would obey.

use super::Output;

/// A name that clears the screen, colours it, goes back, forges a line, and reverses what
/// follows; with an invisible letter that takes two units of UTF-16.
pub(crate) const HOSTILE: &str = "ev\u{1b}[2Jil\u{1b}[31m\r\nforged\t\u{7f}\u{9b}31m\u{85}\u{2028}\u{2029}\
    \u{200b}\u{200d}\u{200f}\u{202e}\u{2066}\u{2069}\u{feff}\u{e0041}";

/// Checks that neither stream has anything but visible characters and newlines.
#[track_caller]
pub(crate) fn assert_pure(output: &Output) {
    for text in [&output.stdout, &output.stderr] {
        let raw = text.chars().find(|c| {
            c.is_control() && *c != '\n' || HOSTILE.chars().any(|h| h == *c && !h.is_ascii())
        });
        assert_eq!(raw, None, "{output:#?}");
    }
}
