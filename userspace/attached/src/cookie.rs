//! The secret that nodes share, and where it comes from: a file or the environment, never the
//! command line, which every user of a machine can read.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::AttachedError;

/// The variable that has it.
const VARIABLE: &str = "ESCOPE_COOKIE";
/// An atom's length.
const COOKIE_MAX: usize = 255;

/// Where a cookie came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CookieSource {
    /// The variable `ESCOPE_COOKIE`.
    Environment,
    /// A file.
    File(PathBuf),
}

impl fmt::Display for CookieSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CookieSource::Environment => write!(f, "the variable {VARIABLE}"),
            CookieSource::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A cookie. Its text is not shown by any formatting.
#[derive(Clone)]
pub struct Cookie {
    text: String,
    source: CookieSource,
    /// Whether others than its owner may read the file.
    pub is_exposed: bool,
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cookie from {}", self.source)
    }
}

impl Cookie {
    /// From this file; else from `ESCOPE_COOKIE`; else from the file of this user that Erlang itself
    /// reads (`lib/kernel/src/auth.erl`).
    ///
    /// # Errors
    /// When there is none, or it cannot be one.
    pub fn find(file: Option<&Path>) -> Result<Cookie, AttachedError> {
        if let Some(file) = file {
            return Cookie::from_file(file);
        }
        if let Ok(text) = env::var(VARIABLE) {
            return Cookie::new(text.trim(), CookieSource::Environment);
        }
        let places = [
            ("HOME", ".erlang.cookie"),
            ("XDG_CONFIG_HOME", "erlang/.erlang.cookie"),
        ];
        let files = places.iter().filter_map(|(variable, below)| {
            let folder = env::var_os(variable)?;
            Some(Path::new(&folder).join(below))
        });
        let files: Vec<PathBuf> = files.collect();
        match files.iter().find(|file| file.exists()) {
            Some(file) => Cookie::from_file(file),
            None => Err(AttachedError::NoCookie(
                "this user has no .erlang.cookie".to_owned(),
            )),
        }
    }

    fn from_file(path: &Path) -> Result<Cookie, AttachedError> {
        let cannot =
            |why: &dyn fmt::Display| AttachedError::NoCookie(format!("{}: {why}", path.display()));
        let file = File::open(path).map_err(|why| cannot(&why))?;
        let mut text = String::new();
        // One byte more than may be, so that more is seen.
        let most = COOKIE_MAX as u64 + 2;
        file.take(most)
            .read_to_string(&mut text)
            .map_err(|why| cannot(&why))?;
        let mut cookie = Cookie::new(text.trim(), CookieSource::File(path.to_owned()))?;
        let mode = fs::metadata(path).map(|about| about.mode());
        cookie.is_exposed = mode.is_ok_and(|mode| mode & 0o077 != 0);
        Ok(cookie)
    }

    pub(crate) fn new(text: &str, source: CookieSource) -> Result<Cookie, AttachedError> {
        let is_cookie = (1..=COOKIE_MAX).contains(&text.len()) && !text.contains(['\n', '\0']);
        match is_cookie {
            true => Ok(Cookie {
                text: text.to_owned(),
                source,
                is_exposed: false,
            }),
            false => Err(AttachedError::NoCookie(format!(
                "{source} has none: one line of 1 to {COOKIE_MAX} bytes"
            ))),
        }
    }

    /// Where it came from.
    #[must_use]
    pub fn source(&self) -> &CookieSource {
        &self.source
    }

    /// What proves that one has it: MD5 of it and the peer's number in decimal digits
    /// (`gen_digest/2` in `lib/kernel/src/dist_util.erl`).
    pub(crate) fn digest(&self, challenge: u32) -> [u8; 16] {
        md5::compute(format!("{}{challenge}", self.text)).0
    }
}

#[cfg(test)]
mod tests {
    use super::{Cookie, CookieSource};

    #[test]
    fn the_proof_is_of_cookie_and_number() {
        let cookie = Cookie::new("secret", CookieSource::Environment).unwrap();
        assert_eq!(cookie.digest(42), md5::compute("secret42").0);
        assert!(!format!("{cookie:?}").contains("secret"));
    }

    #[test]
    fn what_cannot_be_a_cookie_is_refused() {
        for text in ["", "a\nb", &"x".repeat(256)] {
            assert!(Cookie::new(text, CookieSource::Environment).is_err());
        }
    }
}
