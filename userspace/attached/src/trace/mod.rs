//! Calls of chosen functions, with arguments and results, by the VM's own tracing.
//!
//! What runs in the VM, and how it ends, is in `program.rs`. Here it is started and its messages are
//! read; `remains.rs` asks the VM afterwards whether anything of it is left.

mod program;
mod remains;
mod said;

use std::time::{Duration, Instant};

use escope_beam::term::{Limits, Term};
use escope_model::Mfa;

use crate::reason::outline;
use crate::terms::{atom, elements, integer, is_atom, items, list, milliseconds, pid, tuple};
use crate::{Attached, AttachedError};
use program::PROGRAM;
pub use remains::Remains;
pub use said::{Ended, Hit, HitKind, Said, Traced};

/// The first release with trace sessions: `trace` in the kernel application.
const SESSIONS_SINCE: u32 = 27;
/// Messages that may wait for the tracer before it gives up.
const WAITING_MAX: u64 = 10_000;
/// The tracer's heap, in words of 8 bytes: 64 MiB.
const HEAP_MAX: u64 = 8 << 20;
/// For the program's first word.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// What is traced, and until when.
#[derive(Debug, Clone)]
pub struct TraceOptions {
    /// Which functions.
    pub functions: Vec<Mfa>,
    /// In which process, by number and serial; in all when none is said.
    pub process: Option<(u64, u64)>,
    /// Whether what they return is told too.
    pub results: bool,
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
    limits: Limits,
    remains: Remains,
    /// When it began, as the VM tells times.
    begun_ns: i64,
    took: Duration,
    is_all: bool,
}

impl Tracing {
    /// What will be run in the VM, and what that costs it: a line each.
    #[must_use]
    pub fn plan(options: &TraceOptions, otp_release: &str) -> Vec<String> {
        let functions: Vec<String> = options.functions.iter().map(Mfa::to_string).collect();
        let who = match options.process {
            None => "all processes".to_owned(),
            Some((number, serial)) => format!("<0.{number}.{serial}>"),
        };
        let has_sessions = has_sessions(otp_release);
        let by = match has_sessions {
            true => "a trace session of its own (trace:session_create/3, function/4, process/4)",
            false => {
                "meta tracing (erlang:trace_pattern/3), for want of trace sessions before OTP 27"
            }
        };
        let mut plan = vec![
            "runs two processes that run erl_eval:exprs/2, of text that the VM parses by erl_scan:string/1 and \
             erl_parse:parse_exprs/1: one gets trace messages, one switches tracing on and off"
                .to_owned(),
            format!("runs tracing of {} in {who} by {by}", functions.join(", ")),
            format!(
                "runs until {} calls, more than {} calls in a second, {:?}, {WAITING_MAX} waiting messages, {} MiB \
                 of heap, or the end of our connection, whichever comes first",
                options.calls_max,
                options.rate_max,
                options.life,
                HEAP_MAX >> 17,
            ),
            "costs a copy of what each of these calls takes and returns, in which what terms share is copied as \
             often as it occurs"
                .to_owned(),
        ];
        if has_sessions && options.process.is_none() {
            plan.push(
                "costs a stop of all schedulers, at begin and at end, while the VM looks through its tables of \
                 processes and ports: --when process=NAME does without"
                    .to_owned(),
            );
        }
        if options.results {
            plan.push(
                "costs a few words more on the stack for each of these calls until it returns, also when tracing \
                 has ended: a function that calls itself last, as a server's loop, keeps them; --no-results \
                 does without"
                    .to_owned(),
            );
        }
        plan
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
                limits: options.limits,
                begun_ns: started.at_ns,
                took: started.took,
                is_all: options.process.is_none(),
                remains: Remains {
                    functions: options.functions,
                    has_sessions,
                    guard,
                    tracer: started.tracer,
                    session: started.session,
                },
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
        while let Some(message) = self.attached.receive(&self.limits, until)? {
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
        let guard = self.remains.guard.clone();
        self.attached.send_to(&guard, &stop)
    }

    /// Asks the VM whether anything is left of it, until nothing is; what is, otherwise.
    ///
    /// # Errors
    /// When the VM cannot be asked.
    pub fn check_removed(&mut self) -> Result<Vec<String>, AttachedError> {
        self.remains.check(&mut self.attached)
    }

    /// How long the VM took to have all processes traced, in which its schedulers stood still at most; none
    /// where it need not look for them.
    #[must_use]
    pub fn stood_still(&self) -> Option<Duration> {
        let is_walk = self.remains.has_sessions && self.is_all;
        is_walk.then_some(self.took)
    }

    /// Messages that came while an answer was waited for, and were too many to be kept.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.attached.dropped()
    }

    /// Gives the connection up, which ends what it has started; what to look for by another one.
    #[must_use]
    pub fn abandon(self) -> Remains {
        self.remains
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
        boolean(options.results),
        integer(options.calls_max),
        integer(options.rate_max),
        milliseconds(options.life),
        integer(options.bytes_max),
        integer(WAITING_MAX),
        integer(HEAP_MAX),
        boolean(has_sessions),
    ])
}

fn boolean(is: bool) -> Term {
    atom(if is { "true" } else { "false" })
}

fn not_understood(who: &str, said: &Term) -> AttachedError {
    AttachedError::Failed {
        call: who.to_owned(),
        why: outline(said),
    }
}
