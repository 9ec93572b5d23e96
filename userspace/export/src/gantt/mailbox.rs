//! How many messages lay in a mailbox, over time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::columns::Columns;
use super::gaps::Gaps;

/// Messages that may be under way to one receiver before counting is given up: 32 MiB.
const UNDER_WAY_MAX: usize = 1 << 22;

/// The length of one mailbox: its most in each column.
#[derive(Debug)]
pub(super) struct Mailbox {
    /// When those that lie there are taken out.
    leaves: BinaryHeap<Reverse<i64>>,
    length: u64,
    /// Up to when `most` is told.
    told_ns: i64,
    ended_ns: Option<i64>,
    /// Empty until there is a message.
    most: Vec<u64>,
    is_given_up: bool,
}

impl Mailbox {
    /// An empty one, of a process that ends then.
    pub(super) fn new(ended_ns: Option<i64>, columns: &Columns) -> Mailbox {
        Mailbox {
            leaves: BinaryHeap::new(),
            length: 0,
            told_ns: columns.from_ns,
            ended_ns,
            most: Vec::new(),
            is_given_up: false,
        }
    }

    /// A message comes. In the order of sending.
    pub(super) fn put(&mut self, sent_ns: i64, received_ns: Option<i64>, columns: &Columns) {
        if self.is_given_up {
            return;
        }
        self.advance(sent_ns, columns);
        if self.ended_ns.is_some_and(|ended_ns| ended_ns <= sent_ns) {
            return;
        }
        self.length += 1;
        // What is never taken out needs no place in the heap.
        self.leaves.extend(received_ns.map(Reverse));
        self.is_given_up = self.leaves.len() > UNDER_WAY_MAX;
        if self.is_given_up {
            self.leaves = BinaryHeap::new();
            self.most = Vec::new();
        }
    }

    /// The most in each column, once all messages were told; `None` if there were none
    /// within the picture. In a column with a gap nothing is known.
    pub(super) fn most(&self, columns: &Columns, gaps: &Gaps) -> Option<Vec<Option<u64>>> {
        let mut rest = Mailbox {
            leaves: self.leaves.clone(),
            most: self.most.clone(),
            ..*self
        };
        rest.advance(columns.to_ns, columns);
        if rest.most.is_empty() {
            return None;
        }
        let is_known = |column: usize| {
            !gaps.is_between(columns.begins_ns(column), columns.begins_ns(column + 1))
        };
        let known = rest.most.iter().enumerate();
        Some(
            known
                .map(|(column, most)| is_known(column).then_some(*most))
                .collect(),
        )
    }

    /// Tells what happened up to a time.
    fn advance(&mut self, to_ns: i64, columns: &Columns) {
        while let Some(&Reverse(at_ns)) = self.leaves.peek()
            && at_ns <= to_ns
        {
            self.lasts_until(at_ns, columns);
            self.leaves.pop();
            self.length = self.length.saturating_sub(1);
        }
        self.lasts_until(to_ns, columns);
    }

    /// The length has been what it is until a time, or until the process ended.
    fn lasts_until(&mut self, to_ns: i64, columns: &Columns) {
        if let Some(ended_ns) = self.ended_ns
            && ended_ns <= to_ns
        {
            self.fill(ended_ns, columns);
            self.length = 0;
            self.leaves.clear();
        }
        self.fill(to_ns, columns);
    }

    fn fill(&mut self, to_ns: i64, columns: &Columns) {
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
}
