//! Which Erlang the tests run: the machine's own, or, with `ESCOPE_OTP=27`, a release that
//! `cargo xtask otp 27` has unpacked, by chroot.
//!
//! `ESCOPE_OTP=dwarf` and `ESCOPE_OTP=27-dwarf` run the same with another emulator: the one built
//! with debug information in the source tree that `ESCOPE_DWARF_ROOT` names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the compiled modules lie inside of such a root.
const INSIDE: &str = "/tests";
/// Where Erlang lies in Debian.
const ERLANG: &str = "usr/lib/erlang";
/// Where the programs of the other emulator lie, below the machine's or the release's root.
const EMULATOR: &str = "dwarf-bin";

/// The release asked for, `None` for the machine's own; and whether with debug information.
fn release() -> (Option<String>, bool) {
    let asked = std::env::var("ESCOPE_OTP").unwrap_or_default();
    let (release, dwarf) = match asked.strip_suffix("dwarf") {
        Some(release) => (release.trim_end_matches('-'), true),
        None => (asked.as_str(), false),
    };
    let release = Some(release.to_owned()).filter(|release| !release.is_empty());
    (release, dwarf)
}

/// Whether it is the machine's own, which the servers of its packages run on.
pub(crate) fn is_system() -> bool {
    matches!(release(), (None, false))
}

/// Its root folder.
pub(crate) fn root() -> Option<PathBuf> {
    let (otp, _) = release();
    let otp = otp?;
    let root = target().join("otp").join(&otp);
    assert!(
        root.join("complete").exists(),
        "OTP {otp} is not there: cargo xtask otp {otp}"
    );
    Some(root.canonicalize().unwrap())
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// `erl`, without flags from the environment. What it is started with is left where it is.
pub(crate) fn erl() -> Command {
    let mut command = match (root(), dwarf_folder()) {
        (_, Some(folder)) => of_folder(folder),
        (None, None) => Command::new("erl"),
        (Some(root), None) => {
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

/// Erlang with the programs of a folder, as its start script runs them.
pub(crate) fn of_folder(folder: &Path) -> Command {
    let (mut command, folder) = match root() {
        None => (Command::new(folder.join("erlexec")), folder.to_owned()),
        Some(root) => {
            let inside = Path::new("/").join(folder.strip_prefix(&root).unwrap());
            let mut command = Command::new("chroot");
            command.arg(root).arg(inside.join("erlexec"));
            (command, inside)
        }
    };
    command
        .env("BINDIR", folder)
        .env("ROOTDIR", Path::new("/").join(ERLANG))
        .env("EMU", "beam")
        .env("PROGNAME", "erl");
    command
}

/// A folder of ours, where the release can see it.
fn place(name: &str) -> PathBuf {
    root().unwrap_or_else(|| target().to_owned()).join(name)
}

/// A copy of the programs with debug information, to be changed.
pub(crate) fn copy_of_dwarf(name: &str) -> Option<PathBuf> {
    let folder = dwarf_folder()?;
    let copy = place(name);
    fs::create_dir_all(&copy).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        put(&entry.unwrap().path(), &copy);
    }
    Some(copy)
}

/// Where the programs with debug information in the emulator lie, if these are asked for: those
/// of the release, and `beam.smp` of the source tree. Made once.
pub(crate) fn dwarf_folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let (_, dwarf) = release();
            dwarf.then(|| {
                let tree = std::env::var_os("ESCOPE_DWARF_ROOT")
                    .expect("ESCOPE_DWARF_ROOT: a built source tree of the same OTP release");
                let root = root().unwrap_or_else(|| "/".into());
                let folder = place(EMULATOR);
                put_together(Path::new(&tree), &root, &folder);
                folder
            })
        })
        .as_deref()
}

fn put_together(tree: &Path, root: &Path, folder: &Path) {
    let version = fs::read_to_string(tree.join("erts/vsn.mk")).unwrap();
    let version = version
        .lines()
        .find_map(|line| line.strip_prefix("VSN = "))
        .unwrap();
    let programs = root.join(ERLANG).join(format!("erts-{version}/bin"));
    assert!(
        programs.is_dir(),
        "{} is of ERTS {version}, and there is no {}",
        tree.display(),
        programs.display()
    );
    fs::create_dir_all(folder).unwrap();
    for entry in fs::read_dir(programs).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "beam.smp" {
            put(&entry.path(), folder);
        }
    }
    let built = fs::read_dir(tree.join("bin")).unwrap();
    let mut built = built.map(|entry| entry.unwrap().path().join("beam.smp"));
    put(&built.find(|path| path.is_file()).unwrap(), folder);
}

/// By renaming, so that a VM that runs it keeps what it has.
fn put(file: &Path, folder: &Path) {
    let name = file.file_name().unwrap();
    let new = folder.join(format!("{}.new", name.display()));
    fs::copy(file, &new).unwrap();
    fs::rename(new, folder.join(name)).unwrap();
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
            put(&entry.unwrap().path(), &copy);
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
