//! Gantt charts: who ran when, one row a scheduler or process, as one SVG.
//!
//! The chart is told what happened in the order of time ([`Gantt::run`] and the
//! others) and keeps what a picture needs: a span that is at least as wide as the
//! picture's grain becomes a bar of its own, with exact figures in its tooltip; of
//! shorter ones only sums are kept, for each grain of width, and drawn as one shaded
//! bar. So memory and file are bounded by the size of the picture, whatever the number
//! of spans.
//!
//! Invariants: no two bars of a row overlap; nothing is drawn in a [`Gap`] of what was
//! not recorded, and nothing that lasts is drawn across any gap; each run is a bar,
//! part of a shaded bar, or counted as left out ([`Account`]).

mod columns;
mod gaps;
mod legend;
mod mailbox;
mod marks;
mod messages;
mod paint;
mod row;

use std::io::Write;

use escope_model::{Cut, Fate, LeftAs};

use escope_timeline::Mailboxes;

use crate::ExportError;
use columns::Columns;
use gaps::Gaps;
use messages::Arrows;
use row::Row;

pub use gaps::{Gap, GapKind};
pub use marks::MarkKind;

/// Pixels between which widths are allowed.
const WIDTH_PX: (usize, usize) = (600, 20_000);
/// What to draw, and from when to when.
#[derive(Debug, Clone, PartialEq)]
pub struct GanttOptions {
    /// The headline.
    pub title: String,
    /// The line below it: facts about the recording.
    pub subtitle: String,
    /// Sentences at the foot: what was left out before the chart was told, what was not
    /// recorded.
    pub notes: Vec<String>,
    /// From here, nanoseconds since the recording's start.
    pub from_ns: i64,
    /// To here; after `from_ns`.
    pub to_ns: i64,
    /// Width of the whole in pixels.
    pub width_px: usize,
    /// So many messages are drawn as arrows; if there are more, none.
    pub arrows_max: usize,
}

impl Default for GanttOptions {
    fn default() -> GanttOptions {
        GanttOptions {
            title: "Timeline".to_owned(),
            subtitle: String::new(),
            notes: Vec::new(),
            from_ns: 0,
            to_ns: 1,
            width_px: 1400,
            arrows_max: 200,
        }
    }
}

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneKind {
    /// A scheduler: its bars are runs of any process.
    Scheduler,
    /// A process: its bars are its runs, on any scheduler.
    Process,
}

/// A row. Rows are drawn in the order in which they are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// What it stands for.
    pub kind: LaneKind,
    /// What stands before it.
    pub name: String,
    /// What more is known, a line each, for the tooltip.
    pub details: Vec<String>,
    /// When it began, if that was seen.
    pub began_ns: Option<i64>,
    /// When it ended, if that was seen.
    pub ended_ns: Option<i64>,
    /// How many runs and collections it will be told at most, as far as that is known: the fewer
    /// all rows have, the finer the picture.
    pub spans: u64,
}

/// A run, nanoseconds since the recording's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// From when.
    pub start_ns: i64,
    /// To when.
    pub end_ns: i64,
    /// How it ended, if that was seen.
    pub left_as: Option<LeftAs>,
    /// Which ends were not seen.
    pub cut: Option<Cut>,
    /// What it used, if that was seen.
    pub reductions: Option<u32>,
}

/// What stands in a bar and in its tooltip.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// In the bar, where there is room.
    pub label: String,
    /// In the tooltip, a line each.
    pub lines: Vec<String>,
}

/// A message between two rows, nanoseconds since the recording's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrow {
    /// The sender's row.
    pub from: usize,
    /// The receiver's row.
    pub to: usize,
    /// When it was sent.
    pub sent_ns: i64,
    /// When it was taken out of the mailbox.
    pub received_ns: Option<i64>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of the runs that the chart was told, of each kind of row. The sum is
/// their number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Drawn as bars of their own.
    pub drawn: u64,
    /// Part of shaded bars.
    pub merged: u64,
    /// Not within the picture's time.
    pub outside: u64,
    /// Left out, because they lie in gaps.
    pub in_gaps: u64,
    /// Left out, because they overlap others of their row, or are too short to be drawn
    /// between two others.
    pub no_room: u64,
}

/// A chart while it is told what happened.
#[derive(Debug)]
pub struct Gantt {
    options: GanttOptions,
    columns: Columns,
    gaps: Gaps,
    lanes: Vec<Lane>,
    rows: Vec<Row>,
    arrows: Arrows,
    /// What lies in mailboxes, by row.
    mailboxes: Mailboxes<usize, i64>,
}

