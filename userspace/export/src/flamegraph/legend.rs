//! What the colours mean, and how much of the time each of them had the CPU.

use escope_profile::{FrameClass, Measure, Stacks};
use quick_xml::escape::escape;

use super::palette::class_colour;
use crate::text::percent;

/// Room for the legend, between the subtitle and the frames.
pub(super) const HEIGHT_PX: usize = 26;

const FONT_PX: f64 = 11.0;
const SWATCH_PX: f64 = 11.0;
const GAP_PX: f64 = 18.0;

/// One colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    class: FrameClass,
    text: String,
}

/// The classes that occur, each with its share of the leaves if it has any.
pub(super) fn items(stacks: &Stacks, measure: Measure) -> Vec<Item> {
    let total = stacks.total().get(measure);
    FrameClass::ALL
        .iter()
        .filter(|&&class| class != FrameClass::Group)
        .filter(|&&class| stacks.frames().iter().any(|frame| frame.class == class))
        .map(|&class| {
            let own = stacks
                .entries()
                .iter()
                .filter(|entry| stacks.leaf(entry).is_some_and(|leaf| leaf.class == class))
                .map(|entry| entry.weight.get(measure))
                .fold(0, u64::saturating_add);
            let text = match own {
                0 => class.as_str().to_owned(),
                _ => format!("{} {}", class.as_str(), percent(own, total)),
            };
            Item { class, text }
        })
        .collect()
}

/// The legend as an SVG fragment, centred, whose text stands on `baseline_px`.
///
/// A nested `svg` at half the width keeps it centred when the script resizes the
/// picture; its id is not known to the script, so hovering and searching pass it by.
pub(super) fn svg(items: &[Item], baseline_px: usize) -> String {
    let widths: Vec<f64> = items.iter().map(item_width).collect();
    let width: f64 = widths.iter().sum::<f64>() + GAP_PX * (items.len().max(1) - 1) as f64;
    let mut x = -width / 2.0;
    let mut svg = format!(
        "<svg id=\"legend\" x=\"50%\" y=\"{baseline_px}\" overflow=\"visible\">\
         <title>Colours, and the share of time that each had the CPU</title>"
    );
    for (item, width) in items.iter().zip(widths) {
        svg.push_str(&format!(
            "<rect x=\"{x:.1}\" y=\"-10\" width=\"{SWATCH_PX}\" height=\"{SWATCH_PX}\" rx=\"2\" \
             stroke=\"#777\" stroke-width=\"0.5\" fill=\"{}\"/>\
             <text x=\"{:.1}\" y=\"0\" style=\"font-size:{FONT_PX}px\" fill=\"#333\">{}</text>",
            class_colour(item.class),
            x + SWATCH_PX + 5.0,
            escape(&item.text),
        ));
        x += width + GAP_PX;
    }
    svg.push_str("</svg>");
    svg
}

fn item_width(item: &Item) -> f64 {
    SWATCH_PX + 5.0 + item.text.chars().count() as f64 * FONT_PX * super::FONT_WIDTH
}
