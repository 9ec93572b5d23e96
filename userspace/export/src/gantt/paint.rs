//! Draws a chart: where everything stands.

use super::columns::BARS_MAX;
use super::gaps::GapKind;
use super::legend::{self, Item, Sign};
use super::row::Row;
use super::{Account, Gantt, Lane, LaneKind};
use crate::axis::{Axis, exact};
use crate::colours::Class;
use crate::svg::{At, Rect, Svg, fitted, px};
use crate::text::{counted, duration, percent, thousands};

mod bars;

/// Room for names, and for figures behind the rows.
const LEFT_PX: f64 = 250.0;
const RIGHT_PX: f64 = 76.0;
const TICK_APART_PX: f64 = 100.0;
const SCHEDULER_PX: f64 = 16.0;
const PROCESS_PX: f64 = 13.0;
const STRIP_PX: f64 = 4.0;
const MAILBOX_PX: f64 = 16.0;
const PAD_PX: f64 = 6.0;
const HEADING_PX: f64 = 22.0;
/// The band above the rows that shows every gap, however short.
const BAND_PX: f64 = 7.0;
const NOTE_PX: f64 = 16.0;
/// A mailbox that never got so long is not drawn.
const MAILBOX_MIN: u64 = 5;

const HATCHES: &str = "<pattern id=\"none\" width=\"6\" height=\"6\" \
    patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
    <rect width=\"6\" height=\"6\" fill=\"#e6e6e6\"/><rect width=\"2\" height=\"6\" fill=\"#9a9a9a\"/>\
    </pattern><pattern id=\"lost\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" \
    patternTransform=\"rotate(-45)\"><rect width=\"7\" height=\"7\" fill=\"#fdeee3\"/>\
    <rect width=\"1.5\" height=\"7\" fill=\"#d55e00\"/></pattern>\
    <marker id=\"head\" viewBox=\"0 0 6 6\" refX=\"5.5\" refY=\"3\" markerWidth=\"6\" \
    markerHeight=\"6\" orient=\"auto\"><path d=\"M0 0.5L6 3L0 5.5z\" fill=\"#333\"/></marker>\
    <marker id=\"cross\" viewBox=\"0 0 6 6\" refX=\"3\" refY=\"3\" markerWidth=\"7\" \
    markerHeight=\"7\" orient=\"auto\"><path d=\"M1 1L5 5M1 5L5 1\" stroke=\"#a00\"/></marker>";

/// Pixels of the time within a picture.
pub(super) fn plot_width_px(width_px: usize) -> f64 {
    width_px as f64 - LEFT_PX - RIGHT_PX
}

/// A row's place.
#[derive(Debug)]
struct Place {
    y: f64,
    height: f64,
    bar_px: f64,
    /// The most messages in its mailbox in each column, if that is drawn.
    mailbox: Option<Vec<Option<u64>>>,
}

/// A chart and where its rows stand.
#[derive(Debug)]
pub(super) struct Paint<'a> {
    chart: &'a Gantt,
    axis: Axis,
    legend: Vec<Item>,
    /// Where the rows begin and end.
    top: f64,
    bottom: f64,
    places: Vec<Place>,
    headings: Vec<(f64, &'static str)>,
    /// Whether there are so many shaded bars that those of a row are one shape a shade.
    is_dense: bool,
    notes: Vec<String>,
}

