use crate::term::{Bits, Elements, Fun, List, LocalFun, Map, Pid, Reference, Term};

fn text(term: &Term) -> String {
    term.elixir(usize::MAX)
}

fn atom(name: &str) -> Term {
    Term::Atom(name.into())
}

fn tuple(items: Vec<Term>) -> Term {
    Term::Tuple(Elements { items, missing: 0 })
}

fn list(items: Vec<Term>, tail: Option<Term>) -> Term {
    let tail = tail.map(Box::new);
    Term::List(List { items, tail })
}

fn bits(bytes: &[u8], bits: u64) -> Term {
    let bytes = bytes.to_vec();
    Term::Bits(Bits { bytes, bits })
}

#[test]
fn atoms_and_aliases() {
    for (name, expected) in [
        ("ok", ":ok"),
        ("nil", "nil"),
        ("true", "true"),
        ("valid?", ":valid?"),
        ("a@b", ":a@b"),
        ("A", ":A"),
        ("+", ":+"),
        ("", ":\"\""),
        ("1a", ":\"1a\""),
        ("hello world", ":\"hello world\""),
        ("é", ":\"é\""),
        ("#{x}", ":\"\\#{x}\""),
        ("\0\u{1}\u{85}\u{202e}", ":\"\\0\\x01\\u{85}\\u{202E}\""),
        ("Elixir", "Elixir"),
        ("Elixir.Enum", "Enum"),
        ("Elixir.A.B_1", "A.B_1"),
        ("Elixir.a", ":\"Elixir.a\""),
        ("Elixir.A.", ":\"Elixir.A.\""),
        ("Elixir.Elixir", ":\"Elixir.Elixir\""),
    ] {
        assert_eq!(text(&atom(name)), expected);
    }
}

#[test]
fn lists_maps_and_keywords() {
    let one = || Term::Integer(1);
    assert_eq!(text(&list(vec![], None)), "[]");
    assert_eq!(
        text(&list(vec![Term::Integer(104), one()], None)),
        "[104, 1]"
    );
    assert_eq!(text(&list(vec![one()], Some(atom("b")))), "[1 | :b]");
    assert_eq!(text(&list(vec![one()], Some(Term::Cut))), "[1, ...]");
    let pair = |key: &str| tuple(vec![atom(key), one()]);
    let keywords = list(vec![pair("a"), pair("b c"), pair("nil")], None);
    assert_eq!(text(&keywords), "[a: 1, \"b c\": 1, nil: 1]");
    assert_eq!(text(&list(vec![pair("Elixir.A")], None)), "[{A, 1}]");
    assert_eq!(text(&list(vec![pair("a")], Some(one()))), "[{:a, 1} | 1]");
    let map = |pairs, missing| text(&Term::Map(Map { pairs, missing }));
    let user = vec![
        (atom("__struct__"), atom("Elixir.User")),
        (atom("age"), one()),
    ];
    assert_eq!(map(user, 0), "%{__struct__: User, age: 1}");
    let mixed = vec![(atom("a"), one()), (one(), atom("b"))];
    assert_eq!(map(mixed, 2), "%{:a => 1, 1 => :b, ...}");
    assert_eq!(map(vec![], 0), "%{}");
}

#[test]
fn strings_and_bits() {
    assert_eq!(text(&bits(b"", 0)), "\"\"");
    assert_eq!(text(&bits("né\n\"#{".as_bytes(), 56)), "\"né\\n\\\"\\#{\"");
    assert_eq!(text(&bits(&[0xe9, 1], 16)), "<<233, 1>>");
    assert_eq!(text(&bits(&[1, 0xa0], 11)), "<<1, 5::size(3)>>");
    assert_eq!(text(&bits(b"ab", 800)), "<<97, 98, ...>>");
}

#[test]
fn what_only_has_a_name() {
    let pid = Pid {
        node: None,
        number: 80,
        serial: 0,
    };
    assert_eq!(text(&Term::Pid(pid)), "#PID<0.80.0>");
    let reference = Reference {
        node: None,
        numbers: vec![1, 2, 3],
        printed: 3,
    };
    assert_eq!(text(&Term::Reference(reference)), "#Reference<0.3.2.1>");
    let external = |module: &str, function: &str| {
        text(&Term::Fun(Fun::External {
            module: module.into(),
            function: function.into(),
            arity: 2,
        }))
    };
    assert_eq!(external("lists", "map"), "&:lists.map/2");
    assert_eq!(external("Elixir.Enum", "at!"), "&Enum.at!/2");
    assert_eq!(external("odd mod", "X"), "&:\"odd mod\".\"X\"/2");
    let local = LocalFun {
        module: "Elixir.M".into(),
        arity: 1,
        index: 2,
        uniq: [0; 16],
        old_index: 3,
        old_uniq: 4,
        environment: Elements::default(),
        creator: None,
    };
    let local = Term::Fun(Fun::Local(Box::new(local)));
    assert_eq!(text(&local), "#Function<2.4/1 in M>");
    assert_eq!(text(&tuple(vec![Term::Cut, Term::Masked])), "{..., ***}");
    assert_eq!(tuple(vec![Term::Integer(12_345)]).elixir(3), "{12...");
}
