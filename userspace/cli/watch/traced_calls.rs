//! Which return belongs to which call, what must not be told, and how a hit is written.

use std::collections::HashMap;
use std::time::Duration;

use escope_attached::{Hit, HitKind, Traced};
use escope_model::Mfa;
use escope_session::{Redaction, Term};
use serde_json::{Value, json};

use crate::time;

/// A hit, ready to be written.
pub(super) struct Line {
    at: Duration,
    pid: String,
    name: Option<String>,
    function: Mfa,
    what: What,
}

enum What {
    Call {
        arguments: Result<Vec<String>, u64>,
        caller: Option<Mfa>,
        location: Option<(String, u32)>,
    },
    Return(Result<String, u64>, Option<Duration>),
    Exception(String, Result<String, u64>, Option<Duration>),
}

/// Calls that have not returned, by process, the last one last.
#[derive(Default)]
pub(super) struct Open {
    calls: HashMap<String, Vec<(Mfa, Duration)>>,
    pub(super) called: u64,
    pub(super) returned: u64,
}

impl Open {
    /// What a hit means, given those before it.
    pub(super) fn line(
        &mut self,
        hit: Hit,
        name: Option<String>,
        (redaction, chars): (Option<&Redaction>, usize),
    ) -> Line {
        let function = hit.function;
        let told = |value: Traced| told(&function, value, redaction, chars);
        let what = match hit.kind {
            HitKind::Call {
                arguments,
                caller,
                location,
            } => {
                self.called += 1;
                let open = self.calls.entry(hit.pid.clone()).or_default();
                open.push((function.clone(), hit.at));
                What::Call {
                    arguments: arguments_of(&function, arguments, redaction, chars),
                    caller,
                    location,
                }
            }
            HitKind::Return(value) => {
                let value = told(value);
                What::Return(value, self.close(&hit.pid, &function, hit.at))
            }
            HitKind::Exception { class, reason } => {
                let reason = told(reason);
                let took = self.close(&hit.pid, &function, hit.at);
                What::Exception(class, reason, took)
            }
        };
        Line {
            at: hit.at,
            pid: hit.pid,
            name,
            function,
            what,
        }
    }

    /// How long the last call of a function by a process took; those within it have ended too.
    fn close(&mut self, pid: &str, function: &Mfa, at: Duration) -> Option<Duration> {
        let open = self.calls.get_mut(pid)?;
        let place = open.iter().rposition(|(of, _)| of == function)?;
        let (_, begun) = open.drain(place..).next()?;
        if open.is_empty() {
            self.calls.remove(pid);
        }
        self.returned += 1;
        Some(at.saturating_sub(begun))
    }

    /// Calls that have not returned.
    pub(super) fn left(&self) -> usize {
        self.calls.values().map(Vec::len).sum()
    }
}

/// A value goes by the name of the function that it comes from, as behind a name in a tuple.
fn told(
    function: &Mfa,
    value: Traced,
    redaction: Option<&Redaction>,
    chars: usize,
) -> Result<String, u64> {
    let mut value = match value {
        Traced::Large(bytes) => return Err(bytes),
        Traced::Value(value) => value,
    };
    if let Some(redaction) = redaction {
        match redaction.names_secret(&function.function) {
            true => value = Term::Masked,
            false => drop(redaction.mask_of([&*function.module], &mut value)),
        }
    }
    Ok(value.text(chars))
}

fn arguments_of(
    function: &Mfa,
    arguments: Traced,
    redaction: Option<&Redaction>,
    chars: usize,
) -> Result<Vec<String>, u64> {
    let mut arguments = match arguments {
        Traced::Large(bytes) => return Err(bytes),
        Traced::Value(Term::List(list)) => list.items,
        Traced::Value(_) => Vec::new(),
    };
    if let Some(redaction) = redaction {
        redaction.mask_arguments((&function.module, &function.function), &mut arguments);
    }
    Ok(arguments
        .iter()
        .map(|argument| argument.text(chars))
        .collect())
}

impl Line {
    /// For people.
    pub(super) fn text(&self) -> String {
        let who = match &self.name {
            Some(name) => format!("{} {name}", self.pid),
            None => self.pid.clone(),
        };
        let function = &self.function;
        let bytes = |bytes: &u64| format!("({bytes} bytes, not sent: --max-bytes)");
        let or_bytes = |value: &Result<String, u64>| match value {
            Ok(text) => text.clone(),
            Err(size) => bytes(size),
        };
        let after = |took: &Option<Duration>| match took {
            Some(took) => format!("  after {}", time::show(took.as_nanos() as u64)),
            None => String::new(),
        };
        let what = match &self.what {
            What::Call {
                arguments,
                caller,
                location,
            } => {
                let arguments = match arguments {
                    Ok(arguments) => format!("({})", arguments.join(", ")),
                    Err(size) => bytes(size),
                };
                let place = location
                    .as_ref()
                    .map_or_else(String::new, |(file, line)| format!("  {file}:{line}"));
                let from = match caller {
                    Some(caller) => format!("returns to {caller}{place}"),
                    None => "by unknown code".to_owned(),
                };
                format!("{function} {arguments}  {from}")
            }
            What::Return(value, took) => {
                format!("{function} -> {}{}", or_bytes(value), after(took))
            }
            What::Exception(class, reason, took) => {
                format!(
                    "{function} left by {class}:{}{}",
                    or_bytes(reason),
                    after(took)
                )
            }
        };
        format!("{:>12.6}  {who:<32}  {what}", self.at.as_secs_f64())
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let ns = |time: &Duration| time.as_nanos() as u64;
        let mut value = json!({
            "at_ns": ns(&self.at),
            "function": self.function.to_string(),
            "pid": self.pid,
            "name": self.name,
        });
        let rest = match &self.what {
            What::Call {
                arguments,
                caller,
                location,
            } => json!({
                "kind": "call",
                "arguments": arguments.as_ref().ok(),
                "bytes": arguments.as_ref().err(),
                "caller": caller.as_ref().map(ToString::to_string),
                "file": location.as_ref().map(|(file, _)| file),
                "line": location.as_ref().map(|(_, line)| line),
            }),
            What::Return(result, took) => json!({
                "kind": "return",
                "value": result.as_ref().ok(),
                "bytes": result.as_ref().err(),
                "took_ns": took.as_ref().map(ns),
            }),
            What::Exception(class, reason, took) => json!({
                "kind": "exception",
                "class": class,
                "reason": reason.as_ref().ok(),
                "bytes": reason.as_ref().err(),
                "took_ns": took.as_ref().map(ns),
            }),
        };
        if let (Value::Object(value), Value::Object(rest)) = (&mut value, rest) {
            value.extend(rest);
        }
        value
    }
}
