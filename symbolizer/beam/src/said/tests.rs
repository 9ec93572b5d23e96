//! Messages in memory that is made up, whole and broken.

use proptest::prelude::*;

use super::{Listener, Redaction, Said};
use crate::layout::table_for;
use crate::term::hostile::{HEAP, boxed, cons, small, vm};
use crate::term::{Bits, Elements, Fun, List, LocalFun, Map, Term, TermError};

fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// What is said by a term in a copy of these words; in the VM itself nothing lies there.
fn said(words: &[u64], term: u64) -> Result<Said, TermError> {
    in_pieces(&[(HEAP, words)], term)
}

fn in_pieces(pieces: &[(u64, &[u64])], term: u64) -> Result<Said, TermError> {
    let vm = vm("25", &[]);
    let copies: Vec<(u64, Vec<u8>)> = pieces.iter().map(|(at, it)| (*at, bytes(it))).collect();
    let copied: Vec<(u64, &[u8])> = copies.iter().map(|(at, it)| (*at, &it[..])).collect();
    Listener::default().said(&vm, term, &copied, &[])
}

fn text(words: &[u64], term: u64) -> String {
    said(words, term).map_or_else(|error| error.to_string(), |said| said.text)
}

#[test]
fn what_is_in_the_block_is_told_and_the_rest_is_not() {
    // {1, true, {2}}: whole, without its last tuple, without its last words.
    let heap = [3 << 6, small(1), 0x4b, boxed(4), 1 << 6, small(2)];
    let whole = said(&heap, boxed(0)).expect("a term");
    assert_eq!((whole.text.as_str(), whole.whole), ("{1,true,{2}}", true));
    let cut = said(&heap[..4], boxed(0)).expect("a term");
    assert_eq!((cut.text.as_str(), cut.whole), ("{1,true,...}", false));
    assert_eq!(text(&heap[..5], boxed(0)), "{1,true,{...}}");
    assert_eq!(text(&heap[..3], boxed(0)), "{1,true,...}");
    assert_eq!(text(&heap, boxed(100)), "...");
    assert_eq!(text(&heap, cons(100)), "...");
    // A word needs no memory.
    assert_eq!(text(&[], 0x4b), "true");
    assert_eq!(text(&[], small(-7)), "-7");
}

