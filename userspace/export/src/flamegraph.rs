//! Flame graphs: one SVG that zooms and searches, and needs nothing but a browser.
//!
//! inferno lays the picture out and brings the script. It is never shown a name: it
//! draws numbers of frames, which sort as their names do, and `paint` puts name,
//! colour and tooltip in their place. So no name can break a line or be mistaken for
//! an annotation, and two frames of one name keep the colours of their classes.

mod legend;
mod paint;
mod palette;

use std::io::Write;

use escope_profile::{FrameClass, Measure, StackFrame, Stacks};
use inferno::flamegraph as inferno_graph;
use inferno_graph::color::BackgroundColor;

use crate::ExportError;
use crate::text::{counted, drawn, duration, thousands};

/// Pixels of the widest picture that asks for a fixed width.
const WIDTH_PX_MAX: usize = 20_000;
/// inferno's width where none is fixed; the script then fits it to the window.
const WIDTH_PX: usize = 1200;
const FONT_PX: usize = 12;
/// Width of a character in units of its height, of the usual monospace fonts.
const FONT_WIDTH: f64 = 0.6;

/// How to draw a flame graph.
#[derive(Debug, Clone, PartialEq)]
pub struct FlamegraphOptions {
    /// The headline.
    pub title: String,
    /// The line below it; `None` for the number of samples, the time recorded and the
    /// rest of what is known.
    pub subtitle: Option<String>,
    /// How long was recorded, nanoseconds, for the subtitle.
    pub duration_ns: Option<u64>,
    /// How many samples were lost, for the subtitle. `None` says nothing about losses.
    pub lost: Option<u64>,
    /// What widths are.
    pub measure: Measure,
    /// Root at the top, growing downwards.
    pub inverted: bool,
    /// Frames narrower than this percentage are not drawn.
    pub min_width_percent: f64,
    /// Width in pixels; `None` fits the window.
    pub width_px: Option<usize>,
}

impl Default for FlamegraphOptions {
    fn default() -> FlamegraphOptions {
        FlamegraphOptions {
            title: "Flame graph".to_owned(),
            subtitle: None,
            duration_ns: None,
            lost: None,
            measure: Measure::Samples,
            inverted: false,
            min_width_percent: 0.05,
            width_px: None,
        }
    }
}

/// Draws the stacks. The width of the whole is [`Stacks::total`].
///
/// # Errors
/// [`ExportError::Empty`] when nothing has a weight, else when `out` fails.
pub fn write(
    stacks: &Stacks,
    options: &FlamegraphOptions,
    out: &mut impl Write,
) -> Result<(), ExportError> {
    let numbering = Numbering::new(stacks.frames());
    let lines = numbering.lines(stacks, options.measure);
    if lines.is_empty() {
        return Err(ExportError::Empty);
    }
    let mut layout = Vec::new();
    inferno_graph::from_lines(
        &mut layout_options(stacks, options),
        lines.iter().map(String::as_str),
        &mut layout,
    )?;
    let paint = paint::Paint {
        frames: numbering.by_rank(stacks.frames()),
        measure: options.measure,
        total: stacks.total().get(options.measure),
        width_px: width_px(options).unwrap_or(WIDTH_PX),
        legend: legend::items(stacks, options.measure),
    };
    paint.write(&layout, out)
}

fn width_px(options: &FlamegraphOptions) -> Option<usize> {
    options.width_px.map(|width| width.clamp(200, WIDTH_PX_MAX))
}

fn layout_options(stacks: &Stacks, options: &FlamegraphOptions) -> inferno_graph::Options<'static> {
    let mut layout = inferno_graph::Options::default();
    layout.title = drawn(&options.title);
    layout.subtitle = Some(match &options.subtitle {
        Some(subtitle) => drawn(subtitle),
        None => subtitle(stacks, options),
    });
    layout.direction = if options.inverted {
        inferno_graph::Direction::Inverted
    } else {
        inferno_graph::Direction::Straight
    };
    layout.image_width = width_px(options);
    layout.min_width = options.min_width_percent;
    layout.font_size = FONT_PX;
    layout.font_width = FONT_WIDTH;
    layout.text_truncate_direction = inferno_graph::TextTruncateDirection::Right;
    layout.bgcolors = Some(BackgroundColor::Flat(inferno_graph::color::Color {
        r: 255,
        g: 255,
        b: 255,
    }));
    layout.name_type = String::new();
    // Lines are sorted here: their order is the order of names.
    layout.no_sort = true;
    layout.deterministic = true;
    layout
}

/// `12,345 samples · 2.41 s CPU · 30.0 s recorded · 214 processes · nothing lost`.
fn subtitle(stacks: &Stacks, options: &FlamegraphOptions) -> String {
    let total = stacks.total();
    let mut parts = vec![
        counted(total.samples, "sample"),
        format!("{} CPU", duration(total.cpu_ns)),
    ];
    if let Some(ns) = options.duration_ns {
        parts.push(format!("{} recorded", duration(ns)));
    }
    if stacks.processes() > 0 {
        let processes = stacks.processes() as u64;
        let text = match processes {
            1 => "1 process".to_owned(),
            _ => format!("{} processes", thousands(processes)),
        };
        parts.push(text);
    }
    match options.lost {
        None => {}
        Some(0) => parts.push("nothing lost".to_owned()),
        Some(lost) => parts.push(format!("{} LOST", counted(lost, "sample"))),
    }
    parts.join(" · ")
}

/// Frames ranked by what is drawn of them; a rank is written with a fixed number of
/// digits, so that ranks sort as text.
struct Numbering {
    /// Rank of each frame.
    ranks: Vec<usize>,
    /// Frame of each rank.
    order: Vec<usize>,
    digits: usize,
}

impl Numbering {
    fn new(frames: &[StackFrame]) -> Numbering {
        let mut order: Vec<usize> = (0..frames.len()).collect();
        order.sort_by_cached_key(|&number| {
            let frame = &frames[number];
            let code = frame.class != FrameClass::Group;
            (code, frame.name.clone(), frame.lines, frame.class, number)
        });
        let mut ranks = vec![0; frames.len()];
        for (rank, &number) in order.iter().enumerate() {
            ranks[number] = rank;
        }
        Numbering {
            ranks,
            order,
            digits: frames.len().to_string().len(),
        }
    }

    /// Sorted folded lines of ranks.
    fn lines(&self, stacks: &Stacks, measure: Measure) -> Vec<String> {
        let mut lines: Vec<String> = stacks
            .entries()
            .iter()
            .filter(|entry| entry.weight.get(measure) > 0)
            .map(|entry| {
                let ranks: Vec<String> = stacks
                    .full_path(entry)
                    .map(|frame| format!("{:0w$}", self.ranks[frame as usize], w = self.digits))
                    .collect();
                format!("{} {}", ranks.join(";"), entry.weight.get(measure))
            })
            .collect();
        lines.sort_unstable();
        lines
    }

    fn by_rank<'a>(&self, frames: &'a [StackFrame]) -> Vec<&'a StackFrame> {
        self.order.iter().map(|&number| &frames[number]).collect()
    }
}

#[cfg(test)]
#[path = "flamegraph/tests.rs"]
mod tests;
