//! What holds for all formats together.

use std::io::Read;

use escope_model::{Dictionary, Frame, FrameId, FrameKind, Sample, StackId};
use escope_profile::{Filter, GroupBy, Measure, StackOptions, Stacks, Tally};
use proptest::prelude::*;

use crate::flamegraph::{self, FlamegraphOptions};
use crate::folded::{self, FoldedOptions};
use crate::pprof::{self, PprofOptions};
use crate::speedscope::{self, SpeedscopeOptions};
use crate::{ExportError, kit};

/// The web server, grouped by process.
pub(crate) fn shop(options: StackOptions) -> Stacks {
    let (dictionary, samples) = kit::shop();
    Stacks::build(&Tally::of(samples, Filter::default()), &dictionary, options)
}

/// Stacks whose names are what an attacker or bad luck would choose.
pub(crate) fn hostile(names: &[String], options: StackOptions) -> Stacks {
    let mut dictionary = Dictionary::default();
    let mut samples: Vec<Sample> = Vec::new();
    let (_, shop) = kit::shop();
    for (at, name) in names.iter().enumerate() {
        let kind = FrameKind::ALL[at % FrameKind::ALL.len()];
        dictionary.frames.push(Frame {
            kind,
            module: (at % 2 == 0).then(|| name.as_str().into()),
            file: Some(name.as_str().into()),
            line: Some(at as u32 + 1),
            object: Some(name.as_str().into()),
            ..Frame::marker(name)
        });
        let ids = (0..=at as u32).rev().map(FrameId).collect();
        dictionary.stacks.push(ids);
        let mut process = kit::shop().0.processes[0].clone();
        process.name = Some(name.clone());
        dictionary.processes.push(process);
        for _ in 0..=at {
            samples.push(Sample {
                stack: StackId(at as u32),
                proc: Some(escope_model::ProcId(at as u32)),
                ..shop[0]
            });
        }
    }
    Stacks::build(&Tally::of(samples, Filter::default()), &dictionary, options)
}

pub(crate) fn svg(stacks: &Stacks, options: &FlamegraphOptions) -> String {
    let mut out = Vec::new();
    flamegraph::write(stacks, options, &mut out).expect("a picture is drawn");
    String::from_utf8(out).expect("a picture is text")
}

pub(crate) fn folded(stacks: &Stacks, options: &FoldedOptions) -> String {
    let mut out = Vec::new();
    folded::write(stacks, options, &mut out).expect("stacks are folded");
    String::from_utf8(out).expect("folded stacks are text")
}

fn speedscope(stacks: &Stacks) -> serde_json::Value {
    let mut out = Vec::new();
    speedscope::write(stacks, &SpeedscopeOptions::default(), &mut out).expect("JSON is written");
    serde_json::from_slice(&out).expect("JSON reads back")
}

/// The whole width of a picture, by its own word.
fn svg_total(svg: &str) -> u64 {
    let (_, rest) = svg
        .split_once("total_samples=\"")
        .expect("the picture says its total");
    let (total, _) = rest.split_once('"').expect("the attribute ends");
    total.parse().expect("the total is a number")
}

fn folded_total(folded: &str) -> u64 {
    folded
        .lines()
        .map(|line| line.rsplit_once(' ').expect("a line has a count").1)
        .map(|count| count.parse::<u64>().expect("a count is a number"))
        .sum()
}

/// Every element of a picture, or what is wrong with it.
fn elements(svg: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(svg);
    reader.config_mut().check_end_names = true;
    let mut elements = Vec::new();
    loop {
        match reader.read_event().expect("the picture is XML") {
            quick_xml::events::Event::Eof => return elements,
            quick_xml::events::Event::Start(start) | quick_xml::events::Event::Empty(start) => {
                elements.push(String::from_utf8_lossy(start.name().as_ref()).into_owned());
            }
            _ => {}
        }
    }
}

