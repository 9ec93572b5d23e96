use escope_profile::{GroupBy, Measure, StackOptions};

use super::FlamegraphOptions;
use crate::tests::{shop, svg};

fn options() -> FlamegraphOptions {
    FlamegraphOptions {
        title: "shop".to_owned(),
        duration_ns: Some(30_000_000_000),
        lost: Some(1),
        ..FlamegraphOptions::default()
    }
}

fn by_process() -> StackOptions {
    StackOptions {
        group_by: GroupBy::Process,
        ..StackOptions::default()
    }
}

/// A picture without its script, one element a line.
fn legible(svg: &str) -> String {
    let (head, rest) = svg.split_once("<script").expect("there is a script");
    let (_, tail) = rest.split_once("</script>").expect("the script ends");
    format!("{head}{tail}").replace("><", ">\n<")
}

#[test]
fn the_picture_matches_its_golden() {
    insta::assert_snapshot!(legible(&svg(&shop(by_process()), &options())));
}

#[test]
fn tooltips_say_class_place_weight_and_share() {
    let drawn = svg(&shop(by_process()), &options());
    for title in [
        "<title>all (567 samples, 100.00%)</title>",
        "<title>lists:foldl/3 (Erlang, lists.erl:1594, 152 samples, 26.81%)</title>",
        "<title>erlang:iolist_to_binary/1 (BIF, 25 samples, 4.41%)</title>",
        "<title>HMAC (C, libcrypto.so.3, 47 samples, 8.29%)</title>",
        "<title>[stack was being moved] (missing, 4 samples, 0.71%)</title>",
        "<title>Shop.OrderConsumer (57 samples, 10.05%)</title>",
    ] {
        assert!(drawn.contains(title), "{title}");
    }
    let by_time = FlamegraphOptions {
        measure: Measure::CpuNs,
        ..options()
    };
    let drawn = svg(&shop(by_process()), &by_time);
    assert!(
        drawn.contains("<title>lists:foldl/3 (Erlang, lists.erl:1594, 1.54 s, 26.81%)</title>")
    );
}

#[test]
fn lines_are_told_apart_only_when_asked() {
    let fun = "Shop.Cart.-total/1-fun-0-/2 (Elixir, lib/shop/cart.ex:";
    let merged = svg(&shop(StackOptions::default()), &options());
    assert_eq!(merged.matches(&format!("{fun}90-91, ")).count(), 1);
    let apart = svg(
        &shop(StackOptions {
            lines: true,
            ..StackOptions::default()
        }),
        &options(),
    );
    assert_eq!(apart.matches(&format!("{fun}90, ")).count(), 1);
    assert_eq!(apart.matches(&format!("{fun}91, ")).count(), 1);
}

#[test]
fn frames_have_the_colour_of_their_class() {
    let drawn = svg(&shop(by_process()), &options());
    let fill = |title: &str| -> (u32, u32, u32) {
        let (_, rest) = drawn.split_once(&format!("<title>{title}")).expect(title);
        let (_, rest) = rest.split_once("fill=\"rgb(").expect("a rectangle follows");
        let (rgb, _) = rest.split_once(')').expect("the colour ends");
        let mut channels = rgb
            .split(',')
            .map(|n| n.parse().expect("a channel is a number"));
        let mut channel = || channels.next().expect("a colour has three channels");
        (channel(), channel(), channel())
    };
    let (r, g, b) = fill("lists:foldl/3 ");
    assert!(r > g && g > b, "Erlang is orange");
    let (r, g, b) = fill("Enum.reduce/3 ");
    assert!(b > r && r > g, "Elixir is purple");
    let (r, g, b) = fill("ets:lookup/2 ");
    assert!(g > r && g > b, "BIFs are green");
    let (r, g, b) = fill("db_get_hash ");
    assert!(b > g && g > r, "C is blue");
    let (r, g, b) = fill("memmove ");
    assert!(r > b && b > g, "what a collection calls is red");
}

#[test]
fn the_script_still_has_what_is_replaced_in_it() {
    let drawn = svg(&shop(by_process()), &options());
    assert!(drawn.contains(super::paint::NARROWEST_HERE));
    assert!(!drawn.contains(super::paint::NARROWEST));
    assert!(
        drawn.contains(r"replace(/\([^(]*\)$/"),
        "texts come from titles"
    );
}

#[test]
fn a_place_cannot_break_the_text_of_a_frame() {
    let stacks = crate::tests::hostile(&vec!["a(b)c".to_owned(); 3], StackOptions::default());
    let drawn = svg(&stacks, &options());
    let titles = drawn.split("<title>").skip(2);
    for title in titles
        .filter_map(|rest| rest.split_once("</title>"))
        .map(|pair| pair.0)
    {
        let (name, facts) = title.rsplit_once('(').expect("facts stand in parentheses");
        assert!(facts.ends_with("%)"), "{title}");
        assert!(!name.contains('%'), "{title}");
    }
}

#[test]
fn reverse_and_inverted_pictures_put_the_leaf_first() {
    let stacks = shop(StackOptions {
        reverse: true,
        ..StackOptions::default()
    });
    let inverted = FlamegraphOptions {
        inverted: true,
        width_px: Some(900),
        ..options()
    };
    let drawn = svg(&stacks, &inverted);
    let top = |title: &str| -> u32 {
        let (_, rest) = drawn.split_once(&format!("<title>{title}")).expect(title);
        let (_, rest) = rest.split_once(" y=\"").expect("a rectangle follows");
        let (y, _) = rest.split_once('"').expect("the attribute ends");
        y.parse().expect("a position is a number")
    };
    assert!(top("all ") < top("Decimal.add/2 "));
    assert!(top("Decimal.add/2 ") < top("Shop.Cart.total/1 "));
    assert!(drawn.contains("width=\"900\""));
}
