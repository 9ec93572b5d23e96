//! Letting time pass until Ctrl-C, so that whatever was started is ended before we are.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

const LOOK_EVERY: Duration = Duration::from_millis(50);

static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From now on Ctrl-C ends pauses; a second one ends us at once.
pub(super) fn heed_signals() -> Result<()> {
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&INTERRUPTED))
            .and_then(|_| flag::register(signal, Arc::clone(&INTERRUPTED)))
            .context("cannot heed signals")?;
    }
    Ok(())
}

/// Fails once somebody has interrupted us.
pub(super) fn go_on() -> Result<()> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    Ok(())
}

/// Returns when a time has passed, or as soon as somebody interrupts us, with an error.
pub(super) fn pause(length: Duration) -> Result<()> {
    let until = Instant::now() + length;
    loop {
        go_on()?;
        match until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => return Ok(()),
            left => sleep(left.min(LOOK_EVERY)),
        }
    }
}