#[test]
fn a_string_lies_below_its_first_cell() {
    let heap = [small(99), 0x3b, small(98), cons(0), small(97), cons(2)];
    assert_eq!(text(&heap, cons(4)), r#""abc""#);
    // Only its first two cells were copied.
    let cut = in_pieces(&[(HEAP + 16, &heap[2..])], cons(4)).expect("a term");
    assert_eq!((cut.text.as_str(), cut.whole), ("[97,98|...]", false));
}

#[test]
fn what_it_points_to_elsewhere_is_another_piece() {
    let map = u64::from(table_for("25").expect("a table").term.map) << 2;
    let elsewhere = HEAP + 0x10000;
    let block = [map, 2, elsewhere | 2, small(7), small(8)];
    let keys = [2 << 6, 0x4b, 0x8b];
    let whole = in_pieces(&[(HEAP, &block), (elsewhere, &keys)], boxed(0)).expect("a term");
    assert_eq!(
        (whole.text.as_str(), whole.whole),
        ("#{true => 7,mod => 8}", true)
    );
    let without = said(&block, boxed(0)).expect("a term");
    assert_eq!((without.text.as_str(), without.whole), ("#{...}", false));
    let empty = [map, 0, elsewhere | 2];
    assert_eq!(text(&empty, boxed(0)), "#{}");
    let first = in_pieces(&[(HEAP, &block[..4]), (elsewhere, &keys)], boxed(0)).expect("a term");
    assert_eq!(first.text, "#{true => 7,...}");
}

#[test]
fn a_binary_is_told_as_far_as_it_was_copied() {
    let layout = table_for("25")
        .expect("a table")
        .term
        .bytes
        .expect("of OTP 25");
    let header = u64::from(layout.heap) << 2 | 3 << 6;
    let heap = [header, 10, u64::from_le_bytes(*b"abcdefgh"), 0x6a69];
    assert_eq!(text(&heap, boxed(0)), r#"<<"abcdefghij">>"#);
    let cut = said(&heap[..3], boxed(0)).expect("a term");
    assert_eq!(cut.text, "<<97,98,99,100,101,102,103,104,...>>");
    assert!(!cut.whole);
    assert_eq!(text(&heap[..2], boxed(0)), "<<...>>");
    assert_eq!(text(&heap[..1], boxed(0)), "...");
}

#[test]
fn what_is_no_term_is_an_error_and_loops_end() {
    assert!(matches!(
        said(&[boxed(4), 0], boxed(0)),
        Err(TermError::Changed { .. })
    ));
    assert!(matches!(
        said(&[u64::MAX << 6, 0], boxed(0)),
        Err(TermError::Changed { .. })
    ));
    // As large as a tuple may be, with two words of it.
    assert_eq!(text(&[((1 << 24) - 1) << 6, small(1)], boxed(0)), "{1,...}");
    let round = said(&[small(1), cons(0)], cons(0)).expect("a list");
    assert!(
        !round.whole && round.text.len() < 5000,
        "{}",
        round.text.len()
    );
    let itself = said(&[2 << 6, boxed(0), boxed(0)], boxed(0)).expect("a tuple");
    assert!(!itself.whole && itself.text.chars().count() <= 4099);
}

fn atom(name: &str) -> Term {
    Term::Atom(name.into())
}

fn binary(text: &str) -> Term {
    Term::Bits(Bits {
        bytes: text.as_bytes().to_vec(),
        bits: 8 * text.len() as u64,
    })
}

fn chars(text: &str) -> Term {
    list(
        text.bytes()
            .map(|byte| Term::Integer(byte.into()))
            .collect(),
    )
}

fn list(items: Vec<Term>) -> Term {
    Term::List(List { items, tail: None })
}

fn tuple<const N: usize>(items: [Term; N]) -> Term {
    Term::Tuple(Elements {
        items: items.into(),
        missing: 0,
    })
}

fn map(key: Term, value: Term) -> Term {
    Term::Map(Map {
        pairs: vec![(key, value)],
        missing: 0,
    })
}

fn masked(mut term: Term, patterns: &[&str]) -> (String, u32) {
    let redaction = Redaction::new(patterns).expect("patterns");
    let count = redaction.mask(&mut term);
    (term.to_string(), count)
}

#[test]
fn a_secret_goes_by_many_names() {
    let names = [
        "password",
        "passwd",
        "token",
        "secret",
        "authorization",
        "cookie",
        "api_key",
        "private_key",
        "Authorization",
        "X-API-Key",
        "privateKey",
        "db_password",
    ];
    for name in names {
        for key in [atom(name), binary(name), chars(name)] {
            let shown = key.to_string();
            let value = || tuple([chars("x"), binary("y")]);
            let told = masked(tuple([key.clone(), value()]), &[]);
            assert_eq!(told, (format!("{{{shown},***}}"), 1));
            let told = masked(map(key.clone(), value()), &[]);
            assert_eq!(told, (format!("#{{{shown} => ***}}"), 1));
            let nested = tuple([atom("a"), list(vec![map(atom("b"), map(key, value()))])]);
            let told = masked(nested, &[]);
            assert_eq!(told, (format!("{{a,[#{{b => #{{{shown} => ***}}}}]}}"), 1));
        }
    }
    let told = masked(tuple([atom("user"), chars("joe")]), &[]);
    assert_eq!(told, (r#"{user,"joe"}"#.to_owned(), 0));
}

#[test]
fn some_secrets_show_by_themselves() {
    let secret = [
        "amqp://shop:hunter2@queue:5672/vhost",
        "see postgres://joe@db/shop",
        "redis://:hunter2",
        "https://joe:hun",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "X-Auth: eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
    ];
    for text in secret {
        assert_eq!(masked(binary(text), &[]).1, 1, "{text}");
        assert_eq!(masked(chars(text), &[]).1, 1, "{text}");
    }
    let harmless = [
        "https://host:8080/a:b@c",
        "http://[::1]:80/x",
        "http://[fe80::1]",
        "mail joe@example.org: a://b",
        "12:30",
        "eyJ",
        "they say heyJoe",
    ];
    for text in harmless {
        assert_eq!(masked(binary(text), &[]).1, 0, "{text}");
    }
}

#[test]
fn names_stand_before_values_in_other_ways_too() {
    let all = [
        (
            tuple([atom("login"), atom("password"), chars("p")]),
            "{login,password,***}",
        ),
        (
            tuple([atom("token"), Term::Integer(1), chars("p")]),
            "{token,***,***}",
        ),
        (
            list(vec![atom("secret"), Term::Integer(5), Term::Integer(6)]),
            "[secret,***,***]",
        ),
        (
            list(vec![binary("--password"), binary("p"), binary("q")]),
            r#"[<<"--password">>,***,***]"#,
        ),
        (
            Term::List(List {
                items: vec![atom("token"), Term::Integer(112), Term::Integer(113)],
                tail: Some(Box::new(Term::Cut)),
            }),
            "[token,***,***|***]",
        ),
        (
            list(vec![chars("Cookie: "), chars("sid="), binary("p")]),
            "[***,***,***]",
        ),
        (
            tuple([tuple([binary("password"), list(vec![])]), binary("p")]),
            r#"{{<<"password">>,***},***}"#,
        ),
        (binary("GET /\r\nAuthorization: Basic cDpw"), "***"),
        (chars("password=p"), "***"),
        (binary(r#"{"api_key":"p"}"#), "***"),
        (map(binary("token: p"), atom("x")), "#{*** => ***}"),
    ];
    for (term, text) in all {
        assert_eq!(masked(term, &[]).0, text);
    }
}

#[test]
fn what_a_name_was_that_was_not_copied_nobody_knows() {
    let unseen = || {
        Term::Bits(Bits {
            bytes: b"pa".to_vec(),
            bits: 800,
        })
    };
    assert_eq!(masked(map(Term::Cut, chars("p")), &[]).0, "#{... => ***}");
    assert_eq!(masked(tuple([Term::Cut, chars("p")]), &[]).0, "{...,***}");
    assert_eq!(
        masked(tuple([unseen(), chars("p")]), &[]).0,
        "{<<112,97,...>>,***}"
    );
    assert_eq!(
        masked(list(vec![Term::Cut, chars("p")]), &[]).0,
        "[...,***]"
    );
    let three = tuple([atom("put"), Term::Cut, Term::Integer(1)]);
    assert_eq!(masked(three, &[]).0, "{put,...,1}");
    let three = tuple([atom("put"), Term::Cut, chars("p")]);
    assert_eq!(masked(three, &[]).0, "{put,...,***}");
}

/// Text does not tell it, other forms would.
#[test]
fn what_a_fun_holds_is_masked() {
    let fun = LocalFun {
        module: "m".into(),
        arity: 0,
        index: 0,
        uniq: [0; 16],
        old_index: 0,
        old_uniq: 0,
        environment: Elements {
            items: vec![binary("hunter2"), atom("a")],
            missing: 0,
        },
        creator: None,
    };
    let mut term = tuple([atom("run"), Term::Fun(Fun::Local(Box::new(fun)))]);
    assert_eq!(Redaction::default().mask(&mut term), 0);
    let json = term.to_json();
    assert!(json.contains(r#""environment":[{"$masked":true},{"$masked":true}]"#));
    assert!(!json.contains("hunter2"));
}

#[test]
fn more_names_are_given_as_patterns() {
    let card = tuple([atom("card_no"), Term::Integer(4)]);
    assert_eq!(masked(card.clone(), &[]).0, "{card_no,4}");
    assert_eq!(masked(card, &["^CARD_", "iban"]).0, "{card_no,***}");
    let wrong = Redaction::new(&["("]).expect_err("no expression");
    assert_eq!(
        wrong.to_string(),
        r#""(" is no regular expression: its syntax is wrong"#
    );
    assert!(Redaction::new(&["a{1000}{1000}{1000}"]).is_err());
}

proptest! {
    /// Any words that point to each other, to and fro: an answer, of bounded size, out of
    /// nothing but what was copied.
    #[test]
    fn any_block_gives_an_answer(
        words in prop::collection::vec((0u64..80, 0u64..5, any::<u64>()), 1..64),
        (release, cut) in (0usize..3, 0usize..600),
    ) {
        let heap: Vec<u64> = words
            .iter()
            .map(|&(word, kind, any)| match kind {
                0 => boxed(word),
                1 => cons(word),
                2 => (any & 0xf) << 2 | (any >> 8 & 0x3ff) << 6,
                3 => any,
                _ => small(word as i64),
            })
            .collect();
        let vm = vm(["25", "27", "29"][release], &[]);
        let listener = Listener::default();
        let bytes = bytes(&heap);
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        // With a hole between.
        let copied = [(HEAP, first), (HEAP + 8 + first.len() as u64, second)];
        for word in 0..heap.len() as u64 {
            for term in [boxed(word), cons(word)] {
                if let Ok(said) = listener.said(&vm, term, &copied, &[]) {
                    prop_assert!(said.text.chars().count() <= 4099);
                }
            }
        }
    }
}
