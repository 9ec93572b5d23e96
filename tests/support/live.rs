//! Whether a test can run here.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use xtask::live::{Tier, is_required};

/// Returns from a test that this machine cannot run, or fails it where it must run. Holds
/// other measurements back until the test ends.
macro_rules! live {
    () => {
        let _live = match crate::support::enter(module_path!()) {
            Some(alone) => alone,
            None => return,
        };
    };
}

/// The tier is that of the test's module. None if the test is to be skipped.
pub(crate) fn enter(module: &str) -> Option<File> {
    let tier = tier(module);
    if let Some(why) = tier.obstacle() {
        assert!(!is_required(), "this test must run: {why}");
        // Past the harness, which hides what a passing test prints.
        let _ = writeln!(io::stderr(), "skipped: {module}: {why}");
        return None;
    }
    Some(alone(tier))
}

fn tier(module: &str) -> Tier {
    let is_of = |tier: &Tier| {
        tier.filter()
            .is_some_and(|filter| module.contains(&format!("::{filter}")))
    };
    let found = Tier::ALL.into_iter().find(is_of);
    found.unwrap_or_else(|| panic!("live!() is used outside of tier 2 and 3: {module}"))
}

/// Tests that measure run one at a time, also those of other processes.
fn alone(tier: Tier) -> File {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(target).unwrap();
    let file = File::create(target.join("live.lock")).unwrap();
    match tier {
        Tier::Kernel => file.lock().unwrap(),
        _ => file.lock_shared().unwrap(),
    }
    file
}
