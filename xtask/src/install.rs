//! What a machine lacks, and installing it.
//!
//! A need is checked by looking for the thing itself, never for a package: it may have
//! come from elsewhere. Only apt is run; for other distributions the packages are named.

mod needs;
mod system;

use std::io::{self, IsTerminal, Write};

use anyhow::{Result, bail};

use crate::commands::{as_root, run_to_end};
use system::System;

pub use needs::{Need, demo_needs, test_needs};

/// Whether the user has agreed to an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Beforehand, by an option.
    Given,
    /// Ask.
    Ask,
}

/// Returns when nothing is missing any more.
///
/// # Errors
/// If something is missing that cannot or may not be installed; the error says what.
pub fn ensure(needs: &[Need], consent: Consent) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.is_met()).collect();
    if missing.is_empty() {
        println!("      nothing is missing");
        return Ok(());
    }
    for need in &missing {
        println!("      missing: {}", need.what);
    }
    let system = System::detect();
    let packages = system.packages(&missing);
    let Some(packages) = packages else {
        bail!("install these with your system's package manager, then run this again");
    };
    if system != System::Debian {
        bail!(
            "install these packages, then run this again: {}",
            system.install_line(&packages)
        );
    }
    println!("      packages: {}", packages.join(" "));
    if consent == Consent::Ask && !agrees()? {
        bail!(
            "nothing was installed; do it yourself: {}",
            system.install_line(&packages)
        );
    }
    apt(&["update"])?;
    let mut args = vec!["install", "--yes", "--no-install-recommends"];
    args.extend(&packages);
    apt(&args)?;

    let left: Vec<&str> = missing
        .iter()
        .filter(|need| !need.is_met())
        .map(|need| need.what)
        .collect();
    if !left.is_empty() {
        bail!(
            "apt is done, but this is still missing: {}",
            left.join(", ")
        );
    }
    Ok(())
}

fn apt(args: &[&str]) -> Result<()> {
    // Through env, since sudo drops the environment.
    run_to_end(
        as_root("env")?
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"])
            .args(args),
    )
}

fn agrees() -> Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("cannot ask whether to install that without a terminal: repeat with --yes");
    }
    print!("      install them now? [Y/n] ");
    io::stdout().flush()?;
    let mut answer = String::new();
    let bytes = io::stdin().read_line(&mut answer)?;
    let answer = answer.trim();
    Ok(bytes > 0 && (answer.is_empty() || answer.to_lowercase().starts_with('y')))
}
