//! Functions and conditions as they are given on the command line.

use escope_model::Mfa;
use escope_session::{Condition, Immediate, NativeName};

/// `mod:fun/arity` as Erlang has it, or `Mod.fun/arity` as Elixir does; atoms quoted where they
/// must be.
pub(crate) fn function(text: &str) -> Result<Mfa, String> {
    let wrong =
        || "give mod:fun/arity, such as lists:map/2, 'my mod':run/0 or Enum.map/2".to_owned();
    let (name, arity) = text.rsplit_once('/').ok_or_else(wrong)?;
    let arity = arity.parse::<u8>().map_err(|_| wrong())?;
    let (module, function) = match module_of(name) {
        Some((module, function)) => (atom(module)?, atom(function)?),
        // Elixir: the last dot, as functions have none in their names but for operators.
        None => {
            let is_alias = name.starts_with(|c: char| c.is_ascii_uppercase());
            let (module, function) = name
                .find("..")
                .map(|at| name.split_at(at))
                .and_then(|(module, function)| Some((module, function.strip_prefix('.')?)))
                .or_else(|| name.rsplit_once('.'))
                .filter(|_| is_alias)
                .ok_or_else(wrong)?;
            (format!("Elixir.{module}"), function.to_owned())
        }
    };
    if module.is_empty() || function.is_empty() {
        return Err(wrong());
    }
    Ok(Mfa {
        module,
        function,
        arity: u32::from(arity),
    })
}

/// The same, but for all arities where none is said.
pub(crate) fn native(text: &str) -> Result<NativeName, String> {
    let wrong = |_| "give mod:fun/arity, or mod:fun for all arities".to_owned();
    // A slash within quotes is a part of the name.
    let arity = text.rsplit_once('/').map(|(_, arity)| arity);
    let has_arity = arity.is_some_and(|arity| !arity.ends_with('\''));
    let (mfa, arity) = if has_arity {
        let mfa = function(text).map_err(wrong)?;
        let arity = mfa.arity;
        (mfa, Some(arity))
    } else {
        (function(&format!("{text}/0")).map_err(wrong)?, None)
    };
    Ok(NativeName {
        module: mfa.module,
        function: mfa.function,
        arity,
    })
}

/// What is before and behind the colon that ends a module.
fn module_of(name: &str) -> Option<(&str, &str)> {
    if !name.starts_with('\'') {
        return name.split_once(':');
    }
    let mut escaped = false;
    for (at, c) in name.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => {
                let (module, rest) = name.split_at_checked(at + 1)?;
                return Some((module, rest.strip_prefix(':')?));
            }
            _ => {}
        }
    }
    None
}

/// The text of an atom, quoted or not.
fn atom(text: &str) -> Result<String, String> {
    let Some(inner) = text.strip_prefix('\'') else {
        return Ok(text.to_owned());
    };
    let inner = inner
        .strip_suffix('\'')
        .ok_or_else(|| format!("{text} lacks its second quote"))?;
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(quoted @ ('\'' | '\\')) => out.push(quoted),
                _ => return Err(format!("{text}: after \\ only ' and \\ are understood")),
            },
            '\'' => return Err(format!("{text} has a quote inside: write \\'")),
            c => out.push(c),
        }
    }
    Ok(out)
}

/// `process=NAME`, `process=<0.N.S>`, `argN=VALUE`.
pub(crate) fn condition(text: &str) -> Result<Condition, String> {
    let wrong = || "give process=NAME, process=<0.N.S> or argN=VALUE".to_owned();
    let (what, value) = text.split_once('=').ok_or_else(wrong)?;
    if value.is_empty() {
        return Err(wrong());
    }
    if what == "process" {
        return match value.starts_with('<') {
            true => Ok(Condition::Process(value.to_owned())),
            false => Ok(Condition::Process(name(value)?)),
        };
    }
    let number = what.strip_prefix("arg").ok_or_else(wrong)?;
    match number.parse() {
        Ok(number @ 1..=u8::MAX) => Ok(Condition::Argument(number, immediate(value)?)),
        _ => Err(wrong()),
    }
}

/// A registered name: Elixir's aliases begin with a capital letter.
fn name(text: &str) -> Result<String, String> {
    match text.starts_with(|c: char| c.is_ascii_uppercase()) && !text.starts_with("Elixir.") {
        true => Ok(format!("Elixir.{text}")),
        false => atom(text),
    }
}

