//! States, as processes tell them themselves.

use std::time::Duration;

use escope_beam::term::{Limits, Term};

use crate::reason::outline;
use crate::terms::{elements, is_atom, milliseconds, pid};
use crate::{Attached, AttachedError};

/// How much longer than the process the call may take.
const MARGIN: Duration = Duration::from_secs(5);

/// Whose state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateRequest {
    /// Number and serial of its pid, as they are printed.
    pub pid: (u64, u64),
    /// How long the process may take to answer.
    pub timeout: Duration,
    /// How much of the state is kept.
    pub limits: Limits,
}

impl Attached {
    /// `sys:get_state/2`: the process itself answers, between two callbacks. The inner error says
    /// why it did not.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn get_state(
        &mut self,
        request: &StateRequest,
    ) -> Result<Result<Term, String>, AttachedError> {
        let timeout = request.timeout;
        let arguments = vec![pid(request.pid), milliseconds(timeout)];
        let function = ("sys", "get_state");
        let answer = self.try_call(function, arguments, &request.limits, timeout + MARGIN)?;
        Ok(answer.map_err(|why| reason(&why, timeout)))
    }
}

fn reason(why: &Term, timeout: Duration) -> String {
    let exit = elements::<2>(why).filter(|[tag, _]| is_atom(tag, "EXIT"));
    let first = exit.and_then(|[_, reason]| elements::<2>(reason));
    match first {
        Some([word, _]) if is_atom(word, "timeout") => format!(
            "it did not answer within {timeout:?}: it is in a callback, or handles no system \
             messages; what was asked waits in its mailbox until it does, and its answer goes nowhere"
        ),
        Some([word, _]) if is_atom(word, "noproc") || is_atom(word, "normal") => {
            "it has ended".to_owned()
        }
        _ => format!("sys:get_state/2 failed: {}", outline(why)),
    }
}
