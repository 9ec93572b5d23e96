//! One row: what is wide enough as bars, the rest as sums by column.

use escope_model::Cut;

use super::columns::Columns;
use super::gaps::Gaps;
use super::mailbox::Line;
use super::marks::{MarkKind, Marks};
use super::{Account, Facts, Span};
use crate::colours::{Class, level};

/// A span that has a bar of its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) class: Class,
    pub(super) cut: Option<Cut>,
    pub(super) facts: Facts,
}

/// Spans that are too short for that.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) spans: u64,
    pub(super) busy_ns: u64,
    pub(super) reductions: u64,
    /// How many of each class.
    pub(super) of_class: [u64; Class::ALL.len()],
    /// The time of each class.
    class_ns: [u64; Class::ALL.len()],
}

/// A bar that stands for all short spans of a time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shaded {
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    /// The class of most of its time.
    pub(super) class: Class,
    pub(super) level: u8,
    /// Of which it is the share.
    pub(super) free_ns: u64,
    pub(super) sums: Sums,
    /// Whether it fills the free part of its columns, and so may grow.
    is_whole: bool,
}

/// Spans of one sort, which do not overlap.
#[derive(Debug, Default)]
pub(super) struct Track {
    bars: Vec<Bar>,
    /// One a column; none until there is a short span.
    cells: Vec<Sums>,
    last_ns: Option<i64>,
    account: Account,
}

/// A row while the chart is told what happened.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) runs: Track,
    pub(super) collections: Track,
    pub(super) marks: Marks,
    pub(super) mailbox: Line,
    pub(super) running_ns: u64,
    /// Whether that is only the most that it can be, since some runs were not seen whole.
    pub(super) is_bound: bool,
}

impl Row {
    pub(super) fn new(columns: &Columns) -> Row {
        Row {
            runs: Track::default(),
            collections: Track::default(),
            marks: Marks::default(),
            mailbox: Line::new(columns),
            running_ns: 0,
            is_bound: false,
        }
    }

    pub(super) fn run(
        &mut self,
        span: Span,
        columns: &Columns,
        gaps: &Gaps,
        facts: impl FnOnce() -> Facts,
    ) {
        let class = span.left_as.map_or(Class::Unseen, Class::Left);
        let ran_ns = self.runs.add(span, class, columns, gaps, facts);
        self.running_ns += ran_ns;
        self.is_bound |= span.cut.is_some() && ran_ns > 0;
    }

    pub(super) fn collection(
        &mut self,
        span: Span,
        columns: &Columns,
        gaps: &Gaps,
        facts: impl FnOnce() -> Facts,
    ) {
        let class = Class::Collection;
        self.collections.add(span, class, columns, gaps, facts);
    }

    pub(super) fn mark(
        &mut self,
        at_ns: i64,
        kind: MarkKind,
        facts: Vec<String>,
        columns: &Columns,
        gaps: &Gaps,
    ) {
        if (columns.from_ns..columns.to_ns).contains(&at_ns) && !gaps.is_closed(at_ns) {
            self.marks.add(at_ns, kind, facts, columns);
        }
    }

    pub(super) fn account(&self, columns: &Columns, gaps: &Gaps) -> Account {
        self.runs.shaded(columns, gaps).1
    }
}

impl Track {
    /// Adds a span; how much of it is within the picture, nanoseconds.
    fn add(
        &mut self,
        span: Span,
        class: Class,
        columns: &Columns,
        gaps: &Gaps,
        facts: impl FnOnce() -> Facts,
    ) -> u64 {
        let (start_ns, end_ns) = (span.start_ns, span.end_ns.max(span.start_ns));
        let is_before = end_ns < columns.from_ns || end_ns == columns.from_ns && start_ns < end_ns;
        if is_before || start_ns >= columns.to_ns {
            self.account.outside += 1;
            return 0;
        }
        let start_ns = start_ns.max(columns.from_ns);
        let end_ns = end_ns.min(columns.to_ns);
        let free_ns = start_ns.max(self.last_ns.unwrap_or(start_ns));
        if end_ns < free_ns || end_ns == free_ns && start_ns < free_ns {
            self.account.no_room += 1;
            return 0;
        }
        let Some((start_ns, end_ns)) = gaps.clip(free_ns, end_ns) else {
            self.account.in_gaps += 1;
            return 0;
        };
        self.last_ns = Some(end_ns);
        if columns.wide(start_ns, end_ns) >= columns.bar_px {
            self.bars.push(Bar {
                start_ns,
                end_ns,
                class,
                cut: span.cut,
                facts: facts(),
            });
        } else {
            self.sum((start_ns, end_ns), &span, class, columns);
        }
        end_ns.abs_diff(start_ns)
    }

    fn sum(
        &mut self,
        (start_ns, end_ns): (i64, i64),
        span: &Span,
        class: Class,
        columns: &Columns,
    ) {
        self.cells.resize(columns.number, Sums::default());
        let first = columns.of(start_ns);
        let mut from_ns = start_ns;
        for (column, cell) in self.cells.iter_mut().enumerate().skip(first) {
            let next_ns = columns.begins_ns(column + 1).clamp(from_ns, end_ns);
            let part_ns = next_ns.abs_diff(from_ns);
            cell.busy_ns += part_ns;
            cell.class_ns[class.number()] += part_ns;
            from_ns = next_ns;
            if from_ns >= end_ns {
                break;
            }
        }
        if let Some(cell) = self.cells.get_mut(first) {
            cell.spans += 1;
            cell.of_class[class.number()] += 1;
            cell.reductions += u64::from(span.reductions.unwrap_or(0));
        }
    }

