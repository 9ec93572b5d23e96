//! What the colours and signs of a chart mean.

use crate::colours::{Class, LEVELS};
use crate::svg::{At, Rect, Svg, width_px};

const SWATCH_PX: f64 = 11.0;
const GAP_PX: f64 = 16.0;
/// Height of a line of it.
pub(super) const LINE_PX: f64 = 18.0;

/// One sign and its meaning.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub(super) sign: Sign,
    pub(super) text: String,
}

/// What stands before the meaning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sign {
    Bar(Class),
    /// A light and a dark shade.
    Shades,
    Fill(&'static str),
    /// A path around the middle of the swatch.
    Path(&'static str, &'static str),
}

impl Item {
    fn width_px(&self) -> f64 {
        let sign_px = match self.sign {
            Sign::Shades => SWATCH_PX * 3.0,
            _ => SWATCH_PX,
        };
        sign_px + 5.0 + width_px(&self.text)
    }

    fn draw(&self, svg: &mut Svg, at: At) {
        let swatch = |x: f64| Rect {
            x,
            y: at.y - 10.0,
            width: SWATCH_PX,
            height: SWATCH_PX,
        };
        let mut text_x = at.x + SWATCH_PX + 5.0;
        match self.sign {
            Sign::Bar(class) => {
                let fill = class.colour();
                svg.rect(
                    swatch(at.x),
                    format!("fill=\"{fill}\" stroke=\"#777\" stroke-width=\"0.5\" rx=\"2\""),
                    &[],
                );
            }
            Sign::Fill(fill) => svg.rect(
                swatch(at.x),
                format!("fill=\"{fill}\" stroke=\"#777\" stroke-width=\"0.5\" rx=\"2\""),
                &[],
            ),
            Sign::Shades => {
                for (at_x, level) in [(0.0, 1), (1.0, LEVELS / 2), (2.0, LEVELS)] {
                    let fill = Class::Unseen.shade(level);
                    let x = at.x + at_x * SWATCH_PX;
                    svg.rect(swatch(x), format!("fill=\"{fill}\""), &[]);
                }
                text_x += 2.0 * SWATCH_PX;
            }
            Sign::Path(data, attributes) => {
                let (x, y) = (at.x + SWATCH_PX / 2.0, at.y - 4.5);
                svg.open(format!("transform=\"translate({x},{y})\""));
                svg.path(data, attributes, &[]);
                svg.close();
            }
        }
        svg.text(At { x: text_x, y: at.y }, "", &self.text);
    }
}

/// The lines that items take in a width, each with its own width.
pub(super) fn lines(items: &[Item], most_px: f64) -> Vec<(f64, Vec<&Item>)> {
    let mut lines: Vec<(f64, Vec<&Item>)> = Vec::new();
    for item in items {
        let width_px = item.width_px();
        match lines.last_mut() {
            Some((line_px, line)) if *line_px + GAP_PX + width_px <= most_px => {
                *line_px += GAP_PX + width_px;
                line.push(item);
            }
            _ => lines.push((width_px, vec![item])),
        }
    }
    lines
}

/// Draws lines, each centred, the first one's text on a height.
pub(super) fn draw(svg: &mut Svg, lines: &[(f64, Vec<&Item>)], centre: At) {
    for (row, (line_px, line)) in lines.iter().enumerate() {
        let y = centre.y + row as f64 * LINE_PX;
        let mut x = centre.x - line_px / 2.0;
        for item in line {
            item.draw(svg, At { x, y });
            x += item.width_px() + GAP_PX;
        }
    }
}