impl<'a> Paint<'a> {
    pub(super) fn new(chart: &'a Gantt) -> Paint<'a> {
        let columns = &chart.columns;
        let most = (columns.width_px / TICK_APART_PX) as usize;
        let axis = Axis::new(columns.from_ns, columns.to_ns, most.max(2));
        let legend = legend_of(chart);
        let lines = legend::lines(&legend, chart.options.width_px as f64 - 40.0).len();
        let top = 66.0 + lines as f64 * legend::LINE_PX + 22.0;
        let mut paint = Paint {
            chart,
            axis,
            legend,
            top,
            bottom: top,
            places: Vec::new(),
            headings: Vec::new(),
            is_dense: is_dense(chart),
            notes: notes(chart),
        };
        paint.lay_out();
        paint
    }

    /// One row below the other, with a heading before the first of each kind.
    fn lay_out(&mut self) {
        let mut y = self.top + BAND_PX;
        let mut last = None;
        for (lane, row) in self.chart.lanes.iter().zip(&self.chart.rows) {
            if last != Some(lane.kind) {
                last = Some(lane.kind);
                let heading = match lane.kind {
                    LaneKind::Scheduler => "schedulers",
                    LaneKind::Process => "processes",
                };
                self.headings.push((y + HEADING_PX - 7.0, heading));
                y += HEADING_PX;
            }
            let mailbox = row.mailbox.most(&self.chart.columns, &self.chart.gaps);
            let mailbox = mailbox.filter(|most| {
                most.iter()
                    .flatten()
                    .max()
                    .is_some_and(|m| *m >= MAILBOX_MIN)
            });
            let bar_px = match lane.kind {
                LaneKind::Scheduler => SCHEDULER_PX,
                LaneKind::Process => PROCESS_PX,
            };
            let mut height = bar_px + PAD_PX;
            if !row.collections.is_empty() {
                height += STRIP_PX + 1.0;
            }
            if mailbox.is_some() {
                height += MAILBOX_PX + 3.0;
            }
            self.places.push(Place {
                y,
                height,
                bar_px,
                mailbox,
            });
            y += height;
        }
        self.bottom = y + 2.0;
    }

    pub(super) fn picture(&self) -> String {
        let options = &self.chart.options;
        let width = options.width_px as f64;
        let height = self.bottom + 30.0 + self.notes.len() as f64 * NOTE_PX + 8.0;
        let mut svg = Svg::new(width, height, HATCHES);
        let centre = width / 2.0;
        svg.text(At { x: centre, y: 26.0 }, "title", &options.title);
        svg.text(At { x: centre, y: 46.0 }, "subtitle", &options.subtitle);
        let lines = legend::lines(&self.legend, width - 40.0);
        legend::draw(&mut svg, &lines, At { x: centre, y: 70.0 });
        self.lifetimes(&mut svg);
        self.grid(&mut svg);
        self.gaps(&mut svg, GapKind::Lost);
        self.rows(&mut svg);
        self.gaps(&mut svg, GapKind::NotRecorded);
        self.arrows(&mut svg);
        for (row, note) in self.notes.iter().enumerate() {
            let y = self.bottom + 36.0 + row as f64 * NOTE_PX;
            svg.text(At { x: 10.0, y }, "faint", note);
        }
        svg.finish()
    }

    fn x(&self, at_ns: i64) -> f64 {
        LEFT_PX + self.chart.columns.x(at_ns)
    }

    /// Where each process was there.
    fn lifetimes(&self, svg: &mut Svg) {
        let columns = &self.chart.columns;
        svg.open("fill=\"#f2f4f7\"");
        for (lane, place) in self.chart.lanes.iter().zip(&self.places) {
            let x = self.x(lane.began_ns.unwrap_or(columns.from_ns));
            let to = self.x(lane.ended_ns.unwrap_or(columns.to_ns));
            let rect = Rect {
                x,
                y: place.y,
                width: (to - x).max(0.0),
                height: place.height - 1.0,
            };
            svg.rect(rect, "", &[]);
        }
        svg.close();
    }

    fn grid(&self, svg: &mut Svg) {
        let (top, bottom) = (self.top, self.bottom);
        for tick in &self.axis.ticks {
            let x = px(self.x(tick.at_ns));
            let data = format!("M{x} {}V{}", px(top - 4.0), px(bottom + 4.0));
            svg.path(&data, "stroke=\"#d9dce1\"", &[]);
            for y in [top - 8.0, bottom + 15.0] {
                let at = At {
                    x: self.x(tick.at_ns),
                    y,
                };
                svg.text(at, "middle", &tick.label);
            }
        }
        let base = match &self.axis.base {
            Some(base) => format!("after {base}"),
            None => "since the start".to_owned(),
        };
        for y in [top - 8.0, bottom + 15.0] {
            let x = LEFT_PX - 36.0;
            svg.text(At { x, y }, "end faint", &base);
        }
    }

    /// Hatched in the band above the rows, where each can be seen, and over the rows.
    fn gaps(&self, svg: &mut Svg, kind: GapKind) {
        let hatch = match kind {
            GapKind::NotRecorded => "fill=\"url(#none)\"",
            GapKind::Lost => "fill=\"url(#lost)\" fill-opacity=\"0.6\"",
        };
        svg.open(hatch);
        for gap in self.chart.gaps.all().filter(|gap| gap.kind == kind) {
            let (x, to) = (self.x(gap.from_ns), self.x(gap.to_ns));
            let mut title = vec![
                match kind {
                    GapKind::NotRecorded => "nothing was recorded".to_owned(),
                    GapKind::Lost => "events were lost within".to_owned(),
                },
                format!(
                    "from {} to {}: {}",
                    exact(gap.from_ns),
                    exact(gap.to_ns),
                    duration(gap.to_ns.abs_diff(gap.from_ns))
                ),
            ];
            title.extend(gap.details.iter().cloned());
            let band = Rect {
                x,
                y: self.top,
                width: (to - x).max(2.0),
                height: BAND_PX - 1.0,
            };
            svg.rect(band, "class=\"gap-band\"", &title);
            let over = Rect {
                x,
                y: self.top + BAND_PX,
                width: to - x,
                height: self.bottom - self.top - BAND_PX,
            };
            svg.rect(over, "class=\"gap\"", &title);
        }
        svg.close();
    }

    fn rows(&self, svg: &mut Svg) {
        for (y, heading) in &self.headings {
            svg.text(At { x: 10.0, y: *y }, "faint", heading);
        }
        let rows = self.chart.lanes.iter().zip(&self.chart.rows);
        for ((lane, row), place) in rows.zip(&self.places) {
            self.name(svg, lane, row, place);
            self.bars(svg, row, place);
            self.mailbox(svg, place);
            self.marks(svg, row, place);
        }
    }

    fn name(&self, svg: &mut Svg, lane: &Lane, row: &Row, place: &Place) {
        let y = place.y + place.bar_px - 3.0;
        let mut title = vec![lane.name.clone()];
        title.extend(lane.details.iter().cloned());
        let text = fitted(&lane.name, LEFT_PX - 26.0);
        let at = At {
            x: LEFT_PX - 8.0,
            y,
        };
        svg.titled(at, "end", &text, &title);
        let whole_ns = self.chart.columns.span_ns() as u64;
        let (most, at_most) = match row.is_bound {
            true => ("≤", "at most "),
            false => ("", ""),
        };
        let share = format!("{most}{}", percent(row.running_ns, whole_ns));
        let running = vec![format!(
            "ran for {at_most}{} of {}",
            duration(row.running_ns),
            duration(whole_ns)
        )];
        let at = At {
            x: self.chart.options.width_px as f64 - 8.0,
            y,
        };
        svg.titled(at, "end faint", &share, &running);
    }
}

fn is_dense(chart: &Gantt) -> bool {
    let tracks = chart
        .rows
        .iter()
        .flat_map(|row| [&row.runs, &row.collections]);
    let shaded = tracks.map(|track| track.shaded(&chart.columns, &chart.gaps).0.len() as u64);
    shaded.sum::<u64>() > BARS_MAX
}

/// The signs that a chart has.
fn legend_of(chart: &Gantt) -> Vec<Item> {
    let mut present = [false; Class::ALL.len()];
    let mut is_shaded = false;
    for row in &chart.rows {
        for track in [&row.runs, &row.collections] {
            for bar in track.bars() {
                present[bar.class.number()] = true;
            }
            let (shaded, _) = track.shaded(&chart.columns, &chart.gaps);
            is_shaded |= !shaded.is_empty();
            for piece in shaded {
                for (has, of_class) in present.iter_mut().zip(piece.sums.of_class) {
                    *has |= of_class > 0;
                }
            }
        }
    }
    let bars = Class::ALL
        .into_iter()
        .filter(|class| present[class.number()]);
    let mut items: Vec<Item> = bars
        .map(|class| Item {
            sign: Sign::Bar(class),
            text: class.meaning().to_owned(),
        })
        .collect();
    if is_shaded {
        let columns = &chart.columns;
        let grain_ns = (columns.span_ns() * columns.bar_px / columns.width_px) as u64;
        items.push(Item {
            sign: Sign::Shades,
            text: format!(
                "several shorter than {}, merged: the darker, the busier; the hue of most of it",
                duration(grain_ns.max(1))
            ),
        });
    }
    items.extend(signs(chart));
    items
}

fn signs(chart: &Gantt) -> Vec<Item> {
    let mut items = Vec::new();
    let mut add = |is_there: bool, sign: Sign, text: &str| {
        if is_there {
            items.push(Item {
                sign,
                text: text.to_owned(),
            });
        }
    };
    let has = |kinds: &[super::MarkKind]| {
        let mut marks = chart.rows.iter().flat_map(|row| row.marks.all());
        marks.any(|mark| kinds.contains(&mark.kind))
    };
    let gap = |kind| chart.gaps.all().any(|gap| gap.kind == kind);
    let mailbox = chart.rows.iter().any(|row| {
        let most = row.mailbox.most(&chart.columns, &chart.gaps);
        most.is_some_and(|most| most.into_iter().flatten().any(|most| most >= MAILBOX_MIN))
    });
    use super::MarkKind::{Crash, Exit, Name, Spawn};
    let is_cut = |track: &super::row::Track| track.bars().iter().any(|bar| bar.cut.is_some());
    let cut = chart
        .rows
        .iter()
        .any(|row| is_cut(&row.runs) || is_cut(&row.collections));
    add(cut, bars::CUT, "not all of it was seen: at most so long");
    add(has(&[Spawn]), bars::SPAWN, "spawned");
    add(has(&[Exit]), bars::EXIT, "ended");
    add(has(&[Crash]), bars::CRASH, "ended abnormally");
    add(has(&[Name]), bars::NAME, "got or lost a name");
    add(
        mailbox,
        Sign::Fill(bars::MAILBOX),
        "messages in its mailbox",
    );
    let arrow = Sign::Path("M-5 3L4 -3", "stroke=\"#333\" marker-end=\"url(#head)\"");
    add(
        !chart.arrows.drawn().is_empty(),
        arrow,
        "message, from sent to taken",
    );
    add(
        gap(GapKind::NotRecorded),
        Sign::Fill("url(#none)"),
        "not recorded",
    );
    add(
        gap(GapKind::Lost),
        Sign::Fill("url(#lost)"),
        "events were lost here: not all is drawn",
    );
    items
}

/// The sentences at the foot.
fn notes(chart: &Gantt) -> Vec<String> {
    let mut notes = Vec::new();
    for (kind, whose) in [
        (LaneKind::Scheduler, "schedulers"),
        (LaneKind::Process, "these processes"),
    ] {
        if chart.lanes.iter().any(|lane| lane.kind == kind) {
            notes.push(told(whose, chart.account(kind)));
        }
    }
    let (all, drawn) = (chart.arrows.all(), chart.arrows.drawn().len() as u64);
    let across = chart.arrows.across();
    let too_many = all.saturating_sub(drawn + across);
    if too_many > 0 {
        notes.push(format!(
            "messages between these processes that are not drawn, since they are more than {}: {}; \
             choose fewer processes or less time",
            thousands(chart.options.arrows_max as u64),
            thousands(too_many)
        ));
    }
    if across > 0 {
        notes.push(format!(
            "messages that are not drawn, since not all is known of the time that they were under \
             way: {}",
            thousands(across)
        ));
    }
    notes.extend(chart.options.notes.iter().cloned());
    notes
}

fn told(whose: &str, account: Account) -> String {
    let all = account.drawn + account.merged + account.in_gaps + account.no_room;
    let mut text = format!(
        "{} on {whose}: {} drawn one by one, {} merged into shaded bars",
        counted(all, "run"),
        thousands(account.drawn),
        thousands(account.merged)
    );
    if whose != "schedulers" {
        text = text.replacen(" on ", " of ", 1);
    }
    for (count, why) in [
        (account.in_gaps, "not drawn, as they lie in gaps"),
        (
            account.no_room,
            "not drawn, as they overlap others or leave no room",
        ),
    ] {
        if count > 0 {
            text += &format!(", {} {why}", thousands(count));
        }
    }
    text
}
