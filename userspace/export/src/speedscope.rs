//! The file format of speedscope: <https://www.speedscope.app/file-format-schema.json>.
//!
//! One profile for each group, of the type "sampled": a list of stacks and a list of
//! weights. Time does not appear; stacks are sorted so that equal prefixes touch, and
//! the time order view shows the same shape as the left heavy one.

use std::collections::BTreeMap;
use std::io::Write;

use escope_profile::{Entry, FrameClass, Measure, Stacks};
use serde::Serialize;

use crate::ExportError;

const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";
const EXPORTER: &str = concat!("escope-bpf@", env!("CARGO_PKG_VERSION"));

/// How to write a speedscope file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeedscopeOptions {
    /// Shown as the file's name.
    pub name: String,
    /// What weights are.
    pub measure: Measure,
}

impl Default for SpeedscopeOptions {
    fn default() -> SpeedscopeOptions {
        SpeedscopeOptions {
            name: "escope-bpf".to_owned(),
            measure: Measure::CpuNs,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    shared: Shared<'a>,
    profiles: Vec<Profile<'a>>,
    name: &'a str,
    active_profile_index: usize,
    exporter: &'static str,
}

#[derive(Serialize)]
struct Shared<'a> {
    frames: Vec<Frame<'a>>,
}

#[derive(Serialize)]
struct Frame<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile<'a> {
    r#type: &'static str,
    name: &'a str,
    unit: &'static str,
    start_value: u64,
    end_value: u64,
    samples: Vec<&'a [u32]>,
    weights: Vec<u64>,
}

/// Writes one profile for each group, heaviest first; one for all where stacks are
/// not grouped. Weights add up to [`Stacks::total`].
///
/// # Errors
/// When `out` fails.
pub fn write(
    stacks: &Stacks,
    options: &SpeedscopeOptions,
    out: &mut impl Write,
) -> Result<(), ExportError> {
    let mut groups: BTreeMap<Option<u32>, Vec<&Entry>> = BTreeMap::new();
    for entry in stacks.entries() {
        groups.entry(entry.group).or_default().push(entry);
    }
    if groups.is_empty() {
        groups.insert(None, Vec::new());
    }
    let mut profiles: Vec<Profile<'_>> = groups
        .into_iter()
        .map(|(group, entries)| profile(stacks, group, entries, options))
        .collect();
    profiles.sort_by(|a, b| (b.end_value, a.name).cmp(&(a.end_value, b.name)));
    let file = File {
        schema: SCHEMA,
        shared: Shared {
            frames: frames(stacks),
        },
        profiles,
        name: &options.name,
        active_profile_index: 0,
        exporter: EXPORTER,
    };
    serde_json::to_writer(&mut *out, &file)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// All frames, groups too, so that indexes stay as they are.
fn frames(stacks: &Stacks) -> Vec<Frame<'_>> {
    stacks
        .frames()
        .iter()
        .map(|frame| Frame {
            name: match frame.name.as_str() {
                "" => "[unnamed]",
                name => name,
            },
            file: match frame.class {
                FrameClass::Kernel => Some("[kernel]"),
                _ => frame.file.as_deref().or(frame.object.as_deref()),
            },
            line: frame.lines.map(|(first, _)| first),
        })
        .collect()
}

fn profile<'a>(
    stacks: &'a Stacks,
    group: Option<u32>,
    entries: Vec<&Entry>,
    options: &'a SpeedscopeOptions,
) -> Profile<'a> {
    let mut weighted: BTreeMap<&[u32], u64> = BTreeMap::new();
    for entry in entries {
        let weight = weighted.entry(stacks.path(entry)).or_default();
        *weight = weight.saturating_add(entry.weight.get(options.measure));
    }
    let (samples, weights): (Vec<_>, Vec<_>) = weighted.into_iter().unzip();
    Profile {
        r#type: "sampled",
        name: group.map_or(&options.name, |frame| &stacks.frames()[frame as usize].name),
        unit: match options.measure {
            Measure::Samples => "none",
            Measure::CpuNs => "nanoseconds",
        },
        start_value: 0,
        end_value: weights
            .iter()
            .fold(0, |sum, &w| u64::saturating_add(sum, w)),
        samples,
        weights,
    }
}
