//! Calls of chosen functions, with arguments and results, by the VM's own tracing.
//!
//! What runs in the VM, and how it ends, is in `program.rs`. Here it is started, its messages are
//! read, and the VM is asked afterwards whether anything of it is left.

mod program;
mod said;

use std::time::{Duration, Instant};

use escope_beam::term::{Limits, Term};
use escope_model::Mfa;

use crate::reason::outline;
use crate::terms::{atom, elements, integer, is_atom, items, list, milliseconds, pid, tuple};
use crate::{Attached, AttachedError};
use program::PROGRAM;
pub use said::{Ended, Hit, HitKind, Said, Traced};

/// The first release with trace sessions: `trace` in the kernel application.
const SESSIONS_SINCE: u32 = 27;
/// Messages that may wait for the tracer before it gives up.
const WAITING_MAX: u64 = 10_000;
/// The tracer's heap, in words of 8 bytes: 64 MiB.
const HEAP_MAX: u64 = 8 << 20;
/// For answers of the VM when all is removed.
const REMOVED_PATIENCE: Duration = Duration::from_secs(10);
/// For the program's first word.
const START_PATIENCE: Duration = Duration::from_secs(10);
const NAP: Duration = Duration::from_millis(20);

/// What is traced, and until when.
#[derive(Debug, Clone)]
pub struct TraceOptions {
    /// Which functions.
    pub functions: Vec<Mfa>,
    /// In which process, by number and serial; in all when none is said.
    pub process: Option<(u64, u64)>,
    /// Calls altogether.
    pub calls_max: u64,
    /// Calls within a second.
    pub rate_max: u64,
    /// How long.
    pub life: Duration,
    /// Arguments or a result of more bytes in the external format are not sent.
    pub bytes_max: u64,
    /// How much of them is kept.
    pub limits: Limits,
}

/// Calls that are being traced.
#[derive(Debug)]
pub struct Tracing {
    attached: Attached,
    options: TraceOptions,
    has_sessions: bool,
    guard: Term,
    tracer: Term,
    /// The session, as the VM lists it.
    session: Option<Term>,
    /// On the VM's monotonic clock.
    begun_ns: i64,
}

impl Tracing {
    /// What will be run in the VM, a line each.
    #[must_use]
    pub fn plan(options: &TraceOptions, otp_release: &str) -> Vec<String> {
        let functions: Vec<String> = options.functions.iter().map(Mfa::to_string).collect();
        let who = match options.process {
            None => "all processes".to_owned(),
            Some((number, serial)) => format!("<0.{number}.{serial}>"),
        };
        let by = match has_sessions(otp_release) {
            true => "a trace session of its own (trace:session_create/3, function/4, process/4)",
            false => {
                "erlang:trace_pattern/3 and erlang:trace/3, for want of trace sessions before OTP 27"
            }
        };
        vec![
            "two processes that run erl_eval:exprs/2, of text that the VM parses by erl_scan:string/1 and \
             erl_parse:parse_exprs/1: one gets trace messages, one switches tracing on and off"
                .to_owned(),
            format!("tracing of {} in {who} by {by}", functions.join(", ")),
            format!(
                "until {} calls, more than {} calls in a second, {:?}, {WAITING_MAX} waiting messages, {} MiB \
                 of heap, or the end of our connection, whichever comes first",
                options.calls_max,
                options.rate_max,
                options.life,
                HEAP_MAX >> 17,
            ),
        ]
    }

    /// Starts tracing.
    ///
    /// # Errors
    /// When the VM cannot be asked, lacks a function, or is traced by others.
    pub fn start(mut attached: Attached, options: TraceOptions) -> Result<Tracing, AttachedError> {
        let release = attached.call("erlang", "system_info", vec![atom("otp_release")])?;
        let has_sessions = has_sessions(release.to_string().trim_matches('"'));
        attached.has_functions(&options.functions)?;
        let text = list(
            PROGRAM
                .bytes()
                .map(|byte| integer(u64::from(byte)))
                .collect(),
        );
        let scanned = attached.call("erl_scan", "string", vec![text])?;
        let tokens = match elements::<3>(&scanned) {
            Some([ok, tokens, _]) if is_atom(ok, "ok") => tokens.clone(),
            _ => return Err(not_understood("erl_scan:string", &scanned)),
        };
        let parsed = attached.call("erl_parse", "parse_exprs", vec![tokens])?;
        let forms = match elements::<2>(&parsed) {
            Some([ok, forms]) if is_atom(ok, "ok") => forms.clone(),
            _ => return Err(not_understood("erl_parse:parse_exprs", &parsed)),
        };
        let asked = asked(&attached, &options, has_sessions);
        let bindings = list(vec![tuple(vec![atom("Asked"), asked])]);
        let run = vec![atom("erl_eval"), atom("exprs"), list(vec![forms, bindings])];
        let guard = attached.call("erlang", "spawn", run)?;
        let until = Instant::now() + START_PATIENCE;
        let said = attached.receive(&options.limits, until)?;
        let said = said.ok_or_else(|| AttachedError::Late {
            what: "the tracer in the VM did not start".to_owned(),
            after: START_PATIENCE,
        })?;
        match said::started(&said) {
            Some(Ok(started)) => Ok(Tracing {
                attached,
                options,
                has_sessions,
                guard,
                tracer: started.tracer,
                session: started.session,
                begun_ns: started.at_ns,
            }),
            Some(Err(why)) => Err(AttachedError::NotTraced(why)),
            None => Err(AttachedError::Protocol(format!(
                "the tracer says {}",
                outline(&said)
            ))),
        }
    }

