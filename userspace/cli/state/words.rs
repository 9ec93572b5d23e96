//! What is told of a state besides its terms.

use std::time::Duration;

use escope_session::{ProcessState, Rests, StateAnswer, StateOf, StopTime};

use crate::args::StateArgs;

/// How long the VM was stopped.
pub(super) fn stopped(stop: &StopTime) -> String {
    let threads = match stop.threads {
        1 => "1 thread".to_owned(),
        many => format!("{many} threads"),
    };
    format!(
        "stopped for {} to be read ({threads}; {} at most)",
        milliseconds(stop.took),
        milliseconds(stop.limit)
    )
}

/// In milliseconds, with as many digits as tell something.
pub(super) fn milliseconds(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    match ms.fract() == 0.0 || ms >= 100.0 {
        true => format!("{ms:.0} ms"),
        false => format!("{ms:.2} ms"),
    }
}

/// Why a state is not told, and what helps.
pub(super) fn why_not(answer: &StateAnswer, tries: u32, args: &StateArgs) -> String {
    let times = match tries {
        1 => "1 try".to_owned(),
        tries => format!("{tries} tries"),
    };
    match answer {
        StateAnswer::Exact(_) => String::new(),
        StateAnswer::Ran(status) if args.core.is_some() => {
            format!("it did not wait when the VM died, but was {status}; see snapshot --core")
        }
        StateAnswer::Ran("garbage_collecting") if args.stop.is_some() => {
            "its garbage was collected when the VM was stopped; try again".to_owned()
        }
        StateAnswer::Ran(status) if args.stop.is_some() => format!(
            "it was {status} when the VM was stopped, between two callbacks or where its stack cannot \
             be told; try again"
        ),
        StateAnswer::Ran(status) => format!(
            "it ran or had something to do while it was read ({status}; {times}); try again, with \
             more --tries, with less to read of it (--depth, --max-bytes), or with --stop"
        ),
        StateAnswer::Gone => "it has ended".to_owned(),
        StateAnswer::Sensitive => {
            "it is sensitive: it has asked not to be looked at, by process_flag(sensitive, true)"
                .to_owned()
        }
        StateAnswer::NoTime => format!(
            "not all was read in the {} that the VM may be stopped; read less of it (--depth, \
             --max-bytes, -n), or give a larger --stop",
            milliseconds(args.stop.unwrap_or_default())
        ),
        StateAnswer::Unreadable(why) if args.stop.is_some() => {
            format!("it cannot be read: {why}")
        }
        StateAnswer::Unreadable(why) => format!("it waits, and cannot be read: {why}"),
        StateAnswer::Replaced => {
            "the code that it waits in was loaded or purged meanwhile; try again".to_owned()
        }
    }
}

pub(super) fn what(state: &ProcessState, one: &StateOf) -> String {
    let behaviour = state.behaviour.word();
    match (&state.module, &one.process.initial_call) {
        (Some(module), _) if **module != *behaviour => format!("{behaviour} of {module}"),
        (None, Some(call)) if behaviour == "none" => {
            format!("no behaviour that is known; spawned as {call}")
        }
        _ if behaviour == "none" => "no behaviour that is known".to_owned(),
        _ => behaviour.to_owned(),
    }
}

pub(super) fn whereabouts(state: &ProcessState) -> String {
    let place = match (&state.waits_in, &state.location) {
        (Some(mfa), Some((file, line))) => format!("{mfa}  {file}:{line}"),
        (Some(mfa), None) => mfa.to_string(),
        (None, _) => "code without a name".to_owned(),
    };
    let is = match state.status {
        "waiting" => "waits in",
        "running" => "runs in",
        "suspended" => "is suspended in",
        _ => "waits for its turn in",
    };
    match (state.rests, &state.callback) {
        (Rests::Waiting, _) => format!("{is} {place}"),
        (Rests::Hibernating, _) => "hibernates".to_owned(),
        (Rests::Suspended, _) => format!("suspended by sys:suspend, in {place}"),
        (Rests::InCallback, Some(callback)) if state.parts.is_empty() => format!(
            "{is} {place}, within its callback {callback}: its state is a variable there, and not told"
        ),
        (Rests::InCallback, Some(callback)) => {
            format!("{is} {place}, within its callback {callback}")
        }
        (Rests::InCallback, None) => format!("{is} {place}, within a callback"),
        (Rests::Ending, _) => {
            format!("{is} {place}: it is about to end, and has no state any more")
        }
    }
}