pub(crate) fn nasty() -> Vec<String> {
    [
        "</title><script>alert(1)</script>",
        "a;b;c",
        "two\nlines\r\n",
        "ends like a count 5",
        "# comment",
        "quote\" onload=\"alert(1)",
        "]]> & &amp; ' <![CDATA[",
        "\u{0}\u{1}\u{8}\u{1b}[31m\u{fffe}",
        "\u{202e}reversed",
        "",
        "  ",
        "-",
        "--",
        "kernel_[k]",
        "(unbalanced",
        "all",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn hostile_names_stay_in_their_place() {
    for group_by in [GroupBy::None, GroupBy::Process] {
        let stacks = hostile(
            &nasty(),
            StackOptions {
                group_by,
                ..StackOptions::default()
            },
        );
        let folded = folded(
            &stacks,
            &FoldedOptions {
                locations: true,
                ..FoldedOptions::default()
            },
        );
        insta::assert_snapshot!(format!("hostile_folded_{group_by:?}"), folded);
        assert_eq!(folded_total(&folded), stacks.total().samples);
        let picture = FlamegraphOptions {
            title: "</text><script>alert(1)</script>".to_owned(),
            subtitle: Some("\u{0}&".to_owned()),
            ..FlamegraphOptions::default()
        };
        let svg = svg(&stacks, &picture);
        let scripts = elements(&svg)
            .iter()
            .filter(|name| *name == "script")
            .count();
        assert_eq!(scripts, 1, "only the picture's own script");
        assert_eq!(svg_total(&svg), stacks.total().samples);
        assert!(
            svg.chars().all(|c| !c.is_control() || c.is_whitespace()),
            "XML has no control characters"
        );
    }
}

#[test]
fn nothing_to_draw_is_an_error_of_its_own() {
    let stacks = Stacks::default();
    let error = flamegraph::write(&stacks, &FlamegraphOptions::default(), &mut Vec::new());
    assert!(matches!(error, Err(ExportError::Empty)));
    assert_eq!(folded(&stacks, &FoldedOptions::default()), "");
    assert_eq!(speedscope(&stacks)["profiles"][0]["endValue"], 0);
}

#[test]
fn speedscope_matches_its_golden() {
    let stacks = shop(StackOptions {
        group_by: GroupBy::Process,
        ..StackOptions::default()
    });
    let json = speedscope(&stacks);
    let pretty = serde_json::to_string_pretty(&json).expect("JSON prints");
    insta::assert_snapshot!(pretty.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[test]
fn folded_matches_its_golden() {
    let stacks = shop(StackOptions {
        group_by: GroupBy::Process,
        lines: true,
        ..StackOptions::default()
    });
    let options = FoldedOptions {
        measure: Measure::CpuNs,
        locations: true,
    };
    insta::assert_snapshot!(folded(&stacks, &options));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn totals_agree_whatever_the_names(
        names in prop::collection::vec(
            prop_oneof![any::<String>(), "[a-z;# 0-9.\n<>&\"'()]{0,12}"], 1..10,
        ),
        reverse in any::<bool>(),
        lines in any::<bool>(),
        labels in any::<bool>(),
        group_by in prop::sample::select(vec![GroupBy::None, GroupBy::Process, GroupBy::Pid]),
    ) {
        let options = StackOptions { group_by, lines, reverse, labels, fold_recursion: false };
        let stacks = hostile(&names, options);
        let total = stacks.total();
        for (measure, expected) in
            [(Measure::Samples, total.samples), (Measure::CpuNs, total.cpu_ns)]
        {
            let text = folded(&stacks, &FoldedOptions { measure, locations: lines });
            prop_assert_eq!(folded_total(&text), expected);
            let mut redrawn = Vec::new();
            let mut layout = inferno::flamegraph::Options::default();
            inferno::flamegraph::from_reader(&mut layout, text.as_bytes(), &mut redrawn)?;
            prop_assert_eq!(svg_total(&String::from_utf8_lossy(&redrawn)), expected);
            let picture = FlamegraphOptions { measure, ..FlamegraphOptions::default() };
            let svg = svg(&stacks, &picture);
            prop_assert_eq!(svg_total(&svg), expected);
            let scripts = elements(&svg).iter().filter(|name| *name == "script").count();
            prop_assert_eq!(scripts, 1);
        }
        let json = speedscope(&stacks);
        let sum: u64 = json["profiles"].as_array().into_iter().flatten()
            .filter_map(|profile| profile["endValue"].as_u64())
            .sum();
        prop_assert_eq!(sum, total.cpu_ns);
        let mut gzip = Vec::new();
        pprof::write(&stacks, &PprofOptions::default(), &mut gzip)?;
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(gzip.as_slice()).read_to_end(&mut bytes)?;
        prop_assert!(!bytes.is_empty());
    }
}

#[test]
#[ignore = "a measurement, not a check: run with --release --nocapture"]
fn a_large_profile() {
    let (_, shop) = kit::shop();
    let mut dictionary = Dictionary::default();
    for at in 0..4000u32 {
        dictionary.frames.push(Frame {
            kind: FrameKind::Erlang,
            module: Some(format!("module_{}", at % 200).into()),
            arity: Some(at % 4),
            file: Some(format!("module_{}.erl", at % 200).into()),
            line: Some(at + 1),
            ..Frame::marker(&format!("function_{at}"))
        });
    }
    for at in 0..50_000u32 {
        let ids = (0..40).map(|depth| FrameId((at >> (depth / 3)) % 4000));
        dictionary.stacks.push(ids.collect());
    }
    let samples = (0..1_000_000u32).map(|n| Sample {
        stack: StackId(n.wrapping_mul(2_654_435_761) % 50_000),
        tid: n % 8,
        proc: None,
        ..shop[0]
    });
    let start = std::time::Instant::now();
    let tally = Tally::of(samples, Filter::default());
    let tallied = start.elapsed();
    let stacks = Stacks::build(&tally, &dictionary, StackOptions::default());
    let built = start.elapsed() - tallied;
    let timed = |name: &str, write: &dyn Fn(&mut Vec<u8>) -> Result<(), ExportError>| {
        let start = std::time::Instant::now();
        let mut out = Vec::new();
        write(&mut out).expect("a format is written");
        println!("{name}: {:?}, {} bytes", start.elapsed(), out.len());
    };
    println!(
        "tally {tallied:?}, stacks {built:?}, {} entries",
        stacks.entries().len()
    );
    timed("svg", &|out| {
        flamegraph::write(&stacks, &FlamegraphOptions::default(), out)
    });
    timed("folded", &|out| {
        folded::write(&stacks, &FoldedOptions::default(), out)
    });
    timed("pprof", &|out| {
        pprof::write(&stacks, &PprofOptions::default(), out)
    });
    timed("speedscope", &|out| {
        speedscope::write(&stacks, &SpeedscopeOptions::default(), out)
    });
}
