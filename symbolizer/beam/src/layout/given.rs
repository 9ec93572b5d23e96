//! What the user gives: a table or debug information, for a release, or a build of one, that no
//! table here fits.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Layout;

/// What the kernel half copies of a `Process` at most: `PROCESS_BYTES` of the wire format.
const PROCESS_BYTES_MAX: u32 = 832;
/// A scheduler's data with its padding; every release has some 40 KB.
const STRIDES: std::ops::RangeInclusive<u32> = 256..=1 << 20;
/// Entries of the BIF table.
const BIF_BYTES: std::ops::RangeInclusive<u32> = 32..=4096;

/// Larger than any offset: a scheduler's data, with its padding, is the largest struct.
const VALUE_MAX: i64 = *STRIDES.end() as i64;
/// Tables have some 10 KB.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// What the user says of how the target is laid out. It is used before anything else.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// A table.
    pub layout: Option<Layout>,
    /// A file with the debug information of the target's executable.
    pub debug_info: Option<PathBuf>,
}

impl Layout {
    /// Reads a table from a file: see [`Layout::parse`].
    ///
    /// # Errors
    /// What is wrong with it, in one sentence.
    pub fn read(path: &Path) -> Result<Layout, String> {
        // Opening a pipe must not wait.
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
            .map_err(|error| error.to_string())?;
        if !file.metadata().is_ok_and(|it| it.is_file()) {
            return Err("it is not a regular file".to_owned());
        }
        let mut text = String::new();
        file.take(TEXT_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .map_err(|error| error.to_string())?;
        if text.len() as u64 > TEXT_BYTES_MAX {
            return Err(format!("it has more than {TEXT_BYTES_MAX} bytes"));
        }
        Layout::parse(&text)
    }

    /// Reads a table in the form of `layouts/otp-NN.toml`.
    ///
    /// # Errors
    /// What is wrong with it, in one sentence.
    pub fn parse(text: &str) -> Result<Layout, String> {
        let said = |error: toml::de::Error| error.message().to_owned();
        let table: toml::Table = toml::from_str(text).map_err(said)?;
        for (section, values) in &table {
            let values = values.as_table().into_iter().flatten();
            let mut numbers = values.filter_map(|(name, value)| Some((name, value.as_integer()?)));
            if let Some((name, value)) = numbers.find(|(_, value)| *value > VALUE_MAX) {
                return Err(format!(
                    "{section}.{name} is {value}: no struct is that large"
                ));
            }
        }
        let layout: Layout = toml::from_str(text).map_err(said)?;
        layout.check()?;
        Ok(layout)
    }

    /// Values that no emulator can have.
    pub(super) fn check(&self) -> Result<(), String> {
        let (process, bif) = (&self.process, &self.bif);
        if self.arch != std::env::consts::ARCH {
            return Err(format!("it is for {}", self.arch));
        }
        if process.size > PROCESS_BYTES_MAX || process.size % 8 != 0 {
            return Err(format!(
                "process.size is {}: at most {PROCESS_BYTES_MAX} and a multiple of 8 can be read",
                process.size
            ));
        }
        let inside = [
            process.id,
            process.reg,
            process.htop,
            process.stop,
            process.heap,
            process.hend,
            process.i,
            process.reds,
            process.dictionary,
            process.current,
            process.parent,
            process.scheduler,
        ];
        if inside.iter().any(|&at| at > process.size.saturating_sub(8))
            || process.initial > process.size.saturating_sub(24)
            || process.state > process.size.saturating_sub(4)
        {
            return Err("a field of [process] lies beyond process.size".to_owned());
        }
        if !STRIDES.contains(&self.scheduler.stride) {
            return Err(format!("scheduler.stride is {}", self.scheduler.stride));
        }
        let fields = [bif.module, bif.name, bif.function];
        if !BIF_BYTES.contains(&bif.size)
            || bif.size % 8 != 0
            || fields.iter().any(|&at| at > bif.size - 8)
            || bif.arity > bif.size - 4
        {
            return Err(format!("[bif] has size {} or a field beyond it", bif.size));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Layout;

    const OTP_25: &str = include_str!("../../layouts/otp-25.toml");

    #[test]
    fn the_tables_here_can_be_given() {
        for text in [
            OTP_25,
            include_str!("../../layouts/otp-25.3.2.11.toml"),
            include_str!("../../layouts/otp-26.toml"),
            include_str!("../../layouts/otp-26.2.4.toml"),
            include_str!("../../layouts/otp-27.toml"),
            include_str!("../../layouts/otp-28.toml"),
            include_str!("../../layouts/otp-29.toml"),
        ] {
            assert!(Layout::parse(text).is_ok());
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        let with = |from: &str, to: &str| Layout::parse(&OTP_25.replacen(from, to, 1));
        for (from, to, reason) in [
            ("size = 776", "size = 8000", "process.size is 8000"),
            ("htop = 80", "htop = 776", "beyond process.size"),
            ("stride = 41728", "stride = 0", "scheduler.stride is 0"),
            ("[bif]\nsize = 48", "[bif]\nsize = 0", "[bif] has size 0"),
            ("stop = 88", "stap = 88", "stap"),
            ("\"x86_64\"", "\"sparc\"", "it is for sparc"),
            ("term = 16", "term = 4294967295", "term is 4294967295"),
        ] {
            let error = with(from, to).expect_err(to);
            assert!(error.contains(reason), "{error}");
        }
        assert!(Layout::parse("nonsense").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_an_answer(text: String) {
            let _ = Layout::parse(&text);
        }
    }
}
