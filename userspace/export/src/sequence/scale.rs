//! How far down a time stands.
//!
//! Not to scale: between two things that happen is at least the room that they need,
//! and at most [`STEP_MAX_PX`], else in proportion to the time. Times between stand in
//! proportion between them. So order is kept, and idle time takes little room.

use super::Script;
use crate::gantt::Gap;

/// Room for a message and its label.
const LETTER_PX: f64 = 22.0;
/// Room for the end of an arrow.
const RECEIVE_PX: f64 = 7.0;
const NOTE_PX: f64 = 24.0;
const GAP_PX: f64 = 14.0;
/// The most between two things.
pub(super) const STEP_MAX_PX: f64 = 64.0;
/// Room at a usual distance in time.
const STEP_PX: f64 = 16.0;
/// A message that is taken so soon that less room would show it is drawn level.
const LEVEL_PX: f64 = 2.5;

/// From times to pixels below the first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Scale {
    /// Times in order, and where they stand.
    stands: Vec<(i64, f64)>,
    /// Steps that were cut short: where, and how much time they are.
    pub(super) pauses: Vec<(f64, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Stop {
    at_ns: i64,
    /// Pixels that it needs above it.
    above_px: f64,
}

impl Scale {
    pub(super) fn new(script: &Script) -> Scale {
        let mut stops = stops(script);
        stops.sort_by_key(|stop| stop.at_ns);
        let (Some(first), Some(last)) = (stops.first(), stops.last()) else {
            return Scale::default();
        };
        let span_ns = (last.at_ns as f64 - first.at_ns as f64).max(1.0);
        let px_per_ns = STEP_PX * stops.len() as f64 / span_ns;
        let mut scale = Scale::default();
        let mut y = 0.0;
        let mut before_ns = first.at_ns;
        for stop in &stops {
            let ns = stop.at_ns.abs_diff(before_ns);
            let step_px = (ns as f64 * px_per_ns).clamp(0.0, STEP_MAX_PX);
            if ns as f64 * px_per_ns > STEP_MAX_PX {
                scale.pauses.push((y + STEP_MAX_PX / 2.0, ns));
            }
            y += step_px.max(stop.above_px);
            scale.stands.push((stop.at_ns, y));
            before_ns = stop.at_ns;
        }
        scale
    }

    /// The first and the last time.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        Some((self.stands.first()?.0, self.stands.last()?.0))
    }

    pub(super) fn height_px(&self) -> f64 {
        self.stands.last().map_or(0.0, |(_, y)| *y)
    }

    /// Where a time stands, as far as it is in the picture. Of those that stand for
    /// several things at once, the last.
    pub(super) fn y(&self, at_ns: i64) -> f64 {
        let after = self.stands.partition_point(|(ns, _)| *ns <= at_ns);
        let before = after.checked_sub(1).and_then(|at| self.stands.get(at));
        match (before, self.stands.get(after)) {
            (Some((_, y)), None) => *y,
            (None, Some((_, y))) => *y,
            (None, None) => 0.0,
            (Some((from_ns, from_y)), Some((to_ns, to_y))) => {
                let share = at_ns.abs_diff(*from_ns) as f64 / to_ns.abs_diff(*from_ns) as f64;
                from_y + share * (to_y - from_y)
            }
        }
    }

    /// Where a message ends that is taken at a time: level with its beginning if less
    /// room would show how long it lay.
    pub(super) fn y_of_end(&self, sent_ns: i64, received_ns: i64) -> f64 {
        let (from, to) = (self.y(sent_ns), self.y(received_ns.max(sent_ns)));
        match to - from < LEVEL_PX {
            true => from,
            false => to,
        }
    }
}

fn stops(script: &Script) -> Vec<Stop> {
    let mut stops = Vec::new();
    for letter in &script.letters {
        stops.push(Stop {
            at_ns: letter.sent_ns,
            above_px: LETTER_PX,
        });
    }
    let sends: Vec<i64> = script.letters.iter().map(|letter| letter.sent_ns).collect();
    for letter in &script.letters {
        let Some(received_ns) = letter.received_ns else {
            continue;
        };
        // If nothing else is sent until then, it needs no room of its own.
        let next = sends.partition_point(|ns| *ns <= letter.sent_ns);
        let is_alone = sends.get(next).is_none_or(|ns| *ns > received_ns);
        stops.push(Stop {
            at_ns: received_ns.max(letter.sent_ns),
            above_px: if is_alone { 0.0 } else { RECEIVE_PX },
        });
    }
    for note in &script.notes {
        stops.push(Stop {
            at_ns: note.at_ns,
            above_px: NOTE_PX,
        });
    }
    let range = stops.iter().map(|stop| stop.at_ns);
    let (Some(first), Some(last)) = (range.clone().min(), range.max()) else {
        return stops;
    };
    let within = |gap: &&Gap| gap.from_ns < last && gap.to_ns > first;
    for gap in script.gaps.iter().filter(within) {
        for (at_ns, above_px) in [(gap.from_ns, 4.0), (gap.to_ns, GAP_PX)] {
            stops.push(Stop {
                at_ns: at_ns.clamp(first, last),
                above_px,
            });
        }
    }
    stops
}
