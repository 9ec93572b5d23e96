//! Other programs: where they are, how to run them, and with what rights.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fmt};

use anyhow::{Context, Result, bail};

/// The workspace's folder.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Cargo, in the workspace's folder.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Where cargo puts what it builds.
///
/// # Errors
/// If cargo does not say.
pub fn target_folder() -> Result<PathBuf> {
    let output = cargo()
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("cannot understand cargo metadata")?;
    match metadata["target_directory"].as_str() {
        Some(folder) => Ok(folder.into()),
        None => bail!("cargo metadata names no target directory"),
    }
}

/// The program in `PATH` or in the folders of the system's own programs.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Whether this process may do everything.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The program as root: as it is, or by sudo.
///
/// # Errors
/// If this is not root and there is no sudo.
pub fn as_root(program: impl AsRef<Path>) -> Result<Command> {
    let program = program.as_ref();
    if is_root() {
        return Ok(Command::new(program));
    }
    if find("sudo").is_none() {
        bail!(
            "{} has to run as root and there is no sudo: run this as root",
            program.display()
        );
    }
    let mut command = Command::new("sudo");
    command.arg(program);
    Ok(command)
}

/// Runs the command to its end, its output going where ours goes.
///
/// # Errors
/// If it cannot be started or fails.
pub fn run_to_end(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", Line(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", Line(command));
    }
    Ok(())
}

/// Whether the command can be run and succeeds; its output is thrown away.
#[must_use]
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// A command as one would type it.
pub struct Line<'a>(pub &'a Command);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = Path::new(self.0.get_program());
        // Cargo is known by a long path.
        let name = match program.file_name() {
            Some(name) if name == "cargo" => name.as_ref(),
            _ => program,
        };
        write!(f, "{}", name.display())?;
        for arg in self.0.get_args() {
            write!(f, " {}", arg.display())?;
        }
        Ok(())
    }
}
