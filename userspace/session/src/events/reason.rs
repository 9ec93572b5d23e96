//! Why a process ended, as text: what its first words tell, `_` for the rest.

use std::borrow::Cow;

use escope_beam::said::Redaction;
use escope_model::{ErlangName, ExitReason, MessageShape, SecondElement, quote_atom};

/// Tuples are said to be no larger.
const SIZE_MAX: u64 = 255;
/// Larger numbers in tuples are data, smaller ones may be what a program exited with.
const STATUS_MAX: u64 = 255;

/// Reads as Erlang, but that a stack trace is told by the function in front of it:
///
/// | reason | text |
/// |---|---|
/// | `boom`, `3` | as they are |
/// | `{exit_status, 137}`, `{order, 123456}` | `{exit_status, 137}`, `{order, _}` |
/// | `{shutdown, Any}`, `{shutdown, later}` | `{shutdown, _}`, `{shutdown, later}` |
/// | `{noproc, {gen_server, call, [...]}}` | `{noproc, {gen_server, call, _}}` |
/// | `{badarg, [{lists, map, 2, _} \| _]}` | `badarg in lists:map/2` |
/// | `{{badmatch, Any}, [{shop, pay, [A, B], _} \| _]}` | `{badmatch, _} in shop:pay/2` |
/// | anything else | `_` |
///
/// What stands behind the name of a secret is `_`, and so is a word that must not be told. `atom` gives the
/// text of an atom's term.
pub(super) fn text<T: AsRef<str>>(
    reason: &ExitReason,
    (atom, redaction): (&dyn Fn(u64) -> Option<T>, Option<&Redaction>),
) -> String {
    let words = Words { atom, redaction };
    let MessageShape {
        term,
        header,
        first,
    } = reason.shape;
    let Some(size) = size(header).filter(|_| term & 3 == 2) else {
        return words.of(term).into_owned();
    };
    // Where the first element is a pointer, this is what it points to.
    let is_secret = words.hides_second(first, size);
    let first = match self::size(first) {
        Some(size) => tuple(&[words.within(reason.inner)], size).into(),
        None => words.within(first),
    };
    let second = match &reason.second {
        SecondElement::Trace { function, arity } if size == 2 => {
            return format!("{first} in {}", words.function(*function, *arity));
        }
        SecondElement::Trace { .. } => Cow::Borrowed("_"),
        _ if is_secret => Cow::Borrowed("_"),
        SecondElement::Word(word) => words.within(*word),
        SecondElement::Tuple { size, elements } => {
            let [name, value] = *elements;
            let value = match words.hides_second(name, *size) {
                true => Cow::Borrowed("_"),
                false => words.within(value),
            };
            let of = [words.within(name), value];
            tuple(&of, (*size).min(SIZE_MAX)).into()
        }
    };
    tuple(&[first, second], size)
}

/// How many elements a tuple has, by its header.
fn size(header: u64) -> Option<u64> {
    let size = header >> 6;
    (header & 0x3f == 0 && (1..=SIZE_MAX).contains(&size)).then_some(size)
}

/// A tuple of which some of the first elements are known.
fn tuple(known: &[Cow<'_, str>], size: u64) -> String {
    let known = known.iter().map(AsRef::as_ref);
    let all = known.chain(std::iter::repeat("_"));
    let all: Vec<&str> = all.take(size as usize).collect();
    format!("{{{}}}", all.join(", "))
}

/// Of a process of which nothing is told: how it ended, if that is one of the words that the VM and its
/// supervisors use for it.
pub(super) fn class<T: AsRef<str>>(reason: &ExitReason, atom: &dyn Fn(u64) -> Option<T>) -> String {
    let word = atom(reason.shape.term);
    let known = [
        "normal",
        "shutdown",
        "kill",
        "killed",
        "noproc",
        "noconnection",
    ];
    let known = known
        .into_iter()
        .find(|known| word.as_ref().is_some_and(|word| word.as_ref() == *known));
    known.unwrap_or("_").to_owned()
}

struct Words<'a, T> {
    atom: &'a dyn Fn(u64) -> Option<T>,
    redaction: Option<&'a Redaction>,
}

