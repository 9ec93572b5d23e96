//! What is said on stderr: all that is no result.

use std::fmt::Arguments;
use std::io::{self, Write};

use crate::printable;

/// Says something on stderr, as `eprintln!` does; what a terminal would obey is replaced.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::say::line(format_args!($($text)*))
    };
}
pub(crate) use say;

/// One write for each message, so that those of several threads stay apart.
pub(crate) fn line(text: Arguments<'_>) {
    let text = printable::message(&text) + "\n";
    // Who listens no more misses nothing that is a result.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// A usage error, help or the version, with the colours that clap gives them: unless an
/// argument, such as a name that the shell has filled in, has something that terminals obey.
pub(crate) fn clap(error: &clap::Error) {
    let text = error.render().to_string();
    if printable::is_plain(&text) {
        let _ = error.print();
    } else {
        line(format_args!("{text}"));
    }
}
