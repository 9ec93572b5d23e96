//! Text of the target on its way to a terminal.
//!
//! Node, process and file names, paths and messages are the target's, or of who made a
//! recording. None of them may move the cursor, colour what follows, reorder a line or
//! hide in it. Everything that this program prints passes [`Printable`] or one of the
//! functions here: `output.rs` and `say.rs` are the only doors.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};

use escope_model::is_printable;

/// What is printed, and so what becomes of a character that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Printing {
    /// Lines for people: U+FFFD instead. Newlines are ours.
    Lines,
    /// JSON: written as `\uXXXX`, which reads back as what it was. Outside of strings JSON
    /// has nothing but ASCII, so that this is right wherever such a character is.
    Json,
    /// A data format that is shown on a terminal: U+FFFD instead; newlines and tabs are
    /// the format's.
    Data,
}

impl Printing {
    fn is_plain(self, c: char) -> bool {
        match c {
            '\n' => true,
            '\t' => self == Printing::Data,
            c => is_printable(c),
        }
    }

    fn replace(self, c: char, out: &mut impl Write) -> io::Result<()> {
        if self != Printing::Json {
            return write!(out, "{}", char::REPLACEMENT_CHARACTER);
        }
        let mut units = [0; 2];
        for unit in c.encode_utf16(&mut units) {
            write!(out, "\\u{unit:04x}")?;
        }
        Ok(())
    }
}

/// A text of the target as part of a line: a newline in it cannot begin another.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_printable) {
        return Cow::Borrowed(text);
    }
    let plain = |c| match is_printable(c) {
        true => c,
        false => char::REPLACEMENT_CHARACTER,
    };
    Cow::Owned(text.chars().map(plain).collect())
}

/// A message that may have several lines. The later ones are indented, so that none of
/// them passes for a message of its own.
pub(crate) fn message(text: &impl Display) -> String {
    let text = text.to_string();
    let lines: Vec<Cow<'_, str>> = text
        .trim_end_matches('\n')
        .split('\n')
        .map(one_line)
        .collect();
    lines.join("\n    ")
}

/// Whether a text of several lines can be printed as it is.
pub(crate) fn is_plain(text: &str) -> bool {
    text.chars().all(|c| Printing::Lines.is_plain(c))
}

/// Passes on text, with what cannot be printed replaced.
#[derive(Debug)]
pub(crate) struct Printable<W> {
    out: W,
    printing: Printing,
    /// The beginning of a character, at most three bytes.
    begun: Vec<u8>,
}

impl<W: Write> Printable<W> {
    pub(crate) fn new(out: W, printing: Printing) -> Printable<W> {
        Printable {
            out,
            printing,
            begun: Vec::new(),
        }
    }

    /// Nothing comes any more.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if !self.begun.is_empty() {
            write!(self.out, "{}", char::REPLACEMENT_CHARACTER)?;
        }
        self.out.flush()
    }

    fn text(&mut self, mut text: &str) -> io::Result<()> {
        while let Some((at, c)) = text
            .char_indices()
            .find(|(_, c)| !self.printing.is_plain(*c))
        {
            let (plain, rest) = text.split_at(at);
            self.out.write_all(plain.as_bytes())?;
            self.printing.replace(c, &mut self.out)?;
            text = rest.strip_prefix(c).unwrap_or_default();
        }
        self.out.write_all(text.as_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.text(chunk.valid())?;
            let broken = chunk.invalid();
            if broken.is_empty() {
                continue;
            }
            let unfinished = std::str::from_utf8(broken).is_err_and(|e| e.error_len().is_none());
            if unfinished && chunks.peek().is_none() {
                self.begun = broken.to_vec();
            } else {
                // A lone byte of C1 is a control for terminals without UTF-8.
                write!(self.out, "{}", char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.begun.is_empty() {
            self.bytes(bytes)?;
        } else {
            let mut whole = std::mem::take(&mut self.begun);
            whole.extend_from_slice(bytes);
            self.bytes(&whole)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
#[path = "printable_tests.rs"]
mod tests;
