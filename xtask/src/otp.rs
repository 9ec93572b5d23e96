//! Other OTP releases, to test against: Debian's packages, unpacked below `target/otp`.
//!
//! Nothing is installed: apt resolves and downloads with a state of its own, the packages are
//! unpacked and none of their scripts runs. A release is started by `chroot`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::commands::{find, is_root, run_to_end, target_folder};

/// What the user asked for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which releases: 27 is Debian trixie's, 29 sid's
    #[arg(required = true, value_parser = parse_release)]
    releases: Vec<&'static Release>,
    /// Get it anew although it is there
    #[arg(long)]
    again: bool,
}

/// A release that Debian has.
#[derive(Debug, PartialEq, Eq)]
pub struct Release {
    /// Such as `27`.
    pub otp: &'static str,
    suite: &'static str,
}

/// What can be had.
pub const RELEASES: [Release; 2] = [
    Release {
        otp: "27",
        suite: "trixie",
    },
    Release {
        otp: "29",
        suite: "sid",
    },
];

/// What the workloads need, and a shell for the start script. The last one keeps apt from
/// choosing all of systemd for a dependency on `systemd-sysusers`.
const PACKAGES: [&str; 12] = [
    "dash",
    "coreutils",
    "sed",
    "erlang-base",
    "erlang-crypto",
    "erlang-runtime-tools",
    "erlang-ssl",
    "erlang-tools",
    "erlang-os-mon",
    "erlang-syntax-tools",
    "elixir",
    "systemd-standalone-sysusers",
];

const MIRROR: &str = "http://deb.debian.org/debian";

fn parse_release(text: &str) -> Result<&'static Release, String> {
    RELEASES
        .iter()
        .find(|release| release.otp == text)
        .ok_or_else(|| "Debian's current suites have OTP 27 and 29".to_owned())
}

/// Where a release lies once it was fetched.
///
/// # Errors
/// If cargo does not say where `target` is.
pub fn folder(otp: &str) -> Result<PathBuf> {
    Ok(target_folder()?.join("otp").join(otp))
}

/// The releases that were fetched.
#[must_use]
pub fn fetched() -> Vec<&'static str> {
    let is_there = |otp: &&str| folder(otp).is_ok_and(|root| root.join("complete").exists());
    let known = RELEASES.iter().map(|release| release.otp);
    known.filter(is_there).collect()
}

/// Fetches releases that are not there yet.
///
/// # Errors
/// If this is no Debian, not root, or the packages cannot be had.
pub fn run(args: &Args) -> Result<()> {
    if !is_root() {
        bail!("chroot needs root: run this with sudo");
    }
    for tool in ["apt-get", "dpkg-deb"] {
        if find(tool).is_none() {
            bail!("there is no {tool}: this unpacks Debian's packages, use Debian or Ubuntu");
        }
    }
    for release in &args.releases {
        fetch(release, args.again)?;
    }
    Ok(())
}

fn fetch(release: &Release, again: bool) -> Result<()> {
    let root = folder(release.otp)?;
    let done = root.join("complete");
    if done.exists() && !again {
        println!("OTP {} is there: {}", release.otp, root.display());
        return Ok(());
    }
    // Nothing is ever mounted in there.
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
    }
    let apt = root.join("apt");
    println!("==== OTP {} from Debian {}", release.otp, release.suite);
    let packages = download(&apt, release)?;
    lay_out(&root)?;
    for package in &packages {
        run_to_end(Command::new("dpkg-deb").arg("-x").args([package, &root]))?;
    }
    fs::remove_dir_all(&apt)?;
    devices(&root)?;
    expect_release(&root, release)?;
    fs::write(done, "")?;
    println!(
        "OTP {}: {} packages in {}",
        release.otp,
        packages.len(),
        root.display()
    );
    Ok(())
}

/// A suite of Debian's moves on.
fn expect_release(root: &Path, release: &Release) -> Result<()> {
    let folder = root.join("usr/lib/erlang/releases").join(release.otp);
    if !folder.is_dir() {
        let suite = release.suite;
        bail!(
            "Debian {suite} has another release than OTP {} now: name its number here",
            release.otp
        );
    }
    Ok(())
}

/// The packages and all that they depend on, by apt with a state of its own.
fn download(apt: &Path, release: &Release) -> Result<Vec<PathBuf>> {
    for folder in ["lists/partial", "archives/partial", "etc"] {
        fs::create_dir_all(apt.join(folder))?;
    }
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let source = format!("deb [signed-by={keys}] {MIRROR} {} main\n", release.suite);
    fs::write(apt.join("etc/sources.list"), source)?;
    // Nothing is installed, so that everything is resolved.
    fs::write(apt.join("status"), "")?;
    let path = |name: &str| apt.join(name).display().to_string();
    let options = [
        format!("Dir::Etc::SourceList={}", path("etc/sources.list")),
        "Dir::Etc::SourceParts=/dev/null".to_owned(),
        "Dir::Etc::PreferencesParts=/dev/null".to_owned(),
        format!("Dir::State={}", path("")),
        format!("Dir::State::Lists={}", path("lists")),
        format!("Dir::State::status={}", path("status")),
        format!("Dir::Cache={}", path("")),
        format!("Dir::Cache::Archives={}", path("archives")),
        "APT::Sandbox::User=root".to_owned(),
        "APT::Install-Recommends=false".to_owned(),
        "Acquire::Languages=none".to_owned(),
    ];
    let get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["--quiet", "--yes"]);
        for option in &options {
            command.args(["-o", option]);
        }
        run_to_end(command.args(arguments))
    };
    get(&["update"])?;
    get(&[&["install", "--download-only"], &PACKAGES[..]].concat())?;
    let mut packages = Vec::new();
    for entry in fs::read_dir(apt.join("archives"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            packages.push(path);
        }
    }
    packages.sort();
    Ok(packages)
}

/// The links that Debian's merged `/usr` has, before packages lie below them.
fn lay_out(root: &Path) -> Result<()> {
    for folder in ["bin", "sbin", "lib", "lib64"] {
        fs::create_dir_all(root.join("usr").join(folder))?;
        symlink(format!("usr/{folder}"), root.join(folder))?;
    }
    for folder in ["dev", "proc", "tmp", "root", "etc"] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n")?;
    Ok(())
}

/// The few that a VM opens. Nothing is mounted, so there is nothing to unmount.
fn devices(root: &Path) -> Result<()> {
    for (name, minor) in [("null", "3"), ("zero", "5"), ("urandom", "9")] {
        let path = root.join("dev").join(name);
        run_to_end(
            Command::new("mknod")
                .args(["--mode=666"])
                .arg(path)
                .args(["c", "1", minor]),
        )?;
    }
    Ok(())
}
