//! Where nothing, or not everything, is known.

use super::columns::Columns;

/// Why nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapKind {
    /// Nothing was recorded: exactly this time.
    NotRecorded,
    /// Events were lost somewhere within. What was told of it holds, but there was more.
    Lost,
}

/// A time of which nothing, or not everything, is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// From when, nanoseconds since the recording's start.
    pub from_ns: i64,
    /// To when.
    pub to_ns: i64,
    /// Why.
    pub kind: GapKind,
    /// The same for the tooltip, a line each.
    pub details: Vec<String>,
}

/// The gaps of a picture in the order of time. Those of a kind neither overlap nor
/// touch.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    closed: Vec<Gap>,
    lossy: Vec<Gap>,
}

/// Lines of a tooltip that stands for several gaps.
const DETAILS_MAX: usize = 6;

impl Gaps {
    /// The gaps within a picture. Where there are more than columns, those that are
    /// nearer to each other than half a column become one.
    pub(super) fn new(gaps: Vec<Gap>, columns: &Columns) -> Gaps {
        let of = |kind| {
            let these = gaps.iter().filter(|gap| gap.kind == kind);
            let within = these.filter(|gap| {
                gap.from_ns < gap.to_ns
                    && gap.to_ns > columns.from_ns
                    && gap.from_ns < columns.to_ns
            });
            let mut within: Vec<Gap> = within
                .map(|gap| Gap {
                    from_ns: gap.from_ns.max(columns.from_ns),
                    to_ns: gap.to_ns.min(columns.to_ns),
                    ..gap.clone()
                })
                .collect();
            within.sort_by_key(|gap| gap.from_ns);
            let near_px = match within.len() > columns.number {
                true => columns.grain_px / 2.0,
                false => 0.0,
            };
            joined(within, |before, after| {
                after.from_ns <= before.to_ns || columns.wide(before.to_ns, after.from_ns) < near_px
            })
        };
        Gaps {
            closed: of(GapKind::NotRecorded),
            lossy: of(GapKind::Lost),
        }
    }

    /// All, those of one kind after the other.
    pub(super) fn all(&self) -> impl Iterator<Item = &Gap> {
        self.closed.iter().chain(&self.lossy)
    }

    /// Those that nothing is drawn in, in the order of time.
    pub(super) fn closed(&self) -> &[Gap] {
        &self.closed
    }

    /// Those within which events were lost, in the order of time.
    pub(super) fn lossy(&self) -> &[Gap] {
        &self.lossy
    }

    /// What is left of a span that began outside of the closed gaps or in one of them:
    /// it ends where the next one begins. `None` if it lies in one.
    pub(super) fn clip(&self, start_ns: i64, end_ns: i64) -> Option<(i64, i64)> {
        let mut start_ns = start_ns;
        let next = self.closed.partition_point(|gap| gap.to_ns <= start_ns);
        let mut later = self.closed.get(next..).unwrap_or_default().iter();
        let mut gap = later.next();
        if let Some(inside) = gap.filter(|gap| gap.from_ns <= start_ns) {
            if end_ns <= inside.to_ns {
                return None;
            }
            start_ns = inside.to_ns;
            gap = later.next();
        }
        let end_ns = gap.map_or(end_ns, |gap| end_ns.min(gap.from_ns));
        Some((start_ns, end_ns))
    }

    /// Whether an instant lies in a closed gap.
    pub(super) fn is_closed(&self, at_ns: i64) -> bool {
        let next = self.closed.partition_point(|gap| gap.to_ns <= at_ns);
        self.closed.get(next).is_some_and(|gap| gap.from_ns < at_ns)
    }

    /// Whether there is a gap of any kind between two times.
    pub(super) fn is_between(&self, start_ns: i64, end_ns: i64) -> bool {
        let touches = |gaps: &[Gap]| {
            let next = gaps.partition_point(|gap| gap.to_ns <= start_ns);
            gaps.get(next).is_some_and(|gap| gap.from_ns < end_ns)
        };
        touches(&self.closed) || touches(&self.lossy)
    }
}

/// Sorted gaps, with those that belong together as one.
fn joined(gaps: Vec<Gap>, together: impl Fn(&Gap, &Gap) -> bool) -> Vec<Gap> {
    let mut all: Vec<Gap> = Vec::new();
    for gap in gaps {
        match all.last_mut() {
            Some(last) if together(last, &gap) => {
                last.to_ns = last.to_ns.max(gap.to_ns);
                if last.details.len() + gap.details.len() <= DETAILS_MAX {
                    last.details.extend(gap.details);
                }
            }
            _ => all.push(gap),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{Columns, Gap, GapKind, Gaps};

    fn gap(from_ns: i64, to_ns: i64, kind: GapKind) -> Gap {
        Gap {
            from_ns,
            to_ns,
            kind,
            details: Vec::new(),
        }
    }

    #[test]
    fn spans_end_where_nothing_was_recorded() {
        let columns = Columns::new((0, 1000), 1000.0, &[1_000_000]);
        let all = vec![
            gap(300, 400, GapKind::NotRecorded),
            gap(100, 200, GapKind::NotRecorded),
            gap(190, 220, GapKind::NotRecorded),
            gap(500, 600, GapKind::Lost),
        ];
        let gaps = Gaps::new(all, &columns);
        assert_eq!(gaps.closed().len(), 2);
        assert_eq!(gaps.clip(0, 50), Some((0, 50)));
        assert_eq!(gaps.clip(0, 1000), Some((0, 100)));
        assert_eq!(gaps.clip(100, 220), None);
        assert_eq!(gaps.clip(150, 310), Some((220, 300)));
        assert_eq!(gaps.clip(450, 700), Some((450, 700)));
        assert!(gaps.is_between(450, 700) && gaps.is_between(0, 101));
        assert!(!gaps.is_between(220, 300) && !gaps.is_between(600, 999));
        assert!(gaps.is_closed(350) && !gaps.is_closed(550) && !gaps.is_closed(300));
    }

    #[test]
    fn no_number_of_gaps_makes_a_picture_of_any_size() {
        let columns = Columns::new((0, 1_000_000), 1000.0, &[1_000_000]);
        let many = (0..100_000).map(|n| gap(n * 10, n * 10 + 5, GapKind::NotRecorded));
        assert!(Gaps::new(many.collect(), &columns).closed().len() <= 2000);
    }
}
