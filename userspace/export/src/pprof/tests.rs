use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;

use escope_profile::{GroupBy, StackOptions, Stacks};
use prost::Message;

use super::{PprofOptions, proto, write};
use crate::tests::shop;

fn decoded(stacks: &Stacks, options: &PprofOptions) -> proto::Profile {
    let mut gzip = Vec::new();
    write(stacks, options, &mut gzip).expect("a profile is written");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(gzip.as_slice())
        .read_to_end(&mut bytes)
        .expect("it is gzip");
    proto::Profile::decode(bytes.as_slice()).expect("it is a profile")
}

fn labelled() -> StackOptions {
    StackOptions {
        lines: true,
        labels: true,
        fold_recursion: false,
        ..StackOptions::default()
    }
}

fn text(profile: &proto::Profile, index: i64) -> &str {
    &profile.string_table[usize::try_from(index).expect("indexes are not negative")]
}

fn stack(profile: &proto::Profile, sample: &proto::Sample) -> Vec<String> {
    let places = sample.location_id.iter().map(|&id| {
        let location = &profile.location[id as usize - 1];
        let line = &location.line[0];
        let function = &profile.function[line.function_id as usize - 1];
        let mapping = &profile.mapping[location.mapping_id as usize - 1];
        format!(
            "{} {}:{} in {}",
            text(profile, function.name),
            text(profile, function.filename),
            line.line,
            text(profile, mapping.filename),
        )
    });
    places.collect()
}

#[test]
fn a_profile_decodes_to_what_was_written() {
    let stacks = shop(labelled());
    let options = PprofOptions {
        time_ns: 1_750_000_000_000_000_000,
        duration_ns: 30_000_000_000,
        period_ns: 10_101_010,
        comments: vec!["2 samples lost".to_owned()],
    };
    let profile = decoded(&stacks, &options);
    assert_eq!(profile.string_table[0], "");
    assert_eq!(text(&profile, profile.default_sample_type), "cpu");
    assert_eq!(text(&profile, profile.comment[0]), "2 samples lost");
    assert_eq!(profile.time_nanos, options.time_ns);
    assert_eq!(profile.duration_nanos, 30_000_000_000);
    assert_eq!(profile.period, 10_101_010);
    let types: Vec<(&str, &str)> = profile
        .sample_type
        .iter()
        .map(|t| (text(&profile, t.r#type), text(&profile, t.unit)))
        .collect();
    assert_eq!(types, [("samples", "count"), ("cpu", "nanoseconds")]);
    let sum = |at: usize| {
        profile
            .sample
            .iter()
            .map(|s| s.value[at] as u64)
            .sum::<u64>()
    };
    assert_eq!(sum(0), stacks.total().samples);
    assert_eq!(sum(1), stacks.total().cpu_ns);
}

#[test]
fn the_first_mapping_is_the_emulator_and_ids_count_from_one() {
    let profile = decoded(&shop(labelled()), &PprofOptions::default());
    assert_eq!(text(&profile, profile.mapping[0].filename), "beam.smp");
    let counted = |ids: Vec<u64>| ids.iter().zip(1..).all(|(&id, at)| id == at);
    assert!(counted(profile.mapping.iter().map(|m| m.id).collect()));
    assert!(counted(profile.location.iter().map(|l| l.id).collect()));
    assert!(counted(profile.function.iter().map(|f| f.id).collect()));
    assert!(profile.location.iter().all(|l| l.mapping_id > 0));
}

#[test]
fn samples_match_their_golden() {
    let profile = decoded(&shop(labelled()), &PprofOptions::default());
    let mut seen: BTreeMap<Vec<String>, String> = BTreeMap::new();
    for sample in &profile.sample {
        let labels: Vec<String> = sample
            .label
            .iter()
            .map(|label| match label.str {
                0 => format!("{}={}", text(&profile, label.key), label.num),
                str => format!("{}={:?}", text(&profile, label.key), text(&profile, str)),
            })
            .collect();
        seen.entry(stack(&profile, sample))
            .or_insert_with(|| format!("{:?} {}", sample.value, labels.join(" ")));
    }
    let mut golden = String::new();
    for (stack, rest) in seen {
        writeln!(golden, "{rest}\n  {}", stack.join("\n  ")).expect("a string takes text");
    }
    insta::assert_snapshot!(golden);
}

#[test]
fn leaves_come_first_also_in_reversed_stacks() {
    let options = StackOptions {
        group_by: GroupBy::Process,
        ..StackOptions::default()
    };
    let reversed = StackOptions {
        reverse: true,
        ..options
    };
    let leaves = |options| {
        let profile = decoded(&shop(options), &PprofOptions::default());
        let mut leaves: Vec<String> = profile
            .sample
            .iter()
            .map(|sample| stack(&profile, sample)[0].clone())
            .collect();
        leaves.sort();
        leaves
    };
    assert_eq!(leaves(options), leaves(reversed));
    let profile = decoded(&shop(options), &PprofOptions::default());
    let label = profile.sample[0].label[0];
    assert_eq!(text(&profile, label.key), "group");
}
