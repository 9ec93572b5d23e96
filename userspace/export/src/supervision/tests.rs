//! Pictures of trees.

use super::layout::place;
use super::{DEPTH_MAX, DRAWN_MAX, Item, Shape, write};

fn item(shape: Shape, label: &str, items: Vec<Item>) -> Item {
    Item {
        shape,
        label: label.to_owned(),
        known: vec![format!("{label} is known")],
        items,
    }
}

fn shop() -> Item {
    item(
        Shape::Root,
        "shop",
        vec![item(
            Shape::Supervisor,
            "shop_sup one_for_one",
            vec![
                item(Shape::Worker, "cart <0.120.0>", Vec::new()),
                item(
                    Shape::Supervisor,
                    "customers simple_one_for_one",
                    vec![item(Shape::Group, "1000 x shop_customer", Vec::new())],
                ),
                item(Shape::Untold, "busy_sup", Vec::new()),
                item(Shape::Absent, "mailer: restarting", Vec::new()),
            ],
        )],
    )
}

fn drawn(items: &[Item]) -> String {
    let mut out = Vec::new();
    write("shop@host", "7 processes in 1 tree", items, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_picture_matches_its_golden() {
    insta::assert_snapshot!(drawn(&[shop()]));
}

#[test]
fn who_has_children_stands_in_the_middle_of_them() {
    let shop = [shop()];
    let placed = place(&shop);
    let row = |label: &str| {
        let mut places = placed.places.iter();
        let found = places.find(|place| place.item.label.starts_with(label));
        found.unwrap().row
    };
    assert_eq!(placed.rows, 4);
    assert_eq!((row("cart"), row("mailer")), (0.5, 3.5));
    assert_eq!((row("shop_sup"), row("customers")), (2.0, row("1000 x")));
}

#[test]
fn no_name_leaves_its_place() {
    let hostile = "</title><script>alert(1)</script>\u{1b}[2J\u{202e}&\"\n<x>";
    let text = drawn(&[item(
        Shape::Root,
        hostile,
        vec![item(Shape::Worker, hostile, vec![])],
    )]);
    for raw in ["<script", "\u{1b}", "\u{202e}", "<x>"] {
        assert!(!text.contains(raw), "{raw:?} in {text}");
    }
    assert_eq!(
        text.matches("<text").count(),
        text.matches("</text>").count()
    );
}

#[test]
fn what_is_too_much_is_counted() {
    let many = (0..DRAWN_MAX + 10).map(|at| item(Shape::Worker, &at.to_string(), Vec::new()));
    let root = [item(Shape::Root, "many", many.collect())];
    assert_eq!(place(&root).missing, 11);
    assert!(drawn(&root).contains("; 11 more are not drawn"));
    let mut deep = item(Shape::Worker, "leaf", Vec::new());
    for _ in 0..DEPTH_MAX + 20 {
        deep = item(Shape::Supervisor, "deep", vec![deep]);
    }
    let deep = [deep];
    let placed = place(&deep);
    assert_eq!(placed.places.len(), DEPTH_MAX);
    assert_eq!(placed.missing, 21);
}
