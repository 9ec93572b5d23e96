//! The diagram as SVG.

use escope_model::{Fate, MessageKind};

use super::{Letter, Sequence, label};
use crate::axis::exact;
use crate::colours::Class;
use crate::gantt::{Gap, GapKind};
use crate::svg::{At, Rect, Svg, fitted, px, width_px};
use crate::text::{duration, thousands};

/// Room for times.
const LEFT_PX: f64 = 150.0;
const RIGHT_PX: f64 = 30.0;
const LANE_PX: (f64, f64) = (150.0, 380.0);
/// What all lanes together take if they can.
const LANES_PX: f64 = 1100.0;
const BOX_PX: f64 = 24.0;
const BAR_PX: f64 = 8.0;
const TOP_PX: f64 = 84.0;
const REMARK_PX: f64 = 16.0;
/// Below the boxes, until the first message.
const LEAD_PX: f64 = 14.0;
const MIN_WIDTH_PX: f64 = 700.0;

const DEFS: &str = "<pattern id=\"lost\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" \
    patternTransform=\"rotate(-45)\"><rect width=\"7\" height=\"7\" fill=\"#fdeee3\"/>\
    <rect width=\"1.5\" height=\"7\" fill=\"#d55e00\"/></pattern>\
    <marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"8\" \
    markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0.5L8 4L0 7.5z\" fill=\"#222\"/></marker>\
    <marker id=\"open\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"8\" \
    markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0.5L8 4L0 7.5\" fill=\"none\" \
    stroke=\"#222\"/></marker>\
    <marker id=\"cross\" viewBox=\"0 0 8 8\" refX=\"4\" refY=\"4\" markerWidth=\"9\" \
    markerHeight=\"9\" orient=\"auto\"><path d=\"M1 1L7 7M1 7L7 1\" stroke=\"#b00020\" \
    stroke-width=\"1.6\"/></marker>";

/// The texts at arrows stand out from lines that they cross.
const HALO: &str = "halo";

struct Draw<'a> {
    sequence: &'a Sequence,
    lane_px: f64,
    /// Where the first time stands.
    top: f64,
    bottom: f64,
}

pub(super) fn picture(sequence: &Sequence) -> String {
    let script = &sequence.script;
    let lanes = script.participants.len().max(1) as f64;
    let lane_px = (LANES_PX / lanes).clamp(LANE_PX.0, LANE_PX.1);
    let top = TOP_PX + BOX_PX + LEAD_PX;
    let draw = Draw {
        sequence,
        lane_px,
        top,
        bottom: top + sequence.scale.height_px() + LEAD_PX,
    };
    let remarks = remarks(sequence);
    let texts = [&script.title, &script.subtitle];
    let widest = texts.into_iter().chain(&remarks).map(|text| width_px(text));
    let widest = widest.fold(MIN_WIDTH_PX, f64::max).min(1400.0);
    let width = (LEFT_PX + lanes * lane_px + RIGHT_PX).max(widest + 20.0);
    let height = draw.bottom + BOX_PX + 30.0 + remarks.len() as f64 * REMARK_PX;
    let mut svg = Svg::new(width, height, DEFS);
    let centre = width / 2.0;
    svg.text(At { x: centre, y: 26.0 }, "title", &script.title);
    svg.text(At { x: centre, y: 46.0 }, "subtitle", &script.subtitle);
    draw.lanes(&mut svg);
    draw.gaps(&mut svg);
    draw.calls(&mut svg);
    draw.bars(&mut svg);
    draw.times(&mut svg);
    draw.letters(&mut svg);
    draw.notes(&mut svg);
    for (row, remark) in remarks.iter().enumerate() {
        let y = draw.bottom + BOX_PX + 28.0 + row as f64 * REMARK_PX;
        svg.text(At { x: 10.0, y }, "faint", remark);
    }
    svg.finish()
}

fn remarks(sequence: &Sequence) -> Vec<String> {
    let mut remarks = vec![
        "Time goes down, in order and not to scale. An arrow goes from when a message was sent to \
         when it was taken out of the mailbox; it is level if that was at once."
            .to_owned(),
    ];
    if let Some((first_ns, _)) = sequence.scale.span() {
        remarks.push(format!(
            "Times at the left count from the first that is drawn, {} after the recording began.",
            exact(first_ns)
        ));
    }
    if sequence.bars.iter().any(|bars| !bars.all().is_empty()) {
        let mut present: Vec<Class> = Vec::new();
        for bar in sequence.bars.iter().flat_map(|bars| bars.all()) {
            if !present.contains(&bar.class) && present.len() < Class::ALL.len() {
                present.push(bar.class);
            }
        }
        let words: Vec<&str> = Class::ALL
            .into_iter()
            .filter(|class| present.contains(class))
            .map(|class| match class {
                Class::Left(escope_model::LeftAs::Waiting) => "blue: left waiting",
                Class::Left(escope_model::LeftAs::Runnable) => "orange: left runnable",
                Class::Left(escope_model::LeftAs::Dirty) => "green: to or from a dirty scheduler",
                Class::Left(escope_model::LeftAs::Suspended) => "yellow: left suspended",
                Class::Left(escope_model::LeftAs::Exiting) => "purple: left exiting",
                Class::Unseen | Class::Collection => "grey: end not seen",
            })
            .collect();
        remarks.push(format!(
            "Bars on the lines are runs on a scheduler ({}); pale ones behind them are calls that \
             are being served.",
            words.join(", ")
        ));
    }
    remarks.extend(sequence.script.remarks.iter().cloned());
    remarks
}

