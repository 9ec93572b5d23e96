//! Terms as Erlang source: text that `erl_scan:string/1` and `erl_parse:parse_term/1` of any release
//! make the same term of, where it is data.
//!
//! The other text of a term, [`Term::text`], is what the VM prints, which is not always read back:
//! the emulator does not quote reserved words in the names of funs, and `maybe` and `else` are
//! reserved in some releases. Identities and funs that a function made have no source; they are
//! printed as the VM does. What was not read is `...`, what must not be told `***`.

use super::Term;
use super::text::{Bounded, Style, write_term};

impl Term {
    /// Its source in Erlang, of at most so many characters; a longer one ends in `...`.
    #[must_use]
    pub fn source(&self, limit: usize) -> String {
        Bounded::text(limit, |out| write_term(out, self, Style::Source))
    }
}

#[cfg(test)]
mod tests {
    use crate::term::{Elements, Fun, List, Term};

    #[test]
    fn reserved_words_are_quoted_everywhere() {
        let atom = |name: &str| Term::Atom(name.into());
        let fun = Term::Fun(Fun::External {
            module: "erlang".into(),
            function: "and".into(),
            arity: 2,
        });
        let text = Term::List(List {
            items: vec![Term::Integer(104), Term::Integer(105)],
            tail: None,
        });
        let items = vec![atom("maybe"), atom("else"), atom("a"), fun, text];
        let tuple = Term::Tuple(Elements { items, missing: 1 });
        let expected = "{'maybe','else',a,fun erlang:'and'/2,\"hi\",...}";
        assert_eq!(tuple.source(usize::MAX), expected);
        assert_eq!(tuple.source(3), "{'m...");
    }
}