    /// What the tracer says next; `None` when the time is up before.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn next(&mut self, until: Instant) -> Result<Option<Said>, AttachedError> {
        while let Some(message) = self.attached.receive(&self.options.limits, until)? {
            if let Some(said) = said::read(&message, self.begun_ns) {
                return Ok(Some(said));
            }
        }
        Ok(None)
    }

    /// Asks it to end; it says so.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn stop(&mut self) -> Result<(), AttachedError> {
        let stop = tuple(vec![atom("stop"), self.attached.us()]);
        let guard = self.guard.clone();
        self.attached.send_to(&guard, &stop)
    }

    /// Asks the VM whether anything is left of it, until nothing is; what is, otherwise.
    ///
    /// # Errors
    /// When the VM cannot be asked.
    pub fn check_removed(&mut self) -> Result<Vec<String>, AttachedError> {
        let until = Instant::now() + REMOVED_PATIENCE;
        loop {
            let left = self.left()?;
            if left.is_empty() || Instant::now() > until {
                return Ok(left);
            }
            std::thread::sleep(NAP);
        }
    }

    fn left(&mut self) -> Result<Vec<String>, AttachedError> {
        let mut left = Vec::new();
        for process in [self.guard.clone(), self.tracer.clone()] {
            let text = process.to_string();
            let is_alive = self
                .attached
                .call("erlang", "is_process_alive", vec![process])?;
            if !is_atom(&is_alive, "false") {
                left.push(format!("the process {text}"));
            }
        }
        if let Some(session) = self.session.clone() {
            let sessions = self
                .attached
                .call("trace", "session_info", vec![atom("all")])?;
            if items(&sessions).is_none_or(|sessions| sessions.contains(&session)) {
                left.push(format!("the trace session {session}"));
            }
        }
        if self.has_sessions {
            return Ok(left);
        }
        for function in self.options.functions.clone() {
            let asked = vec![mfa(&function), atom("traced")];
            let said = self.attached.call("erlang", "trace_info", asked)?;
            let is_not = ["false", "undefined"].map(|word| tuple(vec![atom("traced"), atom(word)]));
            if !is_not.contains(&said) {
                left.push(format!("the trace pattern of {function}"));
            }
        }
        let asked = vec![atom("new"), atom("flags")];
        let flags = self.attached.call("erlang", "trace_info", asked)?;
        if flags != tuple(vec![atom("flags"), list(Vec::new())]) {
            left.push(format!("trace flags of new processes: {}", flags.text(100)));
        }
        Ok(left)
    }
}

impl Attached {
    /// Whether the functions can be traced: only those of modules that are loaded can.
    fn has_functions(&mut self, functions: &[Mfa]) -> Result<(), AttachedError> {
        for function in functions {
            let module = vec![atom(&function.module)];
            let loaded = self.call("erlang", "module_loaded", module.clone())?;
            if !is_atom(&loaded, "true") {
                let module = &function.module;
                return Err(AttachedError::NotTraced(format!(
                    "{function}: the module {module} is not loaded"
                )));
            }
            let all = self.call(&function.module, "module_info", vec![atom("functions")])?;
            let wanted = tuple(vec![
                atom(&function.function),
                integer(u64::from(function.arity)),
            ]);
            if !items(&all).is_some_and(|all| all.contains(&wanted)) {
                return Err(AttachedError::NotTraced(format!(
                    "{function}: its module has no such function"
                )));
            }
        }
        Ok(())
    }
}

fn has_sessions(otp_release: &str) -> bool {
    let digits = otp_release.split(|c: char| !c.is_ascii_digit()).next();
    let release = digits.and_then(|digits| digits.parse().ok());
    release.is_some_and(|release: u32| release >= SESSIONS_SINCE)
}

fn mfa(function: &Mfa) -> Term {
    tuple(vec![
        atom(&function.module),
        atom(&function.function),
        integer(u64::from(function.arity)),
    ])
}

fn asked(attached: &Attached, options: &TraceOptions, has_sessions: bool) -> Term {
    tuple(vec![
        attached.us(),
        atom(attached.own_name()),
        list(options.functions.iter().map(mfa).collect()),
        options.process.map_or_else(|| atom("all"), pid),
        integer(options.calls_max),
        integer(options.rate_max),
        milliseconds(options.life),
        integer(options.bytes_max),
        integer(WAITING_MAX),
        integer(HEAP_MAX),
        atom(if has_sessions { "true" } else { "false" }),
    ])
}

fn not_understood(who: &str, said: &Term) -> AttachedError {
    AttachedError::Failed {
        call: who.to_owned(),
        why: outline(said),
    }
}
