//! What may be said to `frame`.

use std::path::PathBuf;

use super::StepArg;

/// Tell everything of an instant of a recording: who runs, waits and since when, where, and what lies in
/// mailboxes
///
/// Of a recording with events: `record --events full`. What is not known of that instant is told as not
/// known, with what was known last.
#[derive(Debug, clap::Args)]
pub(crate) struct FrameArgs {
    /// The recording
    pub(crate) recording: PathBuf,
    /// Which instant: since the start, such as 12.5s or 350ms, or RFC 3339; the last one when not given
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// The event before that instant, or the one after it: of --process, if that is given
    #[arg(long, value_enum, value_name = "WHERE")]
    pub(crate) step: Option<StepArg>,
    /// Only these, with stacks: registered name, label, pid <0.N.S> or initial call; may be given several
    /// times
    #[arg(long, value_name = "NAME|PID|MFA")]
    pub(crate) process: Vec<String>,
    /// Rows of each table, and messages of each mailbox; JSON has all processes
    #[arg(short = 'n', long, default_value_t = 20)]
    pub(crate) rows: usize,
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
}
