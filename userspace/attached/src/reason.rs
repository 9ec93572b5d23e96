//! Why something failed in the VM, without what its processes had: a reason is often made of arguments and
//! states.

use escope_beam::term::Term;

use crate::terms::{elements, items};

/// How deep words are told: `{badrpc, {'EXIT', {{Class, Where}, _}}}`.
const DEPTH: usize = 3;
/// Elements of a tuple that are told as `_`.
const ELEMENTS_MAX: usize = 8;

/// A reason by its first words: atoms that stand in front, where it came to that, and `_` for the rest.
///
/// | reason | text |
/// |---|---|
/// | `noproc` | `noproc` |
/// | `{'EXIT', {{badmatch, Any}, [{shop, pay, [A, B], _} \| _]}}` | `{'EXIT',{badmatch,_} in shop:pay/2}` |
/// | `{{function_clause, [...]}, {sys, get_state, [...]}}` | `{function_clause in shop:handle_info/2,{sys,_,_}}` |
/// | anything else | `_` |
pub(crate) fn outline(reason: &Term) -> String {
    told(reason, DEPTH)
}

fn told(reason: &Term, depth: usize) -> String {
    match reason {
        // What is an atom may be an answer too, but of a program's own words.
        Term::Atom(_) => reason.to_string(),
        Term::Tuple(all) => {
            let Some(depth) = depth.checked_sub(1) else {
                return "_".to_owned();
            };
            if let Some([what, trace]) = elements::<2>(reason)
                && let Some(place) = place(trace)
            {
                return format!("{} in {place}", told(what, depth));
            }
            let count = all.items.len().saturating_add(all.missing);
            let mut shown: Vec<String> = Vec::new();
            for (at, item) in all.items.iter().take(ELEMENTS_MAX).enumerate() {
                shown.push(match item {
                    Term::Atom(_) if at > 0 => "_".to_owned(),
                    item => told(item, depth),
                });
            }
            if count > shown.len() {
                shown.push("...".to_owned());
            }
            format!("{{{}}}", shown.join(","))
        }
        _ => "_".to_owned(),
    }
}

/// The function that a stack trace begins with: `[{Module, Function, Arguments or their count, Where} | _]`.
fn place(trace: &Term) -> Option<String> {
    let Term::List(list) = trace else { return None };
    let [
        module @ Term::Atom(_),
        function @ Term::Atom(_),
        arguments,
        _,
    ] = elements::<4>(list.items.first()?)?
    else {
        return None;
    };
    let arity = match arguments {
        Term::Integer(arity) => usize::try_from(*arity).ok()?,
        arguments => items(arguments)?.len(),
    };
    Some(format!("{module}:{function}/{arity}"))
}

#[cfg(test)]
mod tests {
    use escope_beam::term::{Elements, Term};

    use super::outline;
    use crate::terms::{atom, integer, list, tuple};

    fn text(text: &str) -> Term {
        list(text.bytes().map(|byte| integer(byte.into())).collect())
    }

    #[test]
    fn what_processes_had_is_not_told() {
        let state = || tuple(vec![atom("state"), text("hunter2"), atom("hunter2")]);
        let trace = || {
            let arguments = list(vec![text("hunter2"), state()]);
            let first = tuple(vec![
                atom("shop"),
                atom("handle_info"),
                arguments,
                list(vec![]),
            ]);
            list(vec![first])
        };
        let clause = tuple(vec![atom("function_clause"), trace()]);
        let call = tuple(vec![atom("sys"), atom("get_state"), list(vec![state()])]);
        let cases = [
            (atom("noproc"), "noproc"),
            (text("hunter2"), "_"),
            (state(), "{state,_,_}"),
            (
                tuple(vec![atom("EXIT"), tuple(vec![clause, call])]),
                "{'EXIT',{function_clause in shop:handle_info/2,{sys,_,_}}}",
            ),
            (
                tuple(vec![tuple(vec![atom("badmatch"), state()]), trace()]),
                "{badmatch,{state,_,_}} in shop:handle_info/2",
            ),
        ];
        for (reason, expected) in cases {
            assert_eq!(outline(&reason), expected);
        }
        let many = Term::Tuple(Elements {
            items: vec![atom("a"); 20],
            missing: 4,
        });
        assert_eq!(outline(&many), "{a,_,_,_,_,_,_,_,...}");
    }
}
