//! How many messages lay in a mailbox, column by column.

use super::columns::Columns;
use super::gaps::Gaps;

/// The length of one mailbox: its most in each column.
#[derive(Debug)]
pub(super) struct Line {
    length: u64,
    /// Up to when `most` is told.
    told_ns: i64,
    /// Empty until there is a message.
    most: Vec<u64>,
}

impl Line {
    /// Of an empty mailbox.
    pub(super) fn new(columns: &Columns) -> Line {
        Line {
            length: 0,
            told_ns: columns.from_ns,
            most: Vec::new(),
        }
    }

    /// From a time on it is so long. In the order of time.
    pub(super) fn becomes(&mut self, at_ns: i64, length: u64, columns: &Columns) {
        self.lasts_until(at_ns, columns);
        self.length = length;
    }

    /// The length has been what it is until a time.
    pub(super) fn lasts_until(&mut self, to_ns: i64, columns: &Columns) {
        let to_ns = to_ns.min(columns.to_ns);
        if to_ns <= self.told_ns {
            return;
        }
        if self.length > 0 {
            self.most.resize(columns.number, 0);
            let within = columns.of(self.told_ns)..=columns.of(to_ns - 1);
            for most in self.most.get_mut(within).unwrap_or_default() {
                *most = self.length.max(*most);
            }
        }
        self.told_ns = to_ns;
    }

    /// How long it was is not known.
    pub(super) fn give_up(&mut self) {
        self.most = Vec::new();
    }

    /// The most in each column, once all messages were told; `None` if there were none
    /// within the picture. In a column with a gap nothing is known.
    pub(super) fn most(&self, columns: &Columns, gaps: &Gaps) -> Option<Vec<Option<u64>>> {
        if self.most.is_empty() {
            return None;
        }
        let is_known = |column: usize| {
            !gaps.is_between(columns.begins_ns(column), columns.begins_ns(column + 1))
        };
        let known = self.most.iter().enumerate();
        Some(
            known
                .map(|(column, most)| is_known(column).then_some(*most))
                .collect(),
        )
    }
}
