//! Which Erlang the tests run: the machine's own, or, with `ESCOPE_OTP=27`, a release that
//! `cargo xtask otp 27` has unpacked, by chroot.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the compiled modules lie inside of such a root.
const INSIDE: &str = "/tests";

/// The release asked for; `None` for the machine's own.
fn release() -> Option<String> {
    std::env::var("ESCOPE_OTP")
        .ok()
        .filter(|otp| !otp.is_empty())
}

/// Whether it is the machine's own, which the servers of its packages run on.
pub(crate) fn is_system() -> bool {
    release().is_none()
}

/// Its root folder.
pub(crate) fn root() -> Option<PathBuf> {
    let otp = release()?;
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let root = target.join("otp").join(&otp);
    assert!(
        root.join("complete").exists(),
        "OTP {otp} is not there: cargo xtask otp {otp}"
    );
    Some(root.canonicalize().unwrap())
}

/// `erl`, without flags from the environment. What it is started with is left where it is.
pub(crate) fn erl() -> Command {
    let mut command = match root() {
        None => Command::new("erl"),
        Some(root) => {
            let mut command = Command::new("chroot");
            command.arg(root).arg("/usr/bin/erl");
            command
        }
    };
    command.env("ERL_CRASH_DUMP_SECONDS", "0");
    for flags in ["ERL_FLAGS", "ERL_AFLAGS", "ERL_ZFLAGS", "ERL_LIBS"] {
        command.env_remove(flags);
    }
    command
}

/// A folder of compiled modules, as the VM sees it.
pub(crate) fn visible(folder: &Path) -> PathBuf {
    static COPIED: OnceLock<()> = OnceLock::new();
    let Some(root) = root() else {
        return folder.to_owned();
    };
    COPIED.get_or_init(|| {
        let copy = root.join(INSIDE.trim_start_matches('/'));
        fs::create_dir_all(&copy).unwrap();
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            // By renaming, so that a VM that has it mapped keeps what it has.
            let new = copy.join(format!("{}.new", entry.file_name().display()));
            fs::copy(entry.path(), &new).unwrap();
            fs::rename(new, copy.join(entry.file_name())).unwrap();
        }
    });
    PathBuf::from(INSIDE)
}

/// Where a VM's file is found by programs outside, such as `/tmp/perf-1.map`.
pub(crate) fn outside(path: &str) -> PathBuf {
    match root() {
        None => PathBuf::from(path),
        Some(root) => root.join(path.trim_start_matches('/')),
    }
}
