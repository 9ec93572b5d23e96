//! Lines of a child, heard with a time limit.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// The lines of a stream as they come; ends with the stream.
pub(crate) fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (said, heard) = mpsc::channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream
            .read_until(b'\n', &mut line)
            .is_ok_and(|bytes| bytes > 0)
        {
            let text = String::from_utf8_lossy(&line);
            let text = text.strip_suffix('\n').unwrap_or(&text);
            if said.send(text.to_owned()).is_err() {
                break;
            }
            line.clear();
        }
    });
    heard
}
