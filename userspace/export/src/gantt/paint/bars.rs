//! What stands in a row: bars, collections, mailbox, marks; and arrows between rows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use escope_model::Fate;

use super::{LEFT_PX, MAILBOX_PX, Paint, Place, STRIP_PX};
use crate::axis::exact;
use crate::colours::Class;
use crate::gantt::Arrow;
use crate::gantt::legend::Sign;
use crate::gantt::marks::{Mark, MarkKind};
use crate::gantt::row::{Bar, Row, Shaded, Track};
use crate::svg::{At, Rect, Svg, fitted, px};
use crate::text::{duration, percent, thousands};

pub(super) const MAILBOX: &str = "#7b6fb0";
pub(super) const SPAWN: Sign = Sign::Path("M-3.5 -4.5L3.5 0L-3.5 4.5z", "fill=\"#009e73\"");
pub(super) const EXIT: Sign = Sign::Path("M-3 -3H3V3H-3z", "fill=\"#333\"");
pub(super) const CUT: Sign = Sign::Path(
    "M-5.5 -5.5H5.5V5.5H-5.5z",
    "fill=\"#fff\" stroke=\"#333\" stroke-dasharray=\"2 2\"",
);
pub(super) const CRASH: Sign = Sign::Path(
    "M-3.5 -3.5L3.5 3.5M-3.5 3.5L3.5 -3.5",
    "fill=\"none\" stroke=\"#b00020\" stroke-width=\"2\"",
);
pub(super) const NAME: Sign = Sign::Path("M0 -4L3.5 0L0 4L-3.5 0z", "fill=\"#0072b2\"");

/// Bars narrower than that have no edge: it would cover them.
const EDGE_PX: f64 = 3.0;