/// A term that fits into a word.
fn immediate(text: &str) -> Result<Immediate, String> {
    /// `IS_SSMALL`: 60 bits with their sign.
    const SMALL: std::ops::RangeInclusive<i64> = -(1 << 59)..=(1 << 59) - 1;
    let of_word = "an integer of up to 60 bits, an atom or []; what is larger lies elsewhere \
                   and cannot be compared in the kernel";
    if text == "[]" {
        return Ok(Immediate::Nil);
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.starts_with(|c: char| c.is_ascii_digit()) {
        return match text.parse() {
            Ok(value) if SMALL.contains(&value) => Ok(Immediate::Integer(value)),
            _ => Err(format!("{text} is not {of_word}")),
        };
    }
    if text.starts_with(['[', '{', '"', '<', '#', '-']) {
        return Err(format!("{text} is not {of_word}"));
    }
    Ok(Immediate::Atom(name(text)?))
}

#[cfg(test)]
mod tests {
    use escope_session::{Condition, Immediate};

    use super::{condition, function, native};

    #[test]
    fn functions_are_read_as_they_are_written() {
        let read = |text: &str| {
            let mfa = function(text).unwrap();
            (mfa.module, mfa.function, mfa.arity)
        };
        let is = |text: &str, module: &str, name: &str, arity: u32| {
            assert_eq!(read(text), (module.to_owned(), name.to_owned(), arity));
        };
        is("lists:map/2", "lists", "map", 2);
        is("'my mod':'Odd'/0", "my mod", "Odd", 0);
        is("'it\\'s':f/1", "it's", "f", 1);
        is("'a:b':c/1", "a:b", "c", 1);
        is("m:-f/1-fun-0-/1", "m", "-f/1-fun-0-", 1);
        is("m:'+'/2", "m", "+", 2);
        is("Enum.map/2", "Elixir.Enum", "map", 2);
        is("A.B.C.run!/0", "Elixir.A.B.C", "run!", 0);
        is("Kernel.../2", "Elixir.Kernel", "..", 2);
        is("Elixir.Enum:map/2", "Elixir.Enum", "map", 2);
        // What is printed can be given again.
        is("m:'a b'/3", "m", "a b", 3);
    }

    #[test]
    fn a_bif_or_nif_has_an_arity_or_all() {
        let read = |text: &str| {
            let name = native(text).unwrap();
            (name.module, name.function, name.arity)
        };
        let is = |text: &str, module: &str, name: &str, arity| {
            assert_eq!(read(text), (module.to_owned(), name.to_owned(), arity));
        };
        is("ets:insert/2", "ets", "insert", Some(2));
        is("ets:insert", "ets", "insert", None);
        is("Elixir.My.Nif:f", "Elixir.My.Nif", "f", None);
        is("My.Nif.f/0", "Elixir.My.Nif", "f", Some(0));
        is("m:'a b'", "m", "a b", None);
        is("erlang:'/'", "erlang", "/", None);
        is("erlang:'/'/2", "erlang", "/", Some(2));
        for text in ["", "ets", "ets:", "ets:insert/", "ets:insert/x", "/2"] {
            assert!(native(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_function_is_refused() {
        for text in [
            "",
            "lists",
            "lists:map",
            "map/2",
            "lists:map/x",
            "lists:map/-1",
            "lists:map/256",
            ":f/1",
            "m:/1",
            "'m:f/1",
            "m:'f/1",
            "enum.map/2",
            "'a'b':c/1",
            "'a\\n':c/1",
            "/2",
        ] {
            assert!(function(text).is_err(), "{text}");
        }
    }

    #[test]
    fn conditions_are_words_that_the_kernel_can_compare() {
        let process = |name: &str| Condition::Process(name.to_owned());
        let argument = Condition::Argument;
        let atom = |name: &str| Immediate::Atom(name.to_owned());
        let read = |text: &str| condition(text).unwrap();
        assert_eq!(read("process=shop"), process("shop"));
        assert_eq!(read("process='Shop'"), process("Shop"));
        assert_eq!(read("process=MyApp.Repo"), process("Elixir.MyApp.Repo"));
        assert_eq!(read("process=<0.80.0>"), process("<0.80.0>"));
        assert_eq!(read("arg1=ok"), argument(1, atom("ok")));
        assert_eq!(read("arg2='a b'"), argument(2, atom("a b")));
        assert_eq!(read("arg2=a=b"), argument(2, atom("a=b")));
        assert_eq!(read("arg12=-5"), argument(12, Immediate::Integer(-5)));
        assert_eq!(read("arg1=[]"), argument(1, Immediate::Nil));
        let least = -(1i64 << 59);
        let small = Immediate::Integer(least);
        assert_eq!(read(&format!("arg1={least}")), argument(1, small));
        for text in [
            "process",
            "process=",
            "arg0=1",
            "arg=1",
            "argx=1",
            "arg256=1",
            "arg1={a}",
            "arg1=[1]",
            "arg1=<<1>>",
            "arg1=1.5",
            "arg1=576460752303423488",
            "pid=<0.1.0>",
            "arg1=-x",
        ] {
            assert!(condition(text).is_err(), "{text}");
        }
    }
}
