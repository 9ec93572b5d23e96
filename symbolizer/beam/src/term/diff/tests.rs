use crate::term::{Bits, Elements, List, Map, Term};

fn int(value: i64) -> Term {
    Term::Integer(value)
}

fn atom(name: &str) -> Term {
    Term::Atom(name.into())
}

fn tuple(items: Vec<Term>) -> Term {
    Term::Tuple(Elements { items, missing: 0 })
}

fn list(items: &[i64]) -> Term {
    let items = items.iter().map(|item| int(*item)).collect();
    Term::List(List { items, tail: None })
}

fn map(pairs: Vec<(Term, Term)>, missing: usize) -> Term {
    Term::Map(Map { pairs, missing })
}

#[track_caller]
fn differ(old: &Term, new: &Term, expected: &[&str]) {
    let text = old.diff(new, 100).text(100, Term::text);
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn places_are_told() {
    differ(&int(1), &int(1), &[]);
    differ(&int(1), &atom("a"), &["~ .: 1 -> a"]);
    let state = |count, kept| {
        let pairs = vec![(atom("count"), int(count)), (list(&[7, 8]), kept)];
        tuple(vec![atom("state"), map(pairs, 0)])
    };
    differ(
        &state(1, list(&[1])),
        &state(2, list(&[1])),
        &["~ {2}#{count}: 1 -> 2"],
    );
    differ(
        &state(1, list(&[1, 2, 3])),
        &state(1, list(&[1, 5, 3])),
        &["~ {2}#{[7,8]}[2]: 2 -> 5"],
    );
    differ(
        &tuple(vec![int(1)]),
        &tuple(vec![int(1), int(2)]),
        &["~ .: {1} -> {1,2}"],
    );
}

#[test]
fn lists_keep_what_they_have_in_common() {
    differ(&list(&[2, 3]), &list(&[1, 2, 3]), &["+ [1]: 1"]);
    differ(&list(&[1, 2, 3]), &list(&[1, 3]), &["- [2]: 2"]);
    differ(
        &list(&[1, 2]),
        &list(&[1, 2, 3, 4]),
        &["+ [3]: 3", "+ [4]: 4"],
    );
    differ(
        &list(&[1, 2, 9]),
        &list(&[5, 6, 7, 9]),
        &["~ [1]: 1 -> 5", "~ [2]: 2 -> 6", "+ [3]: 7"],
    );
    differ(&list(&[]), &list(&[1, 2]), &["~ .: [] -> [1,2]"]);
    let improper = |tail| {
        Term::List(List {
            items: vec![int(1)],
            tail: Some(Box::new(tail)),
        })
    };
    differ(&improper(int(2)), &improper(int(3)), &["~ |: 2 -> 3"]);
    differ(&improper(int(2)), &list(&[1]), &["- |: 2"]);
    // The same many times over.
    differ(&list(&[1, 1, 1]), &list(&[1, 1]), &["- [3]: 1"]);
}

#[test]
fn keys_come_and_go() {
    let one = |key: &str| (atom(key), int(1));
    differ(
        &map(vec![one("a"), one("b")], 0),
        &map(vec![one("c"), one("b")], 0),
        &["- #{a}: 1", "+ #{c}: 1"],
    );
}

#[test]
fn what_was_not_read_does_not_differ() {
    const UNREAD: &str = "? parts were not read: they may differ too";
    differ(&Term::Cut, &int(1), &[UNREAD]);
    differ(
        &tuple(vec![int(1), Term::Masked]),
        &tuple(vec![int(2), int(3)]),
        &["~ {1}: 1 -> 2", UNREAD],
    );
    let one = |key: &str| (atom(key), int(1));
    let cut = map(vec![one("a"), one("b")], 1);
    differ(
        &cut,
        &map(vec![one("b"), one("c")], 0),
        &["- #{a}: 1", UNREAD],
    );
    differ(&map(vec![one("b")], 0), &map(vec![], 1), &[UNREAD]);
    let open = Term::List(List {
        items: vec![int(1), int(2)],
        tail: Some(Box::new(Term::Cut)),
    });
    differ(&open, &list(&[1, 3, 4]), &["~ [2]: 2 -> 3", UNREAD]);
    let bits = |bytes: &[u8], bits| {
        let bytes = bytes.to_vec();
        Term::Bits(Bits { bytes, bits })
    };
    differ(&bits(b"ab", 80), &bits(b"abcdefghij", 80), &[UNREAD]);
    differ(
        &bits(b"ab", 80),
        &bits(b"ac", 80),
        &["~ .: <<97,98,...>> -> <<97,99,...>>", UNREAD],
    );
}

#[test]
fn there_is_a_limit() {
    let old = list(&[1, 2, 3]);
    let new = list(&[4, 5, 6]);
    let found = old.diff(&new, 2);
    assert_eq!(
        (found.changes.len(), found.more, found.whole),
        (2, true, true)
    );
    assert!(
        found
            .text(10, Term::text)
            .ends_with("... there are more changes\n")
    );
}

proptest::proptest! {
    /// Changing one item tells just that one.
    #[test]
    fn one_item_is_one_change(
        items in proptest::collection::vec(0i64..4, 1..40),
        at in 0usize..40,
    ) {
        let at = at % items.len();
        let mut other = items.clone();
        other[at] = 99;
        let (old, new) = (list(&items), list(&other));
        let found = old.diff(&new, 10);
        assert_eq!(found.changes.len(), 1);
        assert!(old.diff(&old.clone(), 10).changes.is_empty());
    }
}
