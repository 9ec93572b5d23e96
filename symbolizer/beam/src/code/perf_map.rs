//! `/tmp/perf-PID.map`, which a VM with `+JPperf map` or `true` writes: one line for each range.
//!
//! Format: `tools/perf/Documentation/jit-interface.txt` of the kernel, "START SIZE symbolname" in
//! hexadecimal. The VM puts a `$` before each name (`JitPerfMap` in `beam_jit_metadata.cpp`, the
//! same in OTP 25 to 29) and only ever appends, so that of two lines for one address the later
//! is right.

use std::io::{self, BufRead, Read};

use super::pieces::{Grouper, Pieces, Range};

/// Longer than two atoms of 255 characters, each written as octal escapes.
const LINE_MAX: u64 = 8 << 10;
/// More than is read of one file; a node with a thousand modules has 10 MB.
const BYTES_MAX: u64 = 512 << 20;

/// Reads a map. `is_jit` tells whether the target has JIT code from a first to a last address:
/// other lines are left out and counted.
///
/// # Errors
/// When the source cannot be read.
pub(crate) fn read_perf_map(
    source: impl BufRead,
    is_jit: impl Fn(u64, u64) -> bool,
) -> io::Result<Pieces> {
    let mut source = source.take(BYTES_MAX);
    let mut pieces = Pieces::default();
    let mut grouper = Grouper::default();
    let mut line = Vec::new();
    while pieces.has_room() {
        line.clear();
        if source
            .by_ref()
            .take(LINE_MAX)
            .read_until(b'\n', &mut line)?
            == 0
        {
            break;
        }
        let range = match line.strip_suffix(b"\n") {
            Some(line) => std::str::from_utf8(line).ok().and_then(parse_line),
            // Too long, or being written.
            None => {
                skip_line(&mut source)?;
                None
            }
        };
        let Some(range) = range else {
            pieces.nonsense += 1;
            continue;
        };
        if !is_jit(range.start, range.start + (range.bytes - 1)) {
            pieces.outside += 1;
        } else if grouper.take(range, &[], &mut pieces.pieces) {
            pieces.ranges += 1;
        } else {
            pieces.nonsense += 1;
        }
    }
    grouper.finish(&mut pieces.pieces);
    pieces.cut = source.limit() == 0 || !pieces.has_room();
    Ok(pieces)
}

/// Discards the rest of a line.
fn skip_line(source: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = source.fill_buf()?;
        let (skipped, ended) = match buffer.iter().position(|&byte| byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        source.consume(skipped);
        if ended {
            return Ok(());
        }
    }
}

fn parse_line(line: &str) -> Option<Range<'_>> {
    let mut fields = line.splitn(3, ' ');
    let start = fields.next()?;
    let start = start.strip_prefix("0x").unwrap_or(start);
    let start = u64::from_str_radix(start, 16).ok()?;
    let bytes = u64::from_str_radix(fields.next()?, 16).ok()?;
    let text = fields.next()?.strip_prefix('$')?;
    // Neither empty nor around the end of the address space.
    start.checked_add(bytes.checked_sub(1)?)?;
    Some(Range {
        start,
        bytes,
        text,
        at_ns: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::{LINE_MAX, read_perf_map};

    #[test]
    fn lines_become_modules_and_the_rest_is_counted() {
        let long = "x".repeat(LINE_MAX as usize);
        let text = format!(
            "0x1000 10 $m::codeHeader\n1010 20 $m:f/1-CodeInfoPrologue\n\n0x1030 0 $m:f/1\n\
             0x1030 30 $m:f/1\n0x1060 10 {long}\n0x1060 8 $m::codeFooter\n0x9000 10 $o::codeHeader\n\
             zz 1 $m:g/1\n0x1070 10 m:g/1\n0xffffffffffffffff 2 $m:g/1\n0x1070 10 $m:unfinis"
        );
        let read = read_perf_map(text.as_bytes(), |_, last| last < 0x8000).expect("readable");
        assert_eq!((read.ranges, read.nonsense, read.outside), (4, 7, 1));
        assert!(!read.cut);
        let [piece] = read.pieces.as_slice() else {
            panic!("{read:?}");
        };
        let module = &piece.module;
        assert_eq!(
            (&*module.name, module.base, module.size),
            ("m", 0x1000, 0x68)
        );
        let function = module.function_at(0x31).expect("a function");
        assert_eq!((&*function.name, function.arity), ("f", Some(1)));
    }

    proptest::proptest! {
        /// Any bytes give entries and a count.
        #[test]
        fn any_bytes_are_read(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400),
            lines in proptest::collection::vec(("[0-9a-fx]{0,17}", "[0-9a-f]{0,17}", "\\$?(m|global)::?(codeHeader|f/1)"), 0..20),
        ) {
            let mut text = Vec::new();
            for (start, size, name) in lines {
                text.extend(format!("{start} {size} {name}\n").bytes());
            }
            text.extend(bytes);
            let count = text.split_inclusive(|&byte| byte == b'\n').count() as u64;
            let read = read_perf_map(text.as_slice(), |_, _| true).expect("readable");
            proptest::prop_assert_eq!(read.ranges + read.nonsense, count);
        }
    }
}