impl Paint<'_> {
    pub(super) fn bars(&self, svg: &mut Svg, row: &Row, place: &Place) {
        let height = place.bar_px;
        self.track(svg, &row.runs, "runs", (place.y, height), "runs");
        if !row.collections.is_empty() {
            let y = place.y + height + 1.0;
            self.track(svg, &row.collections, "gc", (y, STRIP_PX), "collections");
        }
    }

    fn track(&self, svg: &mut Svg, track: &Track, id: &str, (y, height): (f64, f64), what: &str) {
        if track.is_empty() {
            return;
        }
        svg.open(format!("class=\"bars {id}\""));
        let (shaded, _) = track.shaded(&self.chart.columns, &self.chart.gaps);
        if self.is_dense {
            self.shapes(svg, &shaded, (y, height), what);
        }
        for piece in shaded.iter().filter(|_| !self.is_dense) {
            let rect = self.rect(piece.start_ns, piece.end_ns, y, height);
            let fill = format!("fill=\"{}\"", piece.class.shade(piece.level));
            svg.rect(rect, fill, &merged(piece, what));
        }
        for bar in track.bars() {
            self.bar(svg, bar, (y, height));
        }
        svg.close();
    }

    /// The shaded bars of a row as one shape a shade, with what they add up to.
    fn shapes(&self, svg: &mut Svg, shaded: &[Shaded], (y, height): (f64, f64), what: &str) {
        let mut shapes: BTreeMap<(usize, u8), (String, Shaded)> = BTreeMap::new();
        for piece in shaded {
            let (x, to) = (self.x(piece.start_ns), self.x(piece.end_ns));
            let part = format!("M{} {}h{}v{height}H{}z", px(x), px(y), px(to - x), px(x));
            match shapes.entry((piece.class.number(), piece.level)) {
                Entry::Vacant(entry) => {
                    entry.insert((part, piece.clone()));
                }
                Entry::Occupied(mut entry) => {
                    let (data, sum) = entry.get_mut();
                    data.push_str(&part);
                    sum.add(piece);
                    sum.end_ns = piece.end_ns;
                }
            }
        }
        for (data, sum) in shapes.values() {
            let fill = format!("fill=\"{}\"", sum.class.shade(sum.level));
            let mut title = merged(sum, what);
            title.insert(0, "all of this shade in this row:".to_owned());
            svg.path(data, fill, &title);
        }
    }

    fn bar(&self, svg: &mut Svg, bar: &Bar, (y, height): (f64, f64)) {
        let rect = self.rect(bar.start_ns, bar.end_ns, y, height);
        let mut attributes = format!("fill=\"{}\"", bar.class.colour());
        if bar.cut.is_some() {
            // Times of what was not seen are bounds.
            attributes += " fill-opacity=\"0.45\" stroke=\"#333\" stroke-width=\"0.8\" \
                           stroke-dasharray=\"2 2\"";
        } else if rect.width >= EDGE_PX && height > STRIP_PX {
            attributes += " stroke=\"#fff\" stroke-width=\"0.5\"";
        }
        svg.rect(rect, attributes, &bar.facts.lines);
        let text = fitted(&bar.facts.label, rect.width - 4.0);
        if !text.is_empty() && height > STRIP_PX {
            let at = At {
                x: rect.x + 3.0,
                y: y + height - 3.0,
            };
            svg.text(at, "on", &text);
        }
    }

    fn rect(&self, start_ns: i64, end_ns: i64, y: f64, height: f64) -> Rect {
        let x = self.x(start_ns);
        Rect {
            x,
            y,
            width: self.x(end_ns) - x,
            height,
        }
    }

    /// The mailbox's length as an area, as high as the row's longest.
    pub(super) fn mailbox(&self, svg: &mut Svg, place: &Place) {
        let Some(columns) = &place.mailbox else {
            return;
        };
        let most = columns.iter().flatten().copied().max().unwrap_or(1).max(1);
        let foot = place.y + place.height - 3.0;
        let grain_px = self.chart.columns.grain_px;
        let mut data = String::new();
        let mut height_of_last = None;
        for (column, length) in columns.iter().enumerate() {
            let height = length.map(|length| length as f64 / most as f64 * MAILBOX_PX);
            let height = height.filter(|height| *height > 0.0);
            if height != height_of_last {
                let x = px(LEFT_PX + column as f64 * grain_px);
                match (height_of_last, height) {
                    (None, Some(height)) => {
                        data += &format!("M{x} {}V{}", px(foot), px(foot - height));
                    }
                    (Some(_), Some(height)) => data += &format!("H{x}V{}", px(foot - height)),
                    (Some(_), None) => data += &format!("H{x}V{}z", px(foot)),
                    (None, None) => {}
                }
                height_of_last = height;
            }
        }
        if height_of_last.is_some() {
            let x = px(LEFT_PX + columns.len() as f64 * grain_px);
            data += &format!("H{x}V{}z", px(foot));
        }
        let title = [format!(
            "at most {} messages in its mailbox, of those that were seen sent",
            thousands(most)
        )];
        let attributes = format!("class=\"mailbox\" fill=\"{MAILBOX}\" fill-opacity=\"0.75\"");
        svg.path(&data, attributes, &title);
        let at = At {
            x: LEFT_PX - 8.0,
            y: foot - 2.0,
        };
        svg.text(
            at,
            "end faint",
            &format!("mailbox, most {}", thousands(most)),
        );
    }

    pub(super) fn marks(&self, svg: &mut Svg, row: &Row, place: &Place) {
        for mark in row.marks.all() {
            let Sign::Path(data, attributes) = (match mark.kind {
                MarkKind::Spawn => SPAWN,
                MarkKind::Exit => EXIT,
                MarkKind::Crash => CRASH,
                MarkKind::Name => NAME,
            }) else {
                continue;
            };
            let (x, y) = (self.x(mark.at_ns), place.y + place.bar_px / 2.0);
            svg.open(format!(
                "class=\"mark\" transform=\"translate({},{})\"",
                px(x),
                px(y)
            ));
            svg.path(data, attributes, &what_happened(mark));
            svg.close();
        }
    }

    pub(super) fn arrows(&self, svg: &mut Svg) {
        svg.open("fill=\"none\" stroke=\"#333\" stroke-width=\"0.8\" class=\"arrows\"");
        for (arrow, facts) in self.chart.arrows.drawn() {
            if let (Some(from), Some(to)) = (self.places.get(arrow.from), self.places.get(arrow.to))
            {
                self.arrow(svg, arrow, (from, to), facts);
            }
        }
        svg.close();
    }

    /// From one row to another; one that goes on beyond the picture ends at its edge, without a
    /// head.
    fn arrow(&self, svg: &mut Svg, arrow: &Arrow, (from, to): (&Place, &Place), facts: &[String]) {
        let columns = &self.chart.columns;
        let received_ns = arrow.received_ns.unwrap_or(arrow.sent_ns);
        let foot = |place: &Place, is_lower: bool| match is_lower {
            true => place.y,
            false => place.y + place.bar_px,
        };
        let (y, to_y) = (foot(from, from.y > to.y), foot(to, to.y > from.y));
        // Where the line is at a time.
        let wide = (received_ns as f64 - arrow.sent_ns as f64).max(1.0);
        let at = |at_ns: i64| y + (to_y - y) * (at_ns as f64 - arrow.sent_ns as f64) / wide;
        let start_ns = arrow.sent_ns.max(columns.from_ns);
        let end_ns = received_ns.min(columns.to_ns);
        let (x, to_x) = (px(self.x(start_ns)), px(self.x(end_ns)));
        let data = if arrow.from == arrow.to {
            format!("M{x} {}q0 9 4 9H{to_x}", px(y))
        } else if end_ns > start_ns {
            format!("M{x} {}L{to_x} {}", px(at(start_ns)), px(at(end_ns)))
        } else {
            format!("M{x} {}V{}", px(y), px(to_y))
        };
        let end = match arrow.fate {
            Fate::Received if received_ns > columns.to_ns => "",
            Fate::Received => "marker-end=\"url(#head)\"",
            Fate::Dropped => "marker-end=\"url(#cross)\" stroke-dasharray=\"3 2\"",
            Fate::Waiting | Fate::Unknown => "marker-end=\"url(#head)\" stroke-dasharray=\"3 2\"",
        };
        svg.path(&data, end, facts);
    }
}

/// What a shaded bar stands for.
fn merged(piece: &Shaded, what: &str) -> Vec<String> {
    let sums = &piece.sums;
    let busy_ns = sums.busy_ns.min(piece.free_ns);
    let mut lines = vec![
        format!("{} {what}, merged", thousands(sums.spans)),
        format!("from {} to {}", exact(piece.start_ns), exact(piece.end_ns)),
        format!(
            "busy for {} of {}: {}",
            duration(busy_ns),
            duration(piece.free_ns),
            percent(busy_ns, piece.free_ns)
        ),
    ];
    if what == "runs" {
        let of_class = Class::ALL.iter().zip(sums.of_class);
        let ways = of_class.filter(|(_, count)| *count > 0);
        let ways: Vec<String> = ways
            .map(|(class, count)| format!("{} {}", thousands(count), class.meaning()))
            .collect();
        if !ways.is_empty() {
            lines.push(ways.join(", "));
        }
        lines.push(format!("{} reductions", thousands(sums.reductions)));
    }
    lines
}

fn what_happened(mark: &Mark) -> Vec<String> {
    let mut lines = vec![format!("at {}", exact(mark.at_ns))];
    lines.extend(mark.facts.iter().cloned());
    if mark.more > 0 {
        lines.push(format!(
            "and {} more like this, near to it",
            thousands(mark.more)
        ));
    }
    lines
}
