//! Where boxes stand: a column for each level, a row for each box without children, and what has
//! children in the middle of them.

use super::{DEPTH_MAX, DRAWN_MAX, Item};
use crate::svg::width_px;
use crate::text::drawn;

/// Longest and shortest box.
const WIDTH_MAX_PX: f64 = 330.0;
const WIDTH_MIN_PX: f64 = 60.0;
const PADDING_PX: f64 = 12.0;

/// A box in its place.
#[derive(Debug)]
pub(super) struct Place<'i> {
    pub(super) item: &'i Item,
    /// Which column.
    pub(super) level: usize,
    /// The middle, in rows.
    pub(super) row: f64,
    /// The box it hangs on, by its place in the list.
    pub(super) parent: Option<usize>,
}

/// All boxes, each behind the one it hangs on.
#[derive(Debug, Default)]
pub(super) struct Placed<'i> {
    pub(super) places: Vec<Place<'i>>,
    /// How wide the boxes of each column are.
    pub(super) widths_px: Vec<f64>,
    pub(super) rows: usize,
    /// How many are left out.
    pub(super) missing: usize,
}

pub(super) fn place(items: &[Item]) -> Placed<'_> {
    let mut placed = Placed::default();
    for item in items {
        placed.add(item, 0, None);
    }
    placed
}

impl<'i> Placed<'i> {
    /// Adds an item with what hangs on it; the row of its middle.
    fn add(&mut self, item: &'i Item, level: usize, parent: Option<usize>) -> Option<f64> {
        if self.places.len() >= DRAWN_MAX || level >= DEPTH_MAX {
            self.missing = self.missing.saturating_add(count(item, 0));
            return None;
        }
        let width = (width_px(&drawn(&item.label)) + PADDING_PX).clamp(WIDTH_MIN_PX, WIDTH_MAX_PX);
        match self.widths_px.get_mut(level) {
            Some(widest) => *widest = widest.max(width),
            None => self.widths_px.push(width),
        }
        let here = self.places.len();
        self.places.push(Place {
            item,
            level,
            row: 0.0,
            parent,
        });
        let mut ends: Option<(f64, f64)> = None;
        for child in &item.items {
            if let Some(row) = self.add(child, level + 1, Some(here)) {
                ends = Some((ends.map_or(row, |(first, _)| first), row));
            }
        }
        let row = match ends {
            Some((first, last)) => f64::midpoint(first, last),
            None => {
                self.rows += 1;
                self.rows as f64 - 0.5
            }
        };
        if let Some(place) = self.places.get_mut(here) {
            place.row = row;
        }
        Some(row)
    }
}

fn count(item: &Item, level: usize) -> usize {
    if level >= DEPTH_MAX {
        return 1;
    }
    let below = item.items.iter().map(|item| count(item, level + 1));
    below.fold(1, usize::saturating_add)
}