    pub(super) fn bars(&self) -> &[Bar] {
        &self.bars
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bars.is_empty() && self.cells.is_empty()
    }

    /// The shaded bars, in the order of time, in what the bars and gaps leave free; and
    /// what became of all spans.
    pub(super) fn shaded(&self, columns: &Columns, gaps: &Gaps) -> (Vec<Shaded>, Account) {
        let mut account = self.account;
        account.drawn = self.bars.len() as u64;
        let mut taken = self.taken(gaps);
        taken.reverse();
        let mut shaded: Vec<Shaded> = Vec::new();
        for (column, sums) in self.cells.iter().enumerate() {
            if sums.spans == 0 && sums.busy_ns == 0 {
                continue;
            }
            let (from_ns, to_ns) = (columns.begins_ns(column), columns.begins_ns(column + 1));
            let free = free(from_ns, to_ns, &mut taken);
            if free.is_empty() {
                account.no_room += sums.spans;
                continue;
            }
            account.merged += sums.spans;
            let free = without_losses(free, gaps);
            for piece in pieces(&free, *sums) {
                match shaded.last_mut() {
                    Some(last) if last.goes_on_in(&piece) => last.grow(&piece),
                    _ => shaded.push(piece),
                }
            }
        }
        (shaded, account)
    }

    /// Where nothing else may be drawn, in the order of time.
    fn taken(&self, gaps: &Gaps) -> Vec<(i64, i64)> {
        let bars = self.bars.iter().map(|bar| (bar.start_ns, bar.end_ns));
        let closed = gaps.closed().iter().map(|gap| (gap.from_ns, gap.to_ns));
        let mut taken: Vec<(i64, i64)> = bars.chain(closed).collect();
        taken.sort_unstable();
        taken
    }
}

/// What is free of a span of time. `taken` has its first at the end, and loses those that
/// end before the span does.
fn free(from_ns: i64, to_ns: i64, taken: &mut Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    let mut free = Vec::new();
    let mut at_ns = from_ns;
    while let Some(&(start_ns, end_ns)) = taken.last()
        && start_ns < to_ns
    {
        if at_ns < start_ns {
            free.push((at_ns, start_ns));
        }
        at_ns = at_ns.max(end_ns);
        if end_ns > to_ns {
            break;
        }
        taken.pop();
    }
    if at_ns < to_ns {
        free.push((at_ns, to_ns));
    }
    free
}

/// Where nothing was lost, of what is free in a column; all of it if there is no such part.
fn without_losses(free: Vec<(i64, i64)>, gaps: &Gaps) -> Vec<(i64, i64)> {
    let lossy = gaps.lossy();
    let mut sure = Vec::new();
    for &(from_ns, to_ns) in &free {
        let mut at_ns = from_ns;
        let next = lossy.partition_point(|gap| gap.to_ns <= from_ns);
        let later = lossy.get(next..).unwrap_or_default();
        for gap in later.iter().take_while(|gap| gap.from_ns < to_ns) {
            if at_ns < gap.from_ns {
                sure.push((at_ns, gap.from_ns));
            }
            at_ns = at_ns.max(gap.to_ns);
        }
        if at_ns < to_ns {
            sure.push((at_ns, to_ns));
        }
    }
    if sure.is_empty() { free } else { sure }
}

/// The free parts of one column, all with its sums.
fn pieces(free: &[(i64, i64)], sums: Sums) -> Vec<Shaded> {
    let free_ns = free.iter().map(|(from, to)| to.abs_diff(*from)).sum();
    let most = Class::ALL
        .into_iter()
        .max_by_key(|class| (sums.class_ns[class.number()], sums.of_class[class.number()]));
    let of = |&(start_ns, end_ns): &(i64, i64)| Shaded {
        start_ns,
        end_ns,
        class: most.unwrap_or(Class::Unseen),
        level: level(sums.busy_ns, free_ns),
        free_ns,
        sums,
        is_whole: free.len() == 1,
    };
    free.iter().map(of).collect()
}

impl Shaded {
    /// Whether a piece that follows looks the same.
    fn goes_on_in(&self, next: &Shaded) -> bool {
        self.is_whole
            && next.is_whole
            && self.end_ns == next.start_ns
            && (self.class, self.level) == (next.class, next.level)
    }

    fn grow(&mut self, next: &Shaded) {
        self.end_ns = next.end_ns;
        self.add(next);
    }

    /// Adds what another one stands for.
    pub(super) fn add(&mut self, next: &Shaded) {
        self.free_ns += next.free_ns;
        let (sums, more) = (&mut self.sums, &next.sums);
        sums.spans += more.spans;
        sums.busy_ns += more.busy_ns;
        sums.reductions += more.reductions;
        let of_class = sums.of_class.iter_mut().zip(more.of_class);
        let class_ns = sums.class_ns.iter_mut().zip(more.class_ns);
        of_class
            .chain(class_ns)
            .for_each(|(sum, more)| *sum += more);
    }
}