impl Gantt {
    /// An empty chart.
    #[must_use]
    pub fn new(mut options: GanttOptions, lanes: Vec<Lane>, gaps: Vec<Gap>) -> Gantt {
        options.width_px = options.width_px.clamp(WIDTH_PX.0, WIDTH_PX.1);
        options.to_ns = options.to_ns.max(options.from_ns.saturating_add(1));
        let width_px = paint::plot_width_px(options.width_px);
        let spans: Vec<u64> = lanes.iter().map(|lane| lane.spans.min(1 << 32)).collect();
        let columns = Columns::new((options.from_ns, options.to_ns), width_px, &spans);
        let gaps = Gaps::new(gaps, &columns);
        let rows = lanes.iter().map(|_| Row::new(&columns)).collect();
        Gantt {
            arrows: Arrows::new(options.arrows_max),
            mailboxes: Mailboxes::default(),
            options,
            columns,
            gaps,
            lanes,
            rows,
        }
    }

    /// A run of a row. Runs of a row come in the order of time. `facts` is only asked
    /// where the run gets a bar of its own.
    pub fn run(&mut self, lane: usize, span: Span, facts: impl FnOnce() -> Facts) {
        if let Some(row) = self.rows.get_mut(lane) {
            row.run(span, &self.columns, &self.gaps, facts);
        }
    }

    /// A garbage collection of a row, likewise.
    pub fn collection(&mut self, lane: usize, span: Span, facts: impl FnOnce() -> Facts) {
        if let Some(row) = self.rows.get_mut(lane) {
            row.collection(span, &self.columns, &self.gaps, facts);
        }
    }

    /// A message that got into a row's mailbox, and when it was taken out. In the order
    /// of sending.
    pub fn mail(&mut self, lane: usize, sent_ns: i64, received_ns: Option<i64>) {
        self.messages_leave(Some(sent_ns));
        let Some(of) = self.lanes.get(lane) else {
            return;
        };
        let is_ended = of.ended_ns.is_some_and(|ended_ns| ended_ns <= sent_ns);
        if is_ended || self.gaps.is_closed(sent_ns) {
            return;
        }
        let leaves_ns = received_ns.into_iter().chain(of.ended_ns).min();
        let change = self.mailboxes.put(lane, sent_ns, leaves_ns);
        if let Some((change, row)) = change.zip(self.rows.get_mut(lane)) {
            let mailbox = &mut row.mailbox;
            mailbox.becomes(change.at_ns, change.length, &self.columns);
        }
    }

    /// Messages are taken out of mailboxes until a time, or until there are none.
    fn messages_leave(&mut self, until_ns: Option<i64>) {
        while let Some(change) = self.mailboxes.leave(until_ns) {
            if let Some(row) = self.rows.get_mut(change.who) {
                let mailbox = &mut row.mailbox;
                mailbox.becomes(change.at_ns, change.length, &self.columns);
            }
        }
    }

    /// All messages were told.
    fn finish_mailboxes(&mut self) {
        self.messages_leave(None);
        for (lane, row) in self.rows.iter_mut().enumerate() {
            row.mailbox.lasts_until(self.columns.to_ns, &self.columns);
            if self.mailboxes.is_given_up(lane) {
                row.mailbox.give_up();
            }
        }
    }

    /// An instant of a row.
    pub fn mark(&mut self, lane: usize, at_ns: i64, kind: MarkKind, facts: Vec<String>) {
        if let Some(row) = self.rows.get_mut(lane) {
            row.mark(at_ns, kind, facts, &self.columns, &self.gaps);
        }
    }

    /// A message between two rows.
    pub fn arrow(&mut self, arrow: Arrow, facts: impl FnOnce() -> Vec<String>) {
        let rows = self.lanes.len();
        if arrow.from < rows && arrow.to < rows {
            self.arrows.add(arrow, &self.columns, &self.gaps, facts);
        }
    }

    /// What became of the runs of the rows of a kind.
    #[must_use]
    pub fn account(&self, kind: LaneKind) -> Account {
        let rows = self.lanes.iter().zip(&self.rows);
        let these = rows.filter(|(lane, _)| lane.kind == kind);
        these.fold(Account::default(), |sum, (_, row)| {
            sum.plus(row.account(&self.columns, &self.gaps))
        })
    }

    /// Draws it.
    ///
    /// # Errors
    /// [`ExportError::NoRuns`] when there is no row, else when `out` fails.
    pub fn write(&mut self, out: &mut impl Write) -> Result<(), ExportError> {
        if self.lanes.is_empty() {
            return Err(ExportError::NoRuns);
        }
        self.finish_mailboxes();
        out.write_all(paint::Paint::new(self).picture().as_bytes())?;
        Ok(out.flush()?)
    }
}

impl Account {
    fn plus(self, other: Account) -> Account {
        Account {
            drawn: self.drawn + other.drawn,
            merged: self.merged + other.merged,
            outside: self.outside + other.outside,
            in_gaps: self.in_gaps + other.in_gaps,
            no_room: self.no_room + other.no_room,
        }
    }
}

#[cfg(test)]
mod tests;