impl Draw<'_> {
    fn x(&self, lane: usize) -> f64 {
        LEFT_PX + (lane as f64 + 0.5) * self.lane_px
    }

    fn y(&self, at_ns: i64) -> f64 {
        self.top + self.sequence.scale.y(at_ns)
    }

    /// Lines with names above and below; one that ends has a line until then.
    fn lanes(&self, svg: &mut Svg) {
        let script = &self.sequence.script;
        for (lane, participant) in script.participants.iter().enumerate() {
            let x = self.x(lane);
            let end = script
                .notes
                .iter()
                .find(|note| note.lane == lane && note.is_end);
            let bottom = end.map_or(self.bottom, |end| self.y(end.at_ns));
            let data = format!("M{} {}V{}", px(x), px(TOP_PX + BOX_PX), px(bottom));
            svg.path(&data, "stroke=\"#aab\" stroke-dasharray=\"4 3\"", &[]);
            let mut title = vec![participant.name.clone()];
            title.extend(participant.details.iter().cloned());
            let width = self.lane_px - 14.0;
            for y in [TOP_PX, self.bottom] {
                let rect = Rect {
                    x: x - width / 2.0,
                    y,
                    width,
                    height: BOX_PX,
                };
                svg.rect(rect, "fill=\"#eef1f6\" stroke=\"#777\" rx=\"3\"", &title);
                let name = fitted(&participant.name, width - 8.0);
                svg.text(At { x, y: y + 16.0 }, "middle on", &name);
            }
        }
    }

    fn gaps(&self, svg: &mut Svg) {
        for gap in &self.sequence.script.gaps {
            let (top, bottom) = (self.y(gap.from_ns), self.y(gap.to_ns));
            let rect = Rect {
                x: LEFT_PX,
                y: top,
                width: self.lane_px * self.sequence.script.participants.len() as f64,
                height: (bottom - top).max(2.0),
            };
            let mut title = vec![gap_text(gap)];
            title.extend(gap.details.iter().cloned());
            svg.rect(rect, "class=\"gap\" fill=\"url(#lost)\"", &title);
        }
    }

    /// From when a call was taken to when it was answered, on the line of who did.
    fn calls(&self, svg: &mut Svg) {
        svg.open("class=\"calls\" fill=\"#e3e6ee\" stroke=\"#b7bccb\"");
        let letters = &self.sequence.script.letters;
        for (call, partner) in letters.iter().zip(&self.sequence.partners) {
            let reply = partner.and_then(|at| letters.get(at));
            if let (MessageKind::Call, Some(reply), Some(taken_ns)) =
                (call.kind, reply, call.received_ns)
            {
                let top = self.top + self.sequence.scale.y_of_end(call.sent_ns, taken_ns);
                let rect = Rect {
                    x: self.x(call.to) - BAR_PX,
                    y: top,
                    width: 2.0 * BAR_PX,
                    height: (self.y(reply.sent_ns) - top).max(1.0),
                };
                svg.rect(rect, "", &[]);
            }
        }
        svg.close();
    }

    fn bars(&self, svg: &mut Svg) {
        svg.open("class=\"bars runs\"");
        for (lane, bars) in self.sequence.bars.iter().enumerate() {
            for bar in bars.all() {
                let rect = Rect {
                    x: self.x(lane) - BAR_PX / 2.0,
                    y: self.top + bar.top,
                    width: BAR_PX,
                    height: (bar.bottom - bar.top).max(0.6),
                };
                let runs = match bar.runs {
                    1 => format!("ran for {}", duration(bar.running_ns)),
                    runs => format!("{} runs, {}", thousands(runs), duration(bar.running_ns)),
                };
                let times = format!("from {} to {}", exact(bar.from_ns), exact(bar.to_ns));
                svg.rect(
                    rect,
                    format!("fill=\"{}\"", bar.class.colour()),
                    &[runs, times],
                );
            }
        }
        svg.close();
    }

    /// When messages were sent, counted from the first; and how long nothing happened.
    fn times(&self, svg: &mut Svg) {
        let Some((first_ns, _)) = self.sequence.scale.span() else {
            return;
        };
        let mut last = f64::MIN;
        for letter in &self.sequence.script.letters {
            let y = self.y(letter.sent_ns) + 4.0;
            if y - last >= 12.0 {
                let after = since(letter.sent_ns.abs_diff(first_ns));
                let at = At {
                    x: LEFT_PX - 8.0,
                    y,
                };
                svg.titled(
                    at,
                    "end faint",
                    &format!("+{after}"),
                    &[exact(letter.sent_ns)],
                );
                last = y;
            }
        }
        for (y, pause_ns) in &self.sequence.scale.pauses {
            let at = At {
                x: 8.0,
                y: self.top + y + 4.0,
            };
            svg.text(at, "faint", &format!("⋮ {}", duration(*pause_ns)));
        }
    }

    fn letters(&self, svg: &mut Svg) {
        svg.open("class=\"letters\"");
        for (at, letter) in self.sequence.script.letters.iter().enumerate() {
            self.letter(svg, at, letter);
        }
        svg.close();
    }

    fn letter(&self, svg: &mut Svg, at: usize, letter: &Letter) {
        let y = self.y(letter.sent_ns);
        let is_across = self.sequence.script.gaps.iter().any(|gap| {
            let last_ns = letter.received_ns.unwrap_or(letter.sent_ns);
            gap.from_ns < last_ns && gap.to_ns > letter.sent_ns
        });
        let end = match letter.received_ns {
            Some(received_ns) if !is_across => {
                self.top + self.sequence.scale.y_of_end(letter.sent_ns, received_ns)
            }
            _ => y,
        };
        let (x, to_x) = (self.x(letter.from), self.x(letter.to));
        let side = if to_x >= x {
            BAR_PX / 2.0
        } else {
            -BAR_PX / 2.0
        };
        let data = match letter.from == letter.to {
            true => format!(
                "M{} {}h26V{}h-26",
                px(x + side),
                px(y),
                px(end.max(y + 6.0))
            ),
            false => format!(
                "M{} {}L{} {}",
                px(x + side),
                px(y),
                px(to_x - side),
                px(end)
            ),
        };
        let is_soft = matches!(letter.kind, MessageKind::Reply);
        let style = match letter.fate {
            Fate::Received if is_across => "stroke-dasharray=\"2 3\" marker-end=\"url(#open)\"",
            Fate::Received if is_soft => "stroke-dasharray=\"5 3\" marker-end=\"url(#head)\"",
            Fate::Received => "marker-end=\"url(#head)\"",
            Fate::Dropped => "stroke-dasharray=\"2 3\" marker-end=\"url(#cross)\"",
            Fate::Waiting | Fate::Unknown => "stroke-dasharray=\"2 3\" marker-end=\"url(#open)\"",
        };
        let colour = match self.sequence.partners.get(at) {
            Some(Some(_)) => "#0b5cad",
            _ => "#222",
        };
        let title = label::long(self.sequence, at, letter);
        let attributes = format!("fill=\"none\" stroke=\"{colour}\" {style}");
        svg.path(&data, attributes, &title);
        self.label(svg, (at, letter), (x, y, to_x));
    }

    /// Beside the sender, where the arrow begins.
    fn label(&self, svg: &mut Svg, (at, letter): (usize, &Letter), (x, y, to_x): (f64, f64, f64)) {
        let text = label::short(self.sequence, at, letter);
        let room_px = match letter.from == letter.to {
            true => self.lane_px - 44.0,
            false => (to_x - x).abs().min(2.0 * self.lane_px) - 26.0,
        };
        let text = fitted(&text, room_px);
        let title = label::long(self.sequence, at, letter);
        let (dx, class) = match (letter.from == letter.to, to_x > x) {
            (true, _) => (34.0, HALO.to_owned()),
            (false, true) => (12.0, HALO.to_owned()),
            (false, false) => (-12.0, format!("{HALO} end")),
        };
        let at = At {
            x: x + dx,
            y: y - 4.0,
        };
        svg.titled(at, &class, &text, &title);
    }

    fn notes(&self, svg: &mut Svg) {
        for note in &self.sequence.script.notes {
            let (x, y) = (self.x(note.lane), self.y(note.at_ns));
            let text = fitted(&note.text, self.lane_px - 24.0);
            let title = vec![note.text.clone(), format!("at {}", exact(note.at_ns))];
            let rect = Rect {
                x: x + 8.0,
                y: y - 14.0,
                width: width_px(&text) + 8.0,
                height: 15.0,
            };
            svg.rect(rect, "fill=\"#fff7d6\" stroke=\"#c9b458\"", &title);
            let at = At {
                x: x + 12.0,
                y: y - 3.0,
            };
            svg.text(at, "on", &text);
            if note.is_end {
                let data = format!("M{} {}l10 10m0 -10l-10 10", px(x - 5.0), px(y - 5.0));
                svg.path(
                    &data,
                    "stroke=\"#b00020\" stroke-width=\"2\" fill=\"none\"",
                    &title,
                );
            }
        }
    }
}

/// A time since the first message, with enough digits to tell it from the next.
fn since(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.3} ms", ns as f64 / 1e6),
        _ => format!("{:.6} s", ns as f64 / 1e9),
    }
}

/// What a gap is, in a sentence.
pub(super) fn gap_text(gap: &Gap) -> String {
    let what = match gap.kind {
        GapKind::NotRecorded => "nothing was recorded",
        GapKind::Lost => "events were lost",
    };
    let lasted = duration(gap.to_ns.abs_diff(gap.from_ns));
    format!(
        "{what} from {} to {}: {lasted}",
        exact(gap.from_ns),
        exact(gap.to_ns)
    )
}
