//! The rules of this tree. Each check returns what is wrong, a sentence each.

pub mod arrows;
pub mod lengths;
mod manifests;
mod tree;
pub mod unsafe_code;

use std::path::Path;

use anyhow::{Result, bail};

pub use manifests::{Crate, Edge, Kind, crates};

/// Everything that is wrong with the tree at `root`.
///
/// # Errors
/// If a file of it cannot be read.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let crates = crates(root)?;
    let mut wrong = lengths::check(root)?;
    wrong.extend(arrows::check(&crates));
    wrong.extend(arrows::check_owners(&crates));
    wrong.extend(unsafe_code::check(root, &crates)?);
    Ok(wrong)
}

/// Checks and prints.
///
/// # Errors
/// If a rule is broken.
pub fn run(root: &Path) -> Result<()> {
    let wrong = check(root)?;
    for sentence in &wrong {
        println!("{sentence}");
    }
    match wrong.len() {
        0 => Ok(()),
        1 => bail!("one rule of this tree is broken"),
        many => bail!("the rules of this tree are broken in {many} places"),
    }
}
