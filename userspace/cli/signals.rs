//! How the user stops what runs.

use anyhow::Context;
use escope_session::Stop;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Signals end it; a second one ends us at once. What was captured until then opens, and the
/// kernel removes what is ours.
pub(crate) fn stop() -> anyhow::Result<Stop> {
    let stop = Stop::default();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, stop.flag())
            .and_then(|_| signal_hook::flag::register(signal, stop.flag()))
            .context("cannot handle signals")?;
    }
    Ok(stop)
}
