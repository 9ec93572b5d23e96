//! Calls as lines for people.

use std::cmp::Reverse;
use std::io::Write;

use escope_model::{Mfa, ProcessInfo};
use escope_session::{Called, Caller, WatchedCall};

use super::{Counts, name};
use crate::printable::one_line;

/// `12.345678  <0.80.0> shop  lists:map(fun(1),list)/2  from shop:run/1 shop.erl:10`.
pub(super) fn call(
    functions: &[Mfa],
    call: &WatchedCall,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let who = match &call.process {
        Some(process) => format!("{} {}", process.pid, bare(process)),
        None => "unknown".to_owned(),
    };
    let function = name(functions, call.function);
    let function = match &call.arguments {
        None => function,
        Some(arguments) => {
            let missing = match call.arguments_missing {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            format!("{function} ({}{missing})", arguments.join(", "))
        }
    };
    writeln!(
        out,
        "{:>12.6}  {:<32}  {}  {}",
        call.at.as_secs_f64(),
        one_line(&who),
        one_line(&function),
        one_line(&caller(&call.caller)),
    )?;
    Ok(())
}

/// A name without the pid, which is there already.
fn bare(process: &ProcessInfo) -> String {
    match process.group_name() {
        name if name == process.pid => String::new(),
        name => name,
    }
}

fn caller(caller: &Caller) -> String {
    match caller {
        Caller::Function {
            mfa,
            location,
            called,
        } => {
            let place = location
                .as_ref()
                .map_or_else(String::new, |(file, line)| format!("  {file}:{line}"));
            match called {
                Called::It => format!("from {mfa}{place}"),
                Called::Another => format!("by a tail call, returns to {mfa}{place}"),
                Called::Unknown => format!("returns to {mfa}{place}"),
            }
        }
        Caller::Nobody => "first in its process".to_owned(),
        Caller::Unknown => "from unknown code".to_owned(),
    }
}

/// Functions and their callers, the most frequent first.
pub(super) fn counts(
    functions: &[Mfa],
    counts: &Counts,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    for (number, function) in functions.iter().enumerate() {
        let of = counts.iter().filter(|((of, _), _)| *of == number);
        let mut of: Vec<(&Caller, u64)> = of.map(|((_, who), count)| (who, *count)).collect();
        of.sort_by_key(|(_, count)| Reverse(*count));
        let sum: u64 = of.iter().map(|(_, count)| count).sum();
        writeln!(out, "{sum:>12}  {}", one_line(&function.to_string()))?;
        for (who, count) in of {
            writeln!(out, "{count:>12}    {}", one_line(&caller(who)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use escope_model::{Mfa, ProcId, ProcessInfo};
    use escope_session::{Called, Caller, WatchedCall};

    use super::{Counts, call, counts};

    fn mfa(function: &str) -> Mfa {
        Mfa {
            module: "shop".into(),
            function: function.into(),
            arity: 2,
        }
    }

    fn from(function: &str, called: Called) -> Caller {
        Caller::Function {
            mfa: mfa(function),
            location: Some(("shop.erl".into(), 7)),
            called,
        }
    }

    fn line(caller: Caller, arguments: Option<Vec<String>>, missing: u32) -> String {
        let seen = WatchedCall {
            at: Duration::from_micros(1_500_000),
            function: 0,
            process: Some(ProcessInfo {
                proc: ProcId(0),
                pid: "<0.80.0>".into(),
                name: Some("orders\n".into()),
                label: None,
                initial_call: None,
                parent: None,
            }),
            caller,
            arguments,
            arguments_missing: missing,
            snapshot: None,
            no_room: false,
        };
        let mut out = Vec::new();
        call(&[mfa("sell")], &seen, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_call_is_one_line() {
        let plain = line(from("run", Called::It), None, 0);
        assert_eq!(
            plain,
            "    1.500000  <0.80.0> 'orders\u{fffd}'                shop:sell/2  from shop:run/2  \
             shop.erl:7\n"
        );
        let tail = line(from("run", Called::Another), Some(vec!["1".into()]), 1);
        assert!(
            tail.ends_with(
                "  shop:sell/2 (1, and 1 more)  by a tail call, returns to shop:run/2  shop.erl:7\n"
            ),
            "{tail}"
        );
        assert!(line(Caller::Nobody, None, 0).ends_with("  first in its process\n"));
    }

    #[test]
    fn counts_are_by_function_and_caller_the_most_frequent_first() {
        let mut all = Counts::new();
        all.insert((0, from("a", Called::It)), 3);
        all.insert((0, from("b", Called::Unknown)), 5);
        all.insert((1, Caller::Nobody), 1);
        let mut out = Vec::new();
        counts(&[mfa("sell"), mfa("buy"), mfa("idle")], &all, &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
                   8  shop:sell/2
                   5    returns to shop:b/2  shop.erl:7
                   3    from shop:a/2  shop.erl:7
                   1  shop:buy/2
                   1    first in its process
                   0  shop:idle/2
        ");
    }
}