impl<T: AsRef<str>> Words<'_, T> {
    /// Whether the second element of a tuple of this size is a secret, by the first one.
    fn hides_second(&self, first: u64, size: u64) -> bool {
        let (Some(redaction), Some(tag)) = (self.redaction, (self.atom)(first)) else {
            return false;
        };
        let of = (tag.as_ref(), usize::try_from(size).unwrap_or(usize::MAX));
        redaction.names_secret(of.0) || redaction.is_secret_field(of, 1)
    }

    /// An atom or a small integer (`erl_term.h`).
    fn of(&self, term: u64) -> Cow<'static, str> {
        let is_hidden = |atom: &T| {
            self.redaction
                .is_some_and(|redaction| redaction.hides_word(atom.as_ref()))
        };
        match (self.atom)(term) {
            Some(atom) if is_hidden(&atom) => "_".into(),
            Some(atom) => quote_atom(atom.as_ref()).into_owned().into(),
            None if term & 0xf == 0xf => (term as i64 >> 4).to_string().into(),
            None => "_".into(),
        }
    }

    /// The same within a tuple.
    fn within(&self, term: u64) -> Cow<'static, str> {
        let is_data = term & 0xf == 0xf && term >> 4 > STATUS_MAX;
        if is_data { "_".into() } else { self.of(term) }
    }

    fn function(&self, function: [u64; 2], arity: Option<u32>) -> String {
        let [module, name] = function.map(|term| (self.atom)(term));
        match (module, name, arity) {
            (Some(module), Some(name), Some(arity)) => {
                ErlangName::new(module.as_ref(), name.as_ref(), arity).to_string()
            }
            // With an arity, so that Elixir's names read as their own.
            (Some(module), Some(name), None) => {
                let whole = ErlangName::new(module.as_ref(), name.as_ref(), 0).to_string();
                format!("{}_", whole.trim_end_matches('0'))
            }
            // The place of a fun without a name.
            _ => "_".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use escope_beam::said::{Redaction, Rules};
    use escope_model::{ExitReason, MessageShape, SecondElement};

    use super::{class, text};

    const ATOMS: [(u64, &str); 8] = [
        (0x1cb, "db_password"),
        (0x20b, "normal"),
        (0x4b, "boom"),
        (0x8b, "badmatch"),
        (0xcb, "shop"),
        (0x10b, "pay"),
        (0x14b, "Elixir.Shop"),
        (0x18b, "call me"),
    ];
    const BOXED: u64 = 0x1002;

    fn told(shape: [u64; 3], inner: u64, second: SecondElement) -> String {
        let [term, header, first] = shape;
        let shape = MessageShape {
            term,
            header,
            first,
        };
        let reason = ExitReason {
            shape,
            inner,
            second,
        };
        let atom = |term| {
            let found = ATOMS.into_iter().find(|(word, _)| *word == term);
            found.map(|(_, text)| text)
        };
        let rules = Rules {
            fields: vec!["'call me'/3:2".parse().expect("a field")],
            ..Rules::default()
        };
        text(
            &reason,
            (&atom, Some(&Redaction::of(&rules).expect("rules"))),
        )
    }

    fn trace(module: u64, arity: Option<u32>) -> SecondElement {
        SecondElement::Trace {
            function: [module, 0x10b],
            arity,
        }
    }

    #[test]
    fn what_is_known_is_told_and_nothing_else() {
        let none = SecondElement::Word(0);
        let word = SecondElement::Word;
        let of = |size: u64| size << 6;
        assert_eq!(told([0x4b, 0, 0], 0, none), "boom");
        assert_eq!(told([0x18b, 0, 0], 0, none), "'call me'");
        assert_eq!(told([0x3f, 0, 0], 0, none), "3");
        assert_eq!(told([0x1001, 0, 0], 0, none), "_");
        assert_eq!(told([BOXED, 0x38, 0], 0, none), "_", "a map");
        assert_eq!(told([BOXED, of(1), 0x4b], 0, none), "{boom}");
        assert_eq!(told([BOXED, of(2), 0x4b], 0, none), "{boom, _}");
        assert_eq!(told([BOXED, of(3), 0x4b], 0, word(0x1f)), "{boom, 1, _}");
        assert_eq!(told([BOXED, of(2), 0x4b], 0, word(0x100f)), "{boom, _}");
        let tuple = SecondElement::Tuple {
            size: 3,
            elements: [0xcb, 0x10b],
        };
        let text = told([BOXED, of(2), 0x4b], 0, tuple);
        assert_eq!(text, "{boom, {shop, pay, _}}");
        assert_eq!(
            told([BOXED, of(2), of(2)], 0x8b, word(0x4b)),
            "{{badmatch, _}, boom}"
        );
        assert_eq!(told([BOXED, of(2), 0x38], 0, none), "{_, _}");
        // No tuple is that large, and nothing is said of one that claims to be.
        assert_eq!(told([BOXED, of(1 << 40), 0x4b], 0, none), "_");
    }

    #[test]
    fn what_goes_by_the_name_of_a_secret_is_not_told() {
        let two = 2 << 6;
        let word = SecondElement::Word;
        assert_eq!(told([BOXED, two, 0xcb], 0, word(0x4b)), "{shop, boom}");
        assert_eq!(told([BOXED, two, 0x1cb], 0, word(0x4b)), "{db_password, _}");
        let tuple = |name| SecondElement::Tuple {
            size: 2,
            elements: [name, 0x4b],
        };
        assert_eq!(
            told([BOXED, two, 0xcb], 0, tuple(0x10b)),
            "{shop, {pay, boom}}"
        );
        assert_eq!(
            told([BOXED, two, 0xcb], 0, tuple(0x1cb)),
            "{shop, {db_password, _}}"
        );
        let of = |size: u64| told([BOXED, size << 6, 0x18b], 0, word(0x4b));
        assert_eq!(of(3), "{'call me', _, _}", "a field that is masked");
        assert_eq!(of(2), "{'call me', boom}");
        let inner = |size: u64| {
            let second = SecondElement::Tuple {
                size,
                elements: [0x18b, 0x4b],
            };
            told([BOXED, two, 0xcb], 0, second)
        };
        assert_eq!(inner(3), "{shop, {'call me', _, _}}");
        assert_eq!(inner(2), "{shop, {'call me', boom}}");
    }

    #[test]
    fn of_those_that_are_hidden_a_word_of_the_vm_is_told() {
        let of = |term| ExitReason {
            shape: MessageShape {
                term,
                header: 0,
                first: 0,
            },
            inner: 0,
            second: SecondElement::Word(0),
        };
        let atom = |term| {
            let found = ATOMS.into_iter().find(|(word, _)| *word == term);
            found.map(|(_, text)| text)
        };
        assert_eq!(class(&of(0x20b), &atom), "normal");
        assert_eq!(class(&of(0x4b), &atom), "_");
        assert_eq!(class(&of(BOXED), &atom), "_");
    }

    #[test]
    fn what_went_wrong_is_told_with_where() {
        let at = |first, inner, second| told([BOXED, 128, first], inner, second);
        let text = at(128, 0x8b, trace(0xcb, Some(2)));
        assert_eq!(text, "{badmatch, _} in shop:pay/2");
        assert_eq!(at(0x4b, 0, trace(0x14b, Some(10))), "boom in Shop.pay/10");
        assert_eq!(at(0x4b, 0, trace(0x14b, None)), "boom in Shop.pay/_");
        assert_eq!(at(0x38, 0, trace(0xcb, None)), "_ in shop:pay/_");
        assert_eq!(at(0x4b, 0, trace(0, Some(1))), "boom in _");
        // Three elements are no reason with a trace.
        let text = told([BOXED, 192, 0x4b], 0, trace(0xcb, Some(2)));
        assert_eq!(text, "{boom, _, _}");
    }
}
