//! How a command fails: one line on stderr and an exit code.

use std::fmt;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use escope_attached::AttachedError;
use escope_session::{Refusal, SessionError};

use crate::say::say;

/// A failure that knows its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// The user asked for something that cannot be: exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure {
            code: 2,
            message: message.into(),
        }
    }

    /// It was tried and went wrong: exit code 1.
    pub(crate) fn failed(message: impl Into<String>) -> Failure {
        Failure {
            code: 1,
            message: message.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Prints why, and gives the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        // The reader of our output has gone, as `head` does: nothing is wrong.
        return ExitCode::SUCCESS;
    }
    say!("escope-bpf: {error:#}");
    ExitCode::from(code(error))
}

fn code(error: &anyhow::Error) -> u8 {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.code;
    }
    if let Some(error) = error.downcast_ref::<AttachedError>() {
        return if error.is_refusal() { 3 } else { 1 };
    }
    let shared = error.downcast_ref::<Arc<SessionError>>().map(Arc::as_ref);
    match error.downcast_ref::<SessionError>().or(shared) {
        Some(error) if error.refusal() == Refusal::Target => 3,
        _ => 1,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let plain = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        // Of JSON: it does not show the error that it has met as its source.
        let json = cause.downcast_ref::<serde_json::Error>();
        plain.or_else(|| json?.io_error_kind()) == Some(io::ErrorKind::BrokenPipe)
    })
}
