//! Terms as requests are made of them.

use std::time::Duration;

use escope_beam::term::{Elements, List, Pid, Term};

pub(crate) fn atom(name: &str) -> Term {
    Term::Atom(name.into())
}

pub(crate) fn tuple(items: Vec<Term>) -> Term {
    Term::Tuple(Elements { items, missing: 0 })
}

pub(crate) fn list(items: Vec<Term>) -> Term {
    Term::List(List { items, tail: None })
}

pub(crate) fn integer(value: u64) -> Term {
    Term::Integer(i64::try_from(value).unwrap_or(i64::MAX >> 4))
}

pub(crate) fn milliseconds(time: Duration) -> Term {
    // `receive` waits no longer: 32 bits.
    integer(time.as_millis().min(u128::from(u32::MAX)) as u64)
}

/// A process of the VM by the numbers that are printed of it.
pub(crate) fn pid((number, serial): (u64, u64)) -> Term {
    Term::Pid(Pid {
        node: None,
        number,
        serial,
    })
}

/// The elements of a tuple of this size.
pub(crate) fn elements<const N: usize>(term: &Term) -> Option<&[Term; N]> {
    match term {
        Term::Tuple(elements) if elements.missing == 0 => elements.items.as_slice().try_into().ok(),
        _ => None,
    }
}

/// The elements of a list that is whole.
pub(crate) fn items(term: &Term) -> Option<&[Term]> {
    match term {
        Term::List(list) if list.tail.is_none() => Some(&list.items),
        _ => None,
    }
}

pub(crate) fn is_atom(term: &Term, name: &str) -> bool {
    matches!(term, Term::Atom(is) if **is == *name)
}
