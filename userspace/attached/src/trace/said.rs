//! What the tracer in the VM says: `{escope, What}`, as `program.rs` sends it.

use std::time::Duration;

use escope_beam::term::Term;
use escope_model::Mfa;

use crate::reason::outline;
use crate::terms::{elements, is_atom, items};

/// What the tracer says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// A call or a return.
    Hit(Box<Hit>),
    /// It has ended, and has removed everything.
    Ended(Ended),
}

/// Why tracing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The time was up.
    Time,
    /// As many calls as were asked for.
    Limit,
    /// More calls in a second than may be.
    Rate,
    /// Calls came faster than the tracer took them.
    Flood,
    /// What was traced filled the tracer's heap, or somebody killed it.
    Heap,
    /// We took what was sent too slowly.
    Slow,
    /// We asked for it.
    Stopped,
}

/// A term as it was sent, or its size where that was too large.
#[derive(Debug, Clone, PartialEq)]
pub enum Traced {
    /// It.
    Value(Term),
    /// Bytes in the external format.
    Large(u64),
}

/// A call or a return.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Since tracing began.
    pub at: Duration,
    /// The process, as the VM prints it.
    pub pid: String,
    /// The function.
    pub function: Mfa,
    /// What happened.
    pub kind: HitKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum HitKind {
    /// It was called.
    Call {
        /// With these arguments: a list.
        arguments: Traced,
        /// By this function; none where the stack has none.
        caller: Option<Mfa>,
        /// From this file and line.
        location: Option<(String, u32)>,
    },
    /// It returned this.
    Return(Traced),
    /// It left by an exception.
    Exception {
        /// `error`, `exit` or `throw`.
        class: String,
        /// Its reason.
        reason: Traced,
    },
}

/// What is known when it has started.
pub(super) struct Started {
    pub(super) tracer: Term,
    pub(super) session: Option<Term>,
    pub(super) at_ns: i64,
    /// How long it took to have all processes traced.
    pub(super) took: Duration,
}

fn what(message: &Term) -> Option<&Term> {
    let [tag, what] = elements::<2>(message)?;
    is_atom(tag, "escope").then_some(what)
}

/// Its first word: that it has started, or why not.
pub(super) fn started(message: &Term) -> Option<Result<Started, String>> {
    let what = what(message)?;
    if let Some(
        [
            tag,
            _,
            tracer,
            session,
            Term::Integer(at_ns),
            Term::Integer(took_ns),
        ],
    ) = elements::<6>(what)
        && is_atom(tag, "started")
    {
        return Some(Ok(Started {
            tracer: tracer.clone(),
            session: Some(session.clone()).filter(|session| !is_atom(session, "none")),
            at_ns: *at_ns,
            took: Duration::from_nanos(u64::try_from(*took_ns).unwrap_or(0)),
        }));
    }
    let [tag, why] = elements::<2>(what)?;
    if !is_atom(tag, "refused") {
        return None;
    }
    Some(Err(match elements::<2>(why) {
        Some([_, others]) if is_atom(others, "others") => {
            "others have a meta trace of these functions already, and before OTP 27 there is one for each \
             function: end theirs first (dbg:stop/0, or their tool)"
                .to_owned()
        }
        Some([_, noproc]) if is_atom(noproc, "noproc") => "the process has ended".to_owned(),
        Some([none, _]) if is_atom(none, "none") => {
            "a function is not there, or cannot be traced".to_owned()
        }
        _ => format!("it refused: {}", outline(why)),
    }))
}

/// What it says later; none for what makes no sense.
pub(super) fn read(message: &Term, begun_ns: i64) -> Option<Said> {
    let what = what(message)?;
    if let Some([tag, why]) = elements::<2>(what) {
        return is_atom(tag, "ended")
            .then(|| ended(why))
            .flatten()
            .map(Said::Ended);
    }
    let hit = |pid: &Term, function: &Term, at: &Term, kind: HitKind| {
        let Term::Integer(at) = at else { return None };
        let at = u64::try_from(at.saturating_sub(begun_ns)).unwrap_or(0);
        Some(Said::Hit(Box::new(Hit {
            at: Duration::from_nanos(at),
            pid: pid.to_string(),
            function: mfa(function)?,
            kind,
        })))
    };
    if let Some([tag, pid, function, arguments, by, at]) = elements::<6>(what)
        && is_atom(tag, "call")
    {
        let (caller, location) = caller(by);
        let kind = HitKind::Call {
            arguments: traced(arguments)?,
            caller,
            location,
        };
        return hit(pid, function, at, kind);
    }
    let [tag, pid, function, value, at] = elements::<5>(what)?;
    if is_atom(tag, "return") {
        return hit(pid, function, at, HitKind::Return(traced(value)?));
    }
    let [class, reason] = elements::<2>(value)?;
    let kind = HitKind::Exception {
        class: class.to_string(),
        reason: traced(reason)?,
    };
    is_atom(tag, "exception")
        .then(|| hit(pid, function, at, kind))
        .flatten()
}

fn ended(why: &Term) -> Option<Ended> {
    let Term::Atom(word) = why else { return None };
    Some(match &**word {
        "time" => Ended::Time,
        "limit" => Ended::Limit,
        "rate" => Ended::Rate,
        "flood" => Ended::Flood,
        "heap" => Ended::Heap,
        "slow" => Ended::Slow,
        "stopped" => Ended::Stopped,
        _ => return None,
    })
}

fn traced(term: &Term) -> Option<Traced> {
    match elements::<2>(term)? {
        [tag, value] if is_atom(tag, "value") => Some(Traced::Value(value.clone())),
        [tag, Term::Integer(size)] if is_atom(tag, "large") => {
            Some(Traced::Large(u64::try_from(*size).unwrap_or(0)))
        }
        _ => None,
    }
}

fn mfa(term: &Term) -> Option<Mfa> {
    match elements::<3>(term)? {
        [
            Term::Atom(module),
            Term::Atom(function),
            Term::Integer(arity),
        ] => Some(Mfa {
            module: module.to_string(),
            function: function.to_string(),
            arity: u32::try_from(*arity).ok()?,
        }),
        _ => None,
    }
}

/// `{M, F, A, {File, Line}}` as `caller_line` of a match specification says it, or `undefined`.
fn caller(term: &Term) -> (Option<Mfa>, Option<(String, u32)>) {
    let Some([module, function, arity, place]) = elements::<4>(term) else {
        return (mfa(term), None);
    };
    let called = crate::terms::tuple(vec![module.clone(), function.clone(), arity.clone()]);
    let location = elements::<2>(place).and_then(|[file, line]| {
        let chars = items(file)?.iter().map(|item| match item {
            Term::Integer(code) => char::from_u32(u32::try_from(*code).ok()?),
            _ => None,
        });
        match line {
            Term::Integer(line) => Some((
                chars.collect::<Option<String>>()?,
                u32::try_from(*line).ok()?,
            )),
            _ => None,
        }
    });
    (mfa(&called), location)
}
