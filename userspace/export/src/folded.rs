//! Folded stacks: `root;frame;leaf 12`, one line for each distinct stack.
//!
//! The lingua franca of flame graph tools. A line is split at `;` and at the last
//! space, so names must hold neither a `;` nor end like a count.

use std::collections::BTreeMap;
use std::io::Write;

use escope_profile::{FrameClass, Measure, StackFrame, Stacks};

use crate::ExportError;
use crate::text::clean;

/// How to write folded stacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FoldedOptions {
    /// The number at the end of each line.
    pub measure: Measure,
    /// Write `name (file:line)` where the place is known.
    pub locations: bool,
}

/// Writes one line for each distinct stack, sorted; its weights add up to
/// [`Stacks::total`]. Stacks of weight 0 are left out.
///
/// # Errors
/// When `out` fails.
pub fn write(
    stacks: &Stacks,
    options: &FoldedOptions,
    out: &mut impl Write,
) -> Result<(), ExportError> {
    let names: Vec<String> = stacks
        .frames()
        .iter()
        .map(|frame| token(frame, options.locations))
        .collect();
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for entry in stacks.entries() {
        let weight = entry.weight.get(options.measure);
        if weight == 0 {
            continue;
        }
        let mut line = String::new();
        for frame in stacks.full_path(entry) {
            if !line.is_empty() {
                line.push(';');
            }
            line.push_str(&names[frame as usize]);
        }
        let sum = lines.entry(line).or_default();
        *sum = sum.saturating_add(weight);
    }
    for (line, weight) in lines {
        writeln!(out, "{line} {weight}")?;
    }
    Ok(())
}

/// A frame's name as a token of a line.
fn token(frame: &StackFrame, locations: bool) -> String {
    let mut token = clean(&frame.name);
    if locations
        && frame.class != FrameClass::Group
        && let Some(location) = frame.location()
    {
        token = format!("{token} ({})", clean(&location));
    }
    token = token.replace(';', ":");
    // Readers take a second number for the other half of a differential profile.
    if let Some(space) = token.rfind(' ')
        && token[space + 1..]
            .chars()
            .all(|c| c.is_ascii_digit() || c == '.')
    {
        token.replace_range(space..=space, "_");
    }
    // Readers take a leading `# ` for a comment.
    if let Some(rest) = token.strip_prefix('#') {
        token = format!("_{rest}");
    }
    token
}
