//! Whether anything of a tracer is left in the VM, as the VM itself says.

use std::time::{Duration, Instant};

use escope_beam::term::Term;
use escope_model::Mfa;

use super::mfa;
use crate::terms::{atom, is_atom, items, tuple};
use crate::{Attached, AttachedError};

/// For the VM to remove everything.
const PATIENCE: Duration = Duration::from_secs(10);
const NAP: Duration = Duration::from_millis(20);

/// What there is in the VM while it traces. It is asked for when tracing has ended, by the connection
/// that traced or by another one.
#[derive(Debug, Clone)]
pub struct Remains {
    pub(super) functions: Vec<Mfa>,
    pub(super) has_sessions: bool,
    pub(super) guard: Term,
    pub(super) tracer: Term,
    /// The session, as the VM lists it.
    pub(super) session: Option<Term>,
}

impl Remains {
    /// Asks the VM until nothing is left; what is, otherwise.
    ///
    /// # Errors
    /// When the VM cannot be asked.
    pub fn check(&self, attached: &mut Attached) -> Result<Vec<String>, AttachedError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = self.left(attached)?;
            if left.is_empty() || Instant::now() > until {
                return Ok(left);
            }
            std::thread::sleep(NAP);
        }
    }

    fn left(&self, attached: &mut Attached) -> Result<Vec<String>, AttachedError> {
        let mut left = Vec::new();
        for process in [&self.guard, &self.tracer] {
            let is_alive = attached.call("erlang", "is_process_alive", vec![process.clone()])?;
            if !is_atom(&is_alive, "false") {
                left.push(format!("the process {process}"));
            }
        }
        if let Some(session) = &self.session {
            let sessions = attached.call("trace", "session_info", vec![atom("all")])?;
            if items(&sessions).is_none_or(|sessions| sessions.contains(session)) {
                left.push(format!("the trace session {session}"));
            }
        }
        if self.has_sessions {
            return Ok(left);
        }
        // Meta tracing sets no flag of any process: the patterns are all there is.
        for function in &self.functions {
            let asked = vec![mfa(function), atom("meta_match_spec")];
            let said = attached.call("erlang", "trace_info", asked)?;
            let is_not =
                ["false", "undefined"].map(|word| tuple(vec![atom("meta_match_spec"), atom(word)]));
            if !is_not.contains(&said) {
                left.push(format!("the trace pattern of {function}"));
            }
        }
        Ok(left)
    }
}
