//! How names of the Erlang world are written.

use std::borrow::Cow;
use std::fmt;

/// A function's name as its own community writes it.
///
/// Erlang: `lists:map/2`, `'my mod':'Odd'/0`. Elixir modules drop their prefix and
/// use a dot: `Enum.map/2`.
#[derive(Debug, Clone, Copy)]
pub struct ErlangName<'a> {
    module: &'a str,
    function: &'a str,
    arity: u32,
}

impl<'a> ErlangName<'a> {
    /// Names are given unquoted, as the atom's text.
    #[must_use]
    pub fn new(module: &'a str, function: &'a str, arity: u32) -> Self {
        ErlangName {
            module,
            function,
            arity,
        }
    }
}

impl fmt::Display for ErlangName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(module) = self.module.strip_prefix("Elixir.") {
            return write!(f, "{module}.{}/{}", self.function, self.arity);
        }
        write!(
            f,
            "{}:{}/{}",
            quote_atom(self.module),
            quote_atom(self.function),
            self.arity
        )
    }
}

/// An atom as the Erlang reader would accept it: quoted where it must be.
///
/// Compiler-made function names such as `-f/1-fun-0-` are left bare, as `erlang`
/// error reports and every profiler print them.
#[must_use]
pub fn quote_atom(atom: &str) -> Cow<'_, str> {
    let mut chars = atom.chars();
    let bare = match chars.next() {
        Some('a'..='z') => chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '@'),
        Some('-') => true,
        _ => false,
    };
    if bare {
        Cow::Borrowed(atom)
    } else {
        Cow::Owned(format!(
            "'{}'",
            atom.replace('\\', "\\\\").replace('\'', "\\'")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{ErlangName, quote_atom};

    #[test]
    fn functions_are_written_as_their_community_does() {
        let name = |m, f, a| ErlangName::new(m, f, a).to_string();
        assert_eq!(name("lists", "map", 2), "lists:map/2");
        assert_eq!(name("Elixir.Enum", "map", 2), "Enum.map/2");
        assert_eq!(name("my mod", "Odd", 0), "'my mod':'Odd'/0");
        assert_eq!(name("m", "-f/1-fun-0-", 1), "m:-f/1-fun-0-/1");
    }

    #[test]
    fn atoms_are_quoted_only_where_needed() {
        assert_eq!(quote_atom("foo@bar_1"), "foo@bar_1");
        assert_eq!(quote_atom(""), "''");
        assert_eq!(quote_atom("it's"), "'it\\'s'");
    }
}
