//! Which characters of a text of the target may be shown.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Whether a character may reach a terminal or a picture: all but controls (C0, DEL, C1), format
/// characters (among them all of bidirectional text, UAX #9, table 4, and those without
/// width), and separators of lines and paragraphs.
#[must_use]
pub fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    !matches!(
        c.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    )
}
