//! Boxes and the lines between them.

use super::Shape;
use super::layout::{Place, Placed};
use crate::svg::{At, Rect, Svg, fitted, px, width_px};
use crate::text::thousands;

const MARGIN_PX: f64 = 16.0;
const TOP_PX: f64 = 64.0;
const ROW_PX: f64 = 22.0;
const BOX_PX: f64 = 17.0;
/// Between columns, for lines.
const GAP_PX: f64 = 26.0;
const LEGEND_PX: f64 = 40.0;
const WIDTH_MIN_PX: f64 = 900.0;
/// Of a text above the bottom of its box.
const BASE_PX: f64 = 5.0;

pub(super) fn paint(title: &str, subtitle: &str, placed: &Placed<'_>) -> String {
    let columns = columns(placed);
    let right = columns.last().map_or(0.0, |(left, width)| left + width);
    let width = (right + MARGIN_PX).max(WIDTH_MIN_PX);
    let bottom = TOP_PX + placed.rows as f64 * ROW_PX;
    let mut svg = Svg::new(width, bottom + LEGEND_PX, "");
    let middle = width / 2.0;
    svg.text(At { x: middle, y: 26.0 }, "title", title);
    let missing = match placed.missing as u64 {
        0 => String::new(),
        missing => format!("; {} more are not drawn", thousands(missing)),
    };
    let subtitle = format!("{subtitle}{missing}");
    svg.text(At { x: middle, y: 46.0 }, "subtitle", &subtitle);
    svg.open("class=\"lines\" fill=\"none\" stroke=\"#999\"");
    for place in &placed.places {
        if let Some(parent) = place.parent.and_then(|at| placed.places.get(at)) {
            line(&mut svg, &columns, parent, place);
        }
    }
    svg.close();
    svg.open("class=\"bars boxes\" stroke=\"#777\" stroke-width=\"0.7\"");
    for place in &placed.places {
        svg.rect(rect(&columns, place), fill(place.item.shape), &known(place));
    }
    svg.close();
    svg.open("class=\"on\"");
    for place in &placed.places {
        let rect = rect(&columns, place);
        let at = At {
            x: rect.x + 6.0,
            y: rect.y + rect.height - BASE_PX,
        };
        svg.text(at, "", &fitted(&place.item.label, rect.width - 10.0));
    }
    svg.close();
    legend(&mut svg, bottom + LEGEND_PX / 2.0);
    svg.finish()
}

/// Where each column begins, and how wide it is.
fn columns(placed: &Placed<'_>) -> Vec<(f64, f64)> {
    let mut left = MARGIN_PX;
    let column = |&width: &f64| {
        let column = (left, width);
        left += width + GAP_PX;
        column
    };
    placed.widths_px.iter().map(column).collect()
}

fn rect(columns: &[(f64, f64)], place: &Place<'_>) -> Rect {
    let (x, width) = columns.get(place.level).copied().unwrap_or_default();
    Rect {
        x,
        y: TOP_PX + place.row * ROW_PX - BOX_PX / 2.0,
        width,
        height: BOX_PX,
    }
}

/// From the right of one box to the left of another.
fn line(svg: &mut Svg, columns: &[(f64, f64)], from: &Place<'_>, to: &Place<'_>) {
    let (from, to) = (rect(columns, from), rect(columns, to));
    let middle = |rect: Rect| px(rect.y + rect.height / 2.0);
    let bend = px(to.x - GAP_PX / 2.0);
    let data = format!(
        "M{} {}H{bend}V{}H{}",
        px(from.x + from.width),
        middle(from),
        middle(to),
        px(to.x)
    );
    svg.path(&data, "", &[]);
}

fn fill(shape: Shape) -> String {
    let dashes = match shape {
        Shape::Absent | Shape::Untold => " stroke-dasharray=\"4 2\"",
        _ => "",
    };
    format!("rx=\"3\" fill=\"{}\"{dashes}", shape.colour())
}

fn known(place: &Place<'_>) -> Vec<String> {
    let mut known = vec![place.item.label.clone()];
    known.extend(place.item.known.iter().cloned());
    known
}

fn legend(svg: &mut Svg, y: f64) {
    let mut x = MARGIN_PX;
    svg.open("class=\"legend\" stroke=\"#777\" stroke-width=\"0.7\"");
    for shape in Shape::ALL {
        let rect = Rect {
            x,
            y,
            width: 14.0,
            height: 11.0,
        };
        svg.rect(rect, fill(shape), &[]);
        x += 24.0 + width_px(shape.meaning()) + 16.0;
    }
    svg.close();
    let mut x = MARGIN_PX;
    for shape in Shape::ALL {
        let at = At {
            x: x + 20.0,
            y: y + 9.5,
        };
        svg.text(at, "", shape.meaning());
        x += 24.0 + width_px(shape.meaning()) + 16.0;
    }
}
