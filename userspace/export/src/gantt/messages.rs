//! Messages between rows, as long as they are few.

use super::Arrow;
use super::columns::Columns;
use super::gaps::Gaps;

/// The messages of a picture.
#[derive(Debug)]
pub(super) struct Arrows {
    drawn: Vec<(Arrow, Vec<String>)>,
    most: usize,
    /// Those that came, within the picture.
    all: u64,
    /// Of these, those that a gap lies between.
    across: u64,
}

impl Arrows {
    pub(super) fn new(most: usize) -> Arrows {
        Arrows {
            drawn: Vec::new(),
            most,
            all: 0,
            across: 0,
        }
    }

    pub(super) fn add(
        &mut self,
        arrow: Arrow,
        columns: &Columns,
        gaps: &Gaps,
        facts: impl FnOnce() -> Vec<String>,
    ) {
        let last_ns = arrow.received_ns.unwrap_or(arrow.sent_ns);
        if arrow.sent_ns >= columns.to_ns || last_ns < columns.from_ns {
            return;
        }
        self.all += 1;
        if gaps.is_closed(arrow.sent_ns) || gaps.is_between(arrow.sent_ns, last_ns) {
            self.across += 1;
            return;
        }
        if self.all <= self.most as u64 {
            self.drawn.push((arrow, facts()));
        } else {
            self.drawn = Vec::new();
        }
    }

    /// Those to draw: all or none.
    pub(super) fn drawn(&self) -> &[(Arrow, Vec<String>)] {
        &self.drawn
    }

    /// How many there are.
    pub(super) fn all(&self) -> u64 {
        self.all
    }

    /// How many of them a gap lies between.
    pub(super) fn across(&self) -> u64 {
        self.across
    }
}
